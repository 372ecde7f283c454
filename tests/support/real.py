"""optax, Keras and glmnet themselves, for who has them: tests skip where they are missing.

pip install optax keras                      # and R with its package glmnet
python -m pytest -m slow tests/config/test_decays.py tests/config/test_solvers.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.rules import Array, Rule, Tree

os.environ.setdefault("KERAS_BACKEND", "torch")  # read by Keras as it is imported
os.environ.setdefault("JAX_ENABLE_X64", "1")


def optax_rule(code: str, mask: dict[str, bool]) -> Rule:
    """Make the rule that code for optax builds, in float64."""
    optimizer = eval(code, {"optax": pytest.importorskip("optax"), "mask": mask})
    states: list[Any] = []

    def rule(g: Tree, w: Tree) -> Tree:
        state = states.pop() if states else optimizer.init(w)
        updates, state = optimizer.update(g, state, w)
        states.append(state)
        return {k: np.array(update) for k, update in updates.items()}

    return rule


def keras_rule(code: str, spared: list[str]) -> Rule:
    """Make the rule that code for an optimiser of Keras builds, in float64."""
    keras = pytest.importorskip("keras")
    optimizer = eval(code, {"keras": keras})
    variables: dict[str, Any] = {}

    def rule(g: Tree, w: Tree) -> Tree:
        if not variables:
            for k in w:
                variables[k] = keras.Variable(w[k], dtype="float64", name=k.replace(".", "_"))
            optimizer.build(list(variables.values()))
            optimizer.exclude_from_weight_decay([variables[k] for k in spared])
        for k, variable in variables.items():
            variable.assign(w[k])
        optimizer.apply([keras.ops.convert_to_tensor(g[k]) for k in variables])
        return {k: v.value.detach().numpy() - w[k] for k, v in variables.items()}

    return rule


def keras_gradient(code: str, w: Array) -> Array:
    """Return the gradient of what a layer of Keras adds to the loss for its kernel."""
    keras = pytest.importorskip("keras")
    import torch

    layer = eval(code, {"keras": keras, "units": len(w)})
    kernel = torch.tensor(w, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer.kernel_regularizer(kernel), kernel)
    return np.asarray(gradient.numpy())


def needs_r() -> None:
    """Skip a test where there is no R."""
    if shutil.which("Rscript") is None:
        pytest.skip("needs R")


def glmnet(code: str, X: Array, y: Array, folder: Path) -> Array:
    """Fit by a line of R; return what it predicts: numbers (n, 1), or classes' shares (n, C)."""
    np.savetxt(folder / "X.txt", X, fmt="%.17g")
    np.savetxt(folder / "y.txt", y, fmt="%.17g")
    script = folder / "fit.R"
    script.write_text(
        f"""suppressMessages({{library(methods); library(stats); library(glmnet)}})
X <- matrix(scan("{folder}/X.txt", quiet = TRUE), ncol = {X.shape[1]}, byrow = TRUE)
y <- scan("{folder}/y.txt", quiet = TRUE)
fit <- {code}
cat(format(as.vector(predict(fit, X, type = "response")), digits = 17), sep = "\\n")
"""
    )
    done = subprocess.run(["Rscript", str(script)], capture_output=True, text=True, timeout=120)
    if "no package called" in done.stderr:
        pytest.skip("needs R's package glmnet")
    found = np.array(done.stdout.split(), dtype=float).reshape(-1, len(X)).T
    return np.hstack([1 - found, found]) if '"binomial"' in code else found
