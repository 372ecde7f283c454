"""Requests made from the OpenAPI document: none fails the service, each answer is as it says.

Ten thousand of them: SWEEP_CASES=250 pytest -m slow tests/service/test_openapi_cases.py
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.core.failures import FailureGroup
    from schemathesis.specs.openapi import checks

from tests.support.served import Served, served

CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
CASES = {"post /validate": 0.1}  # share of the cases: each starts a process
TOO_SLOW = 504  # /validate gives up after a while, on a busy machine too: the document says so
STREAMS = "get /studies/{name}/events"
N_CASES = int(os.environ.get("SWEEP_CASES", "8"))  # of each route, valid and not


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    limits = {"requests_per_minute": 1_000_000, "queued": 100_000, "streams": 1_000}
    with served(tmp_path, limits=limits) as running:
        running.submit("one")
        yield running


def operations(server: Served) -> dict[str, Any]:
    schema = schemathesis.openapi.from_dict(server.get("/v1/openapi.json").json)
    found: Iterator[Any] = (one.ok() for one in schema.get_all_operations())  # type: ignore[union-attr]
    return {f"{one.method} {one.path}": one for one in found}


class Bearer(requests.auth.AuthBase):
    """Names the token in every request, also in one that is to have none: see test_auth."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Sender:
    """Sends cases and keeps what is wrong with their answers."""

    def __init__(self, server: Served) -> None:
        self.url = f"{server.origin}/v1"
        self.session = requests.Session()
        self.session.auth = Bearer(server.token("admin"))
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []

    def send(self, name: str, case: Any, is_real: bool) -> None:
        """Send a case; `is_real`: about a study that there is, where it is about one."""
        if is_real and name != STREAMS and "name" in (case.path_parameters or {}):
            case.path_parameters["name"] = "one"
        answer = case.call(base_url=self.url, session=self.session, timeout=60)
        self.answers[answer.status_code] += 1
        if answer.status_code >= 500 and answer.status_code != TOO_SLOW:
            self.failures.append(f"{name}: {answer.status_code} {case.as_curl_command()}")
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            wrong = " ".join(str(group.exceptions[0]).split())
            self.failures.append(f"{name}: {wrong}")

    def try_all(self, name: str, operation: Any, mode: GenerationMode, n: int) -> None:
        @settings(
            max_examples=n, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=[*HealthCheck],
        )  # fmt: skip
        @given(case=operation.as_strategy(mode), is_real=st.booleans())
        def check(case: Any, is_real: bool) -> None:
            self.send(name, case, is_real)

        with suppress(Unsatisfiable):  # every request of this route is as it should be
            check()


@pytest.mark.slow
def test_no_request_fails_the_service(server: Served) -> None:
    sender = Sender(server)
    # First the streams: that of a study which another request has queued would not end.
    for name, operation in sorted(operations(server).items(), key=lambda one: one[0] != STREAMS):
        for mode in GenerationMode:
            n = max(1, round(N_CASES * CASES.get(name, 1)))
            sender.try_all(name, operation, mode, n)
    print(f"{sender.answers.total()} cases: {dict(sorted(sender.answers.items()))}")
    assert sender.failures == []
    assert sender.answers.total() >= N_CASES * len(GenerationMode) * 18
