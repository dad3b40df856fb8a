"""What each command returns, and how it says so in lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from poi_predict.files import ONE_ROW_A_PATIENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from poi_predict.cohort import AnalysisSet, Cohort
    from poi_predict.explain import Explanation
    from poi_predict.modeling import Checkpoint, Development
    from poi_predict.regimen import RegimenSettings, Support
    from poi_predict.study import Study
    from poi_predict.tracking import TrackedRun
    from poi_predict.validation import Assessment, Ladder

__all__ = ["MARKER", "Training", "TrainingRun", "describe_budget"]

MARKER = "assessment.json"
OUTPUTS = ("report.html", MARKER, "guidelines.html", "predictions.parquet", "explanations.parquet", "bundle/")


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
    of = "" if float(size["events"]).is_integer() else " (effective number)"
    counted = f"Budget: {size['n_patients']} women, {size['events']:g}{of} in the smaller outcome group"
    lines = [f"{counted}; what distinguishes women cannot be learnt from them."]
    if "required" in size:
        supported = (
            f"{size['parameters']} candidate columns, of which they support {size['affordable_parameters']} "
            f"unpenalised (Riley's criteria ask for {size['required']} women)."
        )
        expected = (
            f"  Expected without a penalty: shrinkage {size['expected_shrinkage']:.2f}, "
            f"mean error of a probability {size['expected_mape']:.2f}."
        )
        lines = [f"{counted}; {supported}", expected]
    next_tier = f" The next tier needs {ladder.next_n} women like these." if ladder.next_n else ""
    lines.append(f"  Model tier: {ladder.rung}. {ladder.reason}{next_tier}")
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
