"""What `sweep serve` is told: a file of keys, and options that win over it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator

from sweep.errors import UsageError
from sweep.spec.base import Section
from sweep.spec.files import one_line, storage_url
from sweep.spec.study import Device
from sweep.spec.tree import read_tree
from sweep.storage.engine import check_url
from sweep.storage.sqlite import absolute

LOOPBACK = ("127.0.0.1", "localhost", "::1")
OUT = Path("studies/out")
PROJECT = "default"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Seconds = Annotated[float, Field(gt=0, le=604_800)]
Bytes = Annotated[int, Field(ge=1024, le=2**40)]


class Limits(Section):
    """What a token, a request and a study may take at most."""

    requests_per_minute: Count = Field(60, description="Of one token; more answer 429.")
    streams: Count = Field(20, description="Open event streams of one token.")
    body_bytes: Bytes = Field(262_144, description="Of a request's body.")
    body_s: Seconds = Field(30.0, description="Time in which a body must have arrived.")
    upload_bytes: Bytes = Field(100_000_000, description="Of one uploaded file.")
    upload_s: Seconds = Field(600.0, description="Time in which an upload must have arrived.")
    queued: Count = Field(100, description="Studies that wait in one project.")
    running: Count = Field(2, description="Studies that run in one project.")
    memory_bytes: Bytes = Field(2**33, description="Memory of a study's process.")
    disk_bytes: Bytes = Field(2**28, description="Free disk below which nothing is accepted.")


class ServeConfig(Section):
    """Everything that `sweep serve` is told."""

    host: str = Field("127.0.0.1", description="The address that it listens on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="0 takes a free one.")
    public_url: str | None = Field(
        None,
        description="How browsers reach it, as https://sweep.example.org; on loopback it is"
        " known without.",
    )
    auth: Literal["token", "none"] = Field(
        "token", description="none: everyone on this machine is an admin; on loopback only."
    )
    database: str = Field(
        f"sqlite:///{OUT}/service.db",
        description="URL of the queue, the tokens and the events: SQLite or PostgreSQL.",
    )
    projects: dict[str, str] = Field(
        default_factory=dict,
        description="Name of each project to the Optuna URL of its storage; without it, one"
        " project `default` with the storage that `sweep run` takes.",
    )
    folder: Path = Field(OUT / "service", description="Logs, reports and files of studies.")
    data: Path | None = Field(None, description="A folder with files that studies may name.")
    modules: Path | None = Field(
        None, description="A folder with Python modules whose functions studies may name."
    )
    max_running: Count = Field(2, description="Studies that run at once on this machine.")
    device: Device = Field("auto", description="What studies train on.")
    limits: Limits = Field(Limits(), description="What a token, a request and a study may take.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.projects:
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"projects: must be named by letters, digits, '.', '_' or '-', got {name!r}"
                )
        if self.projects and len({*self.storages.values()}) < len(self.projects):  # as resolved
            raise ValueError("projects: must have a storage each, got one twice")
        if self.auth == "none" and self.host not in LOOPBACK:
            raise ValueError(
                f"auth: must be token where host is not this machine alone, got none with"
                f" {self.host}. Use `sweep serve token add`"
            )
        if self.auth == "none" and len(self.projects) > 1:
            raise ValueError(
                f"projects: must be one where auth is none, got {len(self.projects)}. Use tokens"
            )
        self._check_url()
        return self

    def _check_url(self) -> None:
        if self.public_url is None:
            if self.host not in LOOPBACK:
                raise ValueError(
                    f"public_url: must be given where host is not this machine alone, got"
                    f" {self.host}. Name it as browsers do: https://sweep.example.org"
                )
            return
        url = urlsplit(self.public_url)
        local = url.hostname in LOOPBACK
        if (
            not url.hostname
            or url.scheme not in ("https", "http")
            or not (local or url.scheme == "https")
        ):
            raise ValueError(
                f"public_url: must start with https:// unless it is this machine, got"
                f" {self.public_url}. Put a proxy with TLS in front"
            )
        if url.path not in ("", "/") or url.query or url.fragment:
            raise ValueError(
                f"public_url: must have no path, got {self.public_url}. Give the service a host"
                " name of its own"
            )
        if self.auth == "none" and not local:
            raise ValueError("auth: must be token where public_url is not this machine, got none")

    @cached_property
    def storages(self) -> dict[str, str]:
        """The storage of each project."""
        found = self.projects or {PROJECT: storage_url()}
        return {
            name: absolute(check_url(url)).render_as_string(hide_password=False)
            for name, url in found.items()
        }

    def origin(self, port: int) -> str:
        """Return scheme, host and port as a browser names them; `port`: that it listens on."""
        if self.public_url:
            url = urlsplit(self.public_url)
            usual = ":443" if url.scheme == "https" else ":80"  # which browsers leave out
            return f"{url.scheme}://{url.netloc}".lower().removesuffix(usual)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}"


def load_config(path: Path | None, options: Mapping[str, Any]) -> ServeConfig:
    """Read a config file, if there is one, and let options win over it.

    Args:
        path: a YAML file; its relative paths start at the working folder.
        options: keys of the config; those that are None are not given.

    Raises:
        UsageError: the file or an option breaks a rule; in one line.
    """
    given = {key: value for key, value in options.items() if value is not None}
    tree = {**(read_tree(path) if path else {}), **given}
    where = str(path) if path else "options of `sweep serve`"
    return parse_config(tree, where)


def parse_config(tree: Mapping[str, Any], where: str) -> ServeConfig:
    """Check a config given as plain data, named `where` in messages."""
    try:
        return ServeConfig.model_validate_json(json.dumps(dict(tree), default=str))
    except ValidationError as error:
        raise UsageError(one_line(error, where, ServeConfig, "config")) from None
