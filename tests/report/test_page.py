"""Pages: whole, readable by everyone, silent about everyone, the same every time."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from poi_predict.report.content import Section, SectionFigure, SectionTable, empty_frame
from poi_predict.report.page import render_model_card, render_patient_page, render_report

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Checker(HTMLParser):
    """Balance, ids, links, and what each element says."""

    def __init__(self):
        super().__init__()
        self.open, self.errors, self.ids, self.links, self.elements = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.elements.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append((tag, self.getpos()))


def check(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.errors == []
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert {link.lstrip("#") for link in checker.links} <= set(checker.ids)
    svgs = [given for tag, given in checker.elements if tag == "svg"]
    assert all(svg["role"] == "img" and len(svg["aria-label"]) > 20 for svg in svgs)
    return checker


def assert_self_contained(page):
    tags = "".join(re.findall(r"<[^>]+>", page))
    assert not re.search(r"https?:|//[a-z]|<script|<link|<img|<iframe|@import| src=| on\w+=", tags)
    assert set(re.findall(r"url\((.)", page)) <= {"#"}
    assert not re.search(r"/(?:home|work|root|tmp|usr)/", page)
    assert len(page.encode()) < 2_000_000


def no_models(report):
    return report(
        performance=empty_frame("performance"),
        calibration=empty_frame("calibration"),
        calibration_groups=empty_frame("calibration_groups"),
        predictions=empty_frame("predictions"),
        attribution=empty_frame("attribution"),
        attribution_points=empty_frame("attribution_points"),
        champion=None,
    )


def bare(report):
    frames = {name: empty_frame(name) for name in ("attrition", "table_one", "findings")}
    return report(**frames, warnings=(), limits=(), provenance={}, synthetic=False, n=0, n_patients=0, events=0)


def many(report, frames):
    names = tuple(f"candidate_{i}_with_a_very_long_name_that_does_not_end" for i in range(7))
    return report(
        performance=frames["performance"](names),
        primary=names[3],
        attribution=frames["attribution"](40),
        attribution_points=frames["points"](12, 40),
        title="A title that goes on " * 12,
    )


@pytest.fixture(scope="module")
def usual_page(make_report_once):
    return render_report(make_report_once)


@pytest.fixture(params=["usual", "no_models", "bare", "many", "one_candidate"])
def content(request, report, frames):
    return {
        "usual": report,
        "no_models": lambda: no_models(report),
        "bare": lambda: bare(report),
        "many": lambda: many(report, frames),
        "one_candidate": lambda: report(performance=frames["performance"](("prevalence",)), primary="prevalence"),
    }[request.param]()


def test_report_is_well_formed_and_self_contained(content):
    page = render_report(content)
    checker = check(page)
    assert_self_contained(page)
    assert [tag for tag, _ in checker.elements].count("h1") == 1
    assert not re.search(r"\b(?:nan|NaN|None(?! of her values)|inf)\b", page)


def test_same_content_same_bytes(usual_page, report, patient):
    assert render_report(report()) == usual_page
    assert render_patient_page(patient()) == render_patient_page(patient())


def test_report_holds_no_identifier(usual_page, report):
    assert "PLANTED-0042" in set(report().attribution_points["patient_id"])
    assert "PLANTED" not in usual_page
    assert "PLANTED" not in render_model_card(report())


def test_synthetic_is_said_on_every_page_and_only_then(usual_page, report, patient):
    for page in (usual_page, render_model_card(report()), render_patient_page(patient())):
        assert page.count("SYNTHETIC") >= 2
    for page in (
        render_report(report(synthetic=False)),
        render_model_card(report(synthetic=False)),
        render_patient_page(patient(synthetic=False)),
    ):
        assert "SYNTHETIC" not in page


def test_every_figure_has_alt_text_that_says_the_numbers(usual_page):
    svgs = [given for tag, given in check(usual_page).elements if tag == "svg"]
    assert len(svgs) == 3
    assert "Ridge 0.66 (0.56–0.76)" in svgs[0]["aria-label"]
    assert "predicted 30 %, observed 30 %" in svgs[1]["aria-label"]
    assert "Variable 0" in svgs[2]["aria-label"]


def test_tables_have_captions_and_scoped_headers(usual_page):
    elements = check(usual_page).elements
    count = [tag for tag, _ in elements].count
    assert count("table") == count("caption") == 4
    assert all("scope" in given for tag, given in elements if tag == "th")


def test_not_estimable_comes_with_its_reason(usual_page, report, frames):
    assert "not estimable" in usual_page
    assert "every prediction is the same" in usual_page
    silent = frames["performance"]().assign(reason=None)
    assert "no reason was recorded" in render_report(report(performance=silent))


def test_interval_that_does_not_exist_is_explained(report, frames):
    frame = frames["performance"](("ridge",))
    frame[["ci_low", "ci_high"]] = np.nan
    assert "no interval: one responder" in render_report(report(performance=frame.assign(reason="one responder")))


def test_text_is_escaped(report, patient):
    evil = "<script>alert(1)</script>"
    page = render_report(report(title=evil, verdict=evil, warnings=(evil,), provenance={evil: evil}))
    assert "<script" not in page
    check(render_patient_page(patient(patient_id='<b onclick="x">7</b>')))
    assert "<b onclick" not in render_patient_page(patient(patient_id='<b onclick="x">7</b>'))


def test_extra_sections_are_placed_and_listed(report):
    figure = Figure()
    figure.subplots().plot([0, 1])
    section = Section(
        "Permutation null",
        ("Outcomes shuffled within centre.",),
        (SectionTable("Null", pd.DataFrame({"metric": ["c"], "p": [np.nan]}), "200 permutations"),),
        (SectionFigure(figure, "The null.", "Histogram of the c-statistic under the null."),),
        after="performance",
    )
    page = render_report(report(extra_sections=(section, section)))
    check(page)
    assert page.index('id="calibration"') < page.index('id="x0"') < page.index('id="explanation"')
    assert '<a href="#x0">Permutation null</a>' in page


def test_synthetic_banner_is_not_said_twice(report):
    page = render_report(report(banners=("SYNTHETIC: made up.", "Overridden.")))
    assert "SYNTHETIC: made up." not in page
    assert "Overridden." in page


def test_skill_is_the_heading_of_the_verdict(report):
    page = render_report(report(skill="none", champion=None))
    assert "No skill shown" in page
    assert page.index("No skill shown") < page.index("The data cannot tell.") < page.index('id="question"')


@pytest.mark.parametrize("n_factors", [0, 3, 40])
def test_patient_page_is_well_formed(patient, frames, n_factors):
    page = render_patient_page(patient(factors=frames["factors"](n_factors)))
    checker = check(page)
    assert_self_contained(page)
    assert sum(tag == "svg" for tag, _ in checker.elements) == 2
    assert "0042-KX" in page


def test_patient_page_says_her_chance_in_words_and_numbers(patient):
    page = render_patient_page(patient())
    assert "about 31 of 100 women like her would have this outcome: menstruate again within 12 months" in page
    assert "18 % to 47 %" in page
    assert "AMH is below the detection limit." in page


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_patient_page_without_interval_says_so(patient, nothing):
    page = render_patient_page(patient(ci_low=nothing, ci_high=nothing))
    assert "no interval is estimable" in page
    assert not re.search(r"\b(?:nan|NaN|None)\b", page)


def test_patient_page_shows_a_value_that_is_not_known(patient, frames):
    factors = frames["factors"]().assign(value=["", None, "3 IU/L"])
    assert render_patient_page(patient(factors=factors)).count("not known") == 2


def test_model_card_is_a_table_with_equal_rows(report):
    card = render_model_card(report())
    widths = {line.count("|") for line in card.splitlines() if line.startswith("|")}
    assert len(widths) == 1
    assert "not estimable: every prediction is the same" in card


def test_model_card_cannot_be_broken_by_text(report, frames):
    frame = frames["performance"]().assign(label="a | b\n# c <i>")
    card = render_model_card(report(performance=frame))
    assert "a \\| b # c &lt;i>" in card
    assert "\n# c" not in card
