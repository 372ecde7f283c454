"""Errors as answers."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from sweep.service import problems


async def fail(_: Request) -> None:
    raise ZeroDivisionError("a secret")


def test_a_fault_of_the_service_is_a_problem_too() -> None:
    app = Starlette(routes=[Route("/", fail)])
    problems.install(app)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    with pytest.raises(ZeroDivisionError):  # for the log
        asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 500
    assert (b"content-type", b"application/problem+json") in sent[0]["headers"]
    assert b"fault of its own" in sent[1]["body"] and b"secret" not in sent[1]["body"]
