"""What a tracking store is told about a training, as plain typed items; nothing here knows MLflow.

A training becomes one run with a run under it for each candidate, so that candidates of many trainings can be
put side by side. Items hold summaries only: no row, value or identifier of a woman.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from poi_predict.tracking.note import render_candidate_note, render_training_note
from poi_predict.tracking.regimens import count_regimens, tabulate_regimens

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = [
    "Dataset",
    "Figure",
    "File",
    "Item",
    "Metric",
    "Param",
    "RunRecord",
    "Table",
    "Tag",
    "Text",
    "TrainingEvidence",
    "build_training_record",
    "list_metric_items",
]

LONGEST_VALUE = 5_000
PERFORMANCE_COLUMNS = ("candidate", "metric", "estimate", "ci_low", "ci_high", "apparent", "method", "reason")


@dataclass(frozen=True)
class Param:
    """One setting of a run."""

    name: str
    value: str


@dataclass(frozen=True)
class Metric:
    """One finite number that a run found."""

    name: str
    value: float


@dataclass(frozen=True)
class Tag:
    """One word or sentence by which runs are told apart."""

    name: str
    value: str


@dataclass(frozen=True)
class Figure:
    """A picture, stored at `path`, whose suffix (.png or .svg) decides the format."""

    path: str
    figure: MatplotlibFigure


@dataclass(frozen=True)
class Text:
    """A text, such as the HTML report, stored at `path`."""

    path: str
    text: str


@dataclass(frozen=True)
class Table:
    """A tidy frame of summaries, never of women, stored as CSV at `path`."""

    path: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class File:
    """A file of the disk, stored at `path`."""

    path: str
    source: Path


@dataclass(frozen=True)
class Dataset:
    """The fingerprint of a cohort: hash and shape, not rows."""

    name: str
    sha256: str
    rows: int
    columns: int
    context: str = "training"


Item: TypeAlias = Param | Metric | Tag | Figure | Text | Table | File | Dataset


@dataclass(frozen=True)
class RunRecord:
    """One run to be recorded, and the runs under it.

    Attributes
    ----------
    name : str
        Shown in the list of runs.
    items : tuple of Item
        What is recorded, in order.
    children : tuple of RunRecord
        Runs under this one.
    note : str
        What a person reads first: Markdown.
    """

    name: str
    items: tuple[Item, ...]
    children: tuple[RunRecord, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class TrainingEvidence:
    """All that a training found and that a tracking store may know.

    Attributes
    ----------
    assessment : mapping
        The content of ``assessment.json``.
    settings : mapping
        The study's settings, nested as they are.
    dataset : Dataset
        The cohort's fingerprint.
    tables : mapping of str to DataFrame
        Summary frames by name, such as ``attrition`` and ``table_one``; stored as ``tables/<name>.csv``.
    figures : mapping of str to Figure
        Pictures by name; stored as ``figures/<name>.png``.
    report : str
        The self-contained HTML page; empty if there is none.
    verdict : str
        One sentence: what the data can tell.
    brands : tuple of str
        Words that every artefact must carry: ``SYNTHETIC`` for made-up women.
    bundle_digest : str
        The digest that `write_bundle` returned; empty if no bundle was written.
    """

    assessment: Mapping[str, Any]
    settings: Mapping[str, Any]
    dataset: Dataset
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Mapping[str, MatplotlibFigure] = field(default_factory=dict)
    report: str = ""
    verdict: str = ""
    brands: tuple[str, ...] = ()
    bundle_digest: str = ""


def build_training_record(evidence: TrainingEvidence) -> RunRecord:
    """Build the run of a training, with a run under it for each candidate.

    The training's own metrics are those of the pre-specified primary model, so that trainings compare at a
    glance. A metric is recorded as ``c_statistic`` with ``c_statistic_ci_low``, ``c_statistic_ci_high`` and
    ``c_statistic_apparent``; one that cannot be estimated becomes a tag that says why, not a number.

    Parameters
    ----------
    evidence : TrainingEvidence
        What was found.

    Returns
    -------
    RunRecord
        Items in a fixed order: the same evidence gives the same record.

    Examples
    --------
    >>> c_statistic = {"estimate": 0.71, "ci_low": 0.62, "ci_high": 0.8, "apparent": 0.77, "method": "DeLong"}
    >>> run = build_training_record(
    ...     TrainingEvidence(
    ...         assessment={"study": "menses_12m", "n": 240, "events": 79, "primary": "ridge",
    ...                     "champion": None, "candidates": {"ridge": {"c_statistic": c_statistic}},
    ...                     "warnings": []},
    ...         settings={"endpoint": {"horizon_months": 12}},
    ...         dataset=Dataset("cohort.csv", "0f3a", 240, 31),
    ...         brands=("SYNTHETIC",),
    ...     )
    ... )
    >>> run.name, [child.name for child in run.children]
    ('SYNTHETIC · ridge', ['ridge'])
    >>> [item.value for item in run.items if getattr(item, "name", "") == "c_statistic_ci_low"]
    [0.62]
    """
    assessment = evidence.assessment
    primary = assessment["primary"]
    children = tuple(
        RunRecord(
            name=candidate,
            items=(
                Tag("study", assessment["study"]),
                Tag("candidate", candidate),
                Tag("role", _role(candidate, assessment)),
                *_brand_tags(evidence.brands),
                Param("candidate", candidate),
                *list_metric_items(metrics),
            ),
            note=render_candidate_note(candidate, _role(candidate, assessment), metrics, evidence.brands),
        )
        for candidate, metrics in assessment["candidates"].items()
    )
    return RunRecord(
        name=" · ".join((*evidence.brands, primary)),
        items=tuple(_training_items(evidence)),
        children=children,
        note=render_training_note(assessment, evidence.verdict, evidence.brands),
    )


def _training_items(evidence: TrainingEvidence) -> Iterator[Item]:
    assessment = evidence.assessment
    yield Tag("study", assessment["study"])
    yield Tag("primary", assessment["primary"])
    yield Tag("champion", assessment["champion"] or "none")
    yield Tag("verdict", evidence.verdict or "none given")
    yield from _brand_tags(evidence.brands)
    yield Tag("data.sha256", evidence.dataset.sha256)
    if evidence.bundle_digest:
        yield Tag("bundle.digest", evidence.bundle_digest)
    yield evidence.dataset
    for name, value in _flat(evidence.settings):
        yield Param(name, value)
    yield Metric("n", float(assessment["n"]))
    yield Metric("events", float(assessment["events"]))
    yield from list_metric_items(assessment["candidates"].get(assessment["primary"], {}))
    regimens = assessment.get("regimens") or {}
    for name, number in count_regimens(regimens):
        yield Metric(name, number)
    yield Table("tables/performance.csv", _performance_frame(assessment))
    for name, frame in {**evidence.tables, **tabulate_regimens(regimens)}.items():
        yield Table(f"tables/{name}.csv", frame)
    for name, figure in evidence.figures.items():
        yield Figure(f"figures/{name}.png", figure)
    if evidence.report:
        yield Text("report.html", evidence.report)


def list_metric_items(metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric | Tag]:
    """Yield each metric with its interval; one that cannot be estimated is a tag that says why."""
    for name, found in metrics.items():
        if not _is_number(found.get("estimate")):
            yield Tag(f"not_estimable.{name}", found.get("reason") or "the data do not suffice")
            continue
        for part, suffix in (
            ("estimate", ""),
            *((part, f"_{part}") for part in ("ci_low", "ci_high", "apparent")),
        ):
            value = found.get(part)
            if value is not None and _is_number(value):
                yield Metric(f"{name}{suffix}", float(value))


def _performance_frame(assessment: Mapping[str, Any]) -> pd.DataFrame:
    rows = [
        {"candidate": candidate, "metric": metric, **found}
        for candidate, metrics in assessment["candidates"].items()
        for metric, found in metrics.items()
    ]
    return pd.DataFrame(rows).reindex(columns=list(PERFORMANCE_COLUMNS))


def _brand_tags(brands: tuple[str, ...]) -> Iterator[Tag]:
    for brand in brands:
        yield Tag(brand.lower(), brand)


def _role(candidate: str, assessment: Mapping[str, Any]) -> str:
    roles = [role for role in ("primary", "champion") if assessment[role] == candidate]
    return ", ".join(roles) or "compared"


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield ``room.setting`` and its value as text, in the settings' order."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _as_text(value)


def _as_text(value: object) -> str:
    if value is None:
        return "none"
    text = ", ".join(map(_as_text, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
