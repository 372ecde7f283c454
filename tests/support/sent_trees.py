"""Studies as somebody might send them: mostly whole, with sources and keys that lead elsewhere.

Run as a program it reads each that the policy allows as a job would, and prints what was touched:
`python -m tests.support.sent_trees FOLDER EXAMPLES`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sweep.data.sources import read_source
from sweep.data.user_code import load_function
from sweep.errors import UsageError
from sweep.service.folder import is_name
from sweep.service.policy import Policy, check_study
from sweep.service.sources import place
from sweep.spec.files import parse_spec
from sweep.spec.yaml import read_yaml

SECRET = "a,b\n" + "31337,0\n2,1\n" * 20
PARTS = ("rows.csv", "link.csv", "secret.csv", "mine", "outside", "linked", "os", "getcwd", "rows",
         "net", "..", ".", "/", "\\", ":", "python", "sklearn", "iris", "csv", "etc", "passwd",
         "proc", "self", "environ", " ", "\n", "\0", "．", "％",
         "%2F", "~", "", "ｏｓ")  # fmt: skip
SOURCES = st.one_of(
    st.sampled_from([
        "rows.csv", "sklearn:iris", "sklearn:wine", "python:mine:rows", "../secret.csv",
        "link.csv", "python:outside:rows", "python:linked:rows", "python:os:getcwd",
        "python:mine:getcwd", "/etc/passwd", "/proc/self/environ",
    ]),
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join),
    st.builds("python:{}:{}".format, st.sampled_from(PARTS), st.sampled_from(PARTS)),
)  # fmt: skip
PLAIN: SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.sampled_from(["auto", "python:os:getcwd", "../x.csv", "sqlite:////tmp/x.db"]),
)  # fmt: skip
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)  # fmt: skip
EXTRA = st.dictionaries(
    st.sampled_from([
        "storage", "device", "engine", "seed", "selection", "penalty", "objective", "other",
        "replicates", "search", "training",
    ]),
    st.one_of(VALUES, st.dictionaries(st.sampled_from(["workers", "epochs", "n_folds", "sampler",
                                                       "norm", "exempt"]), VALUES, max_size=2)),
    max_size=1,
)  # fmt: skip
GOOD = st.sampled_from(["rows.csv", "sklearn:iris", "python:mine:rows"])
NET = st.builds(lambda source: {"source": source}, SOURCES | st.just("python:mine:net"))
COLUMNS = st.dictionaries(st.sampled_from(["target", "groups", "columns"]), VALUES, max_size=2)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a study of which at most two parts are strange, so that many are allowed."""
    strange = draw(st.sets(st.sampled_from(["source", "model", "columns", "extra"]), max_size=2))
    source = draw(SOURCES if "source" in strange else GOOD)
    columns = {"target": "b"} if source.endswith(".csv") else {}
    return {
        "study_name": "x",
        "seed": draw(st.integers(0, 2**63 - 1)),  # so that no two are the same
        "data": {"source": source, **(draw(COLUMNS) if "columns" in strange else columns)},
        "model": draw(NET) if "model" in strange else {"hidden": [4]},
        **(draw(EXTRA) if "extra" in strange else {}),
    }


def premises(root: Path) -> Policy:
    """Make a service's folders, with things beside them that are not its own."""
    data, modules, others = root / "data", root / "modules", root / "others"
    for folder in (data, modules, others, root / "jobs", root / "empty"):
        folder.mkdir()
    (data / "rows.csv").write_text("a,b\n" + "1,0\n2,1\n" * 20)
    (root / "secret.csv").write_text(SECRET)
    (data / "link.csv").symlink_to(root / "secret.csv")
    (modules / "mine.py").write_text(
        "from os import getcwd\nimport numpy as np\n"
        "def rows(): return np.zeros((9, 2)), np.arange(9) % 2\n"
        "def net(n_features, n_outputs): ...\n"
    )
    (others / "outside.py").write_text("def rows(): ...\ndef net(*_): ...\n")
    (modules / "linked.py").symlink_to(others / "outside.py")
    return Policy((data,), modules)


def read_as_a_job(text: str, policy: Policy, folder: Path) -> None:
    """Do with a study's files what its process does."""
    spec = parse_spec(read_yaml(text), "test", folder)
    place(spec, folder, policy.folders, policy.modules)
    try:
        read_source(spec.data, folder)
        if source := getattr(spec.model, "source", None):
            load_function(source, folder, "model.source")
    except UsageError:  # a column that is not there
        return


def main(root: Path, n_examples: int) -> None:
    policy, touched, counts = premises(root), set[str](), [0, 0]
    os.chdir(root / "empty")  # plain names, which are looked up in an open folder, lead nowhere
    sys.path.append(str(root / "others"))  # installed there, but no module of the service
    watching = False

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if not watching:
            return
        if event in ("open", "os.remove", "os.rename", "os.mkdir", "os.link", "os.symlink"):
            if isinstance(args[0], str | bytes | os.PathLike):
                touched.add(os.fsdecode(args[0]))
        elif event in ("subprocess.Popen", "os.system", "os.exec", "socket.connect", "os.fork"):
            touched.add(f"{event} {args[0]}")
        elif event == "import" and args[0] in ("outside", "mine", "linked"):
            touched.add(f"import {args[0]}")

    sys.addaudithook(hook)
    for source in ("rows.csv", "sklearn:iris", "sklearn:wine", "python:mine:rows"):  # imports
        read_as_a_job(f"{{study_name: x, data: {{source: '{source}', target: b}}}}", policy,
                      _folder(root, source.replace(":", "-")))  # fmt: skip

    @settings(max_examples=n_examples, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=[*HealthCheck])  # fmt: skip
    @given(tree=trees())
    def check(tree: dict[str, Any]) -> None:
        nonlocal watching
        counts[0] += 1
        body, folder = json.dumps(tree).encode(), _folder(root, str(counts[0]))
        watching = True
        try:
            study = check_study(body, policy, form="json")
            counts[1] += 1
            read_as_a_job(study.text, policy, folder)
        except UsageError:
            return
        finally:
            watching = False
            for file in folder.iterdir():
                if file.read_text() == SECRET:
                    touched.add(f"secret {tree}")

    check()
    own = (*map(str, (root / "data", root / "modules", root / "jobs")), sys.prefix,
           sys.base_prefix, str(Path(__file__).parents[2] / "sweep"))  # fmt: skip
    inside = [path for path in touched if path.startswith(own) and "/../" not in path]
    inside += [path for path in touched if is_name(path)]
    assert not [*(root / "empty").iterdir()]
    print(json.dumps({
        "checked": counts[0], "allowed": counts[1], "outside": sorted(touched - {*inside}),
    }))  # fmt: skip


def _folder(root: Path, name: str) -> Path:
    folder = root / "jobs" / name
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
