"""An exported config in a user's own training loop, three ways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from sweep.config.attached import Attached
from sweep.config.export import read_config, read_params
from sweep.config.options import OPTIMIZERS
from sweep.config.own_optimizers import HIDDEN
from sweep.config.twins import TWINS
from sweep.errors import UsageError
from sweep.spec.files import parse_spec
from sweep.spec.optimizers import MuonSpec
from sweep.spec.sections import PenaltySpec
from sweep.spec.stored import upgraded
from sweep.spec.study import StudySpec
from sweep.training.schedules import factors
from sweep.training.weights import hidden_matrices, weight_names


@dataclass(frozen=True)
class Config:
    """A chosen penalty, ready to use on any model.

    Which tensors are weights is decided on the model at hand, by the study's own rule: see
    `sweep.training.weights`. Frozen ones are not penalised.

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
            UsageError: the study's optimiser decays weights by itself: that is no penalty on the
                loss.
        """
        if "alpha" not in self.params:
            raise UsageError(
                f"config.alpha: a study of {self.spec.training.optimizer} has none, got"
                " weight_decay. Use .param_groups(model)"
            )
        return self.params["alpha"]

    @property
    def l1_ratio(self) -> float:
        """The share r of l1 in the norm."""
        return self.spec.values(self.params)["l1_ratio"]

    def param_groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """Return parameter groups for the torch optimiser of the study's kind.

        Weights get weight_decay = 2·alpha, since torch adds weight_decay·w to the gradient and
        the gradient of alpha·w² is 2·alpha·w; weight_decay itself in a study of adamw, lion or
        muon. Biases and norms get 0. Frozen tensors (requires_grad False) are in no group, as in
        the study. Those of muon have a key `hidden`: matrices that it makes orthogonal stand
        apart from what AdamW trains.

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
        groups = [
            {"params": weights, "weight_decay": decay},
            {"params": others, "weight_decay": 0.0},
        ]
        if isinstance(self.spec.training, MuonSpec):
            return [part for group in groups for part in _by_hidden(group, model)]
        return groups

    def penalty(self, model: nn.Module) -> Tensor:
        """Return alpha·norm of the model's trainable weights, a scalar to add to the mean loss."""
        weights, _ = self._split(model)
        total = torch.stack([self._norm(weight) for weight in weights]).sum()
        return self.alpha * total

    def attach(self, optimizer: torch.optim.Optimizer, model: nn.Module) -> Attached:
        """Apply the penalty in every step of an optimiser in `TWINS`; zeros are exact.

        The squared part joins the gradient during the step, as weight_decay does; the absolute
        part is the proximal step, with the threshold that belongs to the optimiser's own step.
        The optimiser's groups stay as they are, so schedulers may be made before or after. All
        that a step remembers is in `optimizer.state_dict()`: for a checkpoint, load it into a
        new optimiser, and attach before or after. A copy or a pickle of an optimiser leaves
        hooks behind, as torch has it: attach to the copy too.

        Weights count once they are in both the model and the optimiser, and while they require
        a gradient; layers may be added or frozen later.

        Returns:
            The handle: `.remove()` takes the penalty out again.

        Raises:
            UsageError: an optimiser whose proximal step is not known, one that holds none of the
                model's weights, one that decays this model's parameters by itself, or one that
                the penalty is attached to already. A step raises it too, for what a group
                brings that came later.
        """
        _check_module(model)
        ratio, penalty = self.l1_ratio, self.spec.penalty
        attached = Attached(
            lambda: all_weights(model, penalty), model.parameters, self.alpha, ratio
        )
        return attached.join(optimizer)

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Build the study's own optimiser, with the penalty in it.

        For l2, adamw, lion and muon it is in the groups' weight_decay; l1 and elastic are
        attached.
        """
        _check_module(model)
        training, values = self.spec.training, self.spec.values(self.params)
        twin = TWINS[training.optimizer]
        options = {"lr": values["lr"], **OPTIMIZERS[training.optimizer].options(training, values)}
        if not self.l1_ratio:
            return twin.kind(self.param_groups(model), **options)
        made = twin.kind([p for p in model.parameters() if p.requires_grad], **options)
        self.attach(made, model)
        return made

    def scheduler(
        self, optimizer: torch.optim.Optimizer, steps_an_epoch: int
    ) -> torch.optim.lr_scheduler.LambdaLR:
        """Build the study's schedule of the learning rate: step it after every step.

        Args:
            optimizer: whose lr is the study's own.
            steps_an_epoch: batches of an epoch, the last and smaller one included.
        """
        training = self.spec.training
        table = factors(training.rate, training.epochs, steps_an_epoch)
        by_step = table.expand(-1, steps_an_epoch).flatten().tolist()
        last = len(by_step) - 1
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: by_step[min(k, last)])

    def clip(self, model: nn.Module) -> None:
        """Clip the gradient of the whole model as the study does, between backward and step.

        That is before the penalty's term joins it, with `.param_groups`, `.attach` and
        `.optimizer`. Nothing happens where the study does not clip.
        """
        if largest := self.spec.training.clip_norm:
            nn.utils.clip_grad_norm_(model.parameters(), largest)

    def _split(self, model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        _check_module(model)
        for name, parameter in model.named_parameters():
            if is_lazy(parameter):
                raise UsageError(
                    "config: must be given a model that has all its sizes, got"
                    f" {name} without one. Run the model once on a row first"
                )
        chosen = all_weights(model, self.spec.penalty)
        weights = [p for p in chosen if p.requires_grad]
        if not weights:
            raise UsageError(
                "config: must have a trainable tensor to penalise, got none in"
                f" {type(model).__name__} with exempt {list(self.spec.penalty.exempt)}. Give a"
                " model with weights of two dimensions or more, not all of them frozen"
            )
        ids = set(map(id, weights))
        others = [p for p in model.parameters() if p.requires_grad and id(p) not in ids]
        return weights, others

    def _norm(self, weight: Tensor) -> Tensor:
        ratio = self.l1_ratio
        return ratio * weight.abs().sum() + (1 - ratio) * weight.square().sum()


def _by_hidden(group: dict[str, Any], model: nn.Module) -> list[dict[str, Any]]:
    """Split a group of muon's into hidden matrices and the rest; empty ones are left out."""
    hidden = {id(model.get_parameter(name)) for name in hidden_matrices(model)}
    parts = {
        is_hidden: [p for p in group["params"] if (id(p) in hidden) == is_hidden]
        for is_hidden in (True, False)
    }
    return [{**group, "params": part, HIDDEN: which} for which, part in parts.items() if part]


def _check_module(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"config: must be given a torch.nn.Module as the model, got {type(model).__name__}."
            " Call .attach(optimizer, model), or .penalty, .param_groups or .optimizer(model)"
        )


def load_config(path: str | Path) -> Config:
    """Read an exported config, to use in a loop of your own.

    Raises:
        UsageError: the file is missing or no config.
    """
    config = read_config(Path(path))
    spec = parse_spec(upgraded(config["spec"]), str(path), Path(path).parent)
    return Config(spec, read_params(config, spec, Path(path)), Path(path))


def all_weights(model: nn.Module, penalty: PenaltySpec) -> list[nn.Parameter]:
    """List the tensors of a model that are penalised while they are trained.

    Raises:
        UsageError: a pattern of the study's matches none of the model's tensors.
    """
    names = weight_names(model, penalty.exempt, penalty.include)
    return [model.get_parameter(name) for name in names]
