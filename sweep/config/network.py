"""The refitted network as plain tensors, and the Python code that loads them without sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from sweep.plan.plan import Plan
from sweep.spec.sections import MlpSpec
from sweep.spec.tasks import TASKS
from sweep.training.forward import Forward
from sweep.training.layout import Tensors
from sweep.training.modules import build
from sweep.training.outputs import how_to_read
from sweep.training.own_network import OwnFactory

MODULES = {"relu": "ReLU", "tanh": "Tanh", "gelu": "GELU", "silu": "SiLU", "elu": "ELU"}


@dataclass(frozen=True)
class Network:
    """A network that can be loaded and used without this program.

    Attributes:
        tensors: as in the `state_dict` of what `code` builds.
        about: all else that predictions need; it is in the weights file's header, under `sweep`.
        code: lines of Python that make `model`, with its first weights.
        reading: Python behind a call of `model` that takes the outputs (rows, C) out of it.
    """

    tensors: Tensors
    about: dict[str, Any]
    code: str
    reading: str = ""

    @classmethod
    def of(cls, plan: Plan, trained: Tensors, preprocessing: Mapping[str, Any]) -> Network:
        """Take a network out of its lane.

        Args:
            plan: of the refit.
            trained: its parameters and buffers, by their names in a lane.
            preprocessing: as `describe_preprocessing` returns it.
        """
        about = {
            "study_name": plan.spec.study_name,
            "task": plan.spec.data.task,
            "classes": list(plan.dataset.classes),
            "n_outputs": plan.problem.n_outputs,
            **({"targets": [*plan.dataset.targets]} if plan.dataset.targets else {}),
            "input_shape": list(plan.problem.feature_shape),
            **preprocessing,
        }
        return cls(_state_dict(plan, trained), about, _code(plan), _reading(plan))


def _state_dict(plan: Plan, trained: Tensors) -> Tensors:
    """Name the tensors as the user's own module does, without our counters of dropout."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        module = plan.factory()
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            tensor.copy_(trained[name])
    state = {name: tensor.clone().contiguous() for name, tensor in module.state_dict().items()}
    if not isinstance(plan.spec.model, MlpSpec):
        return state
    # layers.0, layers.1, … stand at 0, 2, … of a Sequential with activations between them.
    return {
        f"{2 * int(name.split('.')[1])}.{name.split('.')[2]}": tensor
        for name, tensor in state.items()
    }


def _reading(plan: Plan) -> str:
    if not isinstance(plan.factory, OwnFactory):
        return ""
    forward = build(plan.factory, 0).eval().forward
    assert isinstance(forward, Forward)
    return how_to_read(forward.returned(plan.factory.rows), plan.factory.output)


def _code(plan: Plan) -> str:
    model, shape, n_outputs = plan.spec.model, plan.problem.feature_shape, plan.problem.n_outputs
    if not isinstance(model, MlpSpec):
        assert isinstance(plan.factory, OwnFactory)
        _, module, function = model.source.split(":")
        return (
            f"from {module} import {function}  # the study's own module, in its folder\n\n"
            f"model = {function}({plan.factory.arguments})"
        )
    widths = [*shape, *model.hidden, n_outputs]
    layers = [f"torch.nn.Linear({a}, {b})" for a, b in pairwise(widths)]
    between = f",\n    torch.nn.{MODULES[model.activation]}(),\n    "
    return f"model = torch.nn.Sequential(\n    {between.join(layers)},\n)"


def snippet(network: Network, file_name: str) -> str:
    """Return Python that loads the file and has `inputs(rows)`, `model` and `predict(rows)`."""
    about = network.about
    kind = "table" if "features" in about else "array" if "mean" in about else "plain"
    if any("codes" in feature for feature in about.get("features", ())):
        kind = "coded"
    return _SNIPPET.format(
        name=file_name, code=network.code, reading=network.reading, inputs=_INPUTS[kind],
        what=TASKS[about["task"]].answers, answer=_answer(about),
    )  # fmt: skip


def _answer(about: Mapping[str, Any]) -> str:
    """Write as Python what the outputs of the network, `out`, tell of each row."""
    task, many = about["task"], about["n_outputs"] > 1
    out = "out" if many else "out[:, 0]"
    if "target" in about:
        scale, mean = (f'about["target"]["{key}"]' for key in ("scale", "mean"))
        if many:
            scale, mean = f"torch.tensor({scale})", f"torch.tensor({mean})"
        return f"{out}.double() * {scale} + {mean}"
    if task == "classification":
        return '[about["classes"][index] for index in out.argmax(1)]'
    if task == "binary":
        return '[about["classes"][int(logit > 0)] for logit in out[:, 0]]'
    return {"multilabel": f"{out} > 0", "count": f"{out}.exp()"}.get(task, out)


_SNIPPET = '''\
import json

import numpy as np
import torch
from safetensors import safe_open

with safe_open("{name}", "pt") as file:
    about = json.loads(file.metadata()["sweep"])
    tensors = {{name: file.get_tensor(name) for name in file.keys()}}

{code}
model.load_state_dict(tensors)
model.eval()


{inputs}


def predict(rows):
    """{what}"""
    with torch.no_grad():
        out = model(inputs(rows)){reading}
    return {answer}'''

_ARRAY = '''\
def inputs(rows):
    """Rows as they come from the source, as the network reads them."""
    x = np.asarray(rows, np.float64).reshape(len(rows), -1){scaled}
    return torch.as_tensor(x.astype(np.float32)).reshape(-1, *about["input_shape"])'''

_TABLE = '''\
def column(cells, feature):
    """One input of the network, from a column of the table."""
    empty = cells.isna() | cells.astype(str).str.strip().eq("")
    if "mean" in feature:
        numbers = cells.astype(object).where(~empty, feature["fill"]).to_numpy(np.float64)
        return (numbers - feature["mean"]) / feature["scale"]
    texts = [feature["fill"] if none else str(cell) for cell, none in zip(cells, empty)]
{coded}


def inputs(table):
    """Rows of a pandas table, as they come from the source, as the network reads them."""
    columns = [column(table[feature["column"]], feature) for feature in about["features"]]
    return torch.as_tensor(np.stack(columns, 1).astype(np.float32))'''

_ONE_HOT = """\
    return np.array([text is not None and text == feature["is"] for text in texts])"""
_CODES = """\
    codes = {text: 1 + place for place, text in enumerate(feature["codes"])}
    return np.array([0 if text is None else codes.get(text, 0) for text in texts])"""

_INPUTS = {
    "plain": _ARRAY.format(scaled=""),
    "array": _ARRAY.format(scaled='\n    x = (x - about["mean"]) / about["scale"]'),
    "table": _TABLE.format(coded=_ONE_HOT),
    "coded": _TABLE.format(coded=_CODES),
}
