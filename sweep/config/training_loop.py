"""An exported config in a user's own training loop, three ways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        return self.params.get("l1_ratio", self.spec.penalty.ratio)

    def param_groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """Return parameter groups for torch.optim.SGD or Adam (AdamW for an adamw study).

        Weights get weight_decay = 2·alpha, since torch adds weight_decay·w to the gradient
        and the gradient of alpha·w² is 2·alpha·w; biases and norms get 0.

        Raises:
            UsageError: the norm is not l2: an optimiser's weight_decay cannot express it.
        """
        if self.l1_ratio:
            raise UsageError(
                f"config.param_groups: only norm l2 is a weight_decay, got "
                f"{self.spec.penalty.norm}. Use .attach(optimizer, model) for exact zeros, or"
                " .penalty(model) in the loss"
            )
        decay = self.params.get("weight_decay")
        weights, others = self._split(model)
        return [
            {"params": weights, "weight_decay": 2 * self.alpha if decay is None else decay},
            {"params": others, "weight_decay": 0.0},
        ]

    def penalty(self, model: nn.Module) -> Tensor:
        """Return alpha·norm of the model's weights, a scalar to add to the mean loss."""
        weights, _ = self._split(model)
        total = torch.stack([self._norm(weight) for weight in weights]).sum()
        return self.alpha * total

    def attach(self, optimizer: torch.optim.Optimizer, model: nn.Module) -> Any:
        """Apply the penalty after every step of an SGD or Adam optimiser; zeros are exact.

        The squared part is set as weight_decay of the optimiser's groups; the absolute part
        is the proximal step, with the threshold that belongs to the optimiser's own step.

        Returns:
            The handle of the hook: `.remove()` takes the proximal step out again.

        Raises:
            UsageError: an optimiser whose proximal step is not known, or one that holds none of
                the model's weights.
        """
        _check_optimizer(optimizer)
        weights = set(map(id, self._split(model)[0]))
        if not any(id(p) in weights for group in optimizer.param_groups for p in group["params"]):
            raise UsageError(
                "config.attach: must be an optimiser of this model's weights, got one that holds"
                " none of them. Make it from model.parameters()"
            )
        squared = 2 * self.alpha * (1 - self.l1_ratio)
        _split_groups(optimizer, weights, squared)
        gains: dict[int, float] = {}

        def shrink(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if id(parameter) in weights and parameter.grad is not None:
                        threshold = _threshold(optimizer, group, parameter, gains)
                        _soft(parameter, self.alpha * self.l1_ratio * threshold)

        return optimizer.register_step_post_hook(shrink)

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Build the study's own optimiser, with the penalty in it."""
        training, lr = self.spec.training, self.params.get("lr", self.spec.training.lr)
        if isinstance(training, AdamWSpec):
            return torch.optim.AdamW(
                self.param_groups(model), lr, betas=training.betas, eps=training.eps
            )
        parameters = list(model.parameters())
        if isinstance(training, AdamSpec):
            made: torch.optim.Optimizer = torch.optim.Adam(
                parameters, lr, betas=training.betas, eps=training.eps
            )
        else:
            made = _sgd(training, parameters, lr, self.params)
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


def _check_optimizer(optimizer: torch.optim.Optimizer) -> None:
    """Refuse optimisers but SGD and Adam: the proximal step of others is not known."""
    name = type(optimizer).__name__
    if type(optimizer) in (torch.optim.SGD, torch.optim.Adam):
        options = ("amsgrad", "maximize", "decoupled_weight_decay")
        used = [o for o in options if any(group.get(o) for group in optimizer.param_groups)]
        if not used:
            return
        name += f" with {', '.join(used)}"
    raise UsageError(
        f"config.attach: must be plain torch.optim.SGD or Adam, got {name}."
        " Use .penalty(model) in the loss"
    )


def _sgd(
    training: SgdSpec, parameters: list[nn.Parameter], lr: float, params: dict[str, float]
) -> torch.optim.SGD:
    momentum = params.get("momentum", training.momentum)
    return torch.optim.SGD(
        parameters, lr, momentum, training.dampening * (momentum > 0), nesterov=training.nesterov
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


def _threshold(
    optimizer: torch.optim.Optimizer, group: dict[str, Any], parameter: Tensor,
    gains: dict[int, float],
) -> float | Tensor:  # fmt: skip
    """Return how far a unit l1 strength moves the parameter in the step just made."""
    lr, state = float(group["lr"]), optimizer.state[parameter]
    if isinstance(optimizer, torch.optim.Adam):
        beta2, step = group["betas"][1], float(state["step"])
        second: Tensor = state["exp_avg_sq"] / (1 - beta2**step)
        return lr / (second.sqrt() + float(group["eps"]))
    momentum = float(group["momentum"])
    if not momentum:
        return lr
    # The recursion of the momentum buffer, fed a constant 1.
    fresh = 1.0 if id(parameter) not in gains else 1 - float(group["dampening"])
    gain = gains[id(parameter)] = momentum * gains.get(id(parameter), 0.0) + fresh
    return lr * (1 + momentum * gain if group["nesterov"] else gain)


@torch.no_grad()
def _soft(parameter: Tensor, threshold: float | Tensor) -> None:
    size = torch.as_tensor(threshold, dtype=parameter.dtype, device=parameter.device)
    parameter.copy_(parameter.sign() * (parameter.abs() - size).clamp_min(0))
