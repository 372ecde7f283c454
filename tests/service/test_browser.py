"""The pages as people use them, in a browser: drop, watch, take, stop, log in, by keyboard."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from torch import nn

import sweep
from tests.support.driven import Page, driven
from tests.support.pictured import pictured
from tests.support.served import Served, served

pytestmark = pytest.mark.slow

ROWS = "id,size,weight,colour,label\n" + "".join(
    f"{i},{i * 7 % 31},{i * 5 % 17},{'red' if i % 3 else 'blue'},{'cat' if i % 2 else 'dog'}\n"
    for i in range(120)
)
LONG = """\
study_name: long
data: {source: "sklearn:digits", scale: none}
training: {epochs: 400}
search: {n_trials: 500, sampler: {type: tpe}, space: {alpha: {low: 1e-4, high: 1e-1}}}
replicates: {n_folds: 3}
"""
ONE = """\
study_name: NAME
data: {source: "sklearn:iris", train_rows: 60}
model: {hidden: [4]}
training: {epochs: 3, batch_size: 20}
search: {n_trials: 6, sampler: {type: tpe}, space: {alpha: {low: 1e-4, high: 1e-1}}}
replicates: {n_folds: 3}
"""
PER_MINUTE: dict[str, Any] = {"limits": {"requests_per_minute": 6000}}


def open_to_all(folder: Path) -> dict[str, Any]:
    return {"projects": {"default": f"sqlite:///{folder}/studies.db"}, "auth": "none"}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Served]:
    """The service with its studies, open to everyone on this machine."""
    with served(tmp_path, supervised=True, **open_to_all(tmp_path), **PER_MINUTE) as service:
        yield service


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Served]:
    """The service with tokens; its studies wait."""
    with served(tmp_path, **PER_MINUTE) as service:
        yield service


@pytest.fixture
def page() -> Iterator[Page]:
    with driven() as page:
        yield page


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "my cats.csv"
    path.write_text(ROWS)
    return path


def fine(page: Page, service: Served) -> None:
    """Nothing was complained of, and nobody else was asked for anything."""
    assert page.complaints == []
    own = (service.origin, "about:", "data:", "blob:")
    assert [url for url in page.asked_for if not url.startswith(own)] == []


def log_in(page: Page, token: str) -> None:
    page.click("#token")
    page.type(token)
    page.click("#gate button")


def queue_up(page: Page, text: str) -> None:
    page.click("#write")
    page.wait("document.activeElement.id == 'new-text'")
    page.type(text)
    page.click("#draft button.first")


# --- the way of a new user


def test_a_table_is_dropped_watched_and_its_config_taken(
    running: Served, page: Page, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.go(f"{running.origin}/")
    page.has("Nothing runs at present")
    page.drop(table, "#drop")
    page.has("A first study for my-cats.csv")
    page.has("counts the rows")
    assert page.ask("document.querySelector('#new-target').value") == "label"
    page.ask("document.querySelector('#new-trials').value = 8")
    page.click("#draft button.first")
    page.wait("location.pathname == '/studies/my-cats'")
    page.wait("document.querySelector('#state').textContent == 'done'", 120)
    page.wait("document.querySelectorAll('#curve .point').length == 8")
    assert "best" in page.text("#verdict")
    folder = tmp_path / "saved"
    folder.mkdir()
    page.save_to(folder)
    for form in ("yaml", "toml", "json"):
        page.click(f"[data-form={form}]")
        wanted, ends = folder / f"my-cats.{form}", time.monotonic() + 120
        while not wanted.exists() and time.monotonic() < ends:
            time.sleep(0.1)
    configs = [sweep.load_config(folder / f"my-cats.{form}") for form in ("yaml", "toml", "json")]
    assert len({config.alpha for config in configs}) == 1
    assert configs[0].spec.data.columns is not None
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {"model": nn.Linear(4, 2)}
    exec(page.text("#code"), names)  # as one would paste it
    assert names["optimizer"].param_groups[0]["weight_decay"] == 2 * configs[0].alpha
    page.go(f"{running.origin}/")
    page.wait("document.querySelector('#ended .name')?.textContent == 'my-cats'")
    assert "best α" in page.text("#ended")
    fine(page, running)


def test_another_target_and_fewer_columns_are_what_is_sent(
    guarded: Served, page: Page, table: Path
) -> None:
    page.go(f"{guarded.origin}/")
    log_in(page, guarded.token())
    page.wait("!document.querySelector('#studies').hidden")
    page.drop(table, "#drop")
    page.has("A first study")
    page.ask(
        "(() => { const s = document.querySelector('#new-target'); s.value = 'size';"
        " s.dispatchEvent(new Event('change')); })()"
    )
    page.wait("document.querySelector('#new-task').value == 'regression'")
    page.click("[data-column='0']")  # not left out after all
    page.click("#draft button.first")
    page.wait("location.pathname == '/studies/my-cats'")
    page.has("place 1 in the queue")
    spec = guarded.get("/v1/studies/my-cats").json["spec"]
    assert (spec["data"]["target"], spec["data"]["task"]) == ("size", "regression")
    assert not spec["data"]["columns"]


def test_what_cannot_start_says_why(running: Served, page: Page, tmp_path: Path) -> None:
    gaps = tmp_path / "gaps.csv"
    gaps.write_text("a,y\n" + "".join(f"{i % 7},{'' if i == 3 else i * 1.5}\n" for i in range(60)))
    page.go(f"{running.origin}/")
    page.wait("!document.querySelector('#studies').hidden")
    page.drop(gaps, "#drop")
    page.has("It cannot start yet")
    assert page.ask("document.querySelector('#draft button.first').disabled")
    wrong = tmp_path / "photo.png"
    wrong.write_bytes(b"png")
    page.go(f"{running.origin}/")
    page.wait("!document.querySelector('#studies').hidden")
    page.drop(wrong, "#drop")
    page.has("photo.png is neither a table")


# --- stop and go on


def test_a_running_study_is_watched_cancelled_and_resumed(running: Served, page: Page) -> None:
    page.go(f"{running.origin}/")
    queue_up(page, LONG)
    page.wait("location.pathname == '/studies/long'")
    page.wait("document.querySelector('#bar').getAttribute('aria-valuenow') > 0")
    page.wait("document.querySelector('#learning polyline')")
    page.click("#cancel")
    page.wait("document.querySelector('#state').textContent == 'cancelled'")
    page.click("#resume")
    page.wait("document.querySelector('#state').textContent == 'running'")
    page.click("#log-box summary")
    page.wait("document.querySelector('#log').textContent.length > 20")
    page.click("#cancel")
    page.wait("document.querySelector('#state').textContent == 'cancelled'")
    fine(page, running)


def test_a_study_that_fails_says_why_in_a_line(running: Served, page: Page) -> None:
    page.go(f"{running.origin}/")
    queue_up(page, ONE.replace("NAME", "bad").replace("train_rows: 60", "train_rows: 6000"))
    page.wait("document.querySelector('#state')?.textContent == 'failed'")
    page.has("data.train_rows: must be at most")
    fine(page, running)


def test_a_study_file_with_a_mistake_is_not_queued(running: Served, page: Page) -> None:
    page.go(f"{running.origin}/")
    queue_up(page, ONE.replace("NAME", "one").replace("hidden", "hiden"))
    page.has("model.hiden: unknown key")
    page.wait("document.activeElement.matches('#draft button.first')")  # there to try again


# --- who may


def test_one_logs_in_by_a_token_and_out_again(guarded: Served, page: Page) -> None:
    page.go(f"{guarded.origin}/studies/none")
    page.has("Log in")
    log_in(page, "swp_wrong_token")
    page.has("This token is unknown, has expired or was revoked")
    page.ask("document.querySelector('#token').value = ''")
    token = guarded.token()
    log_in(page, token)
    page.has("No such study")
    page.go(f"{guarded.origin}/")
    page.has("alice · vision · submit")
    assert page.ask("document.cookie") == ""  # no script can read it
    assert not any(token in url for url in page.asked_for)
    assert token not in page.ask("document.documentElement.outerHTML")
    page.click("#log-out")
    page.has("Paste the token that you were given")


def test_a_reader_sees_but_cannot_start_or_stop(guarded: Served, page: Page) -> None:
    guarded.submit("one")
    page.go(f"{guarded.origin}/")
    log_in(page, guarded.token("read"))
    page.has("one")
    page.wait("document.querySelector('#queue .name')?.textContent == 'one'")
    assert page.ask("document.querySelector('#new').hidden")
    page.click("#queue .name")
    page.has("place 1 in the queue")
    assert page.ask("document.querySelector('#cancel').hidden")


def test_a_revoked_token_leads_back_to_the_gate(guarded: Served, page: Page) -> None:
    page.go(f"{guarded.origin}/")
    token = guarded.token()
    log_in(page, token)
    page.has("Nothing runs at present")
    guarded.service.door.tokens.revoke("_".join(token.split("_")[:2]))
    page.has("Paste the token that you were given")


def test_too_many_requests_and_a_lost_service_are_said(tmp_path: Path, page: Page) -> None:
    limits = {"requests_per_minute": 6}
    with served(tmp_path, **open_to_all(tmp_path), limits=limits) as service:
        page.go(f"{service.origin}/")
        page.has("Too many requests")
    page.has("The service does not answer")


# --- how it is to use


def test_all_is_done_by_keyboard_alone(running: Served, page: Page) -> None:
    page.go(f"{running.origin}/")
    page.has("Nothing runs at present")
    reach(page, "#write")
    assert page.ask("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.press("Enter")
    page.wait("document.activeElement.id == 'new-text'")
    page.type(ONE.replace("NAME", "keys"))
    reach(page, "#draft button.first")
    page.press("Enter")
    page.wait("document.querySelector('#state')?.textContent == 'done'", 90)
    page.wait("!document.querySelector('#config').hidden")
    reach(page, "[data-form=toml]")
    reach(page, "#log-box summary")
    page.press("Enter")
    page.wait("document.querySelector('#log-box').open")


def reach(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(40):
        page.press("Tab")
        if page.ask(f"document.activeElement.matches({json.dumps(selector)})"):
            return
    raise AssertionError(f"Tab never comes to {selector}")


NAMELESS = """
[...document.querySelectorAll('input, select, textarea, button, a')].filter(e => e.offsetParent)
  .filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim())).map(e => e.outerHTML)
"""
WIDE = "document.documentElement.scrollWidth > innerWidth"
# Text whose contrast with what lies behind it is below 4.5.
FAINT = """
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const shine = (c) => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > .99) return c;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length || e.closest('.skip, .out-of-sight, noscript, option')) continue;
    if (e.closest('title') || e.disabled) continue;
    const style = getComputedStyle(e);
    const ink = parse(e.ownerSVGElement ? style.fill : style.color);
    const [a, b] = [shine(ink), shine(behind(e.ownerSVGElement ? e.ownerSVGElement.parentElement : e))].sort();
    const contrast = (b + .05) / (a + .05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)} ${e.className.baseVal ?? e.className} ${e.textContent.trim().slice(0, 30)}`);
  }
  return found;
})()
"""  # noqa: E501


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_and_nothing_is_too_wide(
    guarded: Served, page: Page, table: Path, dark: bool
) -> None:
    guarded.submit("made")
    pictured(storage=guarded.service.storage("vision"))
    page.see(390, dark=dark)
    page.go(f"{guarded.origin}/")
    page.has("Log in")
    states = [looks(page)]
    log_in(page, guarded.token())
    page.wait("document.querySelector('#queue .name')")
    states.append(looks(page))
    page.drop(table, "#drop")
    page.has("A first study")
    states.append(looks(page))
    for path in ("/studies/made", "/v1/docs", "/studies/none"):
        page.go(f"{guarded.origin}{path}")
        page.wait("document.querySelector('#wait').hidden")
        if path == "/studies/made":
            page.wait("document.querySelectorAll('#curve .point').length == 4")
        for box in range(page.ask("document.querySelectorAll('details').length")):
            page.ask(f"document.querySelectorAll('details')[{box}].open = true")
        states.append(looks(page))
    assert states == [([], [], [])] * len(states)


def looks(page: Page) -> tuple[Any, Any, Any]:
    """Return faint texts, controls without a name, and widths at which the page is too wide."""
    wide = []
    for width in (360, 390, 820, 1440):
        page.see(width, dark=page.ask("matchMedia('(prefers-color-scheme: dark)').matches"))
        page.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        wide += [width] * page.ask(WIDE)
    return page.ask(FAINT), page.ask(NAMELESS), wide


def test_pages_have_no_script_or_style_inside() -> None:
    folder = Path(sweep.__file__).parent / "service" / "static"
    for path in folder.glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", text), (
            path
        )
        assert not re.search(r"(src|href)=\"(?!/|#)", text), path
    for path in folder.glob("*.js"):
        assert not re.search(
            r"innerHTML|insertAdjacentHTML|document\.write|eval\(", path.read_text()
        )


def test_the_text_of_the_guess_is_the_study_that_is_sent(
    running: Served, page: Page, table: Path
) -> None:
    page.go(f"{running.origin}/")
    page.wait("!document.querySelector('#studies').hidden")
    page.drop(table, "#drop")
    page.has("A first study")
    page.click("#draft summary")
    tree = YAML(typ="safe", pure=True).load(page.text("#draft pre"))
    page.click("#draft button.first")
    page.wait("location.pathname == '/studies/my-cats'")
    sent = YAML(typ="safe", pure=True).load(running.service.queue.find("default", "my-cats").body)
    sent["search"].pop("timeout_s")
    del tree["search"]["space"], tree["data"]["scale"]  # defaults, written out
    assert sent == tree
