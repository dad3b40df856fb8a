"""Guidelines: every item is there, nothing is passed by silence, blanks are marked, pages hold."""

from __future__ import annotations

import importlib.util
import re
import string
import tomllib
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest

from poi_predict.report.guideline_facts import FACTS, collect_facts
from poi_predict.report.readiness_checks import (
    CHECKS,
    NO_INFORMATION,
    NOT_APPLICABLE,
    PROBABLY_NO,
    PROBABLY_YES,
    REVIEWER,
)
from poi_predict.report.reporting_guidelines import (
    BLANK,
    GuidelineContent,
    build_readiness_section,
    build_tripod_section,
    fill_tripod,
    render_guidelines,
    render_guidelines_markdown,
    screen_probast,
)


def load_evidence():
    path = Path(__file__).with_name("evidence_data.py")
    spec = importlib.util.spec_from_file_location("evidence_data", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


STUDY = {
    "title": "Menses within twelve months of cell therapy",
    "question": "How likely is she to menstruate again?",
    "population": "Women with premature ovarian insufficiency treated with cells",
    "endpoint": "Menses resumed",
    "horizon_months": 12,
    "study_name": "menses_12m",
    "study_sha256": "0f3a",
    "source_file": "cohort.csv",
    "source_sha256": "9c1d",
    "predictors": "Age, FSH, AMH, Time since last menses, Aetiology",
    "censoring": "ipcw",
    "n_censored": 12,
    "weights_note": "12 rows were followed for less than the horizon; weights stand for them.",
    "software": "poi_predict 0.1.0",
    "seed": 7,
    "primary_label": "Ridge logistic regression",
    "candidates": "Prevalence, Firth, Random forest",
    "verdict": "Skill shown: Ridge predicts better than giving every woman the same overall rate.",
}


def make_facts(**changes):
    assessment = load_evidence().make_assessment() | {
        "resampling": {"folds": 10, "repeats": 10, "pipeline_fits": 500, "bootstrap_resamples": 200},
        "decision_curve": [{"threshold": 0.2}],
        "candidates": {
            "ridge": {
                "c_statistic": {"estimate": 0.71, "ci_low": 0.63, "ci_high": 0.79},
                "calibration_slope": {"estimate": 0.9, "ci_low": 0.4, "ci_high": 1.4},
                "brier": {"estimate": 0.2, "ci_low": 0.18, "ci_high": 0.22},
            }
        },
    }
    return collect_facts(assessment, STUDY) | changes


def make_content(**changes):
    facts = make_facts()
    settings = {
        "study_name": "menses_12m",
        "title": "Menses within twelve months",
        "items": fill_tripod(facts),
        "questions": screen_probast(facts),
        "synthetic": True,
        "provenance": {"Seed": "7"},
    }
    return GuidelineContent(**(settings | changes))


def read_table(name):
    return tomllib.loads((resources.files("poi_predict.report") / f"{name}.toml").read_text(encoding="utf-8"))


def test_every_item_of_tripod_is_there_once_and_in_order():
    numbers = [item.number for item in fill_tripod({})]
    assert len(numbers) == len(set(numbers)) == 52
    assert list(dict.fromkeys(int(re.match(r"\d+", number).group()) for number in numbers)) == list(range(1, 28))
    letters = {
        n: "".join(number[len(str(n)) :] for number in numbers if re.match(rf"{n}\D|{n}$", number)) for n in (8, 12, 18)
    }
    assert letters == {8: "abc", 12: "abcdefg", 18: "abcdef"}


def test_every_question_of_probast_is_there():
    questions = screen_probast({})
    assert [q.number for q in questions if q.part == "development"][-5:] == ["4.1", "4.2", "4.3", "4.4", "4.5"]
    assert sum(q.part == "development" for q in questions) == 16
    assert sum(q.part == "evaluation" for q in questions) == 18


def test_tables_name_their_source_and_only_known_facts_and_checks():
    tripod, probast = read_table("tripod_ai"), read_table("probast_ai")
    assert tripod["doi"] == "10.1136/bmj-2023-078378"
    assert probast["doi"] == "10.1136/bmj-2024-082505"
    sentences = [text for row in tripod["item"] for text in row.get("answers", ())]
    sentences += [row.get("finding", "") for row in probast["question"]]
    used = {name for text in sentences for _, name, _, _ in string.Formatter().parse(text) if name}
    assert used <= set(FACTS)
    assert {row["check"] for row in probast["question"] if "check" in row} == set(CHECKS)


def test_nothing_known_leaves_marked_blanks_and_passes_nothing():
    items, questions = fill_tripod({}), screen_probast({})
    blank = [item for item in items if item.status == "blank"]
    assert blank
    assert all(item.blank.startswith(BLANK) for item in blank)
    assert all(item.answer or item.you for item in items)
    assert {q.answer for q in questions} == {NO_INFORMATION, REVIEWER}


def test_a_full_run_fills_what_a_program_can_and_no_more():
    items = {item.number: item for item in fill_tripod(make_facts())}
    assert items["8a"].answer == "Menses resumed; horizon 12 months from the first treatment."
    assert "0.71 (0.63–0.79)" in items["23a"].answer
    assert "Riley's criteria ask for 892 women; there are 180." in items["10"].answer
    assert {number for number, item in items.items() if item.status == "blank"} >= {
        "17",
        "18a",
        "18b",
        "18d",
        "19",
        "3c",
    }
    assert "{" not in "".join(item.answer for item in items.values())
    assert ".." not in "".join(item.answer for item in items.values())


def test_no_answer_is_ever_a_plain_yes():
    answers = {q.answer for q in screen_probast(make_facts())}
    assert answers <= {PROBABLY_YES, PROBABLY_NO, NOT_APPLICABLE, NO_INFORMATION, REVIEWER}
    assert PROBABLY_NO in answers


@pytest.mark.parametrize(
    ("number", "part", "changes", "answer"),
    [
        ("2.4", "development", {"late_predictors": 1}, PROBABLY_NO),
        ("2.4", "development", {"late_predictors": None}, NO_INFORMATION),
        ("3.3", "development", {"defining_predictors": 2}, PROBABLY_NO),
        ("3.3", "development", {"defining_predictors": 0}, REVIEWER),
        ("4.1", "development", {"required_n": 150}, PROBABLY_YES),
        ("4.1", "development", {"required_n": 150, "ladder_overridden": True}, PROBABLY_NO),
        ("4.3", "development", {"censoring": "exclude"}, PROBABLY_NO),
        ("4.3", "development", {"censoring": "exclude", "n_censored": 0}, PROBABLY_YES),
        ("4.5", "development", {"primary": "logistic"}, PROBABLY_NO),
        ("4.1", "evaluation", {"pipeline_fits": 0}, PROBABLY_NO),
        ("4.2", "evaluation", {"n": 400, "events": 120}, PROBABLY_YES),
        ("4.5", "evaluation", {"women_on_both_sides": 3}, PROBABLY_NO),
        ("4.6", "evaluation", {"steps_reused": ["impute"]}, PROBABLY_NO),
        ("4.7", "evaluation", {"measures": ["discrimination"]}, PROBABLY_NO),
        ("4.7", "evaluation", {}, PROBABLY_YES),
    ],
)
def test_checks_answer_by_what_was_counted(number, part, changes, answer):
    found = {(q.part, q.number): q for q in screen_probast(make_facts(**changes))}
    assert found[part, number].answer == answer
    assert found[part, number].finding


def test_leakage_counts_are_read_from_the_ledger():
    facts = make_facts()
    assert (facts["late_predictors"], facts["defining_predictors"], facts["women_on_both_sides"]) == (0, 0, 0)
    assert facts["steps_reused"] == []
    assert facts["duplicate_rows"] == 2


def test_unknown_facts_are_a_defect():
    with pytest.raises(ValueError, match="titel"):
        collect_facts({}, {"titel": "x"})


class Balance(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.errors = [], []

    def handle_starttag(self, tag, attrs):  # noqa: ARG002
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(tag)


@pytest.mark.parametrize("synthetic", [True, False])
def test_page_is_whole_self_contained_and_deterministic(synthetic):
    page = render_guidelines(make_content(synthetic=synthetic))
    checker = Balance()
    checker.feed(page)
    assert checker.errors == []
    assert checker.open == []
    assert not re.search(r"<script|<link|<img|@import|https?:", page)
    assert page == render_guidelines(make_content(synthetic=synthetic))
    assert ("SYNTHETIC" in page) is synthetic
    assert "Readiness screen" in page
    assert page.count('class="blank"') == sum(bool(item.blank) for item in make_content().items)


def test_text_is_escaped_in_both_formats():
    facts = make_facts(title="<script>x</script> | y")
    content = make_content(items=fill_tripod(facts))
    assert "<script>" not in render_guidelines(content)
    line = next(row for row in render_guidelines_markdown(content).splitlines() if row.startswith("| 1 |"))
    assert "<script>" not in line
    assert len(re.findall(r"(?<!\\)\|", line)) == 4


def test_markdown_has_every_item_and_question():
    text = render_guidelines_markdown(make_content())
    rows = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) == 52 + 34
    assert text.count(f"**{BLANK}") == sum(bool(item.blank) for item in make_content().items)


def test_both_are_sections_too():
    facts = make_facts()
    tripod, screen = build_tripod_section(fill_tripod(facts)), build_readiness_section(screen_probast(facts))
    assert len(tripod.tables[0].frame) == 52
    assert [len(table.frame) for table in screen.tables] == [16, 18]
    assert screen.title.startswith("Readiness screen")
