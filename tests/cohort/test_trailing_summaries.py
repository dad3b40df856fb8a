"""Summaries below a table are no women, whatever they are called; a woman who is like the mean is one."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import mean, median, stdev

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.mapping import ReadingSettings
from poi_predict.cohort.reading import read_cohort
from poi_predict.cohort.streaming import read_block, survey_cohort
from poi_predict.cohort.trailing_summaries import find_trailing_summaries

HEADER = ["patient_id", "centre", "age", "fsh", "amh [ng/mL]", "amenorrhea_months", "cell_source", "menses_resumed"]
NUMBERS = [(26 + 7 * i % 13, 40 + 31 * i % 57, 0.05 * (1 + 5 * i % 8), 6 + 17 * i % 41) for i in range(16)]
WOMEN = [
    [str(1 + i), "AB"[i % 2], *NUMBERS[i], ("adipose", "bone_marrow")[i % 2], ("no", "yes")[i % 3 == 0]]
    for i in range(16)
]


def summed(name: str, summary: object, digits: int | None) -> list[object]:
    numbers = [summary([row[i] for row in WOMEN]) for i in (2, 3, 4, 5)]  # type: ignore[operator]
    shown = numbers if digits is None else [f"{number:.{digits}f}" for number in numbers]
    return [name, "", *shown, "", ""]


@pytest.mark.parametrize(
    "below",
    [
        [summed("17", mean, 1)],
        [summed("17", mean, None)],
        [summed("17", median, 2)],
        [summed("17", sum, 2)],
        [summed("17", mean, 1), summed("18", stdev, 1), summed("19", min, 2), summed("20", max, 2)],
        [summed("17", sum, 2), summed("18", mean, 2)],
        [[name, "", 31, 60, 0.2, 20, "", ""] for name in ("Średnia", "ค่าเฉลี่ย")],
        [["Összesen", "", 1, "", "", "", "", ""]],
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_what_sums_up_the_rows_above_is_no_woman(tmp_path: Path, below: list[list[object]], delimiter: str) -> None:
    path = tmp_path / "clinic.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        for row in (HEADER, *WOMEN, *below):
            comma = delimiter == ";" and row is not HEADER
            writer.writerow([str(cell).replace(".", ",") if comma else cell for cell in row])
    assert_left_out(path, [17 + i for i in range(len(below))])


def assert_left_out(path: Path, rows: list[int]) -> None:
    cohort = read_cohort(path, read_codebook(), ReadingSettings())
    assert cohort.patient_id.tolist() == [row[0] for row in WOMEN]
    assert {finding.rule: len(finding.rows) for finding in cohort.findings}["left_out_summary_row"] == len(rows)
    plan = survey_cohort(path, read_codebook(), ReadingSettings())
    block = read_block(plan, plan.blocks[0])
    rejected = {int(row) for fault in block.faults for row in block.row_number[fault.rows]}
    assert sorted(rejected) == rows


def test_a_summary_in_a_parquet_file_is_no_woman(tmp_path: Path) -> None:
    table = pd.DataFrame([*WOMEN, summed("17", mean, None)], columns=HEADER)
    table["patient_id"] = table["patient_id"].map(str.encode)  # text that is stored as bytes
    table.to_parquet(tmp_path / "clinic.parquet")
    assert_left_out(tmp_path / "clinic.parquet", [17])


def test_women_of_whole_numbers_are_not_taken_for_summaries() -> None:
    draw = np.random.default_rng(0)
    taken = 0
    for _ in range(200):
        n = int(draw.integers(8, 40))
        numbers = [draw.integers(low, high, n) for low, high in ((24, 40), (25, 120), (4, 90), (0, 5))]
        ids = pd.Series([f"P{i}" for i in range(n)], dtype="str")
        words = [pd.Series(draw.choice(["yes", "no"], n), dtype="str") for _ in range(3)]
        taken += int(
            find_trailing_summaries(
                [ids, *(pd.Series(column, dtype=float) for column in numbers), *words], ids.tolist()
            ).sum()
        )
    assert taken == 0


def test_a_woman_named_without_a_number_is_one_if_anything_is_said_of_her() -> None:
    ids = pd.Series([*(f"P{i}" for i in range(9)), "Control"], dtype="str")
    words = [pd.Series(["yes"] * 10, dtype="str"), pd.Series(["secondary"] * 10, dtype="str")]
    assert not find_trailing_summaries([ids, pd.Series(np.arange(10.0)), *words], ids.tolist()).any()
