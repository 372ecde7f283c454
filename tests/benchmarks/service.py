"""Time what `sweep serve` answers while two studies train, and what it costs them.

    python -m tests.benchmarks.service          # 10 to 30 minutes on a quiet machine

A real service on SQLite, with a token, asked over HTTP on one connection. First two studies
train and `--queued` more, 1,000, are queued; then each kind of request is timed. Then all but
`--studies` tiny ones, 100, are cancelled, and these run to their end. The memory of the service
is read before and after `--requests`, 10,000. Last, one study is trained alone and beside the
service that is asked once a second, in turns; each pair gives the ratio of the two. `load` is
what else the machine did: the mean number of processes that wanted a core, in the minute before.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.benchmarks.machine import HERE, machine

OUTPUT = HERE / "service.json"
PATIENCE_S = 3600.0
STUDY = """\
study_name: {name}
device: cpu
data: {{source: "sklearn:digits", scale: none, train_rows: 300}}
model: {{hidden: [32]}}
training: {{epochs: {epochs}}}
search: {{n_trials: {n_trials}, sampler: {{type: tpe}}}}
replicates: {{n_folds: 8}}
"""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


class Asked:
    """A service that is asked on one connection."""

    def __init__(self, pid: int, port: int, token: str) -> None:
        self.pid, self._port = pid, port
        self._token = {"Authorization": f"Bearer {token}", "Content-Type": "application/yaml"}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._asked = time.monotonic()

    def ask(self, method: str, path: str, body: str | None = None) -> Any:
        """Send a request; return the answer as plain data."""
        if time.monotonic() - self._asked > 5:  # the service closes a silent connection after 15 s
            self._connection.close()
        self._asked = time.monotonic()
        self._connection.request(method, f"/v1{path}", body, self._token)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status < 300, content
        return json.loads(content)

    def submit(self, name: str, epochs: int = 3, n_trials: int = 4) -> Any:
        """Hand in a study."""
        text = STUDY.format(name=name, epochs=epochs, n_trials=n_trials)
        return self.ask("POST", "/studies", text.replace("device: cpu\n", ""))

    def counts(self) -> dict[str, int]:
        """Count the studies by state."""
        found: dict[str, int] = {}
        cursor = ""
        while True:
            page = self.ask("GET", f"/studies?limit=1000{cursor}")
            for one in page["items"]:
                found[one["state"]] = found.get(one["state"], 0) + 1
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    def until(self, done: Callable[[dict[str, int]], bool]) -> None:
        """Wait until the studies are so."""
        ends = time.monotonic() + PATIENCE_S
        while not done(self.counts()):
            assert time.monotonic() < ends
            time.sleep(1)

    @property
    def memory_mb(self) -> float:
        """The memory of the process that is its own, in MB."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        kilobytes = [int(line.split()[1]) for line in text.splitlines() if "Private" in line]
        return sum(kilobytes) / 1024

    @property
    def cpu_s(self) -> float:
        """Seconds of a core that the process has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def service(folder: Path) -> Iterator[Asked]:
    """Run a service; its studies are cancelled in the end."""
    config = folder / "serve.yaml"
    config.write_text(
        f"port: 0\ndatabase: sqlite:///{folder}/service.db\nfolder: {folder}/own\ndevice: cpu\n"
        f"projects: {{one: 'sqlite:///{folder}/one.db'}}\nmax_running: 2\n"
        "limits: {requests_per_minute: 1000000, queued: 2000, running: 2}\n"
    )
    start = [sys.executable, "-m", "sweep", "serve", "--config", str(config)]
    given = ["token", "add", "bench", "--role", "submit"]
    token = subprocess.run([*start, *given], capture_output=True, text=True, check=True).stdout
    child = subprocess.Popen(
        start, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT
    )
    try:
        assert child.stdout is not None
        port = int(child.stdout.readline().split("/")[2].rpartition(":")[2])
        asked = Asked(child.pid, port, token.strip())
        yield asked
        _end(asked)
    finally:
        child.terminate()
        child.wait(30)


def _end(asked: Asked) -> None:
    _cancel(asked, keep="")
    asked.until(lambda counts: not {"running", "starting"} & {*counts})


def _cancel(asked: Asked, keep: str) -> None:
    for state in ("queued", "running", "waiting", "starting"):
        for one in asked.ask("GET", f"/studies?limit=1000&state={state}")["items"]:
            if not keep or not one["name"].startswith(keep):
                asked.ask("POST", f"/studies/{one['name']}/cancel")


def spread(times: list[float]) -> dict[str, float]:
    """Return median and 95 % quantile, in ms."""
    return {
        "n": len(times), "p50_ms": round(1e3 * median(times), 1),
        "p95_ms": round(1e3 * quantiles(times, n=20)[-1], 1),
    }  # fmt: skip


def timed(n: int, call: Callable[[int], Any]) -> dict[str, float]:
    """Time a call n times."""
    times = []
    for number in range(n):
        began = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - began)
    return spread(times)


def busy(asked: Asked) -> None:
    """Have two studies in training."""
    for name in ("long-a", "long-b"):
        asked.submit(name, epochs=2000, n_trials=2000)
    asked.until(lambda counts: counts.get("running", 0) == 2)


def queue(asked: Asked, n_queued: int, n_tiny: int) -> dict[str, float]:
    """Time the submissions of so many studies, the tiny ones first."""

    def title(number: int) -> str:
        return f"{'tiny' if number < n_tiny else 'more'}-{number}"

    return timed(n_queued, lambda number: asked.submit(title(number)))


def answers(asked: Asked, n_queued: int, n_tiny: int) -> dict[str, Any]:
    """Time requests while two studies train."""
    told: dict[str, Any] = {"submit": queue(asked, n_queued, n_tiny)}
    told["list"] = timed(n_queued // 4, lambda _: asked.ask("GET", "/studies?limit=100"))
    told["status"] = timed(n_queued // 4, lambda _: asked.ask("GET", "/studies/long-a"))
    assert asked.counts().get("running") == 2
    return told


def memory(asked: Asked, n_requests: int) -> dict[str, float]:
    """Read the memory before and after many requests."""
    paths = ("/studies/long-a", "/studies?limit=20", "/me", "/studies/tiny-1")
    for number in range(n_requests // 10):
        asked.ask("GET", paths[number % len(paths)])
    before = asked.memory_mb
    for number in range(n_requests):
        asked.ask("GET", paths[number % len(paths)])
    return {"n": n_requests, "before_mb": round(before, 1), "after_mb": round(asked.memory_mb, 1)}


def throughput(asked: Asked, n_tiny: int) -> dict[str, float]:
    """Time the tiny studies from the first to the last."""
    began = time.monotonic()
    _cancel(asked, keep="tiny-")
    asked.until(lambda counts: not {"queued", "running", "starting", "waiting"} & {*counts})
    counts = asked.counts()
    assert counts["done"] == n_tiny, counts
    return {"studies": n_tiny, "seconds": round(time.monotonic() - began, 1)}


def cost(asked: Asked, folder: Path, n_pairs: int) -> dict[str, Any]:
    """Train a study alone and beside a service that is asked, in turns."""
    pairs, shares = [], []
    for number in range(n_pairs):
        took = {}
        for beside in (False, True) if number % 2 else (True, False):
            name = f"pair-{number}-{beside}"
            path = folder / f"{name}.yaml"
            path.write_text(STUDY.format(name=name, epochs=60, n_trials=48))
            over = threading.Event()
            thread = threading.Thread(target=_watch, args=(asked, over))
            spent, began = asked.cpu_s, time.perf_counter()
            if beside:
                thread.start()
            took[beside] = _train(path, f"sqlite:///{folder}/{name}.db")
            over.set()
            if beside:
                thread.join()
                shares.append((asked.cpu_s - spent) / (time.perf_counter() - began))
        pairs.append(took[True] / took[False])
    return {
        "pairs": [round(pair, 3) for pair in pairs], "ratio": round(median(pairs), 3),
        "service_cores": round(median(shares), 4),
    }  # fmt: skip


def _watch(asked: Asked, over: threading.Event) -> None:
    while not over.wait(1.0):
        asked.ask("GET", "/studies/long-a")


def _train(path: Path, url: str) -> float:
    """Return the seconds of a core that a study takes: others on the machine count little."""
    command = [sys.executable, "-m", "sweep", "run", str(path), "--storage", url, "--json"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    assert status == 0
    return usage.ru_utime + usage.ru_stime


def measure(
    queued: int, requests: int, studies: int, pairs: int, only: str | None
) -> dict[str, Any]:
    """Return all figures; those of other parts as they were, where one part is asked for."""
    told = {"queued": queued, "requests": requests, "studies": studies, "pairs": pairs}
    options = " ".join(f"--{name} {number}" for name, number in told.items())
    result: dict[str, Any] = json.loads(OUTPUT.read_text()) if only else {}
    result |= {"machine": machine(), "command": f"python -m tests.benchmarks.service {options}"}
    with tempfile.TemporaryDirectory() as name, service(Path(name)) as asked:
        busy(asked)
        for key, part, instead in (
            ("answers", lambda: answers(asked, queued, studies),
             lambda: queue(asked, studies, studies)),
            ("runs", lambda: throughput(asked, studies), lambda: _end(asked)),
            ("memory", lambda: memory(asked, requests), lambda: None),
            ("cost", lambda: cost(asked, Path(name), pairs), lambda: None),
        ):  # fmt: skip
            if only not in (None, key):
                instead()
                continue
            load = os.getloadavg()[0]
            result[key] = {**part(), "load": round(load, 1)}
            print(f"  service: {key} {result[key]}", file=sys.stderr)
            OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    return result


def table(result: dict[str, Any]) -> str:
    """Render the figures as tables."""
    told, kept, runs, paid = (result[key] for key in ("answers", "memory", "runs", "cost"))
    lines = ["| request, two studies in training | n | p50 ms | p95 ms |", "|---|---|---|---|"]
    for key in ("submit", "list", "status"):
        one = told[key]
        lines.append(f"| {key} | {one['n']:,} | {one['p50_ms']:.1f} | {one['p95_ms']:.1f} |")
    lines += [
        "",
        "| what | figure | load of the machine |",
        "|---|---|---|",
        f"| the requests above | | {told['load']:.1f} |",
        f"| memory before and after {kept['n']:,} requests | {kept['before_mb']:.0f} and"
        f" {kept['after_mb']:.0f} MB | {kept['load']:.1f} |",
        f"| {runs['studies']} tiny studies, two at a time | {runs['seconds']:.0f} s |"
        f" {runs['load']:.1f} |",
        f"| time of a core of a study beside the service ÷ alone, {len(paid['pairs'])} pairs |"
        f" {paid['ratio']:.3f} | {paid['load']:.1f} |",
        f"| cores that the service takes meanwhile | {paid['service_cores']:.3f} |"
        f" {paid['load']:.1f} |",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, write service.json beside this file, print the tables."""
    parser = argparse.ArgumentParser()
    for name, number in (("queued", 1000), ("requests", 10_000), ("studies", 100), ("pairs", 5)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parts = ("answers", "runs", "memory", "cost")
    parser.add_argument("--only", choices=parts, help="one part; the others stay as they are")
    print(table(measure(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
