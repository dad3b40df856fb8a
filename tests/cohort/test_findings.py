"""Findings: errors first, counted, with rows kept but never shown."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort.findings import Finding, Findings
from poi_predict.cohort.rules import RULES, column_finding, row_findings
from poi_predict.errors import CohortError

ROWS = Finding("error", "fsh", "hard_range", "fsh must be lower; 2 of 9 rows are not.", (3, 7))
COLUMN = Finding("error", "amh", "unknown_unit", "amh must be in a known unit; it is not.")
WARNING = Finding("warning", "age", "typical_range", "age is usually lower; 1 of 9 rows is not.", (1,))
FINDINGS = Findings.of([WARNING, ROWS, COLUMN])


def test_errors_come_first_in_the_order_found() -> None:
    assert list(FINDINGS) == [ROWS, COLUMN, WARNING]
    assert (FINDINGS.errors, FINDINGS.warnings) == ((ROWS, COLUMN), (WARNING,))
    assert FINDINGS[0] is ROWS
    assert FINDINGS[1:] == (COLUMN, WARNING)


def test_frame_has_one_row_for_each_finding() -> None:
    frame = FINDINGS.frame()
    assert frame.columns.tolist() == ["severity", "column", "rule", "count", "message"]
    assert frame["count"].tolist() == [2, 1, 1]


def test_rows_frame_has_one_row_for_each_finding_and_row() -> None:
    frame = FINDINGS.rows_frame()
    assert frame.columns.tolist() == ["row", "column", "rule", "severity", "message"]
    assert frame["row"].tolist() == [3, 7, pd.NA, 1]
    assert frame["rule"].tolist() == ["hard_range", "hard_range", "unknown_unit", "typical_range"]


def test_no_findings_make_empty_frames() -> None:
    assert len(Findings()) == 0
    assert Findings().frame().empty
    assert Findings().rows_frame().columns.tolist() == ["row", "column", "rule", "severity", "message"]
    Findings.of([WARNING]).raise_if_unusable()


def test_every_error_is_in_one_message_and_no_row_number() -> None:
    with pytest.raises(CohortError) as caught:
        FINDINGS.raise_if_unusable("clinic.csv")
    message = str(caught.value)
    assert message.startswith("clinic.csv cannot be used; it has 2 errors:")
    assert ROWS.message in message
    assert COLUMN.message in message
    assert WARNING.message not in message


def test_errors_of_rows_may_be_permitted() -> None:
    Findings.of([ROWS, WARNING]).raise_if_unusable(permit_row_errors=True)
    with pytest.raises(CohortError, match="1 error:"):
        FINDINGS.raise_if_unusable(permit_row_errors=True)


@pytest.mark.parametrize(("broken", "counted"), [([True, False], "1 of 2 rows is"), ([True, True], "2 of 2 rows are")])
def test_rows_are_counted_in_words(broken: list[bool], counted: str) -> None:
    (finding,) = row_findings("whole_number", "previous_births", np.array(broken), np.array([5, 9]))
    assert counted in finding.message
    assert finding.rows == tuple(np.array([5, 9])[broken].tolist())


def test_no_broken_row_is_no_finding() -> None:
    assert row_findings("whole_number", "age", np.array([False]), np.array([1])) == []


def test_every_rule_has_places_only_for_facts_and_ends_in_a_sentence() -> None:
    facts = {
        "column", "variable", "rows", "low", "high", "unit", "accepted", "near", "remedy", "place",
        "reason", "declared", "headers", "event", "menarche", "count", "total", "are", "separator",
        "written", "row", "names", "sheet", "others", "differing",
        "header", "read", "what", "variables", "levels", "listed", "assumed", "likely",
        "units", "women", "horizon", "least", "most", "follow_up", "effect",
    }  # fmt: skip
    for code, rule in RULES.items():
        for text in (rule.text, *filter(None, [rule.in_file])):
            assert set(re.findall(r"(?<!{){(\w+)}", text)) <= facts, code
            assert text.endswith((".", "}")), code


def test_where_a_stored_model_reads_no_study_is_spoken_of() -> None:
    for code, rule in RULES.items():
        if "columns.{" in rule.text and not code.startswith(("unused_m", "unknown_m", "taken_as", "contradicting_u")):
            assert rule.in_file or code == "left_out_column", code
        assert "columns.{" not in rule.in_file, code
        assert "cohort." not in rule.in_file, code


def test_a_header_with_braces_is_shown_as_it_is() -> None:
    finding = column_finding("refused_unit", "fsh", column="{x}", unit="{y}", reason="{z}", accepted="IU/L")
    assert "{x} must not be in {y}: {z}." in finding.message
