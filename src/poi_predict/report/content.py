"""What a page says, as plain frames and words; the templates and figures know nothing else.

The workflow fills these from its results. Nothing here holds a patient's identifier or a raw value, except
`PatientContent`, which is one woman's own page and is made only when someone asks for her by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

__all__ = [
    "FRAME_COLUMNS",
    "PatientContent",
    "ReportContent",
    "Section",
    "SectionFigure",
    "SectionTable",
    "empty_frame",
]

Place = Literal["verdict", "data", "performance", "explanation", "end"]
Skill = Literal["none", "weak", "shown", "not_assessed"]

_ABSOLUTE_PATH = re.compile(r"(?:^|[\s\"'=(]|file://|sqlite:///)(?:/(?:[\w.~-]+/)+|[A-Za-z]:\\)")

FRAME_COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "attrition": (
            "step",
            "excluded_rows",
            "remaining_rows",
            "remaining_patients",
            "remaining_events",
            "note",
        ),
        "table_one": ("variable", "label", "level", "unit", "group", "n", "missing", "summary"),
        "findings": ("severity", "column", "rule", "count", "message"),
        "performance": (
            "candidate",
            "label",
            "metric",
            "estimate",
            "ci_low",
            "ci_high",
            "apparent",
            "method",
            "reason",
        ),
        "calibration": ("candidate", "p", "observed", "low", "high"),
        "calibration_groups": ("candidate", "predicted", "observed", "low", "high", "n"),
        "predictions": ("candidate", "left", "right", "responders", "non_responders"),
        "attribution": ("variable", "label", "mean_abs_log_odds", "share"),
        "attribution_points": ("variable", "attribution", "value_rank", "n"),
        "factors": ("variable", "label", "value", "log_odds", "probability_share"),
    }
)
"""The columns each frame of a page must have; more are allowed and ignored."""


def empty_frame(name: str) -> pd.DataFrame:
    """Return a frame of the right columns with no row: that part of the page says that it has nothing.

    Parameters
    ----------
    name
        A key of `FRAME_COLUMNS`, such as ``"findings"``.

    Examples
    --------
    >>> list(empty_frame("attribution").columns)
    ['variable', 'label', 'mean_abs_log_odds', 'share']
    """
    return pd.DataFrame({column: pd.Series(dtype=object) for column in FRAME_COLUMNS[name]})


@dataclass(frozen=True)
class SectionTable:
    """A table of an extra section: shown as given, one row per row; numbers should already be formatted.

    `reason` cells and missing values are shown as an em dash.
    """

    caption: str
    frame: pd.DataFrame
    note: str = ""


@dataclass(frozen=True)
class SectionFigure:
    """A figure of an extra section, with the words a reader who cannot see it needs.

    Parameters
    ----------
    figure
        Made with `matplotlib.figure.Figure`, never pyplot.
    caption
        One sentence on what is shown.
    alt
        What the figure says, for a screen reader.
    how_to_read
        One sentence on how to read it.
    """

    figure: Figure
    caption: str
    alt: str
    how_to_read: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the report that a later room adds (ladder, permutation null, instability, regimens).

    Parameters
    ----------
    title
        Heading.
    paragraphs
        Plain text, escaped by the page; pass `markupsafe.Markup` for text that is already safe HTML.
    tables, figures
        Shown after the paragraphs: figures first.
    after
        The part of the page it follows.
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[SectionTable, ...] = ()
    figures: tuple[SectionFigure, ...] = ()
    after: Place = "end"


def _check_frames(owner: object, names: tuple[str, ...]) -> None:
    for name in names:
        frame = getattr(owner, name)
        missing = [column for column in FRAME_COLUMNS[name] if column not in frame.columns]
        if missing:
            msg = f"{type(owner).__name__}.{name} lacks the columns {missing}."
            raise ValueError(msg)


def _check_provenance(provenance: Mapping[str, str]) -> None:
    for key, value in provenance.items():
        if _ABSOLUTE_PATH.search(str(value)):
            msg = f"A page must hold no absolute path; provenance {key!r} does. Give the file's name only."
            raise ValueError(msg)


@dataclass(frozen=True)
class ReportContent:
    """Everything the report of one training run says.

    Parameters
    ----------
    study_name
        Short name of the study, as in ``study.toml``.
    title
        Heading of the report.
    question
        The question the study asks, one sentence.
    population, endpoint
        Who was included, and what counts as a response within which time: plain words.
    verdict
        What the figures allow one to say, in plain words; shown first.
    n, n_patients, events
        Rows, women and responders that the models were developed on.
    response_rate
        Share of responders among the women, short follow-up accounted for; None gives events over rows.
    primary
        Name of the candidate that was declared primary.
    champion
        Name of the candidate registered for use, or None when none earned it.
    skill
        The verdict as one word; ``not_assessed`` before the permutation null exists.
    synthetic
        True marks every page SYNTHETIC, on screen and on paper.
    banners
        Warnings that must be seen before anything else (an overridden rule, a reference model).
    weights_note
        How censored women were dealt with.
    attrition
        Tidy; see `FRAME_COLUMNS`. Row by row from the file to the analysis set.
    table_one
        Tidy; groups ``overall``, ``responder``, ``non_responder``, ``censored``.
    findings
        What the door found in the table: column, rule and count, never a value.
    performance
        One row per candidate and metric. A missing `estimate` needs a `reason`. `apparent` may be missing.
    calibration
        Smooth curve with band per candidate; `p` and `observed` between 0 and 1.
    calibration_groups
        Grouped points (women sorted by prediction), with interval and size.
    predictions
        Histogram of the out-of-sample predictions per candidate: bin edges and (weighted) counts.
    attribution
        Mean absolute attribution per clinical variable, in log-odds, and its share of the total (0 to 1).
    attribution_points
        One point a variable and group of women with like values, never of fewer than five: mean attribution, mean
        `value_rank` from 0 (lowest value) to 1 (highest; missing where the variable has no order), and `n`.
    warnings, limits
        Sentences. `limits` is "what the figures do not show".
    provenance
        Label to value, in the order shown: versions, git revision, study hash, fingerprint, seed, date.
    extra_sections
        Parts that other rooms add.

    Raises
    ------
    ValueError
        When a frame lacks a column or a provenance value is an absolute path: a defect of the caller.
    """

    study_name: str
    title: str
    question: str
    population: str
    endpoint: str
    verdict: str
    n: int
    n_patients: int
    events: int
    primary: str
    response_rate: float | None = None
    champion: str | None = None
    skill: Skill = "not_assessed"
    synthetic: bool = False
    banners: tuple[str, ...] = ()
    weights_note: str = ""
    attrition: pd.DataFrame = field(default_factory=lambda: empty_frame("attrition"))
    table_one: pd.DataFrame = field(default_factory=lambda: empty_frame("table_one"))
    findings: pd.DataFrame = field(default_factory=lambda: empty_frame("findings"))
    performance: pd.DataFrame = field(default_factory=lambda: empty_frame("performance"))
    calibration: pd.DataFrame = field(default_factory=lambda: empty_frame("calibration"))
    calibration_groups: pd.DataFrame = field(default_factory=lambda: empty_frame("calibration_groups"))
    predictions: pd.DataFrame = field(default_factory=lambda: empty_frame("predictions"))
    attribution: pd.DataFrame = field(default_factory=lambda: empty_frame("attribution"))
    attribution_points: pd.DataFrame = field(default_factory=lambda: empty_frame("attribution_points"))
    warnings: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    extra_sections: tuple[Section, ...] = ()

    def __post_init__(self) -> None:
        _check_frames(
            self,
            (
                "attrition",
                "table_one",
                "findings",
                "performance",
                "calibration",
                "calibration_groups",
                "predictions",
                "attribution",
                "attribution_points",
            ),
        )
        _check_provenance(self.provenance)

    @property
    def share_of_responders(self) -> float | None:
        """The response rate where it is given, events over rows otherwise."""
        if self.response_rate is not None:
            return self.response_rate
        return self.events / self.n if self.n else None

    def candidate_label(self, name: str) -> str:
        """Return the label of a candidate, or its name when the performance frame does not know it."""
        found = self.performance.loc[self.performance["candidate"] == name, "label"]
        return str(found.iloc[0]) if len(found) else name

    def sections_after(self, place: Place) -> tuple[Section, ...]:
        """Return the extra sections that follow one part of the page, in the order given."""
        return tuple(section for section in self.extra_sections if section.after == place)


@dataclass(frozen=True)
class PatientContent:
    """One woman's page: her chance, how sure it is, and what it comes from.

    Parameters
    ----------
    patient_id
        As given on the command line; shown here and nowhere else.
    study_name, question, endpoint
        The study the model comes from; `endpoint` says what counts: "Menses resumed within 12 months".
    model_label
        The model that answers, in words.
    n, events
        Size of the cohort the model was developed on.
    response_rate
        As in `ReportContent`.
    p_response
        Her probability, 0 to 1.
    ci_low, ci_high
        Its interval at `level`; None or NaN where the model does not say how sure it is.
    baseline_probability
        The probability the model starts from before it knows anything about her.
    factors
        One row per clinical variable: `value` (text, with unit), `log_odds`, `probability_share`; optional
        `typical` (text: what is usual in the cohort). Attributions sum to output minus baseline.
    flags
        Sentences on what makes this answer less trustworthy.
    performance
        One sentence on how good the model was out of sample.
    limits, provenance, extra_sections, synthetic, banners
        As in `ReportContent`.
    """

    patient_id: str
    study_name: str
    question: str
    endpoint: str
    model_label: str
    n: int
    events: int
    p_response: float
    baseline_probability: float
    factors: pd.DataFrame
    response_rate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    level: float = 0.95
    flags: tuple[str, ...] = ()
    performance: str = ""
    synthetic: bool = False
    banners: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    extra_sections: tuple[Section, ...] = ()

    def __post_init__(self) -> None:
        _check_frames(self, ("factors",))
        _check_provenance(self.provenance)
        for name in ("p_response", "baseline_probability", "ci_low", "ci_high"):
            value: Any = getattr(self, name)
            if value is not None and not pd.isna(value) and not 0 <= value <= 1:
                msg = f"PatientContent.{name} must lie between 0 and 1."
                raise ValueError(msg)
