"""The shapes of answers, as the OpenAPI document names them. Times are seconds since 1970."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel

from sweep.service.job import Job, State
from sweep.service.tokens import Identity


class Links(BaseModel):
    """Where more about a study is."""

    study: str
    events: str
    trials: str
    config: str
    report: str
    log: str
    page: str

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the links of a study."""
        parts = ("events", "trials", "config", "report", "log")
        base = f"/v1/studies/{name}"
        more = {part: f"{base}/{part}" for part in parts}
        return cls(study=base, page=f"/studies/{name}", **more)


class Accepted(BaseModel):
    """A study in the queue."""

    name: str
    id: str
    state: State
    position: int | None
    links: Links


class StudyRow(BaseModel):
    """A study as a list shows it."""

    name: str
    id: str
    state: State
    stopping: bool
    owner: str
    n_trials: int
    timeout_s: float | None
    priority: int
    progress: dict[str, Any] | None
    attempts: int
    ending: str
    error: str
    message: str
    created: float
    queued: float
    begun: float | None
    ended: float | None
    links: Links

    @classmethod
    def of(cls, job: Job, **more: Any) -> Self:
        """Return what is shown of a study."""
        own = {name: getattr(job, name) for name in _OF_JOB}
        return cls(name=job.study_name, links=Links.of(job.study_name), **own, **more)


_OF_JOB = (
    "id", "state", "stopping", "owner", "n_trials", "timeout_s", "priority", "progress",
    "attempts", "ending", "error", "message", "created", "queued", "begun", "ended",
)  # fmt: skip


class StudyAnswer(StudyRow):
    """A study in full."""

    spec: dict[str, Any]
    position: int | None
    host: str
    best: float | None
    best_params: dict[str, Any] | None
    verdict: str | None
    trials: dict[str, int]
    eta_s: float | None


class StudyList(BaseModel):
    """Some studies, the newest first; `next` is the cursor of the page after this one."""

    items: list[StudyRow]
    next: str | None


class StateAnswer(BaseModel):
    """The state that a study is in now."""

    name: str
    state: State
    stopping: bool


class Changes(BaseModel):
    """What may change of a study: some of these keys; null changes nothing."""

    model_config = {"extra": "forbid", "strict": True}

    n_trials: int | None = None
    timeout_s: float | None = None
    selection: Literal["best", "1se"] | None = None
    priority: int | None = None


class TrialsPage(BaseModel):
    """Trials by number; `next` is the `after` of the page that follows."""

    items: list[dict[str, Any]]
    next: int | None


class Plan(BaseModel):
    """What a study comes to before it is trained."""

    spec: dict[str, Any]
    plan: dict[str, str]
    notes: list[str]


class Me(BaseModel):
    """Who asks, and what the service allows."""

    user: str
    project: str
    role: str
    expires: float | None
    modules: list[str]
    limits: dict[str, float]

    @classmethod
    def of(cls, identity: Identity, modules: list[str], limits: dict[str, float]) -> Self:
        """Return what a user may know of himself."""
        ends = identity.expires
        return cls(
            user=identity.user, project=identity.project, role=identity.role,
            expires=ends if ends < float("inf") else None, modules=modules, limits=limits,
        )  # fmt: skip


class Login(BaseModel):
    """A token, pasted into the start page."""

    model_config = {"extra": "forbid"}

    token: str


class Health(BaseModel):
    """Whether the service works; `failing` names each part that does not, and why."""

    status: Literal["ok", "failing"]
    failing: dict[str, str] = {}
