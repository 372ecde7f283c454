"""The commands of the service: start it, and say who may use it."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from sweep.cli.arguments import named
from sweep.cli.lines import print_table
from sweep.errors import UsageError
from sweep.files import private
from sweep.runtime import importing

if TYPE_CHECKING:
    from sweep.service.serve_config import ServeConfig
    from sweep.service.service import Service
    from sweep.service.tokens import Tokens

NEEDED = ("fastapi", "uvicorn", "a2wsgi", "prometheus_client")
ConfigFile = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads it at run time
    typer.Option("--config", help="serve.yaml; options win over it", callback=named),
]
Database = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="URL of the service's own database", callback=named),
]

serve = typer.Typer(
    help="Take studies over HTTP: queue them, run them, show them.", no_args_is_help=False
)
token = typer.Typer(help="Who may use the service: add, list and revoke tokens.")
serve.add_typer(token, name="token")


@serve.callback(invoke_without_command=True)
def _serve(
    context: typer.Context,
    config: ConfigFile = None,
    host: Annotated[Optional[str], typer.Option(help="address to listen on")] = None,  # noqa: UP045
    port: Annotated[Optional[int], typer.Option(help="0 takes a free one")] = None,  # noqa: UP045
    public_url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="how browsers reach it: https://sweep.example.org"),
    ] = None,
    auth: Annotated[Optional[str], typer.Option(help="token, or none on loopback")] = None,  # noqa: UP045
    data: Annotated[Optional[Path], typer.Option(help="folder of files studies may name")] = None,  # noqa: UP045
    modules: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="folder of Python modules studies may name"),
    ] = None,
    max_running: Annotated[Optional[int], typer.Option(help="studies at once")] = None,  # noqa: UP045
    database: Database = None,
) -> None:
    """Take studies over HTTP: queue them, run them, show them."""
    if context.invoked_subcommand is not None:
        context.obj = config
        return
    options = {
        "host": host, "port": port, "public_url": public_url, "auth": auth, "data": data,
        "modules": modules, "max_running": max_running, "database": database,
    }  # fmt: skip
    found = _config(config, options)
    with importing():
        from sweep.service.logs import set_up_logs
        from sweep.service.server import serve as run

    set_up_logs()
    with private():
        run(found, _announce)


def _config(path: Path | None, options: dict[str, Any]) -> ServeConfig:
    """Read the config; without the extra there is nothing to configure."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"serve: needs the extra `service`, got no {missing[0]}. Install alpha-sweep[service]"
        )
    with importing():
        from sweep.service.serve_config import load_config

    return load_config(path, options)


def _announce(service: Service) -> None:
    print(f"{service.origin}/  (Ctrl-C ends)", flush=True)
    if service.config.auth == "token" and not service.door.tokens.count():
        hint = "sweep serve token add NAME --role submit"
        print(f"note: nobody has a token yet; make one with: {hint}", flush=True)


@token.command()
def add(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="whose", callback=named)],
    project: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="the only project that it opens", callback=named),
    ] = None,
    role: Annotated[str, typer.Option(help="read, submit, admin or metrics")] = "submit",
    days: Annotated[float, typer.Option(help="until it expires")] = 90.0,
    config: ConfigFile = None,
    database: Database = None,
) -> None:
    """Make a token and print it: it is shown this once."""
    found, tokens = _tokens(context, config, database)
    names = [*found.storages]
    if project is None and len(names) > 1:
        raise UsageError(f"--project: must be given, got none. Valid: {', '.join(names)}")
    if (project := project or names[0]) not in names:
        raise UsageError(
            f"--project: must be one of the service, got {project}. Valid: {', '.join(names)}"
        )
    print(tokens.add(user, project, role, days))


@token.command(name="list")
def show(
    context: typer.Context, config: ConfigFile = None, database: Database = None
) -> None:  # fmt: skip
    """List the tokens, without their secrets."""
    _, tokens = _tokens(context, config, database)
    rows = [
        (f"swp_{row.token_id}", row.user_name, row.project, row.role, _date(row.used),
         "revoked" if row.revoked else _date(row.expires))
        for row in tokens.list()
    ]  # fmt: skip
    print_table(("token", "user", "project", "role", "last used", "expires"), rows)


@token.command()
def revoke(
    context: typer.Context,
    token: Annotated[str, typer.Argument(help="its first part, as the list shows it")],
    config: ConfigFile = None,
    database: Database = None,
) -> None:
    """Make a token useless, at once."""
    _, tokens = _tokens(context, config, database)
    tokens.revoke(token)
    print("revoked")


def _tokens(
    context: typer.Context, config: Path | None, database: str | None
) -> tuple[ServeConfig, Tokens]:
    # Where the service listens, and under which name, is told when it starts.
    found = _config(config or context.obj, {"database": database, "host": "127.0.0.1"})
    with importing():
        from sweep.service.database import Database as Tables
        from sweep.service.tokens import Tokens

    with private():
        return found, Tokens(Tables.open(found.database))


def _date(time: float | None) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d") if time else ""
