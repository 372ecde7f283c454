"""A study on a service: follow it, take what came of it, stop it, have it go on."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from sweep.errors import SweepError
from sweep.files import write_whole
from sweep.service.connection import Connection, GoneError, LostError

if TYPE_CHECKING:
    import pandas as pd

    from sweep.config.training_loop import Config

ENDED = ("done", "failed", "cancelled")
AWAY_S = 600.0  # how long one who watches waits for a service that is away
PAUSE_S = 1.0  # before a lost stream is asked for again
POLL_S = 3.0  # between two looks at the state
COLUMNS = ("number", "state", "value", "value_se")


@dataclass(frozen=True)
class Happened:
    """An event of a study.

    Attributes:
        id: counts up; `RemoteStudy.events` goes on after it.
        kind: state, progress, trial, log or end.
        data: what it says.
    """

    id: int
    kind: str
    data: dict[str, Any]


class RemoteStudy:
    """A study on a service; every call asks it anew.

    Any call raises UsageError where there is no such study, and SweepError where the service
    fails or does not answer.

    Attributes:
        name: of the study.
    """

    def __init__(self, name: str, way: Connection) -> None:
        self.name, self._way = name, way
        self._path = f"/v1/studies/{quote(name, safe='')}"

    def __repr__(self) -> str:
        """Name the study."""
        return f"RemoteStudy({self.name!r})"

    def status(self) -> dict[str, Any]:
        """Tell everything about it: state, progress, best, verdict, error."""
        told: dict[str, Any] = self._way.ask("GET", self._path).json
        return told

    @property
    def state(self) -> str:
        """Its state: queued, starting, running, waiting, done, failed or cancelled."""
        return str(self.status()["state"])

    def wait(self, timeout_s: float | None = None) -> dict[str, Any]:
        """Wait until it has ended, in whatever way, and return its status.

        Raises:
            SweepError: it has not ended after `timeout_s`.
        """
        ends = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        while (told := self.status())["state"] not in ENDED:
            left_s = ends - time.monotonic()
            if left_s <= 0:
                raise SweepError(
                    f"study: must end within {timeout_s:g} s, got {told['state']} ({self.name})."
                    " Wait again"
                )
            time.sleep(min(POLL_S, left_s))
        return told

    def events(self, after: int = 0) -> Iterator[Happened]:
        """Give what happens to it as it happens, until it has ended.

        A lost connection is made anew: nothing is left out, nothing comes twice. Where the
        service has deleted events since, they go on with the oldest that it has.

        Args:
            after: begin after this event; 0: with the first.
        """
        lost_at: float | None = None
        while True:
            try:
                for event in self._stream(after):
                    lost_at = None
                    if event is not None:
                        after = event.id
                        yield event
                    if (event is None or event.kind == "end") and self._is_over(event):
                        return
            except GoneError:
                after = 0
            except LostError as error:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() > lost_at + AWAY_S:
                    raise
                time.sleep(max(PAUSE_S, error.pause_s))
            else:  # the service has closed it, perhaps to start anew
                time.sleep(PAUSE_S)

    def _is_over(self, last: Happened | None) -> bool:
        """Tell whether nothing follows; an end from before it was resumed is none."""
        told = self.status()
        is_old = last is not None and last.data.get("time", told["queued"]) < told["queued"]
        return told["state"] in ENDED and not is_old

    def _stream(self, after: int) -> Iterator[Happened | None]:
        """Give the events of one connection; None for a sign of life."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        fields: dict[str, str] = {}
        for line in self._way.lines(f"{self._path}/events", headers):
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
            elif line:
                yield None
            else:
                if "id" in fields and "data" in fields:
                    data = json.loads(fields["data"])
                    yield Happened(int(fields["id"]), fields.get("event", ""), data)
                fields = {}

    @property
    def trials(self) -> pd.DataFrame:
        """One row a trial, as `StudyResult.trials` has them."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        after: int | None = -1
        while after is not None:
            page = self._way.ask("GET", f"{self._path}/trials?after={after}").json
            rows += page["items"]
            after = page["next"]
        frame = pd.DataFrame(rows, columns=None if rows else [*COLUMNS, "replicate_values"])
        last = frame.pop("replicate_values")  # a trial's own attributes may add columns later
        return frame.assign(replicate_values=last)

    def config(
        self, select: Literal["best", "1se"] | None = None, path: str | Path | None = None
    ) -> Config:
        """Take the config of the chosen strength, as `load_config` returns it.

        Args:
            select: None: what the study says.
            path: a .yaml file to keep it in.

        Raises:
            UsageError: there is no result yet, or the file cannot be written.
        """
        from sweep.config.training_loop import load_config

        asked = f"?select={select}" if select else ""
        headers = {"Accept": "application/yaml"}
        text = self._way.ask("GET", f"{self._path}/config{asked}", headers=headers).body.decode()
        if path is not None:
            write_whole(Path(path), text)
            return load_config(path)
        with tempfile.TemporaryDirectory() as folder:
            kept = Path(folder) / f"{self.name}.yaml"
            write_whole(kept, text)
            return replace(load_config(kept), path=None)

    def report(self, path: str | Path | None = None) -> str:
        """Return the report as HTML; `path`: a file to keep it in.

        Raises:
            UsageError: there is no result yet, or the file cannot be written.
        """
        page = self._way.ask("GET", f"{self._path}/report").body.decode()
        if path is not None:
            write_whole(Path(path), page)
        return page

    def cancel(self) -> str:
        """Stop it for good, after its epoch if it runs; return the state it is in now."""
        return str(self._way.ask("POST", f"{self._path}/cancel").json["state"])

    def resume(self) -> str:
        """Queue it again after it was cancelled, failed or timed out; return its state."""
        return str(self._way.ask("POST", f"{self._path}/resume").json["state"])

    def change(self, **changes: Any) -> dict[str, Any]:
        """Change what may change: n_trials, timeout_s, selection, priority; return its status.

        A study that is done goes on where `n_trials` grows. A run goes by a change when it is
        begun next.

        Raises:
            UsageError: another key, or a value that breaks a rule or the service's policy.
        """
        body, headers = json.dumps(changes).encode(), {"Content-Type": "application/json"}
        told: dict[str, Any] = self._way.ask("PATCH", self._path, body, headers).json
        return told
