"""Study files: read, overridden, and every mistake one line that names the nearest key."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import sweep
from sweep.errors import UsageError
from sweep.spec.files import parse_spec
from sweep.spec.study import DEFAULT_STORAGE, StudySpec

Tree = dict[str, Any]


def load(folder: Path, text: str, *overrides: str) -> StudySpec:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return sweep.load_spec(path, overrides)


def refusal(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(UsageError) as error:
        load(folder, text, *overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- precedence


def test_an_override_wins_over_the_file_over_the_environment_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, full = "study_name: x\n", "study_name: x\nstorage: sqlite:///file.db\n"
    assert load(tmp_path, bare).storage == DEFAULT_STORAGE
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///environment.db")
    assert load(tmp_path, bare).storage == "sqlite:///environment.db"
    assert load(tmp_path, full).storage == "sqlite:///file.db"
    assert load(tmp_path, full, "storage=sqlite:///set.db").storage == "sqlite:///set.db"
    monkeypatch.setenv("OPTUNA_STORAGE", "")
    assert load(tmp_path, bare).storage == DEFAULT_STORAGE


def test_later_overrides_win(tmp_path: Path) -> None:
    spec = load(tmp_path, "study_name: x\n", "training.lr=0.5", "training.lr=0.25")
    assert spec.training.lr == 0.25


def test_overrides_reach_into_sections_that_the_file_lacks_or_leaves_empty(tmp_path: Path) -> None:
    spec = load(tmp_path, "study_name: x\nsearch:\n", "search.space.alpha.low=1e-6")
    assert spec.search.space.alpha.low == 1e-6


def test_overrides_from_python_are_values(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("study_name: x\n")
    wanted = {"training.lr": 0.5, "model.hidden": (3, 4), "penalty": {"norm": "l1"}}
    spec = sweep.load_spec(tmp_path / "x.yaml", wanted)
    assert (spec.training.lr, spec.penalty.norm) == (0.5, "l1")
    assert spec.model.model_dump()["hidden"] == (3, 4)


def test_paths_start_at_the_study_file(tmp_path: Path) -> None:
    assert load(tmp_path, "study_name: x\n").folder == tmp_path


# --- YAML 1.2


@pytest.mark.parametrize(
    ("text", "value"), [("1e-6", 1e-6), ("1E-6", 1e-6), ("1.5e3", 1500.0), ("2", 2.0), (".5", 0.5)]
)
def test_numbers_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: float) -> None:
    in_file = load(tmp_path, f"study_name: x\ntraining: {{lr: {text}}}\n")
    by_set = load(tmp_path, "study_name: x\n", f"training.lr={text}")
    assert in_file.training.lr == by_set.training.lr == value


@pytest.mark.parametrize("text", ["on", "yes", "no", "off", "'true'"])
def test_only_true_and_false_are_switches(tmp_path: Path, text: str) -> None:
    said = refusal(tmp_path, f"study_name: x\ntraining: {{fused: {text}}}\n")
    assert said.startswith("training.fused: ")


def test_a_name_that_looks_like_a_word_of_yaml_1_1_is_a_name(tmp_path: Path) -> None:
    assert load(tmp_path, "study_name: no\n").study_name == "no"


# --- unknown keys


@pytest.mark.parametrize(
    ("tree", "key", "hint"),
    [
        ("trainng: {}", "trainng", "Did you mean training?"),
        ("training: {epoch: 3}", "training.epoch", "Did you mean epochs?"),
        ("training: {optimizer: sgd, momentun: 0.9}", "training.momentun",
         "Did you mean momentum?"),
        ("training: {optimizer: adam, momentum: 0.9}", "training.momentum",
         "Only sgd, rmsprop and muon have it, not adam. Remove it"),
        ("training: {momentum: 0.9}", "training.momentum",
         "Only sgd, rmsprop and muon have it, not adam. Remove it"),
        ("training: {optimizer: sgd, betas: [0.9, 0.99]}", "training.betas",
         "Only adam, adamw, nadam, radam, lion and muon have it, not sgd. Remove it"),
        ("training: {optimizer: adamw, weight_decay: 1}", "training.weight_decay", "Valid:"),
        ("model: {hiden: [3]}", "model.hiden", "Did you mean hidden?"),
        ("model: {source: 'python:a:b', hidden: [3]}", "model.hidden",
         "Only mlp has it, not own. Remove it"),
        ("data: {sorce: x.csv}", "data.sorce", "Did you mean source?"),
        ("penalty: {nrom: l1}", "penalty.nrom", "Did you mean norm?"),
        ("search: {trials: 3}", "search.trials", "Did you mean n_trials?"),
        ("search: {space: {alhpa: {}}}", "search.space.alhpa", "Did you mean alpha?"),
        ("search: {space: {alpha: {lo: 1e-3}}}", "search.space.alpha.lo", "Did you mean low?"),
        ("search: {space: {lr: {logg: true}}}", "search.space.lr.logg", "Did you mean log?"),
        ("replicates: {folds: 3}", "replicates.folds", "Did you mean n_folds?"),
        ("objective: {metrics: val_loss}", "objective.metrics", "Did you mean metric?"),
        ("zzz: 1", "zzz", "Valid: data, device, engine, model,"),
        ("1: 2", "1", "Valid:"),
    ],
)  # fmt: skip
def test_an_unknown_key_names_the_nearest_valid_one(
    tmp_path: Path, tree: str, key: str, hint: str
) -> None:
    said = refusal(tmp_path, f"study_name: x\n{tree}\n")
    assert said.startswith(f"{key}: unknown key ({tmp_path}/x.yaml). {hint}")


def test_an_unknown_key_comes_before_all_other_mistakes(tmp_path: Path) -> None:
    text = "study_name: x\ntraining: {lr: -1}\nreplicates: {folds: 3}\n"
    assert refusal(tmp_path, text).startswith("replicates.folds: unknown key")


def test_an_unknown_key_in_an_override(tmp_path: Path) -> None:
    said = refusal(tmp_path, "study_name: x\n", "search.space.alpha.hi=1")
    assert said.startswith("search.space.alpha.hi: unknown key") and "high" in said


# --- what is no study file


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("study_name: x\nstudy_name: y\n", 'found duplicate key "study_name"'),
        ("study_name: x\ntraining:\n  lr: 1\n  lr: 2\n", 'found duplicate key "lr"'),
        ("study_name: [x\n", "must be valid YAML"),
        ("study_name: x\n\ttraining: {}\n", "line 2"),
        ("", "must be keys and values, got NoneType"),
        ("- a\n", "must be keys and values, got list"),
        ("study_name: x\n? [a, b]\n: c\n", "must be plain keys and values"),
        (
            "study_name: x\nmodel: &a {hidden: [*a]}\n",
            "must be finite, got an alias",
        ),
        ("study_name: x\n---\nstudy_name: y\n", "must be valid YAML"),
        ("study_name: !!python/object:os.system x\n", "must be plain values without tags"),
    ],
)
def test_what_is_no_study_file_is_one_line(tmp_path: Path, text: str, rule: str) -> None:
    said = refusal(tmp_path, text)
    assert said.startswith("study file: ") and rule in said and "x.yaml" in said


def test_a_missing_file_points_to_init(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"^study file: must exist, got .*x.yaml\. Try `sweep init"
    ):
        sweep.load_spec(tmp_path / "x.yaml")


def test_a_folder_is_no_study_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^study file: .*, got Is a directory .* Name the stu"):
        sweep.load_spec(tmp_path)


def test_bytes_are_no_study_file(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"^study file: must be a readable text file"):
        sweep.load_spec(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.lr", "--set: must be key=value, got 'training.lr'"),
        ("=3", "--set: must be key=value, got '=3'"),
        ("training.lr=[1", "--set training.lr: must be valid YAML"),
        (
            "study_name.x=1",
            "--set study_name.x: study_name must hold keys, got 'x'. Set study_name itself",
        ),
    ],
)
def test_an_override_that_is_none(tmp_path: Path, override: str, said: str) -> None:
    assert refusal(tmp_path, "study_name: x\n", override).startswith(said)


def test_a_missing_name_must_be_given(tmp_path: Path) -> None:
    assert refusal(tmp_path, "data: {}\n").startswith("study_name: must be given (")


# --- round trip

positive = st.floats(1e-12, 1e6)
share = st.floats(0, 0.99)
count, few = st.integers(1, 10_000), st.integers(1, 40)
text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    return st.fixed_dictionaries({}, optional=fields)


def bounds(low: st.SearchStrategy[Any], high: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    return st.fixed_dictionaries({"low": low, "high": high})


def n_folds(tree: Tree) -> int:
    return int(tree.get("replicates", {}).get("n_folds", 8))


training = {
    "lr": positive, "batch_size": count | st.just("full"), "epochs": count,
    "schedule": st.sampled_from(["constant", "cosine", "linear", "step", "one_cycle"])
    | st.fixed_dictionaries({"type": st.just("step")}, optional={"every": few, "warmup": share}),
    "clip_norm": positive, "fused": st.booleans(),
    "width": count | st.just("auto"),
}  # fmt: skip
adam = {"betas": st.tuples(share, share).map(list), "eps": positive}
trees = st.fixed_dictionaries(
    {
        "study_name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
        "training": some(**training, **adam)
        | st.builds(dict, some(**training), optimizer=st.just("sgd"), momentum=share,
                    dampening=share),
    },
    optional={
        "seed": st.integers(0, 2**63 - 1),
        "device": st.sampled_from(["auto", "cpu", "cuda", "cuda:3"]),
        "data": some(source=text, target=text, scale=st.sampled_from(["standard", "none"]),
                     label_noise=share, train_rows=count, test_fraction=share),
        "model": some(hidden=st.lists(count, max_size=3))
        | st.just({"source": "python:own.module:make"}),
        "penalty": some(exempt=st.lists(text, max_size=2))
        | st.fixed_dictionaries({"norm": st.just("elastic"), "l1_ratio": st.floats(0, 1)}),
        "search": some(
            n_trials=count, in_flight=count | st.just("auto"), timeout_s=positive,
            sampler=some(type=st.sampled_from(["tpe", "gp", "qmc"]), n_startup_trials=count),
            space=some(alpha=bounds(st.floats(1e-9, 1e-3) | st.just("auto"), st.floats(1e-2, 9)),
                       lr=bounds(st.floats(1e-9, 1e-3), st.floats(1e-2, 9))),
        ),
        "replicates": some(n_folds=few, n_seeds=few, holdout=st.floats(0.01, 0.99)),
        "selection": st.sampled_from(["best", "1se"]),
    },
).filter(lambda tree: tree.get("selection") != "1se" or n_folds(tree) > 2)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees)
def test_a_spec_written_out_reads_back_equal(tmp_path: Path, tree: Tree) -> None:
    spec = parse_spec(tree, "x", tmp_path)
    path = tmp_path / "x.yaml"
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False  # as exports are; ruamel leaves [?x] unquoted, which is a map
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(spec.model_dump(mode="json"), file)
    again = sweep.load_spec(path)
    assert again == spec
    assert again.spec_hash == spec.spec_hash


@given(st.floats(1e-30, 1e30))
def test_a_number_given_by_set_is_the_same_number(tmp_path_factory: Any, lr: float) -> None:
    path = tmp_path_factory.getbasetemp() / "number.yaml"
    path.write_text("study_name: x\n")
    assert sweep.load_spec(path, [f"training.lr={lr!r}"]).training.lr == lr
