"""An external validation, handed to the store, and the earlier ones of the same model got back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from poi_predict.tracking.note import render_validation_note
from poi_predict.tracking.records import Dataset, Item, Metric, RunRecord, Tag, Text, list_metric_items
from poi_predict.tracking.settings import TrackingSettings
from poi_predict.tracking.uses import KIND, ModelUse, TrackedUse, list_uses, record_use

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["build_validation_record", "join_validations", "read_validations", "track_validation"]

VALIDATION = "validation"
OVER_TIME = ("c_statistic", "calibration_in_the_large", "calibration_slope", "brier", "o_e_ratio")
"""The metrics that are also put, with their intervals, on the history of the model's run as ``validation/<name>``."""

PARTS = ("estimate", "ci_low", "ci_high")


def track_validation(
    model: str, study: str, record: Mapping[str, Any], page: str, settings: TrackingSettings | None = None
) -> TrackedUse:
    """Record an external validation as an MLflow run, and its main metrics on the history of the model's run.

    Parameters
    ----------
    model : str
        The bundle folder or ``models:/name@alias`` that was judged.
    study : str
        The study of the model: the experiment.
    record : mapping
        The content of ``validation.json``.
    page : str
        The report, HTML.
    settings : TrackingSettings, optional
        Where to record; the study's experiment in the default store if not given.

    Raises
    ------
    TrackingError
        If the store cannot be reached or written; what is on disk stays.
    """
    run = build_validation_record(study, record, page)
    found = {item.name: item for item in run.items if isinstance(item, Metric)}
    names = ["n", "events", *(f"{name}{suffix}" for name in OVER_TIME for suffix in ("", "_ci_low", "_ci_high"))]
    history = tuple(Metric(f"{VALIDATION}/{name}", found[name].value) for name in names if name in found)
    use = ModelUse(model, str(record["model_sha256"]), run, history, str(record["created"]))
    return record_use(use, settings or TrackingSettings(study))


def build_validation_record(study: str, record: Mapping[str, Any], page: str) -> RunRecord:
    """Build the run of an external validation.

    Parameters
    ----------
    study, record, page
        See `track_validation`.

    Returns
    -------
    RunRecord
        Items in a fixed order: the same validation gives the same record.

    Examples
    --------
    >>> c_statistic = {"estimate": 0.66, "ci_low": 0.58, "ci_high": 0.73}
    >>> run = build_validation_record("menses_12m", {"synthetic": False, "n": 180, "n_patients": 180, "events": 60,
    ...     "verdict": "It holds.", "verdict_code": "compatible", "metrics": {"c_statistic": c_statistic},
    ...     "cohort": {"sha256": "da", "rows": 200, "columns": 31}, "created": "2026-11-22"}, "")
    >>> run.name, [item.value for item in run.items if getattr(item, "name", "") == "c_statistic_ci_high"]
    ('validation', [0.73])
    """
    brands = ("SYNTHETIC",) if record["synthetic"] else ()
    return RunRecord(
        name=" · ".join((*brands, VALIDATION)),
        items=tuple(_items(study, record, page)),
        note=render_validation_note(record, OVER_TIME),
    )


def read_validations(digest: str, study: str, settings: TrackingSettings | None = None) -> list[dict[str, Any]]:
    """Read what earlier validations of a model found, the earliest first; of each cohort the last.

    Parameters
    ----------
    digest : str
        SHA-256 of the model's bundle: another model's figures are never mixed in.
    study : str
        The study of the model: the experiment.
    settings : TrackingSettings, optional
        As in `track_validation`.

    Returns
    -------
    list of dict
        ``day``, ``cohort_sha256``, ``n``, ``events`` and ``metrics``: name → ``estimate``, ``ci_low``, ``ci_high``.

    Raises
    ------
    TrackingError
        If the store cannot be reached.
    """
    uses = list_uses(VALIDATION, digest, settings or TrackingSettings(study))
    by_cohort = {use["tags"]["data.sha256"]: _entry(use["tags"], use["metrics"]) for use in uses}
    return sorted(by_cohort.values(), key=lambda entry: str(entry["day"]))


def join_validations(earlier: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return what was found on other cohorts before, then what a validation found: its history.

    SYNTHETIC cohorts and cohorts of real women are never in one history.

    Parameters
    ----------
    earlier : sequence of mapping
        See `read_validations`; one of the same cohort gives way to the new one.
    record : mapping
        The content of ``validation.json``.

    Examples
    --------
    >>> record = {"created": "2026-11-22", "cohort": {"sha256": "da"}, "n": 180, "events": 60, "synthetic": False,
    ...           "metrics": {"brier": {"estimate": 0.21, "ci_low": 0.19, "ci_high": 0.23, "method": "Brier"}}}
    >>> earlier = [{"cohort_sha256": "da", "synthetic": False}, {"cohort_sha256": "0c", "synthetic": False}]
    >>> join_validations(earlier, record)[1]["metrics"]
    {'brier': {'estimate': 0.21, 'ci_low': 0.19, 'ci_high': 0.23}}
    """
    here = {
        "day": record["created"],
        "synthetic": bool(record["synthetic"]),
        "cohort_sha256": record["cohort"]["sha256"],
        "n": record["n"],
        "events": record["events"],
        "metrics": {
            name: {part: record["metrics"][name].get(part) for part in PARTS}
            for name in OVER_TIME
            if name in record["metrics"]
        },
    }
    others = (each for each in earlier if each["cohort_sha256"] != here["cohort_sha256"])
    return (*(dict(each) for each in others if each["synthetic"] == here["synthetic"]), here)


def _entry(tags: Mapping[str, str], metrics: Mapping[str, float]) -> dict[str, Any]:
    return {
        "day": tags["day"],
        "synthetic": "synthetic" in tags,
        "cohort_sha256": tags["data.sha256"],
        "n": int(metrics["n"]),
        "events": int(metrics["events"]),
        "metrics": {
            name: {part: metrics.get(name if part == "estimate" else f"{name}_{part}") for part in PARTS}
            for name in OVER_TIME
            if name in metrics
        },
    }


def _items(study: str, record: Mapping[str, Any], page: str) -> Iterator[Item]:
    cohort = record["cohort"]
    yield Tag("study", study)
    yield Tag(KIND, VALIDATION)
    yield Tag("verdict", str(record["verdict"]))
    yield Tag("verdict.code", str(record["verdict_code"]))
    if record["synthetic"]:
        yield Tag("synthetic", "SYNTHETIC")
    yield Tag("data.sha256", str(cohort["sha256"]))
    yield Tag("day", str(record["created"]))
    yield Dataset("validation cohort", cohort["sha256"], cohort["rows"], cohort["columns"], VALIDATION)
    for name in ("n", "n_patients", "events"):
        yield Metric(name, float(record[name]))
    yield from list_metric_items(record["metrics"])
    membership = (record.get("case_mix") or {}).get("membership_c")
    if membership is not None:
        yield from list_metric_items({"membership_c": membership})
    if page:
        yield Text("report.html", page)
    yield Text("validation.json", json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
