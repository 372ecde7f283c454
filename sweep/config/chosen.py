"""A chosen strength, and all that decides what it equals in other programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sweep.data.sources import arriving
from sweep.spec.sections import MlpSpec
from sweep.spec.study import StudySpec

Entry = dict[str, Any]  # an equivalent: arguments by their names there, formula, use, holds_for

LARGEST_EPS = 1e-7


@dataclass(frozen=True)
class Chosen:
    """A choice of a finished study.

    Attributes:
        spec: the study.
        params: the chosen trial's.
        about: what the study stores of its problem; `refit` in it is of `about_refit`.
    """

    spec: StudySpec
    params: Mapping[str, float]
    about: Mapping[str, Any]

    @cached_property
    def values(self) -> dict[str, float]:
        """The value of every hyperparameter."""
        return self.spec.values(self.params)

    @property
    def strength(self) -> float:
        """Alpha, or weight_decay where the optimiser decays weights by itself."""
        return self.params[self.spec.strength]

    @property
    def ratio(self) -> float:
        """The share of l1 in the norm."""
        return self.values["l1_ratio"]

    @property
    def is_decoupled(self) -> bool:
        """Whether the optimiser decays weights by itself."""
        return self.spec.strength == "weight_decay"

    @property
    def is_linear(self) -> bool:
        """Whether the network is linear, and its weights are what is penalised."""
        return getattr(self.spec.model, "hidden", None) == () and self.penalises_weights

    @property
    def penalises_weights(self) -> bool:
        """Whether all weights of an mlp are penalised, and nothing else."""
        model = self.spec.model
        layers = range(len(model.hidden) + 1) if isinstance(model, MlpSpec) else ()
        return set(self.about["penalised"]) == {f"layers.{layer}.weight" for layer in layers}

    @property
    def is_scaled(self) -> bool:
        """Whether features, and targets that are numbers, are standardised."""
        return self.spec.data.scale == "standard"

    @property
    def has_classes(self) -> bool:
        """Whether classes are predicted, not numbers."""
        return self.spec.task.has_classes

    @property
    def n_outputs(self) -> int:
        """Outputs of the network: classes, or 1."""
        return int(self.about["n_outputs"])

    @property
    def n(self) -> int:
        """Rows that `sweep fit` trains on."""
        return int(self.about["refit"]["n_rows"])

    @property
    def deviation(self) -> float:
        """Standard deviation of the target over them, in its own units; 1 for classes."""
        return float(self.about["refit"]["target_deviation"] or 1.0)

    @property
    def has_deviation(self) -> bool:
        """Whether there is one target, a number."""
        return self.about["refit"]["target_deviation"] is not None

    @property
    def all_numbers(self) -> bool:
        """Whether each cell of the features is a number: none is missing, none a text."""
        return bool(self.about["refit"]["all_numbers"])

    @property
    def is_flat(self) -> bool:
        """Whether a row of the source is a vector, not an image, say."""
        return bool(self.about["refit"]["flat"])

    @property
    def batch_size(self) -> int:
        """Rows of a full step."""
        size = self.spec.training.batch_size
        return self.n if size == "full" else min(size, self.n)

    @property
    def has_dampening(self) -> bool:
        """Whether momentum leaves out a share of the gradient, which only torch's does."""
        return bool(self.values["momentum"] and getattr(self.spec.training, "dampening", 0.0))

    @property
    def has_small_eps(self) -> bool:
        """Whether it makes no difference at which place of Adam's step eps is added."""
        return getattr(self.spec.training, "eps", 0.0) <= LARGEST_EPS

    @property
    def symbols(self) -> dict[str, float]:
        """What stands in formulas."""
        return {
            "strength": self.strength,
            **({} if self.is_decoupled else {"ratio": self.ratio}),
            "rows": self.n,
            **({"sd_y": self.deviation} if self.has_deviation else {}),
            "lr": self.values["lr"],
            "batch_size": self.batch_size,
        }

    @property
    def rows(self) -> str:
        """The rows of a refit, in words."""
        data = self.spec.data
        which = "drawn as for the first seed of `sweep fit`" if data.train_rows else (
            "all but the test rows"
        )  # fmt: skip
        noise = f", {data.label_noise:.0%} of the labels made wrong" if data.label_noise else ""
        table = data.source.lower().endswith((".csv", ".parquet"))
        read = ", its columns as sweep reads them (docs/tables.md)" if table else ""
        return f"{self.n} rows of {data.source}{arriving(data.source)}{read}, {which}{noise}"

    @property
    def vectors(self) -> str:
        """Python for raw features as a table of numbers or texts."""
        return "X" if self.is_flat else "X.reshape(len(X), -1)"

    @property
    def prepare(self) -> str:
        """Python that makes scikit-learn's transformer of raw features; empty for none."""
        if self.all_numbers:
            return "StandardScaler()" if self.is_scaled else ""
        steps = ['SimpleImputer(strategy="median")', *(["StandardScaler()"] * self.is_scaled)]
        one_hot = 'OneHotEncoder(handle_unknown="ignore", sparse_output=False)'
        codes = (
            'OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),'
            " FunctionTransformer(lambda codes: codes + 1)"
        )
        encoder = codes if self.spec.data.categorical else one_hot
        texts = f'make_pipeline(SimpleImputer(strategy="most_frequent"), {encoder})'
        numbers = '["number", "bool"]'
        return (
            "make_column_transformer("
            f"(make_pipeline({', '.join(steps)}), make_column_selector(dtype_include={numbers})),"
            f" ({texts}, make_column_selector(dtype_exclude={numbers})))"
        )

    @property
    def scales_target(self) -> bool:
        """Whether networks learn the target in other units than its own."""
        return self.is_scaled and self.spec.task.is_scaled


def call(name: str, **arguments: Any) -> str:
    """Write a call in Python."""
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
