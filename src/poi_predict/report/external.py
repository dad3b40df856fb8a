"""The report of an external validation: what a model is worth on women of another cohort."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.report import tables
from poi_predict.report.external_sections import build_sections, show_figure
from poi_predict.report.formatting import format_number, format_percent
from poi_predict.report.history import build_history_section
from poi_predict.report.page import make_environment, view_section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from poi_predict.cohort import Codebook
    from poi_predict.report.content import Section
    from poi_predict.validation import Estimate
    from poi_predict.validation.external import ExternalAssessment

__all__ = [
    "ExternalContent",
    "ExternalWomen",
    "ModelText",
    "build_external_content",
    "describe_external",
    "render_external_report",
]

SYNTHETIC_BANNER = "SYNTHETIC: this model or these women are made up. Nothing here says anything about patients."
HEADINGS = {
    "too_few": ("Too few women to tell", "weak"),
    "no_discrimination": ("No skill shown on these women", "none"),
    "miscalibrated": ("It ranks these women, but its predictions are off", "weak"),
    "compatible": ("It holds on these women, as far as they can tell", "shown"),
}
TREATED = "Whether the therapy works: there is no comparison here with women who were not treated."
LIMITS = (
    "That the model holds anywhere else: every figure comes from this one cohort.",
    "Good calibration: an interval that holds the ideal value does not exclude a bad one.",
    "That a recalibrated model is better: it was learnt from these women and needs a cohort of its own.",
)


@dataclass(frozen=True)
class ModelText:
    """What the bundle says of the model: study, question, endpoint, label, its figures in development, origin."""

    study: str
    question: str
    endpoint: str
    label: str
    development: Mapping[str, Mapping[str, Any]]
    provenance: Mapping[str, str]
    treated: bool = True


@dataclass(frozen=True, eq=False)
class ExternalWomen:
    """The women of the new cohort, as far as a report may tell of them.

    Attributes
    ----------
    y_true, p_response, weight : ndarray of shape (n_rows,)
        Only groups and counts of them are shown.
    attrition, rejected : DataFrame
        Losses in order; rejected rows by column and rule, with counts.
    codebook : Codebook
        For labels.
    case_mix : mapping
        Plain result of the comparison with the women of training.
    weights_note : str
        How censored women were dealt with.
    """

    y_true: NDArray[np.int_]
    p_response: NDArray[np.float64]
    weight: NDArray[np.float64]
    attrition: pd.DataFrame
    rejected: pd.DataFrame
    codebook: Codebook
    case_mix: Mapping[str, Any]
    weights_note: str


@dataclass(frozen=True)
class ExternalContent:
    """Everything the report of an external validation says."""

    title: str
    study_name: str
    question: str
    endpoint: str
    model_label: str
    heading: str
    kind: str
    verdict: str
    facts: tuple[tuple[str, str, str], ...]
    attrition: pd.DataFrame
    sections: tuple[Section, ...]
    weights_note: str = ""
    warnings: tuple[str, ...] = ()
    limits: tuple[str, ...] = LIMITS
    provenance: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False
    banners: tuple[str, ...] = ()


def describe_external(found: ExternalAssessment, development: Mapping[str, Mapping[str, Any]]) -> str:
    """Say in a few sentences what the figures allow.

    Parameters
    ----------
    found : ExternalAssessment
    development : mapping
        Metric to figures of the model in its development; may be empty.
    """
    who = f"{found.n_patients} women with {found.events} events"
    c, ratio = found.metrics["c_statistic"], found.metrics["o_e_ratio"]
    before = show_figure(development.get("c_statistic"), "c_statistic")
    before = f" (in development {before})" if before else ""
    first = {
        "too_few": f"On {who}, no figure is firm.",
        "no_discrimination": f"On {who}, the model does not rank better than chance, as far as they can tell.",
        "miscalibrated": f"On {who}, the model ranks better than chance, but the chances that it gives are off.",
        "compatible": f"On {who}, the model ranks better than chance, and nothing found contradicts its calibration.",
    }[found.verdict]
    said = [first, f"c-statistic {show_figure(c.as_dict(), 'c_statistic')}{before}."]
    if ratio.estimate is not None:
        said.append(
            f"Events observed over expected: {show_figure(ratio.as_dict(), 'o_e_ratio')}{_more_or_fewer(ratio)}."
        )
    said.append(_advice(found))
    return " ".join(said)


def _advice(found: ExternalAssessment) -> str:
    if found.advised is not None:
        return f"Recalibrating the {found.advised.label} is called for; confirm it on another cohort."
    offered = any(option.is_offered for option in found.options)
    return "Nothing calls for a recalibration." if offered else "No recalibration can be learnt from these women."


def _more_or_fewer(ratio: Estimate) -> str:
    """Say on which side the events lie, only where the interval does."""
    if ratio.ci_low is None or ratio.ci_high is None or ratio.ci_low <= 1 <= ratio.ci_high:
        return ""
    return ", more than predicted" if ratio.ci_low > 1 else ", fewer than predicted"


def build_external_content(
    text: ModelText,
    women: ExternalWomen,
    found: ExternalAssessment,
    *,
    synthetic: bool,
    warnings: tuple[str, ...],
    history: Sequence[Mapping[str, Any]] = (),
) -> ExternalContent:
    """Fill the report of an external validation.

    Parameters
    ----------
    text : ModelText
    women : ExternalWomen
    found : ExternalAssessment
    synthetic : bool
        Whether the model or these women are made up.
    warnings : tuple of str
    history : sequence of mapping
        Validations of the same model on record, this one the last; nothing is said of a single one.
    """
    performance, *others = build_sections(text, women, found)
    over_time = (build_history_section(history),) if len(history) > 1 else ()
    heading, kind = HEADINGS[found.verdict]
    rate = float(np.average(women.y_true, weights=women.weight))
    return ExternalContent(
        title=f"{text.endpoint}: the model on another cohort",
        study_name=text.study,
        question=text.question,
        endpoint=text.endpoint,
        model_label=text.label,
        heading=heading,
        kind=kind,
        verdict=describe_external(found, text.development),
        limits=(TREATED, *LIMITS) if text.treated else LIMITS,
        facts=(
            ("Women", str(found.n_patients), "" if found.n == found.n_patients else f"{found.n} treatment courses"),
            (
                "Responders",
                str(found.events),
                f"estimated response {format_percent(rate)}, short follow-up accounted for",
            ),
            _fact(found, "c_statistic", "c-statistic"),
            _fact(found, "o_e_ratio", "Observed : expected"),
        ),
        attrition=women.attrition,
        sections=(performance, *over_time, *others),
        weights_note=women.weights_note,
        warnings=warnings,
        provenance=text.provenance,
        synthetic=synthetic,
        banners=(SYNTHETIC_BANNER,) if synthetic else (),
    )


def render_external_report(content: ExternalContent) -> str:
    """Return the report as a self-contained HTML page: no script, no network, no identifier."""
    return (
        make_environment()
        .get_template("external.html.j2")
        .render(
            content=content,
            attrition=tables.view_attrition(content.attrition),
            sections=[view_section(section, f"x{index}") for index, section in enumerate(content.sections)],
        )
    )


def _fact(found: ExternalAssessment, metric: str, label: str) -> tuple[str, str, str]:
    estimate = found.metrics[metric]
    if estimate.estimate is None:
        return label, "—", f"not estimable: {estimate.reason}"
    interval = show_figure(estimate.as_dict(), metric).partition(" (")[2].rstrip(")")
    return label, format_number(estimate.estimate), f"95 % interval {interval}" if interval else "no interval"
