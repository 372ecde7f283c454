"""An exported config in a user's own loop: all ways in train alike, and as the definition says.

The references below use no optimiser of torch's: update rules and proximal steps are written
out from their formulas.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet, Lasso
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

import sweep
from sweep.config.training_loop import Config
from sweep.errors import UsageError
from sweep.spec.files import parse_spec
from sweep.training.layout import Layout
from tests.support.cases import few_fast
from tests.support.own_loop import (
    ALPHA,
    STEPS,
    TRAININGS,
    WEIGHTS,
    Loss,
    assert_alike,
    batches,
    config,
    data_loss,
    network,
    plain_optimizer,
    trainings,
)
from tests.support.reference import scheduler_of


def train(
    make: Callable[[nn.Module], torch.optim.Optimizer], loss: Loss = data_loss
) -> dict[str, Tensor]:
    """Train with a learning rate that falls by 3 % at every step."""
    model = network()
    optimizer = make(model)
    for x, y in batches():
        optimizer.zero_grad()
        loss(model, x, y).backward()
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] *= 0.97
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def reference(training: dict[str, Any], alpha: float, ratio: float) -> dict[str, Tensor]:
    """Minimise loss + α(r‖W‖₁ + (1 − r)‖W‖₂²): formulas of the optimisers, written out.

    The proximal step's threshold is what the optimiser itself would move an entry by, were the
    gradient a constant α·r from the first step on.
    """
    model = network()
    named = dict(model.named_parameters())
    memory: dict[str, dict[str, Any]] = {name: {} for name in named}
    lr = training["lr"]
    for t, (x, y) in enumerate(batches(), start=1):
        gradients = torch.autograd.grad(data_loss(model, x, y), list(named.values()))
        with torch.no_grad():
            for (name, w), g in zip(named.items(), gradients, strict=True):
                penalised = name in WEIGHTS
                g = g + 2 * alpha * (1 - ratio) * w if penalised else g
                move, reach = _move(training, memory[name], g, t)
                new = w - lr * move
                if penalised:
                    new = _towards_zero(new, lr * reach * alpha * ratio)
                w.copy_(new)
        lr *= 0.97
    return {name: parameter.detach() for name, parameter in named.items()}


def _towards_zero(w: Tensor, by: float | Tensor) -> Tensor:
    return torch.where(w > by, w - by, torch.where(w < -by, w + by, torch.zeros_like(w)))


def _move(training: dict[str, Any], m: dict[str, Any], g: Tensor, t: int) -> tuple[Tensor, Any]:
    """Return the step for gradient g without lr, and the reach of a constant unit gradient."""
    if training["optimizer"] == "adam":
        (b1, b2), eps = training.get("betas", (0.9, 0.999)), training.get("eps", 1e-8)
        m["m"] = b1 * m.get("m", torch.zeros_like(g)) + (1 - b1) * g
        m["v"] = b2 * m.get("v", torch.zeros_like(g)) + (1 - b2) * g**2
        root = (m["v"] / (1 - b2**t)).sqrt() + eps
        return m["m"] / (1 - b1**t) / root, 1 / root
    mu, tau = training.get("momentum", 0.0), training.get("dampening", 0.0)
    if mu == 0:
        return g, 1.0
    fresh = 1.0 if t == 1 else 1 - tau
    m["b"] = mu * m.get("b", torch.zeros_like(g)) + fresh * g
    m["s"] = mu * m.get("s", 0.0) + fresh
    if training.get("nesterov"):
        return g + mu * m["b"], 1 + mu * m["s"]
    return m["b"], m["s"]


# --- l2


@trainings
def test_all_ways_in_are_the_same_l2_training(training: dict[str, Any]) -> None:
    cfg = config(training)

    def attached(model: nn.Module) -> torch.optim.Optimizer:
        optimizer = plain_optimizer(training, model.parameters())
        cfg.attach(optimizer, model)
        return optimizer

    def with_penalty(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return data_loss(model, x, y) + cfg.penalty(model)

    wanted = reference(training, ALPHA, 0.0)
    ways = {
        "param_groups": train(lambda m: plain_optimizer(training, cfg.param_groups(m))),
        "penalty": train(lambda m: plain_optimizer(training, m.parameters()), with_penalty),
        "attach": train(attached),
        "optimizer": train(cfg.optimizer),
    }
    for way in ways.values():
        assert_alike(way, wanted, 1e-9 if training["optimizer"] == "adam" else 1e-12)


def test_l2_pulls_at_all() -> None:
    training = TRAININGS[1]
    pulled, free = reference(training, ALPHA, 0.0), reference(training, 0.0, 0.0)
    assert all(pulled[name].norm() < 0.9 * free[name].norm() for name in WEIGHTS)


def test_groups_hold_each_tensor_once() -> None:
    model = network()
    weights, others = config(TRAININGS[0]).param_groups(model)
    names = {id(p): name for name, p in model.named_parameters()}
    assert [names[id(p)] for p in weights["params"]] == list(WEIGHTS)
    assert {names[id(p)] for p in others["params"]} == set(names.values()) - set(WEIGHTS)
    assert (weights["weight_decay"], others["weight_decay"]) == (2 * ALPHA, 0.0)


def test_exempt_patterns_hold_on_the_users_model() -> None:
    tree = {"study_name": "x", "penalty": {"exempt": ["3.*"]}}
    cfg = Config(parse_spec(tree, "x", Path(".")), {"alpha": ALPHA})
    model = network()
    assert [p.shape for p in cfg.param_groups(model)[0]["params"]] == [(6, 5)]
    expected = ALPHA * model.get_parameter("0.weight").square().sum()
    assert torch.equal(cfg.penalty(model), expected)


class NormalizedLinear(nn.Linear):
    pass


def many_kinds() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(1, 1, 1), NormalizedLinear(5, 4), nn.LayerNorm([1, 4]), nn.Linear(4, 3)
    )


@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ({}, "0.weight 1.weight 3.weight"),
        ({"exempt": ["0.*"], "include": ["2.weight", "3.*"]},
         "1.weight 2.weight 3.bias 3.weight"),
    ],
)  # fmt: skip
def test_a_study_its_config_and_all_ways_in_penalise_the_same_tensors(
    patterns: dict[str, Any], expected: str, norm: str
) -> None:
    tree = {"study_name": "x", "penalty": {"norm": norm, **patterns}}
    cfg = Config(parse_spec(tree, "x", Path(".")), {"alpha": 0.5})
    penalty, model = cfg.spec.penalty, many_kinds()
    names = {id(p): name for name, p in model.named_parameters()}
    ways = {"study": [*Layout.of(model, penalty.exempt, penalty.include).penalised]}
    gradients = torch.autograd.grad(
        cfg.penalty(model), [*model.parameters()], materialize_grads=True
    )
    ways["penalty"] = [
        name for name, g in zip(names.values(), gradients, strict=True) if g.count_nonzero()
    ]
    if norm == "l2":
        ways["groups"] = [names[id(p)] for p in cfg.param_groups(model)[0]["params"]]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    cfg.attach(optimizer, model)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    ways["attach"] = [n for n, p in model.named_parameters() if not torch.equal(p, before[n])]
    for way, found in ways.items():
        assert sorted(found) == expected.split(), way


def test_patterns_that_match_nothing_in_the_users_model_are_refused() -> None:
    tree = {"study_name": "x", "penalty": {"exempt": ["layers.3.*"]}}
    cfg, model = Config(parse_spec(tree, "x", Path(".")), {"alpha": ALPHA}), network()
    line = r"^penalty\.exempt: must match a tensor of the network, got 'layers\.3\.\*'\. "
    for use in (cfg.param_groups, cfg.penalty, cfg.optimizer):
        with pytest.raises(UsageError, match=line):
            use(model)
    with pytest.raises(UsageError, match=line):
        cfg.attach(torch.optim.SGD(model.parameters(), lr=0.1), model)


# --- l1 and elastic


@pytest.mark.parametrize("ratio", [1.0, 0.4])
@trainings
def test_attach_is_the_proximal_training(training: dict[str, Any], ratio: float) -> None:
    norm = "l1" if ratio == 1 else "elastic"
    # Without momentum the steps are short: a stronger penalty, to reach zeros just as soon.
    alpha = 0.06 if "momentum" in training or training["optimizer"] == "adam" else 0.3
    shares = {} if norm == "l1" else {"l1_ratio": ratio}
    cfg = config(training, norm, alpha=alpha, **shares)

    def attached(model: nn.Module) -> torch.optim.Optimizer:
        optimizer = plain_optimizer(training, model.parameters())
        cfg.attach(optimizer, model)
        return optimizer

    wanted = reference(training, alpha, ratio)
    zeros = sum(int((wanted[name] == 0).sum()) for name in WEIGHTS)
    assert 0 < zeros < 42  # a reference without zeros would show nothing
    for trained in (train(attached), train(cfg.optimizer)):
        assert_alike(trained, wanted, 1e-9 if training["optimizer"] == "adam" else 1e-12)
        for name in WEIGHTS:
            assert torch.equal(trained[name] == 0, wanted[name] == 0)


def test_a_removed_hook_shrinks_no_more() -> None:
    training = TRAININGS[1]
    cfg = config(training, "l1")

    def removed(model: nn.Module) -> torch.optim.Optimizer:
        optimizer = plain_optimizer(training, model.parameters())
        cfg.attach(optimizer, model).remove()
        return optimizer

    assert_alike(train(removed), reference(training, 0.0, 1.0), 1e-12)


@pytest.mark.parametrize(
    ("more", "ratio", "alpha"),
    few_fast(
        (
            (more, *penalty)
            for more in ({}, {"nesterov": True}, {"dampening": 0.5})
            for penalty in ((1.0, 0.2), (0.5, 0.1))
        ),
        3,
    ),
)
def test_a_linear_model_ends_where_scikit_learn_does(
    more: dict[str, Any], ratio: float, alpha: float
) -> None:
    training = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, **more}
    X = StandardScaler().fit_transform(load_diabetes(scaled=False).data)
    y = StandardScaler().fit_transform(load_diabetes().target[:, None])[:, 0]
    if ratio == 1:
        oracle = Lasso(alpha / 2, tol=1e-14, max_iter=100_000).fit(X, y)
    else:
        strength, share = alpha * ratio / 2 + alpha * (1 - ratio), ratio / (2 - ratio)
        oracle = ElasticNet(strength, l1_ratio=share, tol=1e-14, max_iter=100_000).fit(X, y)
    cfg = config(training, "elastic", alpha=alpha, l1_ratio=ratio)
    model = nn.Linear(10, 1).double()
    optimizer = cfg.optimizer(model)
    rows, targets = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(2000):
        optimizer.zero_grad()
        (model(rows)[:, 0] - targets).square().mean().backward()
        optimizer.step()
    found = model.weight.detach().numpy()[0]
    np.testing.assert_allclose(found, oracle.coef_, rtol=0, atol=1e-9)
    assert ((found == 0) == (oracle.coef_ == 0)).all()
    assert 0 < (found == 0).sum() < 10


@pytest.mark.parametrize(("norm", "params"), [("l2", {}), ("l1", {}), ("elastic", {}),
                                              ("elastic", {"l1_ratio": 0.2})])  # fmt: skip
def test_penalty_is_alpha_times_the_norm(norm: str, params: dict[str, float]) -> None:
    model = network()
    w = torch.cat([model.get_parameter(name).flatten() for name in WEIGHTS])
    r = params.get("l1_ratio", {"l2": 0.0, "l1": 1.0, "elastic": 0.5}[norm])
    expected = ALPHA * (r * w.abs().sum() + (1 - r) * (w**2).sum())
    penalty = config({"optimizer": "adam"}, norm, **params).penalty(model)
    assert penalty.shape == () and penalty.requires_grad
    torch.testing.assert_close(penalty, expected, rtol=1e-14, atol=0)


# --- schedule and clip


@pytest.mark.parametrize(
    "schedule",
    [
        "constant",
        "cosine",
        {"type": "step", "every": 2},
        {"type": "linear", "warmup": 7},
        "one_cycle",
    ],
    ids=str,
)
@pytest.mark.parametrize("clip", [None, 0.1])
def test_scheduler_and_clip_are_the_studys(schedule: Any, clip: float | None) -> None:
    training = {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "epochs": 6}
    cfg = config({**training, "schedule": schedule, "clip_norm": clip})
    steps, found = STEPS // 6, []
    for ours in (True, False):
        model = network()
        optimizer = cfg.optimizer(model)
        scheduler: torch.optim.lr_scheduler.LRScheduler = cfg.scheduler(optimizer, steps)
        by_step = True
        if not ours:
            optimizer = cfg.optimizer(model)
            scheduler, by_step = scheduler_of(cfg.spec.training.rate, optimizer, 6, steps)
        for at, (x, y) in enumerate(batches(), start=1):
            optimizer.zero_grad()
            data_loss(model, x, y).backward()
            if ours:
                cfg.clip(model)
            elif clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            if at < STEPS and (ours or by_step or at % steps == 0):
                scheduler.step()
        found.append({name: parameter.detach() for name, parameter in model.named_parameters()})
    assert_alike(found[0], found[1], 1e-12)


# --- adamw


def test_adamw_groups_train_as_adamw_by_its_formula() -> None:
    training = {"optimizer": "adamw", "lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6}
    cfg = config(training, weight_decay=0.7)
    for trained in (
        train(lambda m: plain_optimizer(training, cfg.param_groups(m))),
        train(cfg.optimizer),
    ):
        assert_alike(trained, _adamw(0.02, (0.8, 0.95), 1e-6, 0.7), 1e-9)


def _adamw(lr: float, betas: tuple[float, float], eps: float, decay: float) -> dict[str, Tensor]:
    model = network()
    named = dict(model.named_parameters())
    memory: dict[str, dict[str, Any]] = {name: {} for name in named}
    for t, (x, y) in enumerate(batches(), start=1):
        gradients = torch.autograd.grad(data_loss(model, x, y), list(named.values()))
        with torch.no_grad():
            for (name, w), g in zip(named.items(), gradients, strict=True):
                rule = {"optimizer": "adam", "betas": betas, "eps": eps}
                move, _ = _move(rule, memory[name], g, t)
                w.copy_(w * (1 - lr * decay * (name in WEIGHTS)) - lr * move)
        lr *= 0.97
    return {name: parameter.detach() for name, parameter in named.items()}


# --- the study's own values


def test_searched_lr_and_momentum_are_used() -> None:
    training = {"optimizer": "sgd", "lr": 0.5, "momentum": 0.1}
    cfg = config(training, lr=0.05, momentum=0.9)
    assert_alike(train(cfg.optimizer), reference(TRAININGS[1], ALPHA, 0.0), 1e-12)


def test_a_file_gives_what_was_exported(
    tiny: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("export", "tiny.yaml", "-o", "out.toml").code == 0
    cfg = sweep.load_config("out.toml")
    best = sweep.run(sweep.load_spec("tiny.yaml")).best
    assert cfg.alpha == best.params["alpha"]
    assert cfg.l1_ratio == 0.0
    optimizer = cfg.optimizer(network())
    assert isinstance(optimizer, torch.optim.Adam)
    assert {group["weight_decay"] for group in optimizer.param_groups} == {2 * cfg.alpha, 0.0}
    assert math.isclose(optimizer.param_groups[0]["lr"], 2e-2)


# --- misuse


def _adam(model: nn.Module, **options: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), **options)


@pytest.mark.parametrize(
    ("misuse", "got", "next_step"),
    [
        (
            lambda m: config(TRAININGS[0], "l1").param_groups(m),
            "only norm l2 is a weight_decay, got l1",
            "Use .attach(optimizer, model) for exact zeros, or .penalty(model) in the loss",
        ),
        (
            lambda m: config(TRAININGS[0], "elastic", l1_ratio=0.3).param_groups(m),
            "got elastic",
            ".attach(optimizer, model)",
        ),
        (
            lambda m: config({"optimizer": "adamw"}).penalty(m),
            "a study of adamw has none",
            "Use .param_groups(model)",
        ),
        (
            lambda m: config({"optimizer": "adamw"}).attach(_adam(m), m),
            "a study of adamw has none",
            "Use .param_groups(model)",
        ),
        (
            lambda m: config({"optimizer": "adamw"}).alpha,
            "a study of adamw has none",
            "Use .param_groups(model)",
        ),
        (
            lambda m: config(TRAININGS[0]).attach(torch.optim.AdamW(m.parameters()), m),
            "must be plain torch.optim.SGD, Adam, RMSprop, Adagrad, NAdam or RAdam, got AdamW",
            "Use .penalty(model) in the loss",
        ),
        (
            lambda m: config(TRAININGS[0]).attach(torch.optim.Adadelta(m.parameters()), m),
            "got Adadelta",
            "Use .penalty(model) in the loss",
        ),
        (
            lambda m: config(TRAININGS[0], "l1").attach(_adam(m, amsgrad=True), m),
            "got Adam with amsgrad",
            "Use .penalty(model) in the loss",
        ),
        (
            lambda m: config(TRAININGS[0]).attach(_adam(m, decoupled_weight_decay=True), m),
            "got Adam with decoupled_weight_decay",
            "Use .penalty(model) in the loss",
        ),
        (
            lambda m: config(TRAININGS[0]).attach(_adam(network(1)), m),
            "got one that holds none of them",
            "Make it from model.parameters()",
        ),
        (
            lambda m: config(TRAININGS[0]).penalty(nn.LayerNorm(3)),
            "got none in LayerNorm",
            "Give a model with weights",
        ),
        (
            lambda m: sweep.load_config("none.yaml"),
            "must be a readable file",
            "writes one",
        ),
    ],
)
def test_misuse_names_the_next_step(
    misuse: Callable[[nn.Module], Any], got: str, next_step: str
) -> None:
    with pytest.raises(UsageError) as error:
        misuse(network())
    message = str(error.value)
    assert message.startswith("config")
    assert got in message and next_step in message and "\n" not in message


@pytest.mark.parametrize(
    "call",
    [
        lambda made, model: made.attach(model, torch.optim.Adam(model.parameters())),
        lambda made, model: made.penalty(model.parameters()),
        lambda made, model: made.param_groups(model.state_dict()),
        lambda made, model: made.optimizer(None),
    ],
)
def test_what_is_no_model_is_refused(call: Callable[[Config, nn.Module], object]) -> None:
    with pytest.raises(UsageError, match=r"^config: must be given a torch\.nn\.Module as the"):
        call(config(TRAININGS[0]), network())


def test_a_layer_without_a_size_is_refused_before_it_goes_unpenalised() -> None:
    made = config({"optimizer": "adam"})
    model = nn.Sequential(nn.Linear(4, 3), nn.LazyLinear(2))
    for use in (made.param_groups, made.penalty):
        with pytest.raises(UsageError, match=r"all its sizes, got 1\.weight without one\. Run"):
            use(model)
    model(torch.zeros(1, 4))
    assert len(made.param_groups(model)[0]["params"]) == 2
