"""What `sweep serve` is told, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest

from sweep.errors import UsageError
from sweep.service.serve_config import load_config, parse_config


def test_the_defaults_serve_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    config = parse_config({}, "test")
    assert (config.host, config.port, config.auth) == ("127.0.0.1", 8000, "token")
    assert config.storages == {"default": "sqlite:////studies/out/studies.db"}
    assert config.origin(8123) == "http://127.0.0.1:8123"


def test_options_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text("port: 9000\nmax_running: 4\nlimits: {queued: 7}\n")
    config = load_config(file, {"port": 9001, "host": None})
    assert (config.port, config.max_running, config.limits.queued) == (9001, 4, 7)
    assert config.limits.streams == 20


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        ("https://Sweep.Example.org", "https://sweep.example.org"),
        ("https://sweep.example.org/", "https://sweep.example.org"),
        ("https://sweep.example.org:443", "https://sweep.example.org"),
        ("https://sweep.example.org:8443", "https://sweep.example.org:8443"),
        ("http://localhost:80", "http://localhost"),
    ],
)
def test_the_origin_is_what_browsers_send(public_url: str, origin: str) -> None:
    assert parse_config({"public_url": public_url}, "test").origin(1) == origin


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"prot": 1}, "prot: unknown key (serve.yaml). Did you mean port?"),
        ({"limits": {"quued": 1}}, "limits.quued: unknown key (serve.yaml). Did you mean queued?"),
        ({"port": "x"}, "port: must be"),
        ({"auth": "nne"}, "Did you mean none?"),
        ({"auth": "none", "host": "0.0.0.0"}, "auth: must be token where host"),
        ({"auth": "none", "public_url": "https://x.org"}, "auth: must be token where public_url"),
        ({"auth": "none", "projects": {"a": "sqlite:///a", "b": "sqlite:///b"}}, "must be one"),
        ({"host": "0.0.0.0"}, "public_url: must be given"),
        ({"public_url": "http://x.org"}, "public_url: must start with https://"),
        ({"public_url": "x.org"}, "public_url: must start with https://"),
        ({"public_url": "https://x.org/sweep"}, "public_url: must have no path"),
        ({"public_url": "https://x.org?a"}, "public_url: must have no path"),
        ({"projects": {"a/b": "sqlite:///a"}}, "projects: must be named by"),
        ({"projects": {"a": "sqlite:///a", "b": "sqlite:///a"}}, "must have a storage each"),
        ({"projects": {"a": "sqlite:///a", "b": "sqlite:///./a"}}, "must have a storage each"),
        ({"max_running": 0}, "max_running: must be"),
    ],
)
def test_a_config_that_will_not_do_is_one_line(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_config(tree, "serve.yaml")
    assert message in str(refused.value) and "\n" not in str(refused.value)
