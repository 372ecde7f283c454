"""The report is one page that tells all, escapes everything and asks nobody."""

import json
import re
from dataclasses import replace
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pytest

from sweep.analysis.selection import Finished
from sweep.errors import SweepError, UsageError
from sweep.reporting.figures import TITLES
from sweep.reporting.page import _explained, write_report
from sweep.reporting.plotly import BLUE, THEMES
from sweep.reporting.tables import fit_table, key_numbers, provenance, storage_name, studies_table
from sweep.stats import plus_minus
from tests.conftest import made, made_study
from tests.reporting.test_figures import ELASTIC, RATIOS
from tests.support.browser import dump_dom
from tests.support.designs import designed, finished, two_valleys, valley
from tests.support.pictured import pictured

HOSTILE = "<script>alert(1)</script>&'\""
FIT = {
    "chosen": {"params": {"alpha": 0.01}, "loss": {"mean": 0.5, "se": 0.01}},
    "none": {"params": {"alpha": 0}, "loss": {"mean": 0.75, "se": None}},
    "difference": {"loss": {"mean": -0.25, "se": 0.02}},
    "n_test_rows": 360,
    "warnings": [],
}


class Outline(HTMLParser):
    """Checks that tags are closed in their order, and keeps the text and the elements."""

    VOID = ("meta", "link", "br", "img")

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


def page_of(*studies: optuna.Study, path: Path) -> str:
    size = write_report(studies, path)
    page = path.read_text(encoding="utf-8")
    assert size == path.stat().st_size
    return page


@pytest.fixture
def page(tmp_path: Path) -> str:
    return page_of(pictured(), path=tmp_path / "report.html")


def data_of(page: str) -> dict[str, Any]:
    """Read the figures' JSON out of a page, as its script does."""
    found = re.findall(r'<script type="application/json" id="([^"]+)-data">(.*?)</script>', page)
    return {name: json.loads(content) for name, content in found}


def test_the_sentence_comes_first_then_numbers_then_figures(page: str) -> None:
    text = Outline(page).text
    order = ["made · sweep", "mean loss + alpha * sum of squared", "alpha = 0.01 is best",
             "no penalty", *TITLES.values(),
             "Where this comes from"]  # fmt: skip
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_every_figure_has_its_data_a_name_and_a_caption(page: str) -> None:
    outline = Outline(page)
    assert [*data_of(page)] == [f"figure-0-{name}" for name in TITLES]
    plots = [attrs for attrs in outline.all("div") if attrs.get("class") == "plot"]
    assert [plot["id"] for plot in plots] == [*data_of(page)]
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)
    assert len(outline.all("figure")) == len(outline.all("figcaption")) == len(TITLES)
    ids = [attrs["id"] for _, attrs in outline.elements if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_the_page_is_whole_without_a_network(page: str) -> None:
    outline = Outline(page)
    (policy,) = (m for m in outline.all("meta") if m.get("http-equiv"))
    assert policy["content"] == (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline';"
        " img-src data: blob:"
    )
    addresses = [a.get("src") or a.get("href") or "" for _, a in outline.elements]
    assert not [address for address in addresses if not address.startswith(("", "#", "data:"))]
    assert not any("src" in attrs for _, attrs in outline.elements)
    assert outline.all("html") == [{"lang": "en"}]
    assert "plotly.js v" in page


def test_what_a_user_named_is_text_and_nothing_else(tmp_path: Path) -> None:
    attrs = {"problem": {"device": HOSTILE}, "spec_hash": HOSTILE}
    study = pictured(attrs=attrs)
    study.study_name = HOSTILE
    hostile_fit = {HOSTILE: {HOSTILE: {"mean": 1.0, "se": None}}, "card_path": HOSTILE}
    study.set_user_attr("fit", hostile_fit)
    spec = study.user_attrs["spec"]
    spec["data"]["source"] = HOSTILE
    study.set_user_attr("spec", spec)
    page = page_of(study, pictured(), path=tmp_path / "report.html")
    assert "<script>alert" not in page
    outline = Outline(page)
    assert outline.text.count(HOSTILE) >= 6
    plain = Outline(page_of(pictured(), pictured(), path=tmp_path / "plain.html"))
    assert len(outline.all("script")) == len(plain.all("script"))


def test_figures_data_cannot_end_their_script(tmp_path: Path) -> None:
    study = pictured()
    study.study_name = "</script><b>"
    page = page_of(study, pictured(), path=tmp_path / "report.html")
    name = data_of(page)["compared"]["data"][0]["name"]
    assert unescape(name) == "</script><b>"  # plotly takes it as text then


def test_dark_colours_are_all_that_the_script_needs(page: str) -> None:
    (colours,) = re.findall(r"const COLOURS = (.*);", page)
    assert dict(json.loads(colours)) == THEMES["dark"]
    assert BLUE in json.dumps(data_of(page))


def test_the_test_result_is_shown_once_there_is_one(tmp_path: Path, page: str) -> None:
    assert "Test result" not in page
    study = pictured(attrs={"fit": FIT})
    text = Outline(page_of(study, path=tmp_path / "fitted.html")).text
    assert "Test result" in text and "0.5000 ±\N{NO-BREAK SPACE}0.0100" in text
    assert "test loss" in text and "α = 0.01" in text and "difference (paired)" in text
    assert "rows to test on360" in text and "now chooses other" not in text


def test_what_the_errors_of_a_test_result_are_over_is_told(tmp_path: Path) -> None:
    over = {"errors_over": {"loss": "test rows and seeds", "norm": "seeds"}}
    for attrs, end in ((FIT, "over seeds"), (FIT | over, ", of test loss over the test rows too")):
        page = page_of(pictured(attrs={"fit": attrs}), path=tmp_path / "fitted.html")
        assert f"{end}</caption>" in page


def test_a_test_result_of_params_no_longer_chosen_says_so(tmp_path: Path) -> None:
    old = {**FIT, "chosen": {"params": {"alpha": 0.5}, "loss": {"mean": 0.5, "se": 0.01}},
           "warnings": ["1 of 8 seeds diverged"]}  # fmt: skip
    text = Outline(page_of(pictured(attrs={"fit": old}), path=tmp_path / "fitted.html")).text
    assert "now chooses other params" in text and "1 of 8 seeds diverged" in text


@pytest.mark.parametrize(
    ("replicates", "told"),
    [
        ({"n_folds": 1}, "A single training each: there is no standard error"),
        ({"n_folds": 1, "n_seeds": 3}, "error over the seeds of one split. best: the smallest"
         " value. Gains are paired by seed."),
        ({"n_folds": 3}, "over 3 folds. best: the smallest value; 1se: the largest strength"),
    ],
)  # fmt: skip
def test_the_caption_says_what_errors_are_over(
    replicates: dict[str, int], told: str, tmp_path: Path
) -> None:
    values = [1.0, 1.1, 1.3][: replicates["n_folds"] * replicates.get("n_seeds", 1)]
    study = made_study({1e-2: values}, values, spec={"replicates": replicates})
    assert told in Outline(page_of(study, path=tmp_path / "report.html")).text


def test_the_caption_of_a_design_says_that_its_curve_chose() -> None:
    smooth = _explained(finished(designed(valley, 0.02)))
    assert "best: the trial at the minimum of the smooth curve" in smooth
    assert "best: the smallest value" in _explained(finished(designed(two_valleys)))


def test_a_control_that_is_not_trained_yet_is_not_one_that_diverged(tmp_path: Path) -> None:
    study = pictured()
    del study._storage._studies[study._study_id].user_attrs["baseline"]  # type: ignore[attr-defined]
    rows = studies_table([Finished.read(study), made({1e-2: [1.0, 1.1, 1.3]})]).rows
    assert [row[5] for row in rows] == ["–", "diverged"]


def test_values_on_fresh_folds_stand_under_those_that_chose() -> None:
    constant = {"problem": {"constant": [[9.0] * 3, [9.3] * 3]}}
    finished = made({1e-2: [4.0, 7.0, 1.0]}, [8.0, 11.0, 5.5], confirmed=True, attrs=constant)
    table = key_numbers(finished)
    fresh = {row[0]: row[1:] for row in table.rows}["… on fresh folds"]
    told = dict(zip(table.header[1:], fresh, strict=True))
    again = finished.fresh(finished.choose("best"))
    assert again
    assert told["best"] == plus_minus(again.value, again.value_se)
    assert told["constant"].startswith("9.3000") and told["no penalty"].startswith("8.1667")
    assert studies_table([finished]).rows[0][4] == told["best"]
    assert "… on fresh folds" not in str(key_numbers(made({1e-2: [4.0, 7.0, 1.0]})))


def test_several_studies_are_compared_first(tmp_path: Path) -> None:
    adamw = pictured(spec={"training": {"optimizer": "adamw"}}, without=["penalty"])
    elastic = pictured(spec=ELASTIC, others=RATIOS)
    page = page_of(pictured(), adamw, elastic, path=tmp_path / "report.html")
    text = Outline(page).text
    assert text.index("3 studies") < text.index("The best of each study")
    assert text.index("The best of each study") < text.index("Where this comes from")
    compared = data_of(page)["compared"]
    assert len(compared["data"]) == 6  # a curve and a level each
    assert compared["layout"]["xaxis"]["title"]["text"] == "α or weight decay (log scale)"
    assert [*data_of(page)].count("figure-1-terms") == 0  # decay is no term
    assert {"#study-0", "#study-1", "#study-2"} == {a["href"] for a in Outline(page).all("a")}


def test_where_it_comes_from_is_told_without_a_password(tmp_path: Path) -> None:
    study = pictured()
    told = dict(provenance(study))
    assert told["trials"] == "4 COMPLETE" and told["storage"] == "memory"
    assert told["spec_hash"] == study.user_attrs["spec_hash"]
    assert told["data_hash"] == "d" * 16
    assert "model_hash" not in told and told["written with"].startswith("python 3.")

    class Engine:
        url = "postgresql://user:secret@host/db"

    study._storage.engine = Engine()  # type: ignore[attr-defined]
    assert storage_name(study) == "postgresql://user:***@host/db"
    page = page_of(study, path=tmp_path / "report.html")
    assert "secret" not in page and "user:***@host" in page
    assert "study_name: made" in page  # the study file


def test_key_numbers_have_a_column_for_each_choice() -> None:
    values = {1e-3: [1.0, 1.1, 1.2], 1e-2: [1.0, 1.1, 1.3]}
    table = key_numbers(made(values, [2.0, 2.1, 2.3]))
    assert table.header == ("", "no penalty", "best", "1se")
    rows = {name: cells for name, *cells in table.rows}
    assert rows["α"] == ["0", "0.001", "0.01"]
    assert rows["validation loss"][1] == "1.1000 ± 0.0577"
    assert rows["gain over no penalty"] == ["–", "1.0333 ± 0.0333", "1.0000 ± 0.0000"]
    assert rows["validation accuracy"] == ["50.0%"] * 3


def test_key_numbers_name_the_folds_of_a_gain_and_a_constant() -> None:
    constants = {"constant": [[3.0] * 3, [3.0] * 3]}
    table = key_numbers(
        made(
            {1e-3: [1.0, 1.1, 1.2]}, [2.0, 2.1, 2.3], confirmed=True, attrs={"problem": constants}
        )
    )
    assert table.header == ("", "constant", "no penalty", "best", "1se")
    rows = {name: cells for name, *cells in table.rows}
    assert rows["gain, on fresh folds"] == ["–", "–", *["1.0333 ± 0.0333"] * 2]
    assert rows["α"][0] == "–" and rows["validation loss"][0] == "3.0000 ± 0.0000"


def test_a_gain_on_other_folds_than_its_row_says_is_left_out() -> None:
    values = {1e-3: [1.0, 1.1, 1.2], 1e-2: [1.0, 1.1, 1.3]}
    whole = made(values, [2.0, 2.1, 2.3], confirmed=True)
    best_alone = replace(whole, confirmed=tuple(p for p in whole.confirmed if p.at != 1e-2))
    rows = {name: cells for name, *cells in key_numbers(best_alone).rows}
    assert rows["α"] == ["0", "0.001", "0.01"]
    assert rows["gain, on fresh folds"] == ["–", "1.0333 ± 0.0333", "–"]


def test_key_numbers_do_without_a_control() -> None:
    table = key_numbers(made({1e-3: [1.0, 1.1, 1.2]}))
    assert table.header == ("", "best", "1se")
    assert dict((row[0], row[1]) for row in table.rows)["gain over no penalty"] == "–"


def test_a_refit_without_metrics_has_no_table() -> None:
    content = {"note": "diverged", "chosen": {"params": {}}}
    assert fit_table(content, made({1e-2: [1.0, 1.1, 1.3]}).spec) is None


def test_a_study_without_results_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    with pytest.raises(SweepError, match="must have a finished trial"):
        write_report([pictured(), made_study({})], path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match=r"^--output: must be a file that can be written"):
        write_report([pictured()], tmp_path / "taken" / "report.html")


# --- in a browser


LOOK = """<!doctype html><meta charset="utf-8"><body>
<iframe srcdoc="{page}"
  style="border: 0; width: {width}px; height: 3000px; color-scheme: {scheme}">
</iframe><script>
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => setTimeout(() => {{
  const there = frame.contentDocument, look = frame.contentWindow.getComputedStyle(there.body);
  const found = {{
    paper: look.backgroundColor,
    overflow: there.documentElement.scrollWidth - there.documentElement.clientWidth,
    plots: [...there.querySelectorAll(".plot")].map(plot => ({{
      id: plot.id, svgs: plot.querySelectorAll(".main-svg").length,
      traces: plot.querySelectorAll(".scatterlayer .trace").length,
      inside: plot.scrollWidth <= plot.clientWidth,
      ink: plot.querySelector(".xtitle")?.style.fill,
    }})),
  }};
  const told = document.createElement("pre");
  told.id = "found";
  told.textContent = JSON.stringify(found);
  document.body.append(told);
}}, 1500));
</script>"""


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "light"), (390, "dark")])
def test_a_browser_draws_every_figure_and_complains_of_nothing(
    width: int, scheme: str, tmp_path: Path
) -> None:
    studies = [pictured(), pictured(spec=ELASTIC, others=RATIOS)]
    page = page_of(*studies, path=tmp_path / "report.html")
    look = tmp_path / "look.html"
    look.write_text(LOOK.format(page=escape(page), width=width, scheme=scheme), encoding="utf-8")
    seen = dump_dom(look.as_uri())
    assert seen.console == []
    (told,) = re.findall(r'<pre id="found">(.*?)</pre>', seen.dom)
    found = json.loads(unescape(told))
    assert [plot["id"] for plot in found["plots"]] == [*data_of(page)]
    assert all(plot["svgs"] and plot["traces"] and plot["inside"] for plot in found["plots"])
    assert found["overflow"] == 0
    dark = scheme == "dark"
    assert found["paper"] == ("rgb(20, 24, 29)" if dark else "rgb(255, 255, 255)")
    inks = {plot["ink"] for plot in found["plots"]}
    assert inks == {"rgb(169, 178, 187)" if dark else "rgb(92, 102, 112)"}


@pytest.mark.slow
def test_the_page_as_a_file_runs_without_a_message(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report([pictured()], path)
    seen = dump_dom(path.as_uri())
    assert seen.console == []
    assert seen.dom.count("main-svg") >= len(TITLES)
