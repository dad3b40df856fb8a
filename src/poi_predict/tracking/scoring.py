"""A scored cohort, handed to the store: counts, drift and applicability, and no row of it."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from poi_predict.plain import as_plain
from poi_predict.tracking.note import render_scoring_note
from poi_predict.tracking.records import Item, Metric, Param, RunRecord, Tag, Text
from poi_predict.tracking.settings import TrackingSettings
from poi_predict.tracking.uses import KIND, ModelUse, TrackedUse, record_use

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["build_scoring_record", "track_scoring"]

SUMMARY_KEYS = (
    "study",
    "synthetic",
    "brands",
    "model_sha256",
    "cohort",
    "rows",
    "flags",
    "share_flagged",
    "drift",
    "created",
)
"""What of a summary is recorded: a key that a later summary adds is not, until it is looked at here."""

COHORT_KEYS = ("sha256", "rows")
HISTORY = (
    "rows_scored",
    "share_rejected",
    "share_outside",
    "differences_shown",
    "membership_c",
    "membership_c_ci_low",
    "membership_c_ci_high",
    "mean_prediction",
    "mean_prediction_difference",
    "psi",
)
"""The figures that are also put on the history of the model's run, as ``scoring/<name>``."""


def track_scoring(
    model: str, study: str, summary: Mapping[str, Any], page: str, settings: TrackingSettings | None = None
) -> TrackedUse:
    """Record a scored cohort as an MLflow run, and its main figures on the history of the model's run.

    Parameters
    ----------
    model : str
        The bundle folder or ``models:/name@alias`` that scored it.
    study : str
        The study of the model: the experiment.
    summary : mapping
        What ``score`` writes to ``FILE.summary.json``: ``rows`` (``read``, ``scored``, ``rejected``), ``cohort``,
        ``model_sha256``, ``brands``, ``flags``, ``share_flagged``, ``drift``, ``created``.
    page : str
        The drift page, HTML; empty if there is none.
    settings : TrackingSettings, optional
        Where to record; the study's experiment in the default store if not given.

    Raises
    ------
    TrackingError
        If the store cannot be reached or written; what is on disk stays.
    """
    record = build_scoring_record(study, summary, page)
    kept = {item.name: item.value for item in record.items if isinstance(item, Metric)}
    use = ModelUse(
        model=model,
        digest=str(summary["model_sha256"]),
        run=record,
        history=tuple(Metric(f"scoring/{name}", kept[name]) for name in HISTORY if name in kept),
        day=str(summary["created"]),
    )
    return record_use(use, settings or TrackingSettings(study))


def build_scoring_record(study: str, summary: Mapping[str, Any], page: str) -> RunRecord:
    """Build the run of a scored cohort.

    Parameters
    ----------
    study, summary, page
        See `track_scoring`.

    Returns
    -------
    RunRecord
        Items in a fixed order: the same summary gives the same record.

    Examples
    --------
    >>> summary = {"study": "menses_12m", "synthetic": True, "brands": ["SYNTHETIC"], "model_sha256": "b0",
    ...            "cohort": {"sha256": "da", "rows": 40, "tables": 1}, "created": "2026-11-22",
    ...            "rows": {"read": 40, "scored": 38, "rejected": 2}, "drift": {}}
    >>> run = build_scoring_record("menses_12m", summary, "")
    >>> run.name, [item.value for item in run.items if getattr(item, "name", "") == "share_rejected"]
    ('SYNTHETIC · scoring', [0.05])
    """
    return RunRecord(
        name=" · ".join((*(["SYNTHETIC"] if summary["synthetic"] else []), "scoring")),
        items=tuple(_items(study, summary, page)),
        note=render_scoring_note(summary),
    )


def _items(study: str, summary: Mapping[str, Any], page: str) -> Iterator[Item]:
    drift = summary.get("drift") or {}
    yield Tag("study", study)
    yield Tag(KIND, "scoring")
    yield Tag("drift.status", str(drift.get("status") or "not compared"))
    if summary["synthetic"]:  # the model, or the women it was tried out on
        yield Tag("synthetic", "SYNTHETIC")
    for brand in summary["brands"]:
        if brand != "SYNTHETIC":
            yield Tag("brand", str(brand))
    yield Tag("data.sha256", str(summary["cohort"]["sha256"]))
    yield Tag("day", str(summary["created"]))
    yield Param("tables", str(_count_tables(summary["cohort"].get("tables", 1))))
    for name, value in (*_counts(summary), *_drift_figures(drift)):
        if _is_finite(value):
            yield Metric(name, float(value))
    if page:
        yield Text("drift.html", page)
    yield Text("summary.json", _as_json(summary))


def _counts(summary: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    rows = summary["rows"]
    for name in ("read", "scored", "rejected"):
        yield f"rows_{name}", rows[name]
    yield "share_rejected", rows["rejected"] / rows["read"] if rows["read"] else 0.0
    yield "share_flagged", summary.get("share_flagged")


def _drift_figures(drift: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield name and value; a value that is not known is passed over by the caller."""
    applicability, predictions = drift.get("applicability") or {}, drift.get("predictions") or {}
    yield "share_outside", applicability.get("share")
    yield "share_outside_ci_low", applicability.get("ci_low")
    yield "share_outside_ci_high", applicability.get("ci_high")
    aspects = drift.get("aspects") or []
    if aspects:
        yield "differences_compared", len(aspects)
        yield "differences_shown", sum(bool(aspect["shown"]) for aspect in aspects)
    for part, suffix in (("estimate", ""), ("ci_low", "_ci_low"), ("ci_high", "_ci_high")):
        yield f"membership_c{suffix}", (drift.get("membership") or {}).get(part)
    yield "mean_prediction", predictions.get("mean_here")
    yield "mean_prediction_difference", predictions.get("difference")
    yield "psi", predictions.get("psi")
    yield "psi_expected", predictions.get("psi_expected")
    for aspect in aspects:
        value = aspect.get("sd_units") if aspect["aspect"] == "location" else aspect.get("difference")
        yield "/".join(filter(None, ("drift", aspect["aspect"], aspect["variable"], _word(aspect.get("level"))))), value


def _word(level: object) -> str:
    """Return a level as MLflow lets a metric be named."""
    return re.sub(r"[^\w\- ]", "_", str(level)) if level is not None else ""


def _as_json(summary: Mapping[str, Any]) -> str:
    """Return the summary without names of files: those may hold a patient's."""
    kept = {key: summary[key] for key in SUMMARY_KEYS if key in summary}
    cohort = {key: summary["cohort"].get(key) for key in COHORT_KEYS}
    kept["cohort"] = cohort | {"tables": _count_tables(summary["cohort"].get("tables", 1))}
    return json.dumps(as_plain(kept), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _count_tables(tables: Any) -> int:
    return tables if isinstance(tables, int) else len(tables)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
