"""The drift page: whether the women of a scored cohort are like those a model was made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from poi_predict.report.drift_sections import build_drift_sections
from poi_predict.report.drift_words import HEADINGS, LIMITS, format_count, format_share_interval
from poi_predict.report.formatting import format_interval, format_number, format_percent, is_missing
from poi_predict.report.page import make_environment, view_section

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DriftContent", "build_drift_content", "render_drift_report"]

SYNTHETIC_BANNER = "SYNTHETIC: this model or these women are made up. Nothing here says anything about patients."


@dataclass(frozen=True)
class DriftContent:
    """What stands around the sections of a drift page.

    Attributes
    ----------
    title, study_name, question : str
        What is predicted, where it was declared, and for which question.
    heading, kind, verdict : str
        The status in words, its colour, and the sentence a clinician reads first.
    facts : tuple of (name, value, note)
        The figures under the verdict.
    rows : tuple of (name, count, width)
        Rows read, scored and rejected; the width of a bar in percent.
    warnings, limits, banners : tuple of str
    provenance : mapping of str to str
        Label to value; no path.
    synthetic : bool
        Whether the model or the women are made up.
    """

    title: str
    study_name: str
    question: str
    heading: str
    kind: str
    verdict: str
    facts: tuple[tuple[str, str, str], ...]
    rows: tuple[tuple[str, str, float], ...]
    warnings: tuple[str, ...] = ()
    limits: tuple[str, ...] = LIMITS
    banners: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False


def build_drift_content(drift: Mapping[str, Any], about: Mapping[str, Any]) -> DriftContent:
    """Fill what stands around the sections; see `render_drift_report`."""
    heading, kind = HEADINGS[drift["status"]]
    synthetic = bool(about["synthetic"] or drift.get("synthetic"))
    return DriftContent(
        title=f"{about['endpoint']}: are these women like those of training?",
        study_name=str(about["study"]),
        question=str(about["question"]),
        heading=heading,
        kind=kind,
        verdict=str(drift["message"]),
        facts=_facts(drift),
        rows=_rows(about["rows"]),
        warnings=_warnings(drift, about),
        banners=((SYNTHETIC_BANNER,) if synthetic else ())
        + tuple(f"The model is {brand}." for brand in about["brands"] if brand != "SYNTHETIC"),
        provenance=_provenance(drift, about),
        synthetic=synthetic,
    )


def render_drift_report(drift: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Return the drift page as self-contained HTML: no script, no network, no identifier.

    Parameters
    ----------
    drift : mapping
        What the comparison of the scored cohort with the women of training found, as plain values: ``status``,
        ``message``, ``power``, ``membership``, ``aspects``, ``bins``, ``predictions``, ``applicability``.
    about : mapping
        ``study``, ``question``, ``endpoint``, ``synthetic``, ``brands``, ``model_sha256``, ``cohort`` (``sha256``,
        ``rows``, ``tables``), ``rows`` (``read``, ``scored``, ``rejected``), ``day``, and perhaps ``labels``:
        variable → label.

    Returns
    -------
    str
        HTML5; the same findings give the same bytes.
    """
    sections = build_drift_sections(drift, about.get("labels") or {})
    return (
        make_environment()
        .get_template("drift.html.j2")
        .render(
            content=build_drift_content(drift, about),
            sections=[view_section(section, f"x{index}") for index, section in enumerate(sections)],
        )
    )


def _facts(drift: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    n_training = drift.get("n_training")
    beside = "no women of training" if is_missing(n_training) else f"{format_count(n_training or 0)} in training"
    facts = [("Rows compared", format_count(drift["n_rows"]), beside)]
    aspects = drift.get("aspects") or []
    if aspects:
        shown = sum(bool(aspect["shown"]) for aspect in aspects)
        facts.append(("Differences shown", str(shown), f"of {len(aspects)} comparisons"))
    found = drift.get("membership")
    if found and not is_missing(found.get("estimate")):
        interval = format_interval(found.get("ci_low"), found.get("ci_high"))
        facts.append(("Told apart, c-statistic", format_number(found["estimate"]), f"{interval}; 0.5 is alike"))
    outside = drift.get("applicability") or {}
    if outside and not is_missing(outside.get("share")):
        facts.append(("Outside the model", format_percent(outside["share"]), format_share_interval(outside)))
    return tuple(facts)


def _rows(rows: Mapping[str, Any]) -> tuple[tuple[str, str, float], ...]:
    names = (("Read", "read"), ("Scored", "scored"), ("Rejected, with the rule they break", "rejected"))
    whole = max(1, int(rows["read"]))
    return tuple((name, format_count(rows[key]), round(100 * rows[key] / whole, 1)) for name, key in names)


def _warnings(drift: Mapping[str, Any], about: Mapping[str, Any]) -> tuple[str, ...]:
    said = []
    if about["rows"]["rejected"]:
        said.append(
            f"{format_count(about['rows']['rejected'])} rows break a rule and are compared nowhere on this page; the "
            "file of rejected rows names them."
        )
    if drift["status"] == "too few rows":
        said.append("With so few rows every interval is wide: what is not shown here may still be there.")
    return tuple(said)


def _provenance(drift: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, str]:
    cohort, tables = about["cohort"], about["cohort"].get("tables", 1)
    n_tables = tables if isinstance(tables, int) else len(tables)
    lines = {
        "Scored on": str(about["day"]),
        "Model (SHA-256)": str(about["model_sha256"]),
        "Cohort (SHA-256)": str(cohort["sha256"]),
        "Cohort": f"{format_count(cohort['rows'])} rows in {n_tables} {'table' if n_tables == 1 else 'tables'}",
    }
    n_training = drift.get("n_training")
    if n_training is not None:
        lines["Women of training"] = f"{format_count(n_training)}, kept as sums in the model's contract"
    lines["Shares"] = "Newcombe (1998, method 11, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I)"
    lines["Means"] = "Welch, in the scale the model uses; all intervals simultaneous over the comparisons"
    return lines
