"""What each command returns, and how it says so in lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from poi_predict.files import ONE_ROW_A_PATIENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from poi_predict.cohort import AnalysisSet, Cohort, Findings
    from poi_predict.explain import Explanation
    from poi_predict.modeling import Checkpoint, Development
    from poi_predict.regimen import RegimenSettings, Support
    from poi_predict.study import Study
    from poi_predict.tracking import TrackedRun
    from poi_predict.validation import Assessment, Ladder

__all__ = ["MARKER", "Checked", "Training", "TrainingRun", "describe_budget"]

MARKER = "assessment.json"
OUTPUTS = ("report.html", MARKER, "guidelines.html", "predictions.parquet", "explanations.parquet", "bundle/")


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
        Where the row numbers are; None where they could not be written.
    notes : tuple of str
        What a training with these settings could not say, however good the table.
    """

    findings: Findings
    attrition: pd.DataFrame | None
    problem: str | None
    findings_file: Path | None
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the study could be trained on the cohort."""
        return not self.findings.errors and self.problem is None

    def lines(self) -> list[str]:
        """Say everything at once, by column and count."""
        lines = [f"{found.severity}: {found.message}" for found in self.findings]
        if self.problem:
            lines.append(f"error: {self.problem}")
        if self.attrition is not None:
            last = self.attrition.iloc[-1]
            lines.append(
                f"To be analysed: {last.remaining_rows} rows, {last.remaining_patients} women, "
                f"{last.remaining_events} events."
            )
        lines += [f"note: {note}" for note in self.notes]
        n_errors = len(self.findings.errors) + (self.problem is not None)
        verdict = "The cohort can be used" if self.usable else "The cohort cannot be used"
        lines.append(f"{verdict}: {n_errors} errors, {len(self.findings.warnings)} warnings.")
        if self.findings_file is None:
            lines.append("Row numbers could not be written beside the cohort: its folder cannot be written.")
        elif len(self.findings):
            lines.append(f"Row numbers are in {self.findings_file} (no patient's value is).")
        return lines


def describe_budget(size: Mapping[str, Any], ladder: Ladder, declared: str) -> list[str]:
    """Say, before any fit, what so many women support and which model is therefore fitted.

    Parameters
    ----------
    size : mapping
        From `poi_predict.modeling.describe_sample_size`.
    ladder : Ladder
    declared : str
        The primary model that the study names.
    """
    budget = (
        f"Budget: {size['n_patients']} women, {size['events']:g} in the smaller outcome group; "
        f"{size['parameters']} candidate columns, of which they support {size['affordable_parameters']} unpenalised "
        f"(Riley's criteria ask for {size['required']} women)."
    )
    expected = (
        f"  Expected without a penalty: shrinkage {size['expected_shrinkage']:.2f}, "
        f"mean error of a probability {size['expected_mape']:.2f}."
    )
    next_rung = f" The next rung needs {ladder.next_n} women like these." if ladder.next_n else ""
    lines = [budget, expected, f"  Rung: {ladder.rung}. {ladder.reason}{next_rung}"]
    primary = ladder.primary_for(declared)
    if primary != declared:
        lines.append(f"  {declared} is more than this cohort supports; the primary model is {primary}.")
    elif ladder.overridden:
        lines.append("  LADDER OVERRIDDEN by models.override_ladder: every output is marked.")
    return lines


@dataclass(frozen=True)
class Training:
    """Everything a training found, before any of it is written."""

    study: Study
    cohort: Cohort
    analysis: AnalysisSet
    development: Development
    assessment: Assessment
    explanation: Explanation
    checkpoint: Checkpoint
    comparable: tuple[RegimenSettings, Support] | None = None


@dataclass(frozen=True)
class TrainingRun:
    """What a training found, and where it was written."""

    training: Training
    folder: Path
    verdict: str
    tracked: TrackedRun | None

    def lines(self) -> list[str]:
        """Say what was found, what was written where, and what to do next."""
        assessment = self.training.assessment
        synthetic = " (SYNTHETIC)" if assessment.synthetic else ""
        lines = [
            f"{assessment.study}: {assessment.n_patients} women, {assessment.events} events{synthetic}",
            f"  {self.verdict}",
            *(f"  Warning: {warning}" for warning in assessment.warnings),
            f"  Written to {self.folder}/: {', '.join(OUTPUTS)}",
            f"  predictions.parquet and explanations.parquet hold {ONE_ROW_A_PATIENT}.",
        ]
        if self.tracked is not None:
            alias = self.tracked.alias
            lines.append(
                f"  Recorded in MLflow: model {self.tracked.model_name} version {self.tracked.version}, "
                + (f"alias {alias}." if alias else f"no alias, since {self._why_no_alias()}.")
            )
        return lines

    def _why_no_alias(self) -> str:
        details = self.training.assessment.details
        if details.get("skill") == "shown" and (details.get("leakage") or {}).get("to_review"):
            return "a person has to look at a predictor first"
        return "no skill was shown"
