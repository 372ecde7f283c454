"""Cohorts of equal width, one in each actor, that look like one cohort while actors come and go.

A trial that is lost with its actor is trained again in another, under its own key. What it told
before is swallowed the second time, so whoever owns the trial never learns of the loss. All
cohorts have the same number of lanes, so that a trial gives the same bits in any of them.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable

from sweep.engines.crew import SLICE_S, Crew
from sweep.engines.messages import Made, Message, Start, Stop
from sweep.engines.roster import Roster
from sweep.errors import SweepError
from sweep.runtime import impatient
from sweep.spec.resolved import Setting
from sweep.training.messages import Report

HEAR_S = 1.0  # after which `advance` comes back without a report, so that a run can be stopped
LISTEN_S = 0.02  # between two looks at answers while there is something else to tell
REPORT_S = 0.2  # how long a report may wait for others, where no pruner waits for it
FAILED_IN_A_ROW = 3  # trials given up, none ending between, after which it is not the trials


class RayTeam:
    """Cohorts in all ready members of a crew; keeps the protocol of a `Cohort`.

    `width` is that of each cohort: it stays as it is while members come and go.

    Args:
        crew: the actors; an earlier team of them must not be used any more.
        width: lanes wanted in each actor.
        partition: of the rows into folds; see `Engine.cohort`.
        patience_s: how long a member may train before it tells.
        max_lost: actors that a trial may lose.

    Raises:
        Exception: the reason why a member could not make its cohort.
    """

    def __init__(
        self, crew: Crew, width: int, partition: int, patience_s: float, max_lost: int
    ):  # fmt: skip
        self._crew, self._order = crew, (width, partition)
        self._patience_s, self._max_lost = patience_s, max_lost
        self._roster = Roster()
        self._settings: dict[Hashable, Setting] = {}
        self._made: dict[int, Made | None] = {}  # by member; None: not answered yet
        self._flying: set[int] = set()  # members that train
        self._calls: defaultdict[int, list[Message]] = defaultdict(list)  # for their next step
        self._told: dict[Hashable, int] = {}  # the last epoch of each trial that was returned
        self._losses: Counter[Hashable] = Counter()  # actors lost by each trial
        self._shunned: defaultdict[Hashable, set[str]] = defaultdict(set)  # hosts it was lost on
        self._given_up: list[Report] = []
        self._n_given_up = 0  # since a trial ended
        self._error: Exception | None = None
        self._listened = time.monotonic()
        with impatient():
            while not (made := [one for one in self._made.values() if one]):
                self._listen(SLICE_S)
                self._raise()
        self.width: int = made[0].width
        self._slots_each: int = made[0].n_slots

    @property
    def n_slots(self) -> int:
        """Slots of all members, or of one while there is none: it is waited for."""
        return self._slots_each * max(1, sum(one is not None for one in self._made.values()))

    @property
    def free(self) -> int:
        """Free slots, in all members together."""
        return max(0, self.n_slots - self._roster.n_trials)

    def start(self, trial: Hashable, setting: Setting) -> None:
        """Note a trial, which gets a member at the next launch."""
        self._settings[trial] = setting
        self._roster.place(trial, None)

    def stop(self, trial: Hashable) -> None:
        """Take a trial out of its slot."""
        member = self._roster.remove(trial)
        if member is not None:
            self._calls[member].append(Stop(trial))
        self._forget(trial)

    def launch(self) -> None:
        """Give members to trials without one, and have all that have trials train."""
        if time.monotonic() - self._listened > LISTEN_S:
            self._listen(0)
        self._raise()
        self._place()
        for member in self._roster.busy:
            # What it told last has an end in it, which frees a slot as soon as it is taken.
            if member not in self._flying and not self._roster.has_told(member):
                self._step(member)

    def advance(self) -> list[Report]:
        """Return the next epoch of those who told one, or nothing after a second of silence."""
        until = time.monotonic() + HEAR_S
        self.launch()
        while not (reports := self._reports()) and time.monotonic() < until:
            self.launch()  # those too who had only told what nobody asks for any more
            if not any(map(self._roster.has_told, self._roster.busy)):
                assert self._flying or self._roster.homeless, "nobody trains, and no trial waits"
                self._listen(min(SLICE_S, HEAR_S))
        return reports

    # --- members

    def _listen(self, timeout_s: float) -> None:
        """Hear of members, and take up those that have become ready."""
        heard = self._crew.listen(timeout_s)
        self._listened = time.monotonic()
        for member, content in heard:
            if member in self._flying:
                self._hear(member, *content)
            elif isinstance(content, Made):
                self._made[member] = content
            elif isinstance(content, Exception):
                self._error = content
        for member in self._made.keys() - self._crew.members.keys():
            self._lose(member)
        for member in self._crew.ready:
            if member not in self._made:
                self._made[member] = None
                self._crew.ask(member, "make", *self._order)

    def _hear(self, member: int, epochs: list[list[Report]], error: Exception | None) -> None:
        self._flying.remove(member)
        self._roster.tell(member, epochs)
        self._error = self._error or error
        if epochs and any(report.ended for report in epochs[-1]):
            self._crew.praise(member)
        elif not error and self._roster.held(member):
            self._step(member)  # its free slots, if any, are filled at its next rest

    def _step(self, member: int) -> None:
        self._flying.add(member)
        self._crew.ask(member, "step", self._calls.pop(member, []), self._patience_s)

    def _raise(self) -> None:
        if self._error:
            raise self._error

    def _lose(self, member: int) -> None:
        """Take the trials of a lost member back; give up those that have lost too many."""
        del self._made[member]
        self._flying.discard(member)
        self._calls.pop(member, None)
        trials = self._roster.forget(member)
        for trial in trials:
            self._losses[trial] += 1
            self._shunned[trial].add(self._crew.gone[member].host)
            if self._losses[trial] >= self._max_lost:
                self._give_up(trial)
        if len(trials) != 1 or self._losses[trials[0]] == 1:  # else it is the trial's fault
            self._crew.blame(member)

    def _give_up(self, trial: Hashable) -> None:
        n, why = self._losses[trial], self._crew.why
        reason = f"{n} actor{'s' * (n > 1)} lost while it was trained; of the last one {why}"
        self._given_up.append(Report(trial, self._told.get(trial, 0), None, failed=reason))
        self._n_given_up += 1
        if self._n_given_up >= FAILED_IN_A_ROW:
            self._error = SweepError(
                f"engine.max_lost: trials must end, got {self._n_given_up} in a row that lost"
                f" {n} actors each; of the last one {why}. Mend what ends them, and run again to"
                " resume"
            )

    # --- trials

    def _place(self) -> None:
        """Give members to trials without one.

        A trial that would fail with its next loss trains alone: if others ended its actors, it
        goes on, and if it does so itself, no other suffers.
        """
        open_to = {
            member: made.n_slots - len(self._roster.held(member))
            for member, made in self._made.items()
            if made and not any(map(self._is_suspect, self._roster.held(member)))
        }
        given_up = {report.trial for report in self._given_up}
        for trial in filter(lambda trial: trial not in given_up, self._roster.homeless):
            alone = self._is_suspect(trial)
            members = [member for member, free in open_to.items() if free > 0]
            if not members:
                return
            member = self._best(trial, members)
            if alone:
                del open_to[member]  # kept free of others until it is empty
                if self._roster.held(member):
                    continue
            else:
                open_to[member] -= 1
            self._roster.place(trial, member)
            self._calls[member].append(Start(trial, self._settings[trial]))

    def _best(self, trial: Hashable, members: Iterable[int]) -> int:
        """Choose among members: on a host where the trial was not lost before, if there is one."""
        fresh = [one for one in members if self._crew.host(one) not in self._shunned[trial]]
        return self._roster.fewest(fresh or members)

    def _is_suspect(self, trial: Hashable) -> bool:
        return self._losses[trial] >= max(1, self._max_lost - 1)

    def _reports(self) -> list[Report]:
        """Take an epoch of each member that has told one: what was told before is swallowed."""
        reports: list[Report] = []
        while not reports:
            taken = [*map(self._roster.take, self._roster.busy)]
            if self._given_up:
                taken.append(self._given_up)
                self._given_up = []
            if all(epoch is None for epoch in taken):
                break
            told = (report for epoch in taken for report in epoch or ())
            reports = self._roster.settle(report for report in told if self._is_news(report))
        for report in reports:
            self._note(report)
        return reports

    def _is_news(self, report: Report) -> bool:
        return report.ended or report.epoch > self._told.get(report.trial, 0)

    def _note(self, report: Report) -> None:
        self._told[report.trial] = report.epoch
        if report.ended:
            self._forget(report.trial)
            if report.failed is None:
                self._n_given_up = 0

    def _forget(self, trial: Hashable) -> None:
        self._settings.pop(trial)
        self._told.pop(trial, None)
        self._losses.pop(trial, None)
        self._shunned.pop(trial, None)
