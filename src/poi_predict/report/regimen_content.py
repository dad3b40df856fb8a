"""What one woman's page of regimens says, as plain frames and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.regimen.draws import compute_interval
from poi_predict.regimen.options import Option
from poi_predict.report.formatting import is_missing
from poi_predict.report.regimen_figures import N_DOTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from poi_predict.regimen.draws import ResponseDraws
    from poi_predict.regimen.verdicts import Verdict
    from poi_predict.report.content import PatientContent, Section

    FloatArray = NDArray[np.float64]

__all__ = ["Chance", "Chances", "RegimenContent", "draw_chances"]

PLANNED = Option("planned", "with the therapy", {})
"""Her own protocol as it is recorded: nothing is set, so nothing moves; what is not recorded is the average one."""


@dataclass(frozen=True)
class Chance:
    """A woman's probability, and what it may be.

    Attributes
    ----------
    p, low, high : float
        Probability with its 95 % interval.
    dots : tuple of float
        Twenty values that the draws make equally likely, ascending.
    """

    p: float
    low: float
    high: float
    dots: tuple[float, ...]


@dataclass(frozen=True)
class Chances:
    """Her chance with the therapy and, where the model knows of it, without.

    Attributes
    ----------
    treated : Chance
    untreated : Chance or None
        None for a model that has learnt of treated women only.
    difference : tuple of float or None
        Estimate, low and high of treated less untreated, whose draws go together.
    """

    treated: Chance
    untreated: Chance | None = None
    difference: tuple[float, float, float] | None = None

    @property
    def distinguishable(self) -> bool:
        """Whether the interval of the difference leaves out 0."""
        return self.difference is not None and not self.difference[1] <= 0.0 <= self.difference[2]


@dataclass(frozen=True)
class RegimenContent:
    """Everything one woman's page of regimens says.

    Attributes
    ----------
    woman : PatientContent
        Identifier, study, model, factors and banners, as on her page of explanation.
    verdict : Verdict
    rule : str
        When one option is called better.
    threshold : float
        The probability that a statement must reach.
    chances : Chances or None
    flags : tuple of str
        What makes this answer less trustworthy.
    factors : Section
        What her chance is made of.
    options : DataFrame
        One row an option as `order_options` sorts them.
    n_left_out : int
        Options with little or no data that the page has no room for.
    waiting : DataFrame
        label, then one row a time: months, p, low, high, difference, difference_low, difference_high, recovered; may be
        empty.
    waiting_caveat : str
    alike : str
        How many women of training were like her, and how that was counted.
    confounding, unknown, limits : tuple of str
        Why a difference need not be an effect; what would have to be known; what the page does not say.
    """

    woman: PatientContent
    verdict: Verdict
    rule: str
    threshold: float
    chances: Chances | None
    flags: tuple[str, ...]
    factors: Section
    options: pd.DataFrame
    n_left_out: int
    waiting: pd.DataFrame
    waiting_caveat: str
    alike: str
    confounding: tuple[str, ...]
    unknown: tuple[str, ...]
    limits: tuple[str, ...]

    @property
    def synthetic(self) -> bool:
        """Whether the page is marked SYNTHETIC."""
        return self.woman.synthetic

    @property
    def banners(self) -> tuple[str, ...]:
        """Warnings that must be seen before anything else."""
        return self.woman.banners

    @property
    def provenance(self) -> Mapping[str, str]:
        """Label to value: versions, hashes, seed."""
        return self.woman.provenance


def draw_chances(
    draws_of: ResponseDraws,
    row: pd.DataFrame,
    untreated: Option | None = None,
    *,
    scored: Mapping[str, Any] | None = None,
    contrast: Mapping[str, Any] | None = None,
) -> Chances:
    """Return one woman's chance with the therapy and without; where the model states an interval, it is that one.

    Parameters
    ----------
    draws_of : ResponseDraws
        Of `build_draws`.
    row : DataFrame of one row
        Canonical predictor columns. With the therapy means the protocol recorded there, the average one where it is
        not recorded.
    untreated : Option, optional
        The option without cells, where the model knows of it.
    scored : mapping, optional
        ``ci_low`` and ``ci_high`` as `score_frame` gives them; NaN or None where there is none.
    contrast : mapping, optional
        Of `predict_contrast`. What neither states is of the draws.

    Raises
    ------
    ValueError
        If there is not exactly one row.
    """
    if len(row) != 1:
        raise ValueError(f"a page is of one woman; there are {len(row)} rows")
    p, draws = draws_of.compute(row, [PLANNED] if untreated is None else [PLANNED, untreated])
    treated = _summarise(p[:, 0], draws[:, 0], _stated(scored, "ci"))
    if untreated is None:
        return Chances(treated)
    away, point = draws[0, 0] - draws[0, 1], float(p[0, 0] - p[0, 1])
    low, high = _stated(contrast, "difference") or map(float, compute_interval(away, np.asarray(point)))
    return Chances(treated, _summarise(p[:, 1], draws[:, 1], _stated(contrast, "without")), (point, low, high))


def _stated(found: Mapping[str, Any] | None, name: str) -> tuple[float, float] | None:
    low, high = ((found or {}).get(f"{name}_{side}") for side in ("low", "high"))
    return None if is_missing(low) or is_missing(high) else (float(low), float(high))  # type: ignore[arg-type]


def _summarise(p: FloatArray, draws: FloatArray, stated: tuple[float, float] | None) -> Chance:
    low, high = stated or (float(bound[0]) for bound in compute_interval(draws, p))
    middles = (np.arange(N_DOTS) + 0.5) / N_DOTS
    dots = tuple(float(value) for value in np.quantile(draws[0], middles))
    return Chance(float(p[0]), low, high, dots)
