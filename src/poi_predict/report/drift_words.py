"""The words of the drift page: variables, aspects and flags as a clinician reads them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from poi_predict.report.formatting import format_interval, format_number, format_percent, format_signed, is_missing
from poi_predict.report.glossary import describe_level

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "HEADINGS",
    "LIMITS",
    "MILLION",
    "describe_aspect",
    "describe_flag",
    "describe_variable",
    "format_count",
    "format_difference",
    "format_share_interval",
    "format_side",
    "is_share",
]

HEADINGS: dict[str, tuple[str, str]] = {
    "no women of training": ("Nothing to compare with", "weak"),
    "too few rows": ("Too few rows to tell", "weak"),
    "no drift shown": ("No drift shown, as far as these rows can tell", "shown"),
    "drift shown": ("These women are not like those of training", "none"),
}
"""Status of a comparison → heading and colour of the verdict."""

POINT, MILLION = 0.01, 1e6

LIMITS = (
    "Whether the predictions are right: only outcomes tell. When they are known, run poi-predict validate.",
    "That the cohorts are alike where no drift is shown: an interval that holds zero does not exclude a difference.",
    "Why they differ: other women, another laboratory, or another way of filling in a form look the same here.",
    "That a difference matters: read it beside the predictions, and beside the rows outside what the model knows.",
)

_ASPECTS = {"missing": "not known", "below_limit": "below the detection limit", "location": "mean"}
_FLAGS = {
    "outside_training": "{label}: outside the central 95 % of the model's women",
    "missing": "{label}: not known, filled in",
    "far_combination": "Combination of values far from all of training",
    "too_much_missing": "Too much missing to say much of her",
    "protocol_not_seen": "Source, route or their combination not seen in training",
    "centre_unknown": "Not known to be of the clinic of training",
    "synthetic_model": "Model made from SYNTHETIC women",
    "reference_model": "Model made from published aggregates alone",
}
_WORDS = {"afc": "AFC", "amh": "AMH", "bmi": "BMI", "fsh": "FSH", "lh": "LH", "hrt": "HRT"}


def describe_variable(variable: str, labels: Mapping[str, str]) -> str:
    """Return a variable's label, or words made of its name."""
    if variable in labels:
        return labels[variable]
    words = [_WORDS.get(word, word) for word in variable.split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def describe_aspect(aspect: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Return what is compared, in words.

    Examples
    --------
    >>> describe_aspect({"variable": "amh", "aspect": "below_limit", "level": None}, {"amh": "AMH"})
    'AMH: below the detection limit'
    >>> describe_aspect({"variable": "cell_source", "aspect": "level", "level": "bone_marrow"}, {})
    'Cell source: bone marrow'
    """
    words = describe_level(str(aspect["level"])) if aspect["aspect"] == "level" else _ASPECTS[str(aspect["aspect"])]
    label = aspect.get("label") or describe_variable(str(aspect["variable"]), labels)
    return f"{label}: {words}"


def describe_flag(flag: str, labels: Mapping[str, str]) -> str:
    """Return a flag of a scored row in words; one that is not known is shown as it is.

    Examples
    --------
    >>> describe_flag("outside_training:fsh", {"fsh": "FSH"})
    "FSH: outside the central 95 % of the model's women"
    >>> describe_flag("far_combination", {})
    'Combination of values far from all of training'
    """
    kind, _, variable = flag.partition(":")
    return _FLAGS[kind].format(label=describe_variable(variable, labels)) if kind in _FLAGS else flag


def is_share(aspect: Mapping[str, Any]) -> bool:
    """Whether an aspect is a share of women rather than a mean."""
    return bool(aspect["aspect"] != "location")


def format_side(aspect: Mapping[str, Any], side: str) -> str:
    """Return the figure of one side, ``training`` or ``here``, with its unit."""
    value = aspect[side]
    if is_missing(value):
        return "—"
    if is_share(aspect):
        return format_percent(value).replace(" %", "\N{NO-BREAK SPACE}%")
    scale, digits, word = _scale(aspect)
    unit = "" if aspect.get("unit") == "count" else aspect.get("unit")
    return " ".join(filter(None, (format_number(value / scale, digits), word, unit)))


def format_difference(aspect: Mapping[str, Any]) -> str:
    """Return here less training with its interval: percentage points of a share, else the unit of the mean.

    Examples
    --------
    >>> format_difference({"aspect": "missing", "difference": 0.12, "ci_low": 0.03, "ci_high": 0.21})
    '+12 points (+3 to +21)'
    >>> format_difference({"aspect": "location", "training": 6e6, "difference": 2e6, "ci_low": 2e5, "ci_high": 4e6})
    '+2.00 million (+0.20 to +4.00)'
    """
    low, high = aspect.get("ci_low"), aspect.get("ci_high")
    if is_missing(aspect["difference"]):
        return "not estimable"
    known = [value for value in (low, high) if value is not None and not is_missing(value)]
    if is_share(aspect):
        near_zero = any(0 < abs(value) < POINT for value in known)
        scale, digits, word = POINT, int(near_zero), "points"
    else:
        scale, digits, word = _scale(aspect)
    shown, *bounds = (format_signed(value / scale, digits) for value in (aspect["difference"], *known))
    shown = f"{shown} {word}".strip()
    return f"{shown} ({' to '.join(bounds)})" if len(bounds) == 2 else shown


def format_share_interval(found: Mapping[str, Any]) -> str:
    """Return the interval of a share in percent; empty where there is none."""
    if is_missing(found.get("ci_low")) or is_missing(found.get("ci_high")):
        return ""
    return f"{format_interval(100 * found['ci_low'], 100 * found['ci_high'], 0)}\N{NO-BREAK SPACE}%"


def format_count(count: float) -> str:
    """Return a whole number with thin spaces between thousands."""
    return f"{round(count):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _scale(aspect: Mapping[str, Any]) -> tuple[float, int, str]:
    """Return what the figures of a mean are divided by, their decimals and the word for it, by the larger side.

    About three significant digits, two of a number below one; both sides and the difference are written alike.
    """
    sides = [abs(aspect[side]) for side in ("training", "here") if not is_missing(aspect.get(side))]
    size = max(sides, default=0.0)
    scale, word = (MILLION, "million") if size >= MILLION else (1.0, "")
    if not size:
        return scale, 2, word
    order = math.floor(math.log10(size / scale))
    return scale, max(0, 2 - order if order >= 0 else 1 - order), word
