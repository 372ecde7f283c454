"""The attached penalty in a user's loop: checkpoints, schedulers, scalers, groups and copies."""

import copy
import io
import pickle
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from sweep.config.training_loop import Config
from sweep.errors import UsageError
from tests.support.cases import few_fast
from tests.support.own_loop import (
    STEPS,
    TRAININGS,
    assert_alike,
    batches,
    config,
    data_loss,
    network,
    plain_optimizer,
    trainings,
)

MOMENTUM = TRAININGS[1]
ADAMW = {"optimizer": "adamw", "lr": 0.02}
NORMS: dict[str, dict[str, float]] = {"l2": {}, "l1": {}, "elastic": {"l1_ratio": 0.4}}
norms = pytest.mark.parametrize("norm", NORMS)

Optimizer = torch.optim.Optimizer
State = dict[str, Tensor]


def attached(cfg: Config, training: dict[str, Any], model: nn.Module) -> Optimizer:
    optimizer = plain_optimizer(training, model.parameters())
    cfg.attach(optimizer, model)
    return optimizer


def steps(model: nn.Module, optimizer: Optimizer, first: int = 0, last: int = STEPS) -> State:
    for x, y in batches()[first:last]:
        optimizer.zero_grad()
        data_loss(model, x, y).backward()
        optimizer.step()
    return state(model)


def state(model: nn.Module) -> State:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def saved(model: nn.Module, optimizer: Optimizer) -> Any:
    file = io.BytesIO()
    torch.save([model.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def uninterrupted(cfg: Config, training: dict[str, Any]) -> State:
    model = network()
    return steps(model, attached(cfg, training, model))


# --- checkpoints and copies


@pytest.mark.parametrize(
    ("training", "norm", "loaded"),
    few_fast(product(TRAININGS, NORMS, ["after attach", "before attach"]), 3),
)
def test_a_checkpoint_in_the_middle_changes_nothing(
    training: dict[str, Any], norm: str, loaded: str
) -> None:
    cfg = config(training, norm, **NORMS[norm])
    model = network()
    optimizer = attached(cfg, training, model)
    steps(model, optimizer, last=11)
    weights, memory = saved(model, optimizer)

    model = network(seed=5)
    optimizer = plain_optimizer(training, model.parameters())
    if loaded == "after attach":
        cfg.attach(optimizer, model)
    model.load_state_dict(weights)
    optimizer.load_state_dict(memory)
    if loaded == "before attach":
        cfg.attach(optimizer, model)
    assert_alike(steps(model, optimizer, first=11), uninterrupted(cfg, training), 1e-12)


@pytest.mark.parametrize(
    ("training", "norm"),
    [*((training, norm) for training in TRAININGS for norm in NORMS), (ADAMW, "l2")],
)
def test_a_checkpoint_of_the_studys_own_optimizer_changes_nothing(
    training: dict[str, Any], norm: str
) -> None:
    cfg = config(training, norm, **NORMS[norm])
    model, whole = network(), network()
    optimizer = cfg.optimizer(model)
    steps(model, optimizer, last=11)
    weights, memory = saved(model, optimizer)
    model = network(seed=5)
    optimizer = cfg.optimizer(model)
    model.load_state_dict(weights)
    optimizer.load_state_dict(memory)
    assert_alike(steps(model, optimizer, 11), steps(whole, cfg.optimizer(whole)), 1e-12)


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))],
    ids=["deepcopy", "pickle"],
)
@norms
def test_a_copy_goes_on_once_it_is_attached_again(
    norm: str, duplicate: Callable[[Any], Any]
) -> None:
    cfg = config(MOMENTUM, norm, **NORMS[norm])
    model = network()
    optimizer = attached(cfg, MOMENTUM, model)
    steps(model, optimizer, last=11)
    twin, its_optimizer = duplicate((model, optimizer))
    cfg.attach(its_optimizer, twin)
    wanted = uninterrupted(cfg, MOMENTUM)
    assert_alike(steps(twin, its_optimizer, 11), wanted, 1e-12)
    assert_alike(steps(model, optimizer, 11), wanted, 1e-12)


def test_a_float32_checkpoint_holds_the_gain_in_full() -> None:
    training = {"optimizer": "sgd", "lr": 0.05, "momentum": 0.77}
    cfg, model = config(training, "l1"), network().float()
    optimizer = attached(cfg, training, model)
    model(torch.ones(1, 5)).sum().backward()
    for _ in range(5):
        optimizer.step()
    fresh = attached(cfg, training, network().float())
    fresh.load_state_dict(saved(model, optimizer)[1])
    gains = [memory["l1_gain"] for memory in fresh.state.values() if "l1_gain" in memory]
    assert gains == [pytest.approx(sum(0.77**k for k in range(5)), rel=1e-14)] * 2


def test_a_buffer_older_than_the_penalty_starts_without_it() -> None:
    training = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "dampening": 0.25}
    model = nn.Linear(2, 1).double()
    optimizer = plain_optimizer(training, model.parameters())
    (0 * model(torch.ones(1, 2).double())).sum().backward()
    optimizer.step()
    before = model.weight.detach().clone()
    config(training, "l1", alpha=0.01).attach(optimizer, model)
    optimizer.step()
    # The buffer takes in (1 - dampening) of a gradient that comes new.
    torch.testing.assert_close(
        (before - model.weight).abs(), torch.full_like(before, 0.1 * 0.01 * 0.75)
    )


# --- schedulers, closures, scalers

SCHEDULERS: dict[str, Callable[[Optimizer], Any]] = {
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda step: 0.95**step),
    "one lambda a group": lambda o: lr_scheduler.LambdaLR(
        o, [lambda step: 0.95**step for _ in o.param_groups]
    ),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=STEPS + 1),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=STEPS),
    "multiplicative": lambda o: lr_scheduler.MultiplicativeLR(o, lambda step: 0.97),
}


@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=SCHEDULERS)
@norms
def test_schedulers_may_be_made_before(norm: str, scheduler: Callable[[Optimizer], Any]) -> None:
    cfg = config(MOMENTUM, norm, **NORMS[norm])

    def train(*, first: bool) -> State:
        model = network()
        optimizer = plain_optimizer(MOMENTUM, model.parameters())
        early = scheduler(optimizer) if first else None
        cfg.attach(optimizer, model)
        schedule = early or scheduler(optimizer)
        for k in range(STEPS):
            steps(model, optimizer, k, k + 1)
            schedule.step()
        return state(model)

    assert_alike(train(first=True), train(first=False), 0)


@norms
def test_groups_stay_as_they_are(norm: str) -> None:
    model = network()
    optimizer = plain_optimizer(MOMENTUM, model.parameters())
    before = copy.deepcopy(optimizer.state_dict()["param_groups"])
    config(MOMENTUM, norm).attach(optimizer, model)
    steps(model, optimizer, last=3)
    assert optimizer.state_dict()["param_groups"] == before


@pytest.mark.parametrize(
    ("training", "norm", "by_name"), few_fast(product(TRAININGS, NORMS, [False, True]), 5)
)
def test_a_step_with_a_closure_is_the_same(
    training: dict[str, Any], norm: str, by_name: bool
) -> None:
    cfg, model = config(training, norm, **NORMS[norm]), network()
    optimizer = attached(cfg, training, model)
    for x, y in batches():

        def closure(x: Tensor = x, y: Tensor = y) -> float:
            optimizer.zero_grad(set_to_none=False)
            loss = data_loss(model, x, y)
            loss.backward()
            return loss.item()

        loss = optimizer.step(closure=closure) if by_name else optimizer.step(closure)
        assert loss > 0
    assert_alike(state(model), uninterrupted(cfg, training), 1e-12)


@norms
def test_gradients_after_a_step_are_those_of_the_loss(norm: str) -> None:
    model = network()
    optimizer = attached(config(MOMENTUM, norm), MOMENTUM, model)
    data_loss(model, *batches()[0]).backward()
    grads = [p.grad for p in model.parameters()]
    values = [grad.clone() for grad in grads if grad is not None]
    optimizer.step()
    assert all(p.grad is grad for p, grad in zip(model.parameters(), grads, strict=True))
    assert all(torch.equal(g, v) for g, v in zip(grads, values, strict=True) if g is not None)


@norms
def test_a_step_that_broke_off_leaves_no_trace(norm: str) -> None:
    cfg, model = config(MOMENTUM, norm, **NORMS[norm]), network()
    optimizer = attached(cfg, MOMENTUM, model)
    late = optimizer.register_step_pre_hook(lambda *_: 1 / 0)  # type: ignore[arg-type]
    data_loss(model, *batches()[0]).backward()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            optimizer.step()
    late.remove()
    optimizer.step()  # on the same gradients: they are the loss's still
    assert_alike(steps(model, optimizer, 1), uninterrupted(cfg, MOMENTUM), 1e-12)


@pytest.mark.parametrize("fused", [False, True])
@norms
@pytest.mark.parametrize("training", [MOMENTUM, TRAININGS[-1]], ids=["momentum", "adam"])
def test_a_step_that_a_grad_scaler_skips_is_no_step(
    training: dict[str, Any], norm: str, fused: bool
) -> None:
    cfg, model = config(training, norm, **NORMS[norm]), network()
    optimizer = attached(cfg, {**training, "fused": fused}, model)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    rows = batches()
    for x, y in [*rows[:9], (rows[0][0] * torch.inf, rows[0][1]), *rows[9:]]:
        optimizer.zero_grad()
        scaler.scale(data_loss(model, x, y)).backward()
        before = state(model)
        scaler.step(optimizer)
        scaler.update()
        if x.isinf().any():
            assert_alike(state(model), before, 0)
    assert_alike(state(model), uninterrupted(cfg, training), 1e-12)


# --- groups and layers


@norms
@trainings
def test_one_group_a_tensor_is_the_same(training: dict[str, Any], norm: str) -> None:
    cfg, model = config(training, norm, **NORMS[norm]), network()
    optimizer = plain_optimizer(training, [{"params": [p]} for p in model.parameters()])
    cfg.attach(optimizer, model)
    assert_alike(steps(model, optimizer), uninterrupted(cfg, training), 1e-12)


@norms
def test_each_group_has_its_own_rate(norm: str) -> None:
    cfg, model = config(MOMENTUM, norm, **NORMS[norm]), network()
    first, *_, last, bias = model.parameters()
    rates = [{"params": [first, bias], "lr": 0.0}, {"params": [last]}]
    before = state(model)
    optimizer = plain_optimizer(MOMENTUM, rates)
    cfg.attach(optimizer, model)
    after = steps(model, optimizer)
    assert torch.equal(after["0.weight"], before["0.weight"])
    assert not torch.equal(after["3.weight"], before["3.weight"])


@pytest.mark.parametrize("first", ["the model", "the optimizer"])
@norms
def test_layers_that_come_later_are_penalised(norm: str, first: str) -> None:
    cfg, layers = config(MOMENTUM, norm, **NORMS[norm]), network()
    model = nn.Sequential(*list(layers)[:3])
    optimizer = plain_optimizer(MOMENTUM, model.parameters())
    cfg.attach(optimizer, model)
    if first == "the model":
        model.append(layers[3])
    optimizer.add_param_group({"params": list(layers[3].parameters())})
    optimizer.step()  # without gradients: nothing moves
    if first == "the optimizer":
        model.append(layers[3])
    assert_alike(steps(model, optimizer), uninterrupted(cfg, MOMENTUM), 1e-12)


def test_two_models_in_one_optimizer_each_have_their_own_penalty() -> None:
    weak, strong = (config(MOMENTUM, "l1", alpha=alpha) for alpha in (0.01, 0.1))
    one, other = network(), network(1)
    optimizer = plain_optimizer(MOMENTUM, [*one.parameters(), *other.parameters()])
    weak.attach(optimizer, one)
    strong.attach(optimizer, other)
    for x, y in batches():
        optimizer.zero_grad()
        (data_loss(one, x, y) + data_loss(other, x, y)).backward()
        optimizer.step()
    assert_alike(state(one), uninterrupted(weak, MOMENTUM), 1e-12)
    model = network(1)
    assert_alike(state(other), steps(model, attached(strong, MOMENTUM, model)), 1e-12)


def test_another_models_weight_decay_is_its_own() -> None:
    cfg, model, other = config(MOMENTUM), network(), nn.Linear(2, 2)
    decayed = {"params": list(other.parameters()), "weight_decay": 0.5}
    optimizer = plain_optimizer(MOMENTUM, [{"params": list(model.parameters())}, decayed])
    cfg.attach(optimizer, model)
    assert_alike(steps(model, optimizer), uninterrupted(cfg, MOMENTUM), 1e-12)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0, 0.5]


# --- frozen weights


def frozen() -> nn.Sequential:
    model = network()
    model[0].requires_grad_(False)
    return model


@norms
def test_penalty_leaves_frozen_weights_out(norm: str) -> None:
    cfg = config(MOMENTUM, norm, **NORMS[norm])
    only_last = nn.Sequential(network()[3])
    assert torch.equal(cfg.penalty(frozen()), cfg.penalty(only_last))


def test_groups_leave_frozen_tensors_out() -> None:
    model = frozen()
    weights, others = config(MOMENTUM).param_groups(model)
    assert [id(p) for p in weights["params"]] == [id(model[3].weight)]
    assert all(p.requires_grad for p in others["params"]) and len(others["params"]) == 3


@pytest.mark.parametrize("stale", [False, True], ids=["no gradient", "an old gradient"])
@norms
def test_a_frozen_weight_is_penalised_once_it_is_trained(norm: str, stale: bool) -> None:
    model = frozen()
    weight = model.get_parameter("0.weight")
    optimizer = attached(config(TRAININGS[0], norm, alpha=0.3), TRAININGS[0], model)
    weight.grad = torch.zeros_like(weight) if stale else None
    before = weight.clone()
    for x, y in batches()[:3]:
        data_loss(model, x, y).backward()
        optimizer.step()
    assert torch.equal(weight, before)
    weight.requires_grad_()
    weight.grad = torch.zeros_like(before)
    optimizer.step()
    assert weight.abs().sum() < before.abs().sum()


@norms
def test_the_studys_own_optimizer_holds_what_is_trained(norm: str) -> None:
    model = frozen()
    held = [p for group in config(MOMENTUM, norm).optimizer(model).param_groups
            for p in group["params"]]  # fmt: skip
    assert {id(p) for p in held} == {id(p) for p in model.parameters() if p.requires_grad}


# --- misuse


def _attach(cfg: Config, optimizer: Optimizer, model: nn.Module) -> Optimizer:
    cfg.attach(optimizer, model)
    return optimizer


def _plain(model: nn.Module, **options: Any) -> Optimizer:
    return plain_optimizer({**MOMENTUM, **options}, model.parameters())


def _with_late_group(model: nn.Sequential) -> None:
    optimizer = plain_optimizer(MOMENTUM, model[:3].parameters())
    config(MOMENTUM).attach(optimizer, model)
    late = list(model[3].parameters())
    optimizer.add_param_group({"params": late, "weight_decay": 0.5})
    steps(model, optimizer, last=1)


def _with_loaded_decay(model: nn.Sequential) -> None:
    optimizer = attached(config(MOMENTUM), MOMENTUM, model)
    optimizer.load_state_dict(_plain(model, weight_decay=0.5).state_dict())
    steps(model, optimizer, last=1)


TWICE = ("must be attached once", "Leave this .attach out")
DECAYED = ("weight_decay must be 0", "Make the optimiser without it")
L2, L1 = config(MOMENTUM), config(MOMENTUM, "l1")
MISUSES: dict[str, tuple[Callable[[Any], Any], tuple[str, str]]] = {
    "twice": (lambda m: L1.attach(_attach(L1, _plain(m), m), m), TWICE),
    "twice, l2": (lambda m: L2.attach(_attach(L2, _plain(m), m), m), TWICE),
    "by two configs": (lambda m: L2.attach(_attach(L1, _plain(m), m), m), TWICE),
    "a part, then the whole": (lambda m: L1.attach(_attach(L1, _plain(m), m[:1]), m), TWICE),
    "the whole, then a part": (lambda m: L1.attach(_attach(L1, _plain(m), m), m[:1]), TWICE),
    "the study's own": (lambda m: L1.attach(L1.optimizer(m), m), TWICE),
    "the study's own, l2": (lambda m: L2.attach(L2.optimizer(m), m), DECAYED),
    "param_groups": (
        lambda m: L2.attach(torch.optim.SGD(L2.param_groups(m), lr=0.1), m),
        DECAYED,
    ),
    "the user's weight_decay": (lambda m: L1.attach(_plain(m, weight_decay=0.5), m), DECAYED),
    "weight_decay of a late group": (_with_late_group, DECAYED),
    "weight_decay of a checkpoint": (_with_loaded_decay, DECAYED),
    "differentiable": (
        lambda m: L1.attach(_plain(m, differentiable=True), m),
        ("got SGD with differentiable", "Use .penalty(model) in the loss"),
    ),
    "all frozen": (
        lambda m: L1.penalty(m.requires_grad_(False)),
        ("must have a trainable tensor", "not all of them frozen"),
    ),
}


@pytest.mark.parametrize(("misuse", "told"), MISUSES.values(), ids=MISUSES)
def test_what_would_train_otherwise_than_meant_is_refused(
    misuse: Callable[[nn.Module], Any], told: tuple[str, str]
) -> None:
    with pytest.raises(UsageError) as error:
        misuse(network())
    message = str(error.value)
    assert message.startswith("config") and "\n" not in message
    assert all(part in message for part in told)


def test_removed_and_attached_again_is_attached_once() -> None:
    model = network()
    optimizer = _plain(model)
    L1.attach(optimizer, model).remove()
    L1.attach(optimizer, model)
    assert_alike(steps(model, optimizer), uninterrupted(L1, MOMENTUM), 1e-12)
