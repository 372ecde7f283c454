"""What is said of a study."""

import math
from dataclasses import replace
from typing import Any

import pytest

from sweep.analysis.selection import Finished
from sweep.analysis.verdict import verdict
from tests.conftest import made, made_study


def _around(mean: float, spread: float = 1.0) -> list[float]:
    """Return three fold values of this mean, whose standard error is spread / √3."""
    return [mean - spread, mean, mean + spread]


def _said(values: dict[float, list[float]], *args: Any, **kwargs: Any) -> str:
    return verdict(made(values, *args, **kwargs))


def test_before_fresh_folds_are_trained_on_nothing_is_claimed() -> None:
    said = _said({1e-2: [4.0, 7.0, 1.0]}, [8.0, 11.0, 5.5])
    assert said == (
        "alpha = 0.01 is best: validation loss 4.0000 ± 1.7321; alpha = 0 has 8.1667, 4.1667 ±"
        " 0.1667 more on the folds that chose it; a run ends with a test on fresh folds."
    )


@pytest.mark.parametrize(
    ("constant", "shown"), [([9.0, 12.0, 6.1], True), ([4.5, 6.0, 2.0], False)]
)
def test_verdict_beside_a_constant(constant: list[float], shown: bool) -> None:
    said = _said(
        {1e-2: [4.0, 7.0, 1.0]}, [8.0, 11.0, 5.5], confirmed=True,
        attrs={"problem": {"constant": [[9.0] * 3, constant]}},
    )  # fmt: skip
    told = (
        " It is not shown to be better than predicting the shares of the classes, which has 4.1667"
        " on 3 fresh folds against "
    )
    assert (told in said) is not shown


@pytest.mark.parametrize(
    ("sparsity", "told"),
    [
        (1.0, " All its weights are zero: it predicts the shares of the classes."),
        (0.0, " Its weights have shrunk to less than 0.1 % of their size at the start."),
    ],
)
def test_verdict_of_a_collapsed_network(sparsity: float, told: str) -> None:
    finished = made({1e-2: _around(1.0)}, _around(1.0))
    gone = {"outcome": "collapsed", "sparsity": sparsity}
    dead = replace(finished.trials[0], attrs={**finished.trials[0].attrs, **gone})
    assert told in verdict(replace(finished, trials=(dead,)))


def test_verdict_when_a_penalty_helps() -> None:
    said = _said({1e-2: [4.0, 7.0, 1.0], 1e-1: _around(9.0)}, [8.0, 11.0, 5.5], confirmed=True)
    assert said == (
        "alpha = 0.01 is best: validation loss 4.0000 ± 1.7321; on 3 fresh folds it beats no "
        "penalty by 4.1667 ± 0.1667 (95 %, paired by fold; alpha = 0 has 8.1667 there). Any "
        "alpha from 0.01 to 0.1 does as well within the noise of the folds (95 %, paired)."
    )


def test_verdict_when_help_is_not_shown() -> None:
    said = _said({1e-2: [1.0, 2.0, 3.0]}, [1.0, 2.0, 3.3], confirmed=True)  # gain 0.1 ± 0.1
    assert "; a penalty is not shown to help on 3 fresh folds (alpha = 0 has 2.1000 " in said
    assert "paired gain 0.1000 ± 0.1000, less than 4.3 standard errors)." in said
    assert "beats" not in said


@pytest.mark.parametrize(("gain", "helps"), [(4.2, False), (4.4, True)])  # t(2, 0.975) = 4.303
def test_help_is_shown_by_a_paired_t_test(gain: float, helps: bool) -> None:
    own, base = [5.0, 5.0, 5.0], [5.0 + gain + d * math.sqrt(3) for d in (-1.0, 0.0, 1.0)]
    said = _said({1e-2: own}, base, confirmed=True)
    assert ("beats no penalty" in said) is helps  # the error is 1


def test_verdict_when_no_penalty_is_better() -> None:
    said = _said({1e-2: [2.0, 3.0, 4.0]}, [1.0, 2.0, 3.1], confirmed=True)
    assert "; on 3 fresh folds no penalty is better by 0.9667 ± 0.0333 (95 %, paired " in said


def test_with_two_folds_a_lead_of_many_errors_shows_nothing() -> None:
    said = _said(
        {1e-2: [5.0, 5.0]}, [6.0, 6.2], spec={"replicates": {"n_folds": 2}}, confirmed=True
    )
    assert "less than 12.7 standard errors)." in said  # t(1, 0.975)


def test_verdict_at_the_low_end_where_nothing_is_gained() -> None:
    said = _said({1e-4: _around(1.0)}, _around(1.0))
    assert said.endswith(
        " The best lies at the low end of the range (0.0001);"
        " within the noise, smaller values are the same as no penalty."
    )


def test_verdict_at_the_low_end_where_no_penalty_is_better() -> None:
    said = _said({1e-4: [2.0, 3.0, 4.0]}, [1.0, 2.0, 3.1], confirmed=True)
    assert "no penalty is better" in said
    assert said.endswith(
        "(0.0001); search further with --set search.space.alpha.low=… and --fresh."
    )


def test_verdict_at_the_low_end_where_much_is_gained() -> None:
    said = _said({1e-4: [1.0, 2.0, 3.0]}, [2.0, 3.0, 4.1])
    assert said.endswith(
        "(0.0001); search further with --set search.space.alpha.low=… and --fresh."
    )


def test_verdict_at_the_high_end() -> None:
    said = _said({0.9: _around(1.0)}, _around(2.0))
    assert said.endswith(
        " The best lies at the high end of the range (1);"
        " search further with --set search.space.alpha.high=… and --fresh."
    )


def test_verdict_at_the_cap_of_sgd() -> None:
    said = _said({0.9: _around(1.0)}, _around(2.0), attrs={"alpha_cap": 1.0})
    assert said.endswith("the range (1), above which SGD with this lr is not stable.")


def test_verdict_after_widening() -> None:
    moves = [{"at": 12}, {"at": 24}]
    said = _said({1e-2: _around(1.0)}, _around(2.0), attrs={"widenings": moves})
    assert said.endswith(" The range was widened 2 times, to 0.0001 .. 1.")


def test_verdict_before_the_control_is_trained() -> None:
    study = made_study({1e-2: _around(1.0)})
    study._storage._studies[study._study_id].user_attrs.pop("baseline")  # type: ignore[attr-defined]
    assert "; the control (alpha = 0) has not been trained yet." in verdict(Finished.read(study))


def test_verdict_at_alpha_max() -> None:
    said = _said({0.9: _around(1.0)}, _around(2.0), alpha_max=1.0)
    assert said.endswith("(1), above which weights shrink to zero if they train for long enough.")


def test_verdict_at_alpha_max_where_training_shows_what_it_means() -> None:
    finished = made({0.999: _around(1.0)}, _around(2.0), alpha_max=1.0)
    gone = replace(finished.trials[0], attrs={**finished.trials[0].attrs, "outcome": "collapsed"})
    said = verdict(replace(finished, trials=(gone,)))
    assert said.endswith("the high end of the range (1), where nothing is left of the weights.")


def test_an_end_below_alpha_max_asks_to_search_further() -> None:
    said = _said({0.9: _around(1.0)}, _around(2.0), alpha_max=5.0)
    assert said.endswith("search further with --set search.space.alpha.high=… and --fresh.")


def test_verdict_when_the_control_diverged() -> None:
    said = _said({1e-2: _around(1.0)}, None)
    assert said.endswith("; without a penalty (alpha = 0) training diverged.")


def test_verdict_of_a_single_split() -> None:
    said = _said({1e-2: [1.0]}, [1.5], spec={"replicates": {"n_folds": 1}})
    assert said == (
        "alpha = 0.01 is best: validation loss 1.0000; alpha = 0 has 1.5000, 0.5000 more on this"
        " one split, which cannot show what other rows would give: seeds vary the first weights"
        " alone."
    )


def test_verdict_of_an_adamw_study_never_says_alpha() -> None:
    spec = {"training": {"optimizer": "adamw"}, "replicates": {"n_folds": 3}}
    said = _said({0.9: _around(1.0)}, _around(2.0), spec=spec)
    assert said.startswith("weight_decay = 0.9 is best: ")
    assert said.endswith("--set search.space.weight_decay.high=… and --fresh.")
    assert "alpha" not in said


def test_verdict_names_the_other_params_and_the_metric() -> None:
    said = _said(
        {1e-2: _around(1.0)},
        _around(2.0),
        spec={
            "objective": {"metric": "val_error"},
            "search": {"space": {"lr": {"low": 1e-3, "high": 1e-1}}},
        },
        more_params={"lr": 0.0123456},
    )
    assert said.startswith(
        "alpha = 0.01 is best (with lr 0.0123): validation error 1.0000 ± 0.5774; "
    )


@pytest.mark.parametrize(
    ("folds", "said"),
    [
        ((), ""),
        ((1,), " The R² leaves out 1 of 3 folds, where the targets of all validation rows are the"
         " same."),
        ((0, 1, 2), " There is no R²: no fold's validation rows differ in their target."),
    ],
)  # fmt: skip
def test_folds_without_r2_are_told(folds: tuple[int, ...], said: str) -> None:
    finished = made({1e-2: _around(1.0)}, _around(1.0))
    data = finished.spec.data.model_copy(update={"task": "regression", "label_noise": 0.0})
    spec = finished.spec.model_copy(update={"data": data})
    before = verdict(replace(finished, spec=spec))
    assert verdict(replace(finished, spec=spec, unscored_folds=folds)) == before + said


def test_verdict_of_a_network_that_has_remarks() -> None:
    remarks = [
        {"kind": "scale_free", "about": ["0.weight", "3.weight"]},
        {"kind": "softmax", "about": []},
        {"kind": "of a later version", "about": ["x"]},
    ]
    plain, said = (_said({1e-2: _around(1.0)}, _around(2.0), attrs=attrs)
                   for attrs in ({}, {"remarks": remarks}))  # fmt: skip
    assert said == (
        f"{plain} A normalisation makes the outputs independent of the size of 0.weight, 3.weight:"
        " there alpha changes the effective learning rate only, not how complex the network is."
        " The network's outputs are probabilities, and the loss takes their softmax once more:"
        " leave the softmax out of the network."
    )


ONE_SPLIT = {"replicates": {"n_folds": 1, "n_seeds": 3}}


def test_one_split_tells_the_differences_of_its_own_levels() -> None:
    said = _said({1e-2: [0.71, 0.72, 0.73]}, [0.72, 0.73, 0.74], confirmed=True, spec=ONE_SPLIT)
    assert "alpha = 0 has 0.7300, 0.0100" in said and "more on this one split" in said


@pytest.mark.parametrize(("level", "told"), [(0.69, True), (0.75, False)])
def test_one_split_on_which_a_constant_does_as_well_says_so(level: float, told: bool) -> None:
    said = _said(
        {1e-2: [0.71, 0.72, 0.73]}, [0.72, 0.73, 0.74], spec=ONE_SPLIT,
        attrs={"problem": {"constant": [[level] * 3, [level] * 3]}},
    )  # fmt: skip
    words = f" Predicting the shares of the classes does as well on this split ({level:.4f})."
    assert (words in said) == told
