from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from poi_predict import evidence
from poi_predict.errors import EvidenceError
from poi_predict.evidence import (
    check_never_added,
    compute_pooled_proportion,
    read_arms,
    read_baseline_distributions,
    read_contrasts,
    read_natural_history,
    read_overlaps,
    read_pooled,
    read_prognostic_effects,
    read_prognostic_factors,
    read_protocols,
)

TABLES = Path(evidence.__file__).parent / "tables"
READERS = (
    read_arms,
    read_natural_history,
    read_prognostic_factors,
    read_prognostic_effects,
    read_contrasts,
    read_baseline_distributions,
    read_pooled,
    read_protocols,
    read_overlaps,
)


@pytest.fixture
def alter(tmp_path):
    """Copy the tables, change one cell, return the folder."""
    folder = tmp_path / "tables"
    shutil.copytree(TABLES, folder)

    def change(file: str, row: str, column: str, value: str | None) -> Path:
        frame = pd.read_csv(folder / file, dtype="str")
        frame.loc[frame["row_id"] == row, column] = value
        frame.to_csv(folder / file, index=False)
        return folder

    return change


@pytest.mark.parametrize("reader", READERS)
def test_every_table_reads_with_unique_ids_and_is_the_callers_own(reader):
    frame = reader()
    assert frame.index.name == "row_id"
    assert frame.index.is_unique
    frame.iloc[:, 0] = None
    assert reader().iloc[:, 0].notna().any()


@pytest.mark.parametrize("path", sorted(TABLES.iterdir()), ids=lambda path: path.name)
def test_no_table_names_a_host(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?:|www\.|[a-z]\.(com|org|gov|net|io)\b", text)


def test_ids_are_unique_across_tables():
    ids = pd.concat([reader().index.to_series() for reader in READERS if reader is not read_protocols])
    assert ids.is_unique


@pytest.mark.parametrize(
    ("rows", "outcome", "events", "n", "low", "high"),
    [
        (["A01", "A02", "A09", "A16"], "menses", 20, 60, 21.7, 46.7),
        (["NH02", "NH03"], "ovarian_function", 165, 669, 21.4, 28.1),
        (["A02", "A03", "A08", "A17"], "pregnancy", 6, 113, 2.0, 11.2),
        (["NH03", "NH04"], "pregnancy", 38, 680, 4.0, 7.6),
        (["P02", "P03"], "pregnancy", 23, 332, 4.4, 10.2),
    ],
)
def test_published_proportions_follow_from_the_rows(rows, outcome, events, n, low, high):
    pooled = compute_pooled_proportion(rows, outcome)
    assert (pooled.events, pooled.n) == (events, n)
    assert 100 * pooled.ci_low == pytest.approx(low, abs=0.05)
    assert 100 * pooled.ci_high == pytest.approx(high, abs=0.05)


def test_cell_therapy_cannot_be_told_from_natural_recovery():
    row = read_contrasts().loc["E14"]
    treated = compute_pooled_proportion(["A01", "A02", "A09", "A16"], "menses")
    untreated = compute_pooled_proportion(["NH02", "NH03"], "ovarian_function")
    odds = [pooled.events / (pooled.n - pooled.events) for pooled in (treated, untreated)]
    assert odds[0] / odds[1] == pytest.approx(1.53, abs=0.005)
    assert (row["ci_low"], row["ci_high"]) == (0.87, 2.69)
    assert row["ci_low"] < 1 < row["ci_high"]


def test_a_prior_is_half_the_effect_with_twice_its_standard_error():
    effects = read_prognostic_effects()
    pd.testing.assert_series_equal(effects["prior_estimate"] * 2, effects["estimate"], check_names=False)
    pd.testing.assert_series_equal(effects["prior_se"] / 2, effects["se"], check_names=False)
    assert set(effects["kind"]) == {"prognostic"}


def test_effects_rest_on_rows_that_exist():
    known = set()
    for reader in (read_arms, read_natural_history, read_prognostic_factors, read_baseline_distributions):
        known |= set(reader().index)
    for frame in (read_prognostic_effects(), read_contrasts(), read_pooled(), read_protocols()):
        named = frame.get("source_rows", frame.index.to_series())
        assert {row for rows in named for row in rows.split(";")} <= known


@pytest.mark.parametrize(
    "rows",
    [
        ["NH01", "NH02"],
        ["NH26", "NH03", "NH01"],
        ["NH19", "NH03"],
        ["NH04", "NH02"],
        ["A01", "A01c"],
        ["A11", "A17"],
        ["S01", "A09"],
        ["A04", "A01"],
        ["A07", "A01"],
        ["A12", "A01"],
        ["NH12", "NH14"],
        ["NH10", "P02"],
        ["NH11", "P03"],
        ["PF63", "BD41"],
        ["PF52", "NH02"],
        ["A01", "A01"],
    ],
)
def test_rows_that_share_women_are_never_added(rows):
    with pytest.raises(EvidenceError) as raised:
        check_never_added(rows)
    assert rows[0] in str(raised.value) or rows[-1] in str(raised.value)


def test_overlap_is_symmetric_and_names_both_rows():
    for rows in (["A01c", "A01"], ["A01", "A01c"]):
        with pytest.raises(EvidenceError, match="Rows A01 and A01c must never be added together"):
            check_never_added(rows)


@pytest.mark.parametrize("rows", [["A01", "A02", "A09", "A16"], ["NH02", "NH03"], ["A04"], ["NH03", "NH04"], []])
def test_independent_rows_may_be_added(rows):
    check_never_added(rows)


def test_pooling_refuses_what_it_cannot_add():
    with pytest.raises(EvidenceError, match="A99"):
        compute_pooled_proportion(["A01", "A99"], "menses")
    with pytest.raises(EvidenceError, match="happiness"):
        compute_pooled_proportion(["A01"], "happiness")
    with pytest.raises(EvidenceError, match="A03 does not"):
        compute_pooled_proportion(["A01", "A03"], "menses")


@pytest.mark.parametrize(
    ("file", "row", "column", "value", "reader", "message"),
    [
        ("arms.csv", "A09", "menses_events", "36", read_arms, "Row A09 must have menses_events between"),
        ("arms.csv", "A09", "row_id", "A01", read_arms, "Row A01 occurs more than once"),
        ("arms.csv", "A08", "source", None, read_arms, "Row A08 names no source"),
        ("effects.csv", "E01", "se", "0.16", read_prognostic_effects, "Row E01 has a standard error"),
        ("effects.csv", "E05", "exposed_events", "20", read_prognostic_effects, "Row E05 has an estimate"),
        ("effects.csv", "E08", "ratio", "1.05", read_prognostic_effects, "Row E08 has an estimate"),
        ("effects.csv", "E14", "estimate", "1.4", read_contrasts, "Row E14 has an estimate"),
        ("pooled.csv", "PE01", "events", "21", read_pooled, "Row PE01 does not add up"),
        ("pooled.csv", "PE01", "ci_high", "40.7", read_pooled, "Row PE01 prints"),
        ("pooled.csv", "PE15", "source_rows", "NH01;NH02", read_pooled, "never be added"),
        ("baseline_distributions.csv", "BD40", "value", "40", read_baseline_distributions, "Row BD40 prints"),
        ("baseline_distributions.csv", "BD36", "sd", "-1", read_baseline_distributions, "Row BD36"),
        ("baseline_distributions.csv", "BD34", "low", "5", read_baseline_distributions, "Row BD34"),
    ],
)
def test_a_breach_is_refused_and_named(alter, file, row, column, value, reader, message):
    folder = alter(file, row, column, value)
    with pytest.raises(EvidenceError, match=message):
        reader(folder)


def test_all_breaches_of_a_table_are_named_at_once(alter):
    alter("arms.csv", "A09", "menses_events", "36")
    folder = alter("arms.csv", "A01", "menses_events", "10")
    with pytest.raises(EvidenceError, match=r"A01.*A09"):
        read_arms(folder)
