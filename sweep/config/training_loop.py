"""An exported config in a user's own training loop, three ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sweep.config.export import read_config, read_params
from sweep.errors import UsageError
from sweep.spec.files import parse_spec
from sweep.spec.sections import AdamSpec, AdamWSpec, SgdSpec
from sweep.spec.stored import upgraded
from sweep.spec.study import StudySpec
from sweep.training.layout import is_weight


@dataclass(frozen=True)
class Config:
    """A chosen penalty, ready to use on any model.

    Which tensors are weights is decided on the model at hand, by the study's rule: two
    dimensions or more, no bias, no norm layer, not matched by `penalty.exempt`.

    Attributes:
        spec: the study.
        params: the chosen trial's.
        path: the file that it was read from.
    """

    spec: StudySpec
    params: dict[str, float]
    path: Path | None = None

    @property
    def alpha(self) -> float:
        """The strength: coefficient of the norm beside the mean loss.

        Raises:
            UsageError: the study is one of adamw: its weight_decay is no penalty on the loss.
        """
        if "alpha" not in self.params:
            raise UsageError(
                "config.alpha: an adamw study has none, got weight_decay. Use .param_groups(model)"
            )
        return self.params["alpha"]

    @property
    def l1_ratio(self) -> float:
        """The share r of l1 in the norm."""
        return self.spec.values(self.params)["l1_ratio"]

    def param_groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """Return parameter groups for the torch optimiser of the study's kind.

        Weights get weight_decay = 2·alpha, since torch adds weight_decay·w to the gradient and
        the gradient of alpha·w² is 2·alpha·w; in an adamw study weight_decay itself. Biases and
        norms get 0.

        Raises:
            UsageError: the norm is not l2: an optimiser's weight_decay cannot express it.
        """
        if self.l1_ratio:
            raise UsageError(
                f"config.param_groups: only norm l2 is a weight_decay, got "
                f"{self.spec.penalty.norm}. Use .attach(optimizer, model) for exact zeros, or"
                " .penalty(model) in the loss"
            )
        weights, others = self._split(model)
        decay = self.spec.training.decay * self.params[self.spec.strength]
        return [
            {"params": weights, "weight_decay": decay},
            {"params": others, "weight_decay": 0.0},
        ]

    def penalty(self, model: nn.Module) -> Tensor:
        """Return alpha·norm of the model's weights, a scalar to add to the mean loss."""
        weights, _ = self._split(model)
        total = torch.stack([self._norm(weight) for weight in weights]).sum()
        return self.alpha * total

    def attach(self, optimizer: torch.optim.Optimizer, model: nn.Module) -> Any:
        """Apply the penalty after every step of an optimiser in `TWINS`; zeros are exact.

        The squared part is set as weight_decay of the optimiser's groups; the absolute part
        is the proximal step, with the threshold that belongs to the optimiser's own step.

        Returns:
            The handle of the hook: `.remove()` takes the proximal step out again.

        Raises:
            UsageError: an optimiser whose proximal step is not known, or one that holds none of
                the model's weights.
        """
        reach = _reach_of(optimizer)
        weights = set(map(id, self._split(model)[0]))
        if not any(id(p) in weights for group in optimizer.param_groups for p in group["params"]):
            raise UsageError(
                "config.attach: must be an optimiser of this model's weights, got one that holds"
                " none of them. Make it from model.parameters()"
            )
        squared = 2 * self.alpha * (1 - self.l1_ratio)
        _split_groups(optimizer, weights, squared)
        memory: dict[int, dict[str, float]] = {}

        def shrink(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if id(parameter) in weights and parameter.grad is not None:
                        kept = memory.setdefault(id(parameter), {})
                        unit = reach(group, optimizer.state[parameter], kept)
                        _soft(parameter, self.alpha * self.l1_ratio * unit)

        return optimizer.register_step_post_hook(shrink)

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Build the study's own optimiser, with the penalty in it."""
        training, values = self.spec.training, self.spec.values(self.params)
        twin = TWINS[training.optimizer]
        options = {"lr": values["lr"], **twin.options(training, values)}
        if twin.reach is None:
            return twin.kind(self.param_groups(model), **options)
        made = twin.kind(list(model.parameters()), **options)
        self.attach(made, model)
        return made

    def _split(self, model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        weights: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, parameter in model.named_parameters():
            weight = is_weight(model, name, self.spec.penalty.exempt)
            (weights if weight else others).append(parameter)
        if not weights:
            raise UsageError(
                f"config: must have a tensor to penalise, got none in {type(model).__name__} with"
                f" exempt {list(self.spec.penalty.exempt)}. Give a model with weights of two"
                " dimensions or more"
            )
        return weights, others

    def _norm(self, weight: Tensor) -> Tensor:
        ratio = self.l1_ratio
        return ratio * weight.abs().sum() + (1 - ratio) * weight.square().sum()


def load_config(path: str | Path) -> Config:
    """Read an exported config, to use in a loop of your own.

    Raises:
        UsageError: the file is missing or no config.
    """
    config = read_config(Path(path))
    spec = parse_spec(upgraded(config["spec"]), str(path), Path(path).parent)
    return Config(spec, read_params(config, spec, Path(path)), Path(path))


def _reach_of(optimizer: torch.optim.Optimizer) -> Reach:
    """Return the reach of an optimiser; refuse those whose proximal step is not known."""
    known = {twin.kind: twin.reach for twin in TWINS.values() if twin.reach}
    name = type(optimizer).__name__
    if reach := known.get(type(optimizer)):
        options = ("amsgrad", "maximize", "decoupled_weight_decay")
        used = [o for o in options if any(group.get(o) for group in optimizer.param_groups)]
        if not used:
            return reach
        name += f" with {', '.join(used)}"
    names = " or ".join(kind.__name__ for kind in known)
    raise UsageError(
        f"config.attach: must be plain torch.optim.{names}, got {name}."
        " Use .penalty(model) in the loss"
    )


def _split_groups(
    optimizer: torch.optim.Optimizer, weights: Iterable[int], weight_decay: float
) -> None:
    """Split parameters into weights with `weight_decay`, and all others without."""
    chosen = set(weights)
    for group in list(optimizer.param_groups):
        own = [p for p in group["params"] if id(p) in chosen]
        group["params"] = [p for p in group["params"] if id(p) not in chosen]
        group["weight_decay"] = 0.0
        if own:
            rest = {key: value for key, value in group.items() if key != "params"}
            optimizer.add_param_group({**rest, "params": own, "weight_decay": weight_decay})
    optimizer.param_groups[:] = [group for group in optimizer.param_groups if group["params"]]


@torch.no_grad()
def _soft(parameter: Tensor, threshold: float | Tensor) -> None:
    size = torch.as_tensor(threshold, dtype=parameter.dtype, device=parameter.device)
    parameter.copy_(parameter.sign() * (parameter.abs() - size).clamp_min(0))


# --- torch's optimisers

# How far a unit l1 strength moves a parameter in the step just made, by the parameter's group, by
# what the optimiser holds of it, and by what is kept from step to step.
Reach = Callable[[dict[str, Any], dict[str, Any], dict[str, float]], float | Tensor]


class Twin(NamedTuple):
    """The torch optimiser that does what an optimiser of the study file does.

    Attributes:
        kind: its class.
        options: its arguments beside lr, by the study's section and the hyperparameters' values.
        reach: for the proximal step; None where the optimiser decays the weights by itself.
    """

    kind: Callable[..., torch.optim.Optimizer]
    options: Callable[[Any, dict[str, float]], dict[str, Any]]
    reach: Reach | None


def _sgd_options(training: SgdSpec, values: dict[str, float]) -> dict[str, Any]:
    momentum = values["momentum"]
    dampening = training.dampening * (momentum > 0)
    return {"momentum": momentum, "dampening": dampening, "nesterov": training.nesterov}


def _sgd_reach(
    group: dict[str, Any], state: dict[str, Any], kept: dict[str, float]
) -> float | Tensor:
    lr, momentum = float(group["lr"]), float(group["momentum"])
    if not momentum:
        return lr
    # The recursion of the momentum buffer, fed a constant 1.
    fresh = 1 - float(group["dampening"]) if kept else 1.0
    gain = kept["gain"] = momentum * kept.get("gain", 0.0) + fresh
    return lr * (1 + momentum * gain if group["nesterov"] else gain)


def _adam_options(training: AdamSpec | AdamWSpec, values: dict[str, float]) -> dict[str, Any]:
    return {"betas": training.betas, "eps": training.eps}


def _adam_reach(
    group: dict[str, Any], state: dict[str, Any], kept: dict[str, float]
) -> float | Tensor:
    beta2, step = group["betas"][1], float(state["step"])
    second: Tensor = state["exp_avg_sq"] / (1 - beta2**step)
    return float(group["lr"]) / (second.sqrt() + float(group["eps"]))


TWINS: Mapping[str, Twin] = {
    "sgd": Twin(torch.optim.SGD, _sgd_options, _sgd_reach),
    "adam": Twin(torch.optim.Adam, _adam_options, _adam_reach),
    "adamw": Twin(torch.optim.AdamW, _adam_options, None),
}
