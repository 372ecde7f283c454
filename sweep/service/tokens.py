"""Tokens: who may do what in which project. Only their hashes are stored.

A token is `swp_<id>_<secret>`. The secret has 256 random bits, so one SHA-256 of it is enough.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import (
    Column,
    Float,
    MetaData,
    Row,
    String,
    Table,
    and_,
    func,
    select,
)

from sweep.errors import UsageError, did_you_mean
from sweep.service.database import Database

Role = Literal["read", "submit", "admin", "metrics"]
ROLES: tuple[str, ...] = get_args(Role)
RANKS = {"read": 1, "submit": 2, "admin": 3}  # `metrics` reads no study
DAY_S = 86_400.0
DEFAULT_DAYS = 90
MOST_DAYS = 3650
USED_S = 60.0  # a token's last use is noted once in this time

TABLES = MetaData()
TOKENS = Table(
    "sweep_tokens",
    TABLES,
    Column("token_id", String(16), primary_key=True),
    Column("secret_hash", String(64), nullable=False),
    Column("user_name", String(100), nullable=False),
    Column("project", String(100), nullable=False),
    Column("role", String(10), nullable=False),
    Column("created", Float(53), nullable=False),  # seconds since 1970, as all times here
    Column("expires", Float(53), nullable=False),
    Column("used", Float(53)),
    Column("revoked", Float(53)),
)
_SHAPE = re.compile(r"swp_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")


@dataclass(frozen=True)
class Identity:
    """Who asks.

    Attributes:
        user: the name.
        project: the only one that the token opens.
        role: what the user may do there.
        token_id: of the token; "" without one (`--auth none`).
        expires: seconds since 1970.
    """

    user: str
    project: str
    role: str
    token_id: str = ""
    expires: float = float("inf")

    @property
    def caller(self) -> str:
        """Whose requests are counted together."""
        return self.token_id or self.user

    def may(self, role: str) -> bool:
        """Tell whether this user has a role, or one above it."""
        return RANKS.get(self.role, 0) >= RANKS[role]


class Tokens:
    """The tokens of a service, in its database; any number of threads and processes may use it."""

    def __init__(self, database: Database) -> None:
        """Take the service's database; makes the table where it is missing."""
        self._database = database
        TABLES.create_all(database.engine)

    def add(self, user: str, project: str, role: str, days: float = DEFAULT_DAYS) -> str:
        """Make a token and return it: it cannot be shown again.

        Raises:
            UsageError: the name, the role or the number of days will not do.
        """
        if not _USER.fullmatch(user):
            raise UsageError(
                f"user: must be letters, digits, '.', '_', '@' or '-', got {user!r}."
                " Name the user otherwise"
            )
        if role not in ROLES:
            raise UsageError(
                f"--role: must be one of {', '.join(ROLES)}, got {role}. "
                f"{did_you_mean(role, ROLES, listed=False) or 'Use read to look only'}"
            )
        if not 0 < days <= MOST_DAYS:
            raise UsageError(
                f"--days: must be from 1 to {MOST_DAYS}, got {days:g}. Leave it out for"
                f" {DEFAULT_DAYS}"
            )
        token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        now = time.time()
        row = {
            "token_id": token_id, "secret_hash": _hash(secret), "user_name": user,
            "project": project, "role": role, "created": now, "expires": now + days * DAY_S,
        }  # fmt: skip
        with self._database.writing() as connection:
            connection.execute(TOKENS.insert().values(**row))
        return f"swp_{token_id}_{secret}"

    def check(self, token: str) -> Identity | None:
        """Return whose token this is; None where it is unknown, expired or revoked."""
        found = _SHAPE.fullmatch(token)
        if not found:
            return None
        token_id, secret = found.groups()
        with self._database.reading() as connection:
            row = connection.execute(select(TOKENS).where(TOKENS.c.token_id == token_id)).first()
        known = row.secret_hash if row else _hash("")  # as long, whether the id exists or not
        now = time.time()
        right = hmac.compare_digest(known, _hash(secret))
        if row is None or not right or row.revoked is not None or row.expires <= now:
            return None
        if row.used is None or row.used < now - USED_S:
            self._note_use(token_id, now)
        return Identity(row.user_name, row.project, row.role, row.token_id, row.expires)

    def list(self) -> list[Row[tuple[object, ...]]]:
        """Return all tokens, oldest first; of their secrets there is nothing to return."""
        shown = [column for column in TOKENS.c if column.name != "secret_hash"]
        with self._database.reading() as connection:
            return list(connection.execute(select(*shown).order_by(TOKENS.c.created)))

    def count(self) -> int:
        """Return how many tokens are good now."""
        good = and_(TOKENS.c.revoked.is_(None), TOKENS.c.expires > time.time())
        with self._database.reading() as connection:
            query = select(func.count()).select_from(TOKENS).where(good)
            return connection.execute(query).scalar_one()

    def revoke(self, token: str) -> None:
        """Make a token, given whole or by its id, useless from now on.

        Raises:
            UsageError: there is none.
        """
        found = _SHAPE.fullmatch(token)
        token_id = found.group(1) if found else token.removeprefix("swp_").split("_")[0]
        chosen = TOKENS.update().where(TOKENS.c.token_id == token_id)
        now = func.coalesce(TOKENS.c.revoked, time.time())
        with self._database.writing() as connection:
            if not connection.execute(chosen.values(revoked=now)).rowcount:
                raise UsageError(
                    f"token: must be in the list, got {token_id[:12]}."
                    " See `sweep serve token list`"
                )

    def _note_use(self, token_id: str, now: float) -> None:
        chosen = TOKENS.update().where(TOKENS.c.token_id == token_id)
        with self._database.writing() as connection:
            connection.execute(chosen.values(used=now))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
