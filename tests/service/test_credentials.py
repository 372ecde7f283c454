"""Where a token is taken from, and that nobody else gets to read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.errors import UsageError
from sweep.service.credentials import find_token, find_url, token_file

LOCAL, FAR = "http://127.0.0.1:8000", "https://sweep.example.org"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SWEEP_URL", "SWEEP_TOKEN", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(text: str, mode: int = 0o600) -> Path:
    path = token_file()
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_argument_wins_over_the_environment_and_that_over_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_token(FAR) is None
    path = write("swp_file\n")
    assert path == home / ".config" / "sweep" / "token" and find_token(FAR) == "swp_file"
    monkeypatch.setenv("SWEEP_TOKEN", "swp_environment")
    assert find_token(FAR) == "swp_environment"
    assert find_token(FAR, "swp_argument") == "swp_argument"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_file_that_others_may_read_is_refused(home: Path, mode: int) -> None:
    write("swp_secret", mode)
    with pytest.raises(UsageError, match="chmod 600") as error:
        find_token(FAR)
    assert "swp_" not in str(error.value)


def test_a_folder_in_its_place_is_refused(home: Path) -> None:
    token_file().mkdir(parents=True)
    with pytest.raises(UsageError, match="token: must be"):
        find_token(FAR)


@pytest.mark.parametrize("token", ["a b", "a\nX-Other: 1", "swp_é", "x" * 600])
def test_what_is_no_word_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(UsageError, match="token: must be one word") as error:
        find_token(FAR, token)
    assert token not in str(error.value)


def test_a_token_goes_encrypted_or_stays_on_this_machine() -> None:
    assert find_token(LOCAL, "swp_x") == find_token("http://[::1]:80", "swp_x") == "swp_x"
    assert find_token("http://sweep.example.org") is None
    with pytest.raises(UsageError, match="must be https://"):
        find_token("http://sweep.example.org", "swp_x")


def test_an_address_is_that_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_url("https://sweep.example.org/") == FAR
    monkeypatch.setenv("SWEEP_URL", LOCAL)
    assert find_url() == LOCAL and find_url(FAR) == FAR


@pytest.mark.parametrize(
    "url",
    ["", "sweep.example.org", "ftp://a", "file:///etc/passwd", "https://", "http://a:b:c",
     "https://a/prefix", "https://a?x=1", "https://a#x", "http://a:99999", "https://é.example"],
)  # fmt: skip
def test_what_is_none_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(UsageError, match="url: must be") as error:
        find_url(url)
    assert "\n" not in str(error.value)


def test_a_password_in_an_address_is_refused_and_hidden() -> None:
    with pytest.raises(UsageError, match="url: must be a host alone") as error:
        find_url("https://me:secret@sweep.example.org")
    assert "secret" not in str(error.value)
