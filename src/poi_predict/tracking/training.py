"""A finished training, handed to the store: figures, tables, report, metrics and the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poi_predict.report.explanation_figures import plot_attribution_summary
from poi_predict.report.figures import plot_calibration, plot_performance
from poi_predict.tracking.mlflow_store import record_training
from poi_predict.tracking.records import TrainingEvidence, build_training_record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.figure import Figure

    from poi_predict.report import ReportContent
    from poi_predict.tracking.settings import TrackedRun, TrackingSettings
    from poi_predict.validation import Assessment

__all__ = ["track_training"]


def track_training(
    settings: TrackingSettings,
    bundle_folder: Path,
    content: ReportContent,
    assessment: Assessment,
    evidence: Mapping[str, Any],
) -> TrackedRun:
    """Record a training; the model becomes champion only where the assessment names one.

    Parameters
    ----------
    settings : TrackingSettings
    bundle_folder : Path
        As written by `write_bundle`.
    content : ReportContent
        Summaries only; its frames and figures are recorded.
    assessment : Assessment
    evidence : mapping
        ``settings`` (the study's, as plain values), ``dataset`` (`Dataset`), ``report`` (the HTML page) and
        ``bundle_digest``.

    Raises
    ------
    TrackingError
        If the store cannot be reached or written; what is on disk stays.
    """
    record = build_training_record(
        TrainingEvidence(
            assessment=assessment.as_dict(),
            settings=evidence["settings"],
            dataset=evidence["dataset"],
            tables={"attrition": content.attrition, "table_one": content.table_one, "findings": content.findings},
            figures=_figures(content),
            report=evidence["report"],
            verdict=content.verdict,
            brands=("SYNTHETIC",) if assessment.synthetic else (),
            bundle_digest=evidence["bundle_digest"],
        )
    )
    return record_training(record, bundle_folder, settings, promote=assessment.champion is not None)


def _figures(content: ReportContent) -> dict[str, Figure]:
    figures = {}
    if len(content.performance):
        figures["performance"] = plot_performance(
            content.performance, primary=content.primary, champion=content.champion
        )
    if len(content.calibration) or len(content.calibration_groups):
        figures["calibration"] = plot_calibration(
            content.calibration,
            content.calibration_groups,
            content.predictions,
            primary=content.primary,
            label=content.candidate_label(content.primary),
        )
    if len(content.attribution):
        figures["attribution"] = plot_attribution_summary(content.attribution, content.attribution_points)
    return figures
