"""What `sweep validate` shows of the actors that would train a study, without a look at Ray."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweep.plan.plan import Plan
    from sweep.spec.study import StudySpec


def plan_here(spec: StudySpec) -> Plan:
    """Make the plan of a study, on a machine that may lack the GPU that its actors have.

    Raises:
        UsageError: see `make_plan`.
    """
    from sweep.engines.ray_engine import gpus
    from sweep.plan.plan import make_plan
    from sweep.plan.width import resolve_device

    if spec.engine.kind != "ray":
        return make_plan(spec)
    if not gpus(spec) or resolve_device("auto").type == "cpu":
        training = spec.training.model_copy(update={"cuda_graph": False})
        plan = make_plan(spec.model_copy(update={"device": "cpu", "training": training}))
    else:
        plan = make_plan(spec)
    lanes = spec.engine.lanes
    return replace(plan, spec=spec, width=plan.width if lanes == "auto" else lanes)


def actor_rows(plan: Plan) -> list[tuple[str, str]]:
    """Return the actors of a plan as names and texts: how many, with what, and what they get."""
    from sweep.engines.ray_engine import gpus
    from sweep.engines.shipping import files_to_ship, packed, size_bytes

    spec = plan.spec
    engine, share, files = spec.engine, gpus(spec), files_to_ship(spec)
    size = sum((spec.folder / file).stat().st_size for file in files)
    shipped = f"{_megabytes(size_bytes(packed(plan.dataset)))} of rows"
    if files:
        shipped += f", {', '.join(map(str, files))} ({_megabytes(size)})"
    cpus = f"{engine.cpus:g} core{'s' * (engine.cpus != 1)}"
    each = f"{cpus} and {share:g} of a GPU" if share else cpus
    rows = [
        ("actors", f"{_how_many(spec)}, {each} each, at {_where(spec)}"),
        ("shipped", shipped),
    ]
    if share and plan.problem.X.device.type == "cpu":
        rows.append(("note", "this machine has no GPU; actors have the lanes that theirs holds"))
    return rows


def _how_many(spec: StudySpec) -> str:
    least, most = spec.engine.bounds
    if least == most:
        return f"{least}"
    at_once = spec.in_flight and spec.in_flight + 1  # the control too
    few = f" (of which at most {at_once} train: search.in_flight)" if at_once else ""
    if most == float("inf"):
        return f"as many as find room{few}"
    return f"{least} to {most:g}, as many as find room{few}"


def _where(spec: StudySpec) -> str:
    address = spec.engine.address
    return {"local": "a Ray of this machine's own", "auto": "RAY_ADDRESS"}.get(address, address)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2g} MB" if size >= 1e4 else f"{size / 1e3:.2g} kB"
