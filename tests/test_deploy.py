"""The examples of deploy/, each checked by a tool as far as that goes without its daemon."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sweep.service.serve_config import parse_config

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
TOOLS = Path(sys.executable).parent


def checked(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def documents(path: Path) -> list[dict[str, object]]:
    return list(YAML(typ="safe").load_all(path.read_text(encoding="utf-8")))


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there; systemd refuses one that is not."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "sweep.service").read_text(encoding="utf-8")
    path = tmp_path / "sweep.service"
    path.write_text(text.replace("/opt/sweep/bin/sweep", str(TOOLS / "sweep")), encoding="utf-8")
    return path


def test_systemd_takes_the_unit(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_finds_little_exposed(unit: Path) -> None:
    checked("systemd-analyze", "security", "--offline=yes", "--threshold=20", unit)


def test_a_stopped_unit_leaves_studies_training(unit: Path) -> None:
    assert "\nKillMode=process\n" in unit.read_text(encoding="utf-8")


def test_the_dockerfile_keeps_the_rules_of_hadolint() -> None:
    checked(TOOLS / "hadolint", DEPLOY / "Dockerfile")


def test_what_the_dockerfile_copies_is_there() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [
        line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--" not in line
    ]
    assert copied
    assert all((ROOT / name).exists() for names in copied for name in names)


def test_the_compose_file_keeps_its_schema() -> None:
    checked(
        TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec",
        DEPLOY / "compose.yaml",
    )  # fmt: skip


def test_only_the_proxy_is_open_to_others() -> None:
    (compose,) = documents(DEPLOY / "compose.yaml")
    services = compose["services"]
    assert isinstance(services, dict)
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]


def test_the_manifests_keep_the_schema_of_kubernetes() -> None:
    checked(TOOLS / "kubernetes-validate", "--strict", DEPLOY / "k8s" / "sweep.yaml")


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.yaml")), ids=lambda path: path.name)
def test_no_password_stands_in_an_example(path: Path) -> None:
    assert "password=" not in path.read_text(encoding="utf-8").replace("password=...", "")
    assert "://sweep:" not in path.read_text(encoding="utf-8")


def test_the_examples_of_serve_yaml_are_read() -> None:
    config_map, *_ = documents(DEPLOY / "k8s" / "sweep.yaml")
    data = config_map["data"]
    assert isinstance(data, dict)
    for text in (data["serve.yaml"], (DEPLOY / "serve.yaml").read_text(encoding="utf-8")):
        tree = {"public_url": "https://sweep.example.org", **YAML(typ="safe").load(text)}
        config = parse_config(tree, "serve.yaml")
        assert config.storages.keys() == {"default"}
        assert config.folder == Path("/var/lib/sweep/service")
