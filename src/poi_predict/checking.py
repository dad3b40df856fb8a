"""What a check of a cohort found, and how it says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from poi_predict.cohort.missing import find_missing
from poi_predict.cohort.rules import column_finding
from poi_predict.errors import OutputError
from poi_predict.files import check_output, staged_file
from poi_predict.scoring.writing import write_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from poi_predict.cohort import AnalysisSet, Cohort, Finding, Findings
    from poi_predict.study import Study

__all__ = ["Checked", "describe_reading", "find_skewed", "write_findings"]

FEWEST_FOR_SHAPE, SKEWED_FROM = 20, 2.0
SHOWN_ROWS = 5
GROUPED_FROM = 3
FINDINGS_SUFFIX = ".findings.csv"
FINDINGS_HEADER = "row,column,rule,severity,message"


@dataclass(frozen=True)
class Checked:
    """What a check of a cohort found.

    Attributes
    ----------
    findings : Findings
    attrition : DataFrame or None
        Where the table is usable: from its rows to those that would be analysed.
    problem : str or None
        Why a usable table still cannot answer the study's question.
    findings_file : Path or None
        Where the row numbers are; None where there are none, or they could not be written.
    notes : tuple of str
        What was taken how, and what the study assumes.
    unwritten : str
        Why the row numbers were not written, if they were not.
    """

    findings: Findings
    attrition: pd.DataFrame | None
    problem: str | None
    findings_file: Path | None = None
    notes: tuple[str, ...] = field(default=())
    unwritten: str = ""

    @property
    def usable(self) -> bool:
        """Whether the study could be trained on the cohort."""
        return not self.findings.errors and self.problem is None

    def lines(self) -> list[str]:
        """Say everything at once, by column and count."""
        lines = [*_group(self.findings.errors), *_group(self.findings.warnings)]
        if self.problem:
            lines.append(f"error: {self.problem}")
        lines += self.notes
        if self.attrition is not None:
            lines += _show_attrition(self.attrition)
        n_errors = len(self.findings.errors) + (self.problem is not None)
        verdict = "The cohort can be used" if self.usable else "The cohort cannot be used"
        n_warnings = len(self.findings.warnings)
        lines.append(f"{verdict}: {_number(n_errors, 'error')}, {_number(n_warnings, 'warning')}.")
        if self.unwritten:
            lines.append(f"Row numbers were not written: {self.unwritten}")
        if self.findings_file is not None:
            lines.append(f"Row numbers are in {self.findings_file} (no patient's value is).")
        return lines


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _group(findings: tuple[Finding, ...]) -> list[str]:
    """Return one line a finding; a rule that several columns break is said once, then by column."""
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    lines = []
    for found in by_rule.values():
        first, *others = found
        if len(found) < GROUPED_FROM:
            lines += [f"{each.severity}: {each.message}{_show_rows(each)}" for each in found]
            continue
        lines.append(f"{first.severity}: {first.message}{_show_rows(first)}")
        named = ", ".join(f"{each.column}{f' ({each.count} rows)' if each.rows else ''}" for each in others)
        lines.append(f"  The same rule, {first.rule}, in {len(others)} more columns: {named}.")
    return lines


def _show_rows(finding: Finding) -> str:
    """Return the first rows as a spreadsheet numbers them: the header is row 1."""
    if not finding.rows:
        return ""
    shown = ", ".join(str(row + 1) for row in finding.rows[:SHOWN_ROWS])
    more = ", …" if len(finding.rows) > SHOWN_ROWS else ""
    return f" (Spreadsheet row{'s' if len(finding.rows) > 1 else ''} {shown}{more}.)"


def _show_attrition(attrition: pd.DataFrame) -> list[str]:
    """Return the attrition table as lines, the last of them as a sentence."""
    steps = attrition.to_dict("records")
    width = max(len(str(step["step"])) for step in steps)
    lines = [f"{'From the table to the analysis':<{width + 2}}  rows out   rows  women  events"]
    for step in steps:
        counts = (
            f"{step['excluded_rows']:>8}  {step['remaining_rows']:>5}  {step['remaining_patients']:>5}  "
            f"{step['remaining_events']:>6}"
        )
        note = f"  {step['note']}" if step["note"] and (step["excluded_rows"] or "without" in step["note"]) else ""
        lines.append(f"  {step['step']:<{width}}  {counts}{note}")
    last = attrition.iloc[-1]
    lines.append(
        f"To be analysed: {last.remaining_rows} rows, {last.remaining_patients} women, {last.remaining_events} events."
    )
    return lines


def describe_reading(study: Study, cohort: Cohort) -> list[str]:
    """Say how the columns that a study uses were read: what is missing, below a limit, and what is only assumed."""
    data, total = cohort.data, cohort.n_rows
    used = [name for name in study.required_variables if name in data]
    below = {name: int(data[f"{name}__below"].sum()) for name in used if f"{name}__below" in data}
    missing = {name: int(find_missing(data, name).sum()) for name in used}
    lines = [
        *_count("Missing", missing, total),
        *_count(
            "Not applicable (primary amenorrhea)",
            {name: int(data[name].isna().sum()) - missing[name] for name in used},
            total,
        ),
        *_count("Below a detection limit", below, total),
    ]
    if study.without_role:
        lines.append(
            f"Taken as known before treatment, since they have no role: {', '.join(study.without_role)}. State role in "
            "[variables] for each."
        )
    if study.features.planned:
        lines.append(
            f"Taken as planned before the first treatment: {', '.join(study.features.planned)}. What was added or "
            "repeated afterwards must not stand in these columns."
        )
    return lines


def find_skewed(study: Study, analysis: AnalysisSet) -> list[Finding]:
    """Find a study's own predictors of which a few values lie far above the others, and that are used as they are.

    Skewness is that of the sample (third moment over the cubed standard deviation); above 2 a few women weigh more
    than the rest. Nothing is said where the study decides: ``transform = "none"``.
    """
    found = []
    for name in study.declared:
        variable = study.codebook[name]
        if name not in study.features.predictors or variable.kind != "continuous" or variable.transform is not None:
            continue
        values = analysis.data[name].to_numpy(dtype=float, na_value=np.nan)
        values = values[np.isfinite(values)]
        if len(values) < FEWEST_FOR_SHAPE or values.std() == 0:
            continue
        skewness = float(np.mean((values - values.mean()) ** 3) / values.std() ** 3)
        if skewness > SKEWED_FROM:
            found.append(column_finding("skewed_variable", name))
    return found


def _count(what: str, counts: Mapping[str, int], total: int) -> list[str]:
    found = {name: count for name, count in counts.items() if count}
    if not found:
        return []
    return [f"{what}, of {total} rows: " + ", ".join(f"{name} {count}" for name, count in found.items()) + "."]


def write_findings(checked: Findings, cohort_file: Path, place: Path | None, *, overwrite: bool) -> Path | None:
    """Write the row numbers of findings, by default beside the cohort.

    An earlier file of ours is replaced; any other only when asked.

    Parameters
    ----------
    checked : Findings
    cohort_file : Path
        Never written onto.
    place : Path or None
        Where the file goes.
    overwrite : bool
        Whether a file of another kind may be replaced.

    Returns
    -------
    Path or None
        Nothing is written where no finding concerns rows.

    Raises
    ------
    OutputError
        If the file cannot, or must not, be written.
    """
    if not any(finding.rows for finding in checked):
        return None
    target = place or cohort_file.with_name(cohort_file.name + FINDINGS_SUFFIX)
    check_output(target, [cohort_file], overwrite=overwrite or _is_ours(target))
    frame = checked.rows_frame()
    frame.insert(len(frame.columns), "spreadsheet_row", frame["row"] + 1)
    with staged_file(target, private=True) as partial:
        write_table(frame, partial, ".csv")
    return target


def _is_ours(target: Path) -> bool:
    """Whether a file is an earlier one of ours, by its header."""
    if target.is_symlink() or not target.is_file():
        return False
    try:
        with target.open(encoding="utf-8-sig") as file:
            return file.readline().startswith(FINDINGS_HEADER)
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{target.name} cannot be read, and is not replaced. Name another file.") from error
