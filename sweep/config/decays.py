"""A chosen strength in the optimisers and layers of torch, optax, Keras and others.

There a network is trained by the mean loss, on data that are prepared as the study prepares them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sweep.config.chosen import Chosen, Entry, call
from sweep.config.options import OPTIMIZERS
from sweep.spec.loss_setting import loss_words, weights_words
from sweep.spec.optimizers import AdamWSpec, SgdSpec
from sweep.spec.sections import MlpSpec


class Made(NamedTuple):
    """An equivalent: its numbers and their formula, the code that uses them, what it holds for."""

    entry: Entry
    use: str
    where: list[str]


def decays(chosen: Chosen) -> dict[str, Entry]:
    """Return the equivalents in programs in which a network is trained."""
    made = _decoupled(chosen) if chosen.is_decoupled else {**_gradient(chosen), **_layers(chosen)}
    data, how = _data(chosen), _how(chosen)
    found = {
        name: {
            **entry,
            **({"data": data} if data else {}),
            "use": use,
            "holds_for": "; ".join([*where, how]),
        }
        for name, (entry, use, where) in made.items()
    }
    return found | (_timescale(chosen) if chosen.is_decoupled else {})


def _data(chosen: Chosen) -> str:
    """Write Python that prepares raw X and y."""
    lines = []
    if prepare := chosen.prepare:
        back = "" if chosen.is_flat else ".reshape(X.shape)"
        lines.append(f"X = {prepare}.fit_transform({chosen.vectors}){back}")
    if chosen.scales_target:
        many = f"np.reshape(y, (-1, {chosen.n_outputs}))"
        part = "[:, 0]" if chosen.n_outputs == 1 else ""
        lines.append(f"y = StandardScaler().fit_transform({many}){part}")
    return "; ".join(lines)


def _how(chosen: Chosen) -> str:
    loss = loss_words(chosen.spec).loss.removesuffix(" of the target as scaled")
    loss += weights_words(chosen.spec)
    prepared = " after `data`," if _data(chosen) else ""
    steps = ", ".join([f"{chosen.batch_size} rows a step", *chosen.spec.training.extras])
    return f"{loss}{prepared} of {chosen.rows}; {steps}"


# --- a term of the loss


def _gradient(chosen: Chosen) -> dict[str, Made]:
    """Add weight_decay·w to the gradient: only the squared norm is that."""
    if chosen.ratio:
        return {}
    decay = chosen.spec.training.decay * chosen.strength
    entry = {"weight_decay": decay, "formula": "weight_decay = 2 * strength"}
    found = {"torch": Made(entry, _torch(chosen, decay), [_GROUPS])}
    if chosen.spec.training.optimizer in _IN_OPTAX and not chosen.has_dampening:
        inner = f"optax.add_decayed_weights({decay!r}, mask=mask)"
        found["optax"] = Made(entry, f"optax.chain({inner}, {_optax(chosen)})", [_MASK])
    return found


def _layers(chosen: Chosen) -> dict[str, Made]:
    if chosen.spec.penalty.include:  # which may name biases, or what no kernel is
        return {}
    absolute, squared = chosen.strength * chosen.ratio, chosen.strength * (1 - chosen.ratio)
    where = ["each layer that has a tensor in penalty.penalised"]
    if not isinstance(chosen.spec.model, MlpSpec):
        where.append("recurrent layers take it as recurrent_regularizer too, Embedding as"
                     " embeddings_regularizer")  # fmt: skip
    if chosen.ratio:
        where.append("weights come near 0 but not to it, since Keras takes no proximal steps")
    parts = {"l1": (absolute, "strength * ratio"), "l2": (squared, "strength * (1 - ratio)")}
    used = {name: part for name, part in parts.items() if part[0]}
    values: Entry = {name: value for name, (value, _) in used.items()}
    formula = ", ".join(f"{name} = {words}" for name, (_, words) in used.items())
    kernel = call("keras.regularizers.L1L2", **values)
    use = f"keras.layers.Dense(units, kernel_regularizer={kernel})"
    return {"keras": Made({**values, "formula": formula}, use, where)}


# --- decay by the optimiser itself


def _decoupled(chosen: Chosen) -> dict[str, Made]:
    decay, independent = chosen.strength, chosen.values["lr"] * chosen.strength
    entry = {"weight_decay": decay, "formula": "weight_decay = strength"}
    optax = f"{_optax(chosen)[:-1]}, weight_decay={decay!r}, mask=mask)"
    if chosen.spec.training.optimizer == "muon":  # of two parts, which no other program has so
        return {}
    if chosen.spec.training.optimizer == "lion":  # torch has none
        return {"optax": Made(entry, optax, [_MASK])}
    found = {
        "torch": Made(entry, _torch(chosen, decay), [_GROUPS]),
        "optax": Made(entry, optax, [_MASK]),
        "independent_decay": Made(
            {"weight_decay": independent, "formula": "weight_decay = lr * strength"},
            _groups(chosen, "composer.optim.DecoupledAdamW", independent),
            ["w *= 1 - weight_decay * lr_now / lr_first at every step, as in Composer", _GROUPS],
        ),
    }
    if chosen.has_small_eps:
        found["keras_adamw"] = Made(entry, _keras_adamw(chosen), [_SPARED])
    return found


def _keras_adamw(chosen: Chosen) -> str:
    training = chosen.spec.training
    assert isinstance(training, AdamWSpec)
    (b1, b2), eps = training.betas, training.eps
    return (
        f"keras.optimizers.AdamW({_lr(chosen)}, weight_decay={chosen.strength!r},"
        f" beta_1={b1!r}, beta_2={b2!r}, epsilon={eps!r})"
    )


def _timescale(chosen: Chosen) -> dict[str, Entry]:
    """Return over how many epochs AdamW's weights average their updates."""
    if not chosen.strength or not chosen.spec.training.rate.is_constant:
        return {}
    steps = -(-chosen.n // chosen.batch_size)
    return {
        "timescale": {
            "epochs": 1 / (chosen.values["lr"] * chosen.strength * steps),
            "formula": "epochs = 1 / (lr * strength * ceil(rows / batch_size))",
            "holds_for": "the time in which weights forget what they were;"
            f" {chosen.rows}; {chosen.batch_size} rows a step",
        }
    }


# --- their words

_IN_OPTAX = ("sgd", "adam")  # the others step there by other formulas
_GROUPS = "weights: the tensors in penalty.penalised, others: those in penalty.exempt"
_SPARED = "what is in penalty.exempt goes to .exclude_from_weight_decay(var_names=…)"
_MASK = "mask: True for the tensors in penalty.penalised, False for those in penalty.exempt"


def _lr(chosen: Chosen) -> str:
    constant = chosen.spec.training.rate.is_constant
    return repr(chosen.values["lr"]) if constant else "schedule"


def _torch(chosen: Chosen, decay: float) -> str:
    return _groups(chosen, f"torch.optim.{OPTIMIZERS[chosen.spec.training.optimizer].name}", decay)


def _groups(chosen: Chosen, name: str, decay: float) -> str:
    training = chosen.spec.training
    options = OPTIMIZERS[training.optimizer].options(training, chosen.values)
    given = "".join(f", {key}={value!r}" for key, value in options.items())
    groups = f'[{{"params": weights, "weight_decay": {decay!r}}}, '
    groups += '{"params": others, "weight_decay": 0.0}]'
    return f"{name}({groups}, lr={chosen.values['lr']!r}{given})"


def _optax(chosen: Chosen) -> str:
    training, options = chosen.spec.training, dict[str, Any]()
    if isinstance(training, SgdSpec):
        if momentum := chosen.values["momentum"]:
            options = {"momentum": momentum, "nesterov": training.nesterov}
    else:
        names = zip(("b1", "b2"), getattr(training, "betas", ()), strict=False)
        options = dict(names) | ({"eps": training.eps} if hasattr(training, "eps") else {})
    given = "".join(f", {key}={value!r}" for key, value in options.items())
    return f"optax.{training.optimizer}({_lr(chosen)}{given})"
