"""What a store is told about a training: typed, ordered, finite, and nothing about any woman."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poi_predict.tracking.note import render_candidate_note, render_training_note
from poi_predict.tracking.records import (
    Dataset,
    Metric,
    Param,
    RunRecord,
    Table,
    Tag,
    Text,
    TrainingEvidence,
    build_training_record,
)

C_STATISTIC = {"estimate": 0.71, "ci_low": 0.62, "ci_high": 0.80, "apparent": 0.77, "method": "DeLong"}
NO_SLOPE = {
    "estimate": None,
    "ci_low": None,
    "ci_high": None,
    "apparent": None,
    "method": "logistic",
    "reason": "the predictions are constant within every fold",
}
ASSESSMENT: dict[str, Any] = {
    "study": "menses_12m",
    "n": 240,
    "events": 79,
    "candidates": {
        "prevalence": {"c_statistic": C_STATISTIC | {"estimate": 0.5}, "calibration_slope": NO_SLOPE},
        "ridge": {"c_statistic": C_STATISTIC},
    },
    "primary": "ridge",
    "champion": "ridge",
    "warnings": ["AMH is missing in 31 % of women."],
}
EVIDENCE = TrainingEvidence(
    assessment=ASSESSMENT,
    settings={
        "endpoint": {"event": "menses_resumed", "horizon_months": 12.0, "at_most": None},
        "features": {"predictors": ("age", "fsh")},
        "inclusion": [],
    },
    dataset=Dataset("cohort.csv", "da" * 32, 240, 31),
    tables={"attrition": pd.DataFrame({"step": ["read"], "excluded_rows": [0]})},
    report="<h1>Menses resumption</h1>",
    verdict="The model tells responders from the others modestly.",
    brands=("SYNTHETIC",),
    bundle_digest="b0" * 32,
)


def metrics(run: RunRecord) -> dict[str, float]:
    return {item.name: item.value for item in run.items if isinstance(item, Metric)}


def tags(run: RunRecord) -> dict[str, str]:
    return {item.name: item.value for item in run.items if isinstance(item, Tag)}


def test_each_candidate_has_a_run_of_its_own_with_every_metric_and_its_interval() -> None:
    run = build_training_record(EVIDENCE)
    assert [child.name for child in run.children] == ["prevalence", "ridge"]
    assert metrics(run.children[1]) == {
        "c_statistic": 0.71,
        "c_statistic_ci_low": 0.62,
        "c_statistic_ci_high": 0.80,
        "c_statistic_apparent": 0.77,
    }
    assert [tags(child)["role"] for child in run.children] == ["compared", "primary, champion"]


def test_the_training_shows_the_metrics_of_its_primary_model() -> None:
    run = build_training_record(EVIDENCE)
    assert metrics(run) == {"n": 240.0, "events": 79.0} | metrics(run.children[1])


def test_a_metric_that_cannot_be_estimated_is_a_reason_and_never_a_number() -> None:
    prevalence = build_training_record(EVIDENCE).children[0]
    assert not any("calibration_slope" in name for name in metrics(prevalence))
    assert tags(prevalence)["not_estimable.calibration_slope"] == NO_SLOPE["reason"]


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(["estimate", "ci_low", "ci_high", "apparent"]), st.none() | st.floats()))
def test_only_finite_numbers_become_metrics(found: dict[str, float | None]) -> None:
    assessment = ASSESSMENT | {"candidates": {"ridge": {"brier": found}}}
    run = build_training_record(replace(EVIDENCE, assessment=assessment))
    assert all(math.isfinite(value) for value in metrics(run).values())


def test_settings_are_flat_texts_in_their_order() -> None:
    run = build_training_record(EVIDENCE)
    assert [(item.name, item.value) for item in run.items if isinstance(item, Param)] == [
        ("endpoint.event", "menses_resumed"),
        ("endpoint.horizon_months", "12.0"),
        ("endpoint.at_most", "none"),
        ("features.predictors", "age, fsh"),
        ("inclusion", ""),
    ]


def test_a_very_long_setting_is_cut_with_a_mark() -> None:
    run = build_training_record(replace(EVIDENCE, settings={"note": "x" * 50_000}))
    (param,) = (item for item in run.items if isinstance(item, Param))
    assert len(param.value) == 5_000
    assert param.value.endswith("…")


def test_made_up_women_brand_every_run() -> None:
    run = build_training_record(EVIDENCE)
    for each in (run, *run.children):
        assert tags(each)["synthetic"] == "SYNTHETIC"
        assert "SYNTHETIC" in each.note
    assert "SYNTHETIC" in run.name


def test_real_women_carry_no_brand() -> None:
    run = build_training_record(replace(EVIDENCE, brands=()))
    assert run.name == "ridge"
    assert not any("SYNTHETIC" in each.note or "synthetic" in tags(each) for each in (run, *run.children))


def test_artefacts_are_sorted_into_places() -> None:
    run = build_training_record(EVIDENCE)
    assert [item.path for item in run.items if isinstance(item, Table | Text)] == [
        "tables/performance.csv",
        "tables/attrition.csv",
        "report.html",
    ]
    performance = next(item.frame for item in run.items if isinstance(item, Table))
    assert len(performance) == 3
    assert performance["reason"].notna().sum() == 1


def test_the_same_evidence_gives_the_same_record() -> None:
    def names(run: RunRecord) -> list[str]:
        return [repr(item) for item in run.items if not isinstance(item, Table)]

    first, second = build_training_record(EVIDENCE), build_training_record(EVIDENCE)
    assert names(first) == names(second)
    assert first.note == second.note


@pytest.mark.parametrize(("champion", "words"), [("ridge", "Champion: **ridge**"), (None, "**no champion**")])
def test_the_note_says_whether_there_is_a_champion(champion: str | None, words: str) -> None:
    note = render_training_note(ASSESSMENT | {"champion": champion}, "A verdict.", ())
    assert words in note
    assert "| **ridge** (primary) | 0.71 (0.62 to 0.80) |" in note
    assert "- AMH is missing in 31 % of women." in note


def test_a_candidate_note_gives_the_reason_where_there_is_no_number() -> None:
    note = render_candidate_note("prevalence", "compared", ASSESSMENT["candidates"]["prevalence"], ())
    assert "| calibration slope | not estimable: the predictions are constant within every fold | – |" in note
