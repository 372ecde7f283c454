"""What the commands take: arguments and options, and what is made of them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import typer

from sweep.errors import UsageError, hide_passwords

if TYPE_CHECKING:
    from sweep.spec.study import StudySpec

ArgumentError: Any = typer.BadParameter.__base__  # click's UsageError, wherever typer keeps it
KEYS = {  # options, and the keys of a study file that they override
    "--n-trials": "search.n_trials",
    "--storage": "storage",
    "--device": "device",
    "--engine": "engine.kind",
    "--address": "engine.address",
}


def named(value: Any) -> Any:
    """Refuse an empty text where a file, a study or a URL must be named."""
    several = value if isinstance(value, list) else [value]
    if any(str(one) in ("", ".") for one in several):  # an empty path reads as the working folder
        raise typer.BadParameter("must name something, got an empty text or this folder")
    return value


def _output(help: str) -> Any:
    """Return the option of the file that a command writes."""
    return typer.Option("--output", "-o", help=help, callback=named)


StudyFile = Annotated[
    Path, typer.Argument(metavar="STUDY.yaml", help="study file", callback=named)
]
Study = Annotated[
    str, typer.Argument(metavar="STUDY", help="study file, or a study's name", callback=named)
]
Sets = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads it at run time
    typer.Option("--set", metavar="a.b=c", help="override a key of the study file; repeatable"),
]
Storage = Annotated[Optional[str], typer.Option(help="Optuna storage URL", callback=named)]  # noqa: UP045
Device = Annotated[Optional[str], typer.Option(help="auto, cpu, cuda or cuda:N")]  # noqa: UP045
Source = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--from",
        metavar="DATA",
        help="table.csv, table.parquet, arrays.npz or python:module:function",
        callback=named,
    ),
]
Target = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="the column to predict; without it one is chosen", callback=named),
]
Engine = Annotated[Optional[str], typer.Option(help="local or ray")]  # noqa: UP045
Address = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(metavar="HOST:PORT", help="of a Ray cluster, or auto, or local", callback=named),
]
Version = Annotated[bool, typer.Option("--version", help="show the version and end")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object, nothing else")]
Select = Annotated[Optional[str], typer.Option(help="best or 1se")]  # noqa: UP045
ToConfig = Annotated[Optional[Path], _output(".yaml, .toml or .json")]  # noqa: UP045
ToWeights = Annotated[Optional[Path], _output(".safetensors; a card is written beside it")]  # noqa: UP045
ToPage = Annotated[Optional[Path], _output("an .html file")]  # noqa: UP045


def load(study: Path, sets: list[str] | None, options: Mapping[str, object]) -> StudySpec:
    """Read a study file; options, named as in `KEYS`, win over it.

    Raises:
        UsageError: the file is no study, or an address is given that nothing would read.
    """
    from sweep.spec.files import load_spec

    given = [
        f"{KEYS[name]}={json.dumps(value)}" for name, value in options.items() if value is not None
    ]
    spec = load_spec(study, [*(sets or []), *given])
    address = options.get("--address")
    if address is not None and spec.engine.kind != "ray":
        raise UsageError(
            f"--address: must come with engine ray, got {address} with engine"
            f" {spec.engine.kind}. Use --engine ray"
        )
    return spec


def next_commands(
    study: Path, spec: StudySpec, sets: list[str] | None, options: Mapping[str, object]
) -> tuple[str, str]:
    """Return the command that goes on with a run, and how others name its study."""
    options = {**options, "--storage": options["--storage"] and hide_passwords(spec.storage)}
    given = [("--set", hide_passwords(one)) for one in sets or []]
    given += [(name, str(value)) for name, value in options.items() if value is not None]
    again = shlex.join(["sweep", "run", str(study), *(part for pair in given for part in pair)])
    if not sets and options["--storage"] is None:
        return again, shlex.quote(str(study))
    return again, shlex.join([spec.study_name, "--storage", hide_passwords(spec.storage)])


def selection_of(option: str | None) -> Literal["best", "1se"] | None:
    """Return what `--select` names."""
    if option not in (None, "best", "1se"):
        raise UsageError(f"--select: must be best or 1se, got {option}")
    return option  # type: ignore[return-value]


def argument_problem(error: Any) -> str:
    """Say in one line what is wrong with the arguments, and where their help is."""
    text = " ".join(error.format_message().split()).rstrip(".")
    command = error.ctx.command_path if error.ctx else "sweep"
    return f"{text}. Try `{command} --help`"
