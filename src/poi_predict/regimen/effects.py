"""What comparing options in a cohort finds: each option's value, the contrasts, and both in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from poi_predict.validation import Estimate

    from .evalue import EValue

__all__ = ["Contrast", "Effects", "OptionValue", "format_points"]


@dataclass(frozen=True)
class OptionValue:
    """Probability of the event if every woman had the option.

    Attributes
    ----------
    option : str
    n : int
        Women who had it.
    estimate, naive : Estimate
        Doubly robust; and the plain share among those who had it.
    """

    option: str
    n: int
    estimate: Estimate
    naive: Estimate


@dataclass(frozen=True)
class Contrast:
    """One option against another; differences are option less reference.

    Attributes
    ----------
    option, reference : str
    difference : Estimate
        Of the probabilities, with an interval for this contrast looked at alone.
    simultaneous : Estimate
        The same, with an interval that holds together with those of all other contrasts.
    naive : Estimate
        Difference of the plain shares.
    risk_ratio : Estimate
    evalue : EValue or None
        None where there is no risk ratio.
    """

    option: str
    reference: str
    difference: Estimate
    simultaneous: Estimate
    naive: Estimate
    risk_ratio: Estimate
    evalue: EValue | None

    @property
    def distinguishable(self) -> bool:
        """Whether the simultaneous interval excludes no difference."""
        low, high = self.simultaneous.ci_low, self.simultaneous.ci_high
        return low is not None and high is not None and not low <= 0.0 <= high

    @property
    def sentence(self) -> str:
        """The contrast in words."""
        pair = f"{self.option} against {self.reference}"
        found = self.difference
        if found.estimate is None:
            return f"{pair}: not estimable, because {found.reason}."
        if found.ci_low is None or found.ci_high is None:
            return f"{pair}: {format_points(found.estimate)} points, without an interval: {found.reason}."
        verdict = "they differ" if self.distinguishable else "not distinguishable"
        interval = f"{format_points(found.ci_low)} to {format_points(found.ci_high)}"
        said = f"{pair}: {format_points(found.estimate)} points ({interval}), {verdict}"
        if self.naive.estimate is None:
            return said + "."
        return said + f"; {format_points(self.naive.estimate)} before adjusting."


@dataclass(frozen=True)
class Effects:
    """Every option's value and the contrasts between options.

    Attributes
    ----------
    values : tuple of OptionValue
    contrasts : tuple of Contrast
    notes : tuple of str
        What was left out, truncated or assumed, in plain sentences.
    """

    values: tuple[OptionValue, ...]
    contrasts: tuple[Contrast, ...]
    notes: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """All there is to say, in plain sentences."""
        return (*(contrast.sentence for contrast in self.contrasts), *self.notes)

    def frame(self) -> pd.DataFrame:
        """Return one row a contrast."""
        return pd.DataFrame([_flatten(contrast) for contrast in self.contrasts])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            "values": [
                {"option": v.option, "n": v.n, "estimate": v.estimate.as_dict(), "naive": v.naive.as_dict()}
                for v in self.values
            ],
            "contrasts": [
                {
                    "option": c.option,
                    "reference": c.reference,
                    "difference": c.difference.as_dict(),
                    "simultaneous": c.simultaneous.as_dict(),
                    "naive": c.naive.as_dict(),
                    "risk_ratio": c.risk_ratio.as_dict(),
                    "evalue": None if c.evalue is None else c.evalue.as_dict(),
                    "distinguishable": c.distinguishable,
                    "sentence": c.sentence,
                }
                for c in self.contrasts
            ],
            "notes": list(self.notes),
        }


def format_points(share: float) -> str:
    """Write a difference of probabilities in percentage points.

    Examples
    --------
    >>> format_points(-0.0779)
    '-7.8'
    """
    return f"{100 * share:+.1f}"


def _flatten(contrast: Contrast) -> dict[str, Any]:
    found, together, naive, ratio = contrast.difference, contrast.simultaneous, contrast.naive, contrast.risk_ratio
    return {
        "option": contrast.option,
        "reference": contrast.reference,
        "difference": found.estimate,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "simultaneous_low": together.ci_low,
        "simultaneous_high": together.ci_high,
        "naive": naive.estimate,
        "naive_low": naive.ci_low,
        "naive_high": naive.ci_high,
        "risk_ratio": ratio.estimate,
        "risk_ratio_low": ratio.ci_low,
        "risk_ratio_high": ratio.ci_high,
        "evalue": None if contrast.evalue is None else contrast.evalue.point,
        "evalue_limit": None if contrast.evalue is None else contrast.evalue.limit,
        "distinguishable": contrast.distinguishable,
        "reason": found.reason,
    }
