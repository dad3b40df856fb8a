"""What a person reads first when a run is opened: a few lines of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["render_candidate_note", "render_scoring_note", "render_training_note", "render_validation_note"]

METRIC_WORDS = {
    "c_statistic": "c-statistic",
    "brier": "Brier score",
    "scaled_brier": "scaled Brier score",
    "log_loss": "log loss",
    "calibration_in_the_large": "calibration in the large",
    "calibration_slope": "calibration slope",
    "o_e_ratio": "observed to expected",
}
SUMMARY_METRICS = ("c_statistic", "brier", "calibration_in_the_large", "calibration_slope")
BRAND_WORDS = {"SYNTHETIC": "made-up women. It says nothing about real ones"}


def render_training_note(assessment: Mapping[str, Any], verdict: str, brands: tuple[str, ...]) -> str:
    """Render a training's note: brand, verdict, candidates side by side, warnings.

    Parameters
    ----------
    assessment : mapping
        The content of ``assessment.json``.
    verdict : str
        One sentence: what the data can tell.
    brands : tuple of str
        Words that every artefact must carry.

    Returns
    -------
    str
        Markdown.

    Examples
    --------
    >>> assessment = {"study": "menses_12m", "n": 240, "events": 79, "primary": "ridge", "champion": "ridge",
    ...               "candidates": {"ridge": {"c_statistic": {"estimate": 0.71}}}, "warnings": []}
    >>> print(render_training_note(assessment, "", ("SYNTHETIC",)).splitlines()[0])
    > **SYNTHETIC** — this run was made from made-up women. It says nothing about real ones.
    """
    champion = assessment["champion"]
    lines = [
        *_brand_lines(brands),
        *([f"**{verdict}**", ""] if verdict else []),
        f"{assessment['n']} treatment courses, {assessment['events']} responses. "
        + (f"Champion: **{champion}**." if champion else "No candidate beat “no model”: **no champion**."),
        "",
        *_candidate_table(assessment),
    ]
    if assessment["warnings"]:
        lines += ["", "**Warnings**", "", *(f"- {warning}" for warning in assessment["warnings"])]
    lines += ["", "Open `report.html` under *Artifacts* for the whole story."]
    return "\n".join(lines)


def render_candidate_note(
    candidate: str, role: str, metrics: Mapping[str, Mapping[str, Any]], brands: tuple[str, ...]
) -> str:
    """Render a candidate's note: brand, role, and each metric with its interval, or why there is none."""
    lines = [
        *_brand_lines(brands),
        f"**{candidate}** — {role}",
        "",
        "| Metric | Estimate (95 % CI) | Apparent |",
        "|---|---|---|",
    ]
    for name, found in metrics.items():
        estimate = _interval(found)
        if found.get("estimate") is None and found.get("reason"):
            estimate = f"not estimable: {found['reason']}"
        lines.append(f"| {_words(name)} | {estimate} | {_number(found.get('apparent'))} |")
    return "\n".join(lines)


def render_scoring_note(summary: Mapping[str, Any]) -> str:
    """Render the note of a scored cohort: brand, rows, what the drift comparison says."""
    rows, drift = summary["rows"], summary.get("drift") or {}
    lines = [
        *_brand_lines(tuple(summary["brands"])),
        *([f"**{drift['message']}**", ""] if drift.get("message") else []),
        f"{rows['read']} rows read = {rows['scored']} scored + {rows['rejected']} rejected.",
        "",
        "Open `drift.html` under *Artifacts* for the whole story.",
    ]
    return "\n".join(lines)


def render_validation_note(record: Mapping[str, Any], metrics: Sequence[str]) -> str:
    """Render the note of an external validation: brand, verdict, main metrics with their intervals."""
    lines = [
        *_brand_lines(("SYNTHETIC",) if record["synthetic"] else ()),
        f"**{record['verdict']}**",
        "",
        "| Metric | Estimate (95 % CI) |",
        "|---|---|",
        *(f"| {_words(name)} | {_interval(record['metrics'].get(name, {}))} |" for name in metrics),
        "",
        "Open `report.html` under *Artifacts* for the whole story.",
    ]
    return "\n".join(lines)


def _brand_lines(brands: tuple[str, ...]) -> Iterator[str]:
    for brand in brands:
        yield f"> **{brand}** — this run was made from {BRAND_WORDS.get(brand, 'data of that kind')}."
        yield ""


def _candidate_table(assessment: Mapping[str, Any]) -> Iterator[str]:
    candidates = assessment["candidates"]
    found = {metric for metrics in candidates.values() for metric in metrics}
    shown = [metric for metric in SUMMARY_METRICS if metric in found]
    yield "| Candidate | " + " | ".join(map(_words, shown)) + " |"
    yield "|---" * (len(shown) + 1) + "|"
    for candidate, metrics in candidates.items():
        name = f"**{candidate}** (primary)" if candidate == assessment["primary"] else candidate
        yield f"| {name} | " + " | ".join(_interval(metrics.get(metric, {})) for metric in shown) + " |"


def _interval(found: Mapping[str, Any]) -> str:
    if found.get("estimate") is None:
        return "–"
    estimate = _number(found["estimate"])
    if found.get("ci_low") is None or found.get("ci_high") is None:
        return estimate
    return f"{estimate} ({_number(found['ci_low'])} to {_number(found['ci_high'])})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def _words(metric: str) -> str:
    return METRIC_WORDS.get(metric, metric.replace("_", " "))
