"""Tokens: made, checked, listed, revoked; on SQLite and on PostgreSQL."""

import time

import pytest
from sqlalchemy import select

from sweep.errors import UsageError
from sweep.service.database import Database
from sweep.service.tokens import TOKENS, Identity, Tokens


@pytest.fixture
def tokens(database: Database) -> Tokens:
    return Tokens(database)


def test_a_token_tells_whose_it_is(tokens: Tokens) -> None:
    token = tokens.add("alice", "vision", "submit")
    found = tokens.check(token)
    assert found is not None
    assert (found.user, found.project, found.role) == ("alice", "vision", "submit")
    assert found.expires == pytest.approx(time.time() + 90 * 86_400, abs=60)


def test_the_secret_is_stored_nowhere(tokens: Tokens, database: Database) -> None:
    token = tokens.add("alice", "vision", "submit")
    secret = token.split("_", 2)[2]
    with database.reading() as connection:
        (row,) = connection.execute(select(TOKENS)).all()
    assert secret not in repr(row) and len(secret) == 43
    assert secret not in repr(tokens.list())


@pytest.mark.parametrize(
    "wrong", ["", "swp_", "swp_x_y", "x", "{id}", "{id}_", "{id}_" + "A" * 43]
)
def test_what_is_no_token_opens_nothing(tokens: Tokens, wrong: str) -> None:
    token = tokens.add("alice", "vision", "admin")
    assert tokens.check(wrong.replace("{id}", token.rsplit("_", 1)[0][:16])) is None
    assert tokens.check(token + "A") is None
    assert tokens.check(token[:-1]) is None


def test_a_token_ends(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    token, now = tokens.add("alice", "vision", "read", days=2), time.time()
    monkeypatch.setattr("sweep.service.tokens.time.time", lambda: now + 2 * 86_400 - 60)
    assert tokens.check(token) and tokens.count() == 1
    monkeypatch.setattr("sweep.service.tokens.time.time", lambda: now + 2 * 86_400 + 60)
    assert tokens.check(token) is None and tokens.count() == 0


@pytest.mark.parametrize("whole", [True, False])
def test_a_revoked_token_opens_nothing_at_once(tokens: Tokens, whole: bool) -> None:
    token, other = (tokens.add("alice", "vision", "read") for _ in range(2))
    tokens.revoke(token if whole else token[:16])
    assert tokens.check(token) is None
    assert tokens.check(other) is not None
    tokens.revoke(token)  # again
    with pytest.raises(UsageError, match="must be in the list"):
        tokens.revoke("swp_000000000000")


def test_the_last_use_is_noted_now_and_then(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, now = tokens.add("alice", "vision", "read"), time.time()
    assert tokens.list()[0].used is None
    used = []
    for later_s in (0, 30, 70):
        monkeypatch.setattr(
            "sweep.service.tokens.time.time", lambda later_s=later_s: now + later_s
        )
        tokens.check(token)
        used.append(tokens.list()[0].used - now)
    assert used == pytest.approx([0, 0, 70], abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a b", "vision", "read"), "user: must be letters"),
        (("", "vision", "read"), "user: must be letters"),
        (("alice", "vision", "reed"), "Did you mean read"),
        (("alice", "vision", "read", 0), "--days: must be"),
        (("alice", "vision", "read", 1e9), "--days: must be"),
        (("alice", "vision", "read", float("nan")), "--days: must be"),
    ],
)
def test_what_will_not_do_is_refused(
    tokens: Tokens, arguments: tuple[object, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        tokens.add(*arguments)  # type: ignore[arg-type]


def test_roles_are_ranked_but_for_metrics() -> None:
    ranks = {
        role: [Identity("a", "p", role).may(one) for one in ("read", "submit", "admin")]
        for role in ("read", "submit", "admin", "metrics")
    }
    assert ranks == {
        "read": [True, False, False], "submit": [True, True, False], "admin": [True] * 3,
        "metrics": [False] * 3,
    }  # fmt: skip
