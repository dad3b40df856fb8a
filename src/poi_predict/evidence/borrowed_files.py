"""Borrowed evidence from its files: text, numbers, words known, and one error for all breaches of a table."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from poi_predict.errors import EvidenceError
from poi_predict.evidence.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["raise_if_any", "read_numbers", "read_row_ids", "read_text", "read_vocabulary"]

_TABLES = Path(__file__).parent / "tables"
_DESCRIPTION = ("variable", "level", "family", "mean", "sd", "low", "high")
_COLUMNS = {
    "vocabulary": ("variable", "level", "column", "transform"),
    "priors": (
        "row_id", "outcome", "parameter", "mean", "sd", "source_rows", "rule", "conversion", "reasoning",
    ),
    "borrowed_arms": ("outcome", "row_id", "study", "counted", "definition", "discount", "reasoning"),
    "field": ("row_id", *_DESCRIPTION, "source_rows", "reasoning"),
    "field_correlations": ("row_id", "one", "other", "rho", "source_rows", "reasoning"),
    "arm_women": ("row_id", *_DESCRIPTION, "source", "reasoning"),
}  # fmt: skip
_NUMBERS = ("mean", "sd", "low", "high", "conversion", "discount", "rho")


def read_vocabulary(folder: Path | None = None) -> Vocabulary:
    """Read the words that these tables may use: variables, levels, and the derived column of each.

    Examples
    --------
    >>> vocabulary = read_vocabulary()
    >>> vocabulary.column("amenorrhea_months"), vocabulary.transform("amenorrhea_months__log")
    ('amenorrhea_months__log', 'log1p')
    """
    rows = read_text("vocabulary", folder)[list(_COLUMNS["vocabulary"])].to_numpy(dtype=object)
    return Vocabulary.from_rows({"variable": v, "level": level, "column": c, "transform": t} for v, level, c, t in rows)


def read_numbers(name: str, folder: Path | None) -> pd.DataFrame:
    """Read a table and turn its numbers into numbers."""
    frame = read_text(name, folder)
    breaches: list[str] = []
    for column in [column for column in frame if column in _NUMBERS]:
        numbers = pd.to_numeric(frame[column].where(frame[column] != ""), errors="coerce")
        wrong = frame.loc[numbers.isna() & (frame[column] != ""), "row_id"]
        breaches += [f"Row {row} must have a number as {column}." for row in wrong]
        frame[column] = numbers.astype(float)
    raise_if_any(name, breaches)
    return frame


def read_text(name: str, folder: Path | None) -> pd.DataFrame:
    """Read a table as text, blanks as empty text."""
    file = f"{name}.csv"
    frame = pd.read_csv((folder or _TABLES) / file, dtype="str", encoding="utf-8", keep_default_na=False)
    missing = [column for column in _COLUMNS[name] if column not in frame]
    if missing:
        raise EvidenceError(f"Evidence table {name} must have the columns {', '.join(missing)}. Add them.")
    return frame


def read_row_ids(names: Iterable[str], folder: Path | None) -> list[str]:
    """Read the ids of the rows of some tables, as they stand."""
    ids = []
    for name in names:
        with ((folder or _TABLES) / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            ids += [row["row_id"] for row in csv.DictReader(file)]
    return ids


def raise_if_any(table: str, breaches: Iterable[str]) -> None:
    """Raise once, with every breach."""
    found = list(breaches)
    if found:
        raise EvidenceError(f"Evidence table {table}: {' '.join(found)} Correct the rows or leave them out.")
