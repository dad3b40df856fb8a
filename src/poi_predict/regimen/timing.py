"""What putting a treatment off does: she is older, and her ovaries have been silent for longer; all else stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.errors import ModelError
from poi_predict.features import origin_of
from poi_predict.regimen.draws import compute_interval, split_women

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poi_predict.regimen.draws import ResponseDraws
    from poi_predict.regimen.options import Option

    FloatArray = NDArray[np.float64]

__all__ = ["WaitingComparison", "compare_waiting", "put_off"]

MONTHS_PER_UNIT = {"age": 12.0, "amenorrhea_months": 1.0, "diagnosis_to_treatment_months": 1.0}
"""What moves while she waits, and how many months one unit of it is."""

CAVEAT = (
    "Only her age, the time since her last menses and the time since the diagnosis move; FSH, AMH and follicles stay "
    "as they were measured, though they will not."
)
NOT_CREDITED = (
    "It is the chance of a woman without the outcome by then; outcomes without therapy while she waits are not "
    "counted, which makes waiting look worse than it is."
)
CREDITED = (
    "Later counts outcomes without therapy while she waits (the model's chance without therapy, at a constant rate) "
    "and those within the horizon after the treatment, so it covers a longer time than treatment now, which makes "
    "waiting look better than it is."
)


@dataclass(frozen=True, eq=False)
class WaitingComparison:
    """Now against later, for each woman and option.

    Attributes
    ----------
    options : tuple of Option
    months : tuple of float
        Months waited; the first is 0.
    moved : tuple of str
        Variables that the model reads and that move while she waits.
    p, low, high : ndarray of shape (n_women, n_options, n_months)
        Probability of response with its 95 % interval.
    difference, difference_low, difference_high : ndarray of shape (n_women, n_options, n_months)
        To treatment now.
    worse : ndarray of shape (n_women, n_options, n_months)
        Share of draws in which waiting lowers the probability of an outcome to wish for, or raises that of another;
        NaN at 0 months.
    recovered : ndarray of shape (n_women, n_options, n_months)
        Probability of the outcome without therapy while she waits, which `p` counts; NaN where it is not known and `p`
        is that of a woman without the outcome by then.
    """

    options: tuple[Option, ...]
    months: tuple[float, ...]
    moved: tuple[str, ...]
    p: FloatArray
    low: FloatArray
    high: FloatArray
    difference: FloatArray
    difference_low: FloatArray
    difference_high: FloatArray
    worse: FloatArray
    recovered: FloatArray

    @property
    def caveat(self) -> str:
        """How to read it."""
        return f"{CAVEAT} {NOT_CREDITED if np.isnan(self.recovered).any() else CREDITED}"

    def frame(self) -> pd.DataFrame:
        """Return one row a woman, option and time.

        Columns: woman, option, label, months, p, low, high, difference, difference_low, difference_high, worse,
        recovered.
        """
        n, k, t = self.p.shape
        names = ("p", "low", "high", "difference", "difference_low", "difference_high", "worse", "recovered")
        return pd.DataFrame(
            {
                "woman": np.repeat(np.arange(n), k * t),
                "option": np.tile(np.repeat([option.name for option in self.options], t), n),
                "label": np.tile(np.repeat([option.label for option in self.options], t), n),
                "months": np.tile(self.months, n * k),
            }
            | {name: getattr(self, name).ravel() for name in names}
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        rows = self.frame().astype(object)
        return {
            "months": list(self.months),
            "moved": list(self.moved),
            "caveat": self.caveat,
            "rows": rows.where(rows.notna(), None).to_dict("records"),
        }


def put_off(women: pd.DataFrame, months: float) -> pd.DataFrame:
    """Return the same women some months later; what is not known stays so.

    Examples
    --------
    >>> put_off(pd.DataFrame({"age": [31.0], "amenorrhea_months": [20.0], "fsh": [60.0]}), 6).iloc[0].tolist()
    [31.5, 26.0, 60.0]
    """
    moved = {name: women[name] + months / unit for name, unit in MONTHS_PER_UNIT.items() if name in women}
    return women.assign(**moved)


def compare_waiting(
    draws_of: ResponseDraws,
    women: pd.DataFrame,
    options: Sequence[Option],
    months: Sequence[float] = (6.0, 12.0),
    *,
    favourable: bool = True,
    untreated: Option | None = None,
    horizon_months: float | None = None,
) -> WaitingComparison:
    """Compare treatment now with treatment later, recoveries while she waits included where the model knows of them.

    Parameters
    ----------
    draws_of : ResponseDraws
        Of `build_draws`.
    women : DataFrame of shape (n_women, n_inputs)
        Canonical predictor columns.
    options : sequence of Option
        Regimens, no cell therapy among them if wanted.
    months : sequence of float
        ``settings.waiting_months``.
    favourable : bool
        Whether the outcome is one to wish for.
    untreated : Option, optional
        No cell therapy, where the model knows of it.
    horizon_months : float, optional
        Months that a probability speaks of. With `untreated` it gives the share of women who have the outcome without
        therapy in w months, 1 − (1 − p)^(w / horizon): a constant rate.

    Raises
    ------
    ModelError
        If the model reads nothing that moves while she waits.
    """
    read = {origin_of(str(name)) for name in draws_of.pipeline[:1].get_feature_names_out()}
    moved = tuple(name for name in MONTHS_PER_UNIT if name in read and name in women)
    if not moved:
        raise ModelError(
            "Waiting acts through age and the time since the last menses; this model reads neither. Name one of them "
            "among predictors.use."
        )
    times = (0.0, *months)
    natural = None if untreated is None or not horizon_months else (untreated, float(horizon_months))
    parts = [
        _compare_some(draws_of, women.iloc[part], options, times, 1.0 if favourable else -1.0, natural)
        for part in split_women(len(women), len(options), draws_of.n_draws)
    ]
    return WaitingComparison(
        tuple(options), times, moved, *(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    )


def _compare_some(
    draws_of: ResponseDraws,
    women: pd.DataFrame,
    options: Sequence[Option],
    times: Sequence[float],
    sign: float,
    natural: tuple[Option, float] | None,
) -> tuple[FloatArray, ...]:
    """Return p, low, high, difference, its low and high, share of draws that are worse, recoveries; times last."""
    now, draws_now = draws_of.compute(women, options)
    alone, draws_alone = (np.nan, np.nan) if natural is None else draws_of.compute(women, [natural[0]])
    horizon = 1.0 if natural is None else natural[1]
    found = []
    for waited in times:
        p, draws = draws_of.compute(put_off(women, waited), options) if waited else (now, draws_now)
        meanwhile = _wait(alone, waited / horizon)
        if natural is not None:
            p = meanwhile + (1.0 - meanwhile) * p
            came = _wait(draws_alone, waited / horizon)
            draws = came + (1.0 - came) * draws
        away = draws - draws_now
        worse = (sign * away < 0).mean(axis=-1) if waited else np.full(p.shape, np.nan)
        shown = np.broadcast_to(meanwhile, p.shape)
        found.append((p, *compute_interval(draws, p), p - now, *compute_interval(away, p - now), worse, shown))
    return tuple(np.stack(values, axis=-1) for values in zip(*found, strict=True))


def _wait(p: FloatArray | float, share: float) -> FloatArray:
    """Return the probability of an outcome in a share of the time that `p` speaks of, at a constant rate.

    >>> float(_wait(0.19, 0.5).round(3)), float(_wait(0.19, 0.0))
    (0.1, 0.0)
    """
    return np.asarray(1.0 - (1.0 - np.asarray(p, dtype=np.float64)) ** share, dtype=np.float64)
