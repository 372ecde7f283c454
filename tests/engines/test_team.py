"""A team keeps its books right, whenever its members train, tell and fail.

Members are real servers on pipes that are never waited at: chance says how many epochs each trains
between two calls of the team. They train `Lives`, trials that end when their settings say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.engines import server
from sweep.engines.base import Cohort
from sweep.engines.messages import Answer, Made, Make, Message, Start, Train
from sweep.engines.team import Team
from sweep.spec.resolved import Setting
from sweep.training.messages import Measures, Report
from tests.support.settings import setting_of

N_REPLICATES = 3
NO_PRUNER = SimpleNamespace(type="none")
NOTHING = Measures(*[np.empty(0)] * 11)


class Lives:
    """A cohort whose trials live as many epochs as their strength says; some diverge then."""

    def __init__(self, width: int, memory: Iterable[bool] = ()):
        lanes = min(width, N_REPLICATES)
        self.n_slots = max(1, width // N_REPLICATES)
        self.width = self.n_slots * lanes
        self._memory = iter(memory)  # whether it suffices, epoch after epoch
        self._held: dict[Hashable, tuple[Setting, int]] = {}

    @property
    def free(self) -> int:
        return self.n_slots - len(self._held)

    @property
    def trials(self) -> list[Hashable]:
        return list(self._held)

    def start(self, trial: Hashable, setting: Setting) -> None:
        assert self.free and trial not in self._held
        self._held[trial] = setting, 0

    def stop(self, trial: Hashable) -> None:
        del self._held[trial]

    def launch(self) -> None: ...

    def advance(self) -> list[Report]:
        assert self._held, "nothing to train"
        if not next(self._memory, True):
            raise MemoryError("no room")
        reports = []
        for trial, (setting, done) in [*self._held.items()]:
            epoch = done + 1
            self._held[trial] = setting, epoch
            ends: dict[str, Any] = {}
            if epoch == setting["strength"]:
                ends = {"diverged": "nan"} if setting["lr"] < 0 else {"result": NOTHING}
                del self._held[trial]
            reports.append(Report(trial, epoch, setting["lr"] * epoch, **ends))
        return reports


class Pipe:
    """Both ends of a pipe; a server that would wait at its end finds it closed, and comes back."""

    def __init__(self) -> None:
        self.inbox: deque[Message] = deque()
        self.answers: deque[Answer] = deque()
        self.epochs = 0  # that may be trained before the server comes back

    def poll(self) -> bool:
        if not self.inbox:
            self.epochs -= 1
            if self.epochs < 0:
                raise EOFError
        return bool(self.inbox)

    def recv(self) -> Message:
        if not self.inbox:
            raise EOFError
        return self.inbox.popleft()

    def send(self, answer: Answer) -> None:
        self.answers.append(answer)


class Worker:
    """A member that trains when chance says so, and at the latest when it is waited for."""

    def __init__(self, chance: Random, is_pruned: bool):
        pruner = SimpleNamespace(type="median") if is_pruned else NO_PRUNER
        plan: Any = SimpleNamespace(spec=SimpleNamespace(search=SimpleNamespace(pruner=pruner)))
        self._pipe, self._chance = Pipe(), chance
        ours: Any = self._pipe
        self._server = server.Server(plan, ours)

    def send(self, message: Message) -> None:
        self._pipe.inbox.append(message)
        self.work()

    def receive(self) -> Answer:
        for _ in range(99):
            if self._pipe.answers:
                return self._pipe.answers.popleft()
            self.work()
        raise AssertionError("waits for ever")

    def work(self) -> None:
        self._pipe.epochs = self._chance.choice((0, 0, 1, 2, 9))
        if self._chance.random() < 0.8:
            self._server.serve()


class Trial(NamedTuple):
    """What is to be trained, and when its owner stops it."""

    life: int
    diverges: bool
    stop_at: int | None

    @property
    def setting(self) -> Setting:
        return setting_of(self.life, -1.0 if self.diverges else 1.0)


def trained(cohort: Cohort, trials: list[Trial], chance: Random) -> dict[Hashable, list[Report]]:
    """Train all as a run does; return what each was reported, checking every single call."""
    waiting, running = dict(enumerate(trials)), dict[Hashable, Trial]()
    told: dict[Hashable, list[Report]] = {key: [] for key in waiting}
    while waiting or running:
        while waiting and cohort.free and (not running or chance.random() < 0.8):
            key = next(iter(waiting))
            running[key] = waiting.pop(key)
            cohort.start(key, running[key].setting)
        assert cohort.free == cohort.n_slots - len(running) >= 0
        if chance.random() < 0.5:
            cohort.launch()
        reports = cohort.advance()
        keys = [report.trial for report in reports]
        order = list(running)
        assert keys == sorted(set(keys), key=order.index)  # so once each, and of none but these
        for report in reports:
            told[report.trial].append(report)
            is_stopped = report.epoch == running[report.trial].stop_at
            if is_stopped and not report.ended:
                cohort.stop(report.trial)
            if is_stopped or report.ended:
                del running[report.trial]
        assert cohort.free == cohort.n_slots - len(running)
    return told


lives = st.builds(
    Trial, st.integers(1, 9), st.booleans(), st.none() | st.integers(1, 9)
)  # fmt: skip
a_team = {
    "trials": st.lists(lives, max_size=12),
    "n_members": st.integers(1, 4),
    "width": st.integers(1, 30),
    "chance": st.integers(0, 1 << 30).map(Random),
    "is_pruned": st.booleans(),
    "patience": st.sampled_from([-1.0, server.REPORT_S, float("inf")]),
}


@given(**a_team)
@settings(deadline=None, max_examples=60)
def test_every_trial_is_reported_as_by_one_cohort(
    trials: list[Trial], n_members: int, width: int, chance: Random, is_pruned: bool,
    patience: float,
) -> None:  # fmt: skip
    expected = trained(Lives(width), trials, chance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "REPORT_S", patience)
        patch.setattr(server, "make_cohort", lambda _, width, partition: Lives(width))
        workers = [Worker(chance, is_pruned) for _ in range(n_members)]
        team = Team(workers, N_REPLICATES, width)
        assert trained(team, trials, chance) == expected


@given(**a_team, memory=st.lists(st.sampled_from([True, True, False]), max_size=12))
@settings(deadline=None, max_examples=60)
def test_after_any_failure_another_team_of_the_same_members_trains_as_if_nothing_had_been(
    trials: list[Trial], n_members: int, width: int, chance: Random, is_pruned: bool,
    patience: float, memory: list[bool],
) -> None:  # fmt: skip
    expected, left = trained(Lives(width), trials, chance), iter(memory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "REPORT_S", patience)
        patch.setattr(server, "make_cohort", lambda _, width, partition: Lives(width, left))
        workers = [Worker(chance, is_pruned) for _ in range(n_members)]
        for _ in range(len(memory) + 1):
            team = Team(workers, N_REPLICATES, width)
            try:
                told = trained(team, trials, chance)
            except MemoryError as error:
                assert str(error) == "no room"
            else:
                break
        assert told == expected


@given(
    n_members=st.integers(1, 6),
    width=st.integers(1, 60),
    chance=st.integers(0, 1 << 30).map(Random),
)
@settings(deadline=None)
def test_a_team_has_the_lanes_that_were_wanted_in_equal_parts(
    n_members: int, width: int, chance: Random
) -> None:
    made: list[Lives] = []

    def make(_: Any, width: int, partition: int) -> Lives:
        made.append(Lives(width))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "make_cohort", make)
        team = Team([Worker(chance, False) for _ in range(n_members)], N_REPLICATES, width)
    assert len(made) == n_members and len({one.width for one in made}) == 1
    assert team.width == sum(one.width for one in made)
    assert team.n_slots == team.free == sum(one.n_slots for one in made)
    if width >= N_REPLICATES:  # whole trials
        assert team.width % N_REPLICATES == 0 and team.n_slots >= width // N_REPLICATES
        assert team.n_slots - width // N_REPLICATES < n_members
    else:  # one trial each, in rounds
        assert team.n_slots == n_members and width <= team.width < width + n_members


@given(
    n_members=st.integers(1, 4),
    chance=st.integers(0, 1 << 30).map(Random),
    n_trials=st.integers(1, 12),
)
@settings(deadline=None)
def test_trials_are_spread_evenly(n_members: int, chance: Random, n_trials: int) -> None:
    made: list[Lives] = []

    def make(_: Any, width: int, partition: int) -> Lives:
        made.append(Lives(width))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "make_cohort", make)
        workers = [Worker(chance, False) for _ in range(n_members)]
        team = Team(workers, N_REPLICATES, N_REPLICATES * 12)
        for trial in range(n_trials):
            team.start(trial, setting_of(99, 1.0))
        for _ in range(20):
            for worker in workers:
                worker.work()
    held = [len(one.trials) for one in made]
    assert sum(held) == n_trials and max(held) - min(held) <= 1


def heard(*messages: Message, epochs: int) -> list[Any]:
    """Have a server train so many epochs at most upon each message; return what it tells."""
    pipe: Any = Pipe()
    plan: Any = SimpleNamespace(spec=SimpleNamespace(search=SimpleNamespace(pruner=NO_PRUNER)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "REPORT_S", float("inf"))
        patch.setattr(server, "make_cohort", lambda _, width, partition: Lives(width))
        serving = server.Server(plan, pipe)
        for message in messages:
            pipe.inbox.append(message)
            pipe.epochs = epochs
            serving.serve()
    return [answer.content for answer in pipe.answers if not isinstance(answer.content, Made)]


def test_a_worker_rests_when_a_trial_of_its_has_ended() -> None:
    short, long = Start("short", setting_of(2, 1.0)), Start("long", setting_of(9, 1.0))
    (told,) = heard(Make(1, 6, 0), short, long, Train(), epochs=3)
    assert [[report.trial for report in epoch] for epoch in told] == [["short", "long"]] * 2


def test_what_was_not_told_before_a_cohort_is_made_anew_is_never_told() -> None:
    start = Start("a", setting_of(4, 1.0))
    (told,) = heard(
        Make(1, 6, 0), start, Train(), Make(2, 6, 0), start, Train(), Train(), epochs=3
    )
    assert [report.epoch for epoch in told for report in epoch] == [1, 2, 3, 4]
