"""Who asks: a token in the header, or in the cookie of a browser; and whether he may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from sweep.service.guards import SAFE
from sweep.service.problems import Problem
from sweep.service.rates import Rates
from sweep.service.serve_config import LOOPBACK
from sweep.service.tokens import Identity, Tokens

BEARER = HTTPBearer(auto_error=False, description="A token of `sweep serve token add`.")
UNKNOWN = "token: must be given as `Authorization: Bearer swp_…`, got {}. Ask who runs the service"


class Door:
    """Lets users in, by their tokens; or everyone, as the admin of one project.

    Args:
        tokens: of the service.
        rates: of each token.
        origin: of the service, which a browser's own requests name.
        everyone: who asks where no tokens are asked for (`--auth none`); else None.
    """

    def __init__(
        self, tokens: Tokens, rates: Rates, origin: str, everyone: Identity | None
    ) -> None:
        self.tokens, self.rates, self.everyone = tokens, rates, everyone
        local = urlsplit(origin).hostname in LOOPBACK
        self.secure = not (local and origin.startswith("http:"))
        self.cookie = "__Host-sweep" if self.secure else "sweep"

    def identify(self, request: HTTPConnection) -> Identity:
        """Return who asks; raises Problem 401 where that is unknown.

        A browser sends its cookie with any site's requests; so one that changes something must
        name its origin too, which the guard has compared.
        """
        if self.everyone is not None:
            return self.everyone
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        by_cookie = not scheme
        if by_cookie:
            token = request.cookies.get(self.cookie, "")
            if token and request.scope["method"] not in SAFE and "origin" not in request.headers:
                raise Problem(403, "Origin: must be given with a cookie, got none")
        elif scheme.lower() != "bearer":
            token = ""
        identity = self.tokens.check(token.strip()) if token else None
        if identity is None:
            got = "one that is unknown, expired or revoked" if token else "none"
            raise Problem(401, UNKNOWN.format(got), {"WWW-Authenticate": 'Bearer realm="sweep"'})
        return identity

    def let_in(self, request: Request, role: str) -> Identity:
        """Return who asks, counted once a request; raises Problem 401, 403 or 429."""
        state = request.scope.setdefault("state", {})
        if "identity" not in state:
            state["identity"] = self.identify(request)
            self.rates.take(state["identity"].caller)
        identity: Identity = state["identity"]
        if not identity.may(role):
            line = f"role: must be {role} for this, got {identity.role}. Ask for another token"
            raise Problem(403, line)
        return identity

    def remember(self, response: Response, token: str, identity: Identity, now: float) -> None:
        """Give a browser its cookie, for as long as the token lasts."""
        age = int(max(0.0, identity.expires - now))
        response.set_cookie(
            self.cookie, token, max_age=age, path="/", secure=self.secure, httponly=True,
            samesite="strict",
        )  # fmt: skip

    def forget(self, response: Response) -> None:
        """Take a browser's cookie away."""
        response.delete_cookie(
            self.cookie, path="/", secure=self.secure, httponly=True, samesite="strict"
        )


@dataclass(frozen=True)
class Needs:
    """The dependency of a route that only users of a role may ask.

    Attributes:
        role: `read` or `submit`.
    """

    role: str

    def __call__(self, request: Request, _: Annotated[object, Depends(BEARER)]) -> Identity:
        """Return who asks; raises Problem 401, 403 or 429."""
        door: Door = request.app.state.service.door
        return door.let_in(request, self.role)


Reader = Annotated[Identity, Depends(Needs("read"))]
Submitter = Annotated[Identity, Depends(Needs("submit"))]
