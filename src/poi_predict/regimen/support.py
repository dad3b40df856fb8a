"""What a comparison of regimens rests on: who had which protocol, and how many women of training were like her."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd

from poi_predict.explain import explain_predictions
from poi_predict.features import origin_of
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.recalibrated import RecalibratedClassifier
from poi_predict.plain import as_plain
from poi_predict.privacy import LEAST, floor_count
from poi_predict.regimen.neighbourhood import Alike, Neighbourhood, build_neighbourhood
from poi_predict.regimen.seen import (
    COUNTS,
    SOURCE,
    count_combinations,
    is_near,
    join_counts,
    take_first_rows,
    type_counts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.cohort import Codebook
    from poi_predict.regimen.options import Option
    from poi_predict.regimen.settings import RegimenSettings

    FloatArray = NDArray[np.float64]

__all__ = ["OptionSupport", "Standing", "Support", "summarise_support"]

Standing = Literal["supported", "few", "no data"]


@dataclass(frozen=True)
class OptionSupport:
    """Who had an option.

    Attributes
    ----------
    n_women : int
        Women of training, down to a multiple of five; 2 stands for one to four.
    n_arms, arm_women : int
        Published arms that the model borrows from, and their women.
    outside : bool
        Whether a number of the option, such as its dose, lies outside all that was given.
    """

    n_women: int
    n_arms: int
    arm_women: int
    outside: bool = False

    def judge(self, least_women: int) -> Standing:
        """Return whether the option has enough support: women and women of arms together."""
        total = self.n_women + self.arm_women
        return "no data" if total == 0 else "few" if total < least_women else "supported"


@dataclass(frozen=True, eq=False)
class Support:
    """What a stored model keeps of who had which protocol; no woman's row.

    Attributes
    ----------
    seen : DataFrame
        One row a combination: a column for each variable counted, ``n_women``, ``n_arms``, ``arm_women``. The rows of
        women first, in the order that `neighbourhood` counts them in; women are counted down to a multiple of five, and
        combinations of fewer than five are not listed.
    neighbourhood : Neighbourhood or None
        None where women of training were fewer than five.
    """

    seen: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COUNTS))
    neighbourhood: Neighbourhood | None = None

    def count(self, option: Option) -> OptionSupport:
        """Count who had an option.

        Notes
        -----
        Levels must be known and the same; a dose must be within half a decade, or not known. Without cells all else
        is left aside.
        """
        rows = self.seen[self.match(option)]
        women, arms, of_arms = (int(rows[name].sum()) for name in COUNTS)
        return OptionSupport(women, arms, of_arms, outside=self._lies_outside(option))

    def count_alike(self, columns: pd.DataFrame, options: Sequence[Option]) -> tuple[Alike, NDArray[np.intp]]:
        """Count the women of training who were like each of some women, and those of them who had each option.

        The latter down to a multiple of five, as women of an option are.

        Parameters
        ----------
        columns : DataFrame of shape (n_women, n_columns)
            Derived columns.
        options : sequence of Option

        Returns
        -------
        Alike
        ndarray of int, shape (n_women, n_options)
        """
        n = len(columns)
        if self.neighbourhood is None:
            nothing = np.zeros(n, dtype=np.intp)
            return Alike(nothing, np.zeros((n, 0), dtype=np.intp), np.full(n, np.nan)), np.zeros(
                (n, len(options)), dtype=np.intp
            )
        alike = self.neighbourhood.count_alike(columns)
        counted = alike.n_by_protocol.shape[1]
        match = np.array([self.match(option)[:counted] for option in options], dtype=np.intp)
        match = match.reshape(len(options), counted)  # no combination is counted where all are rare
        return alike, alike.n_by_protocol @ match.T // LEAST * LEAST

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; `from_dict` gives the support back."""
        rows = self.seen.astype(object).where(self.seen.notna(), None)
        return {
            "variables": [str(name) for name in self.seen.columns if name not in COUNTS],
            "seen": [{str(name): as_plain(value) for name, value in row.items()} for row in rows.to_dict("records")],
            "neighbourhood": None if self.neighbourhood is None else self.neighbourhood.as_dict(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return the support that `as_dict` described."""
        kept = stored["neighbourhood"]
        seen = type_counts(pd.DataFrame(stored["seen"], columns=[*stored["variables"], *COUNTS]))
        return cls(seen, None if kept is None else Neighbourhood.from_dict(kept))

    def match(self, option: Option) -> NDArray[np.bool_]:
        """Return which of the combinations seen are an option, shape (n_combinations,)."""
        match = np.ones(len(self.seen), dtype=np.bool_)
        if not option.is_therapy:
            return match & self._untreated()
        match &= ~self._untreated()
        for name in self._variables:
            value, column = option.protocol.get(name), self.seen[name]
            if value is None:
                continue
            if isinstance(value, str):
                match &= (column == value).to_numpy()
            else:
                numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
                match &= np.isnan(numbers) | is_near(numbers, value)
        return match

    def _untreated(self) -> NDArray[np.bool_]:
        if SOURCE not in self.seen:
            return np.zeros(len(self.seen), dtype=np.bool_)
        return np.asarray((self.seen[SOURCE] == "none").to_numpy(), dtype=np.bool_)

    def _lies_outside(self, option: Option) -> bool:
        for name in self._variables:
            value = option.protocol.get(name)
            if not isinstance(value, float):
                continue
            numbers = self.seen[name].dropna().to_numpy(dtype=np.float64)
            if len(numbers) and not (is_near(numbers, value).any() or numbers.min() <= value <= numbers.max()):
                return True
        return False

    @property
    def _variables(self) -> list[str]:
        return [str(name) for name in self.seen.columns if name not in COUNTS]


def summarise_support(
    pipeline: Pipeline,
    X: pd.DataFrame,
    settings: RegimenSettings,
    codebook: Codebook,
    patient: ArrayLike | None = None,
    arms: pd.DataFrame | None = None,
    least: int = LEAST,
) -> Support:
    """Summarise who had which protocol, and who the women of training were.

    Parameters
    ----------
    pipeline : Pipeline
        The fitted model; its first step derives the columns.
    X : DataFrame of shape (n_rows, n_inputs)
        Canonical predictor columns of training; may have no row.
    settings : RegimenSettings
    codebook : Codebook
    patient : array-like of shape (n_rows,), optional
        Of each woman the first row counts.
    arms : DataFrame, optional
        From `count_arms`, for a model that borrows from them.
    least : int
        Combinations of fewer women are not listed, and no group of women is smaller.
    """
    rows = take_first_rows(X, patient)
    counted, codes = count_combinations(rows, settings, codebook, least)
    counted["n_women"] = [floor_count(count, least) for count in counted["n_women"]]
    neighbourhood = None
    if len(rows):
        columns = pipeline[:1].transform(rows)
        importance = _measure_importance(pipeline, rows, columns, set(settings.protocol))
        neighbourhood = build_neighbourhood(columns, importance, codes.tolist(), least)
    seen = counted if arms is None else join_counts(counted, arms)
    return Support(seen, neighbourhood)


def _measure_importance(
    pipeline: Pipeline, rows: pd.DataFrame, columns: pd.DataFrame, protocol: set[str]
) -> dict[str, float]:
    """Return what one standard deviation of each column of the baseline does to the log-odds.

    An effect that is not known counts with its uncertainty: women who differ in it may differ in their response.
    """
    baseline = [str(name) for name in columns.columns if origin_of(str(name)) not in {*protocol, "centre"}]
    model = pipeline[-1]
    model = model.base if isinstance(model, RecalibratedClassifier) else model
    if isinstance(model, EvidenceLogisticRegression):
        size = np.sqrt(model.mean_**2 + np.diag(model.covariance_))
        of_parameter = dict(zip(model.parameters_, size, strict=True))
        spread = columns[baseline].std(ddof=0).fillna(0.0)
        return {name: float(of_parameter.get(name, 0.0) * spread[name]) for name in baseline}
    summary = explain_predictions(pipeline, rows).summary().set_index("variable")["mean_abs_log_odds"]
    origins = [origin_of(name) for name in baseline]
    return {
        name: float(summary.get(origin, 0.0)) / math.sqrt(origins.count(origin))
        for name, origin in zip(baseline, origins, strict=True)
    }
