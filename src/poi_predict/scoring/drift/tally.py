"""What is counted of the rows of a block, so that a whole cohort can be compared without being held."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from scipy.special import logit

from poi_predict.cohort import Codebook
from poi_predict.modeling.recalibrated import PROBABILITY_FLOOR
from poi_predict.scoring.applicability import FLAG_SEPARATOR, is_applicability
from poi_predict.scoring.drift.counting import OTHER_LEVELS, count_bins, count_levels, count_rows_of_levels
from poi_predict.scoring.drift.moments import Moments, compute_moments
from poi_predict.scoring.drift.women import PREDICTION_EDGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from poi_predict.cohort import Variable
    from poi_predict.scoring.contract import Contract

    FloatArray = NDArray[np.float64]

__all__ = ["Tally", "list_scale", "tally_block"]


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts and sums of scored rows; two of them add up to that of their rows together.

    Merge blocks in their order: then the same rows give the same bytes, wherever they were counted.

    Attributes
    ----------
    n_rows : int
    variables : mapping of str to mapping
        Of each predictor ``missing``, and where the contract knows them ``below``, ``bins``, ``levels``: counts.
    moments : Moments or None
        Of the log-odds and the derived columns, in the order and on the scale of `list_scale`; None where the
        contract keeps no women.
    predictions : mapping
        ``bins``, ``sum`` and ``sum_squares`` of the predicted probabilities.
    flags : mapping of str to int
        Rows that bear each flag.
    n_flagged : int
        Rows that bear a flag which puts them outside of what the model knows.

    Examples
    --------
    >>> Tally().merge(Tally(n_rows=3, flags={"missing:amh": 1})).flags
    {'missing:amh': 1}
    >>> Tally.from_dict(Tally(n_rows=3).as_dict()).n_rows
    3
    """

    n_rows: int = 0
    variables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    moments: Moments | None = None
    predictions: Mapping[str, Any] = field(default_factory=dict)
    flags: Mapping[str, int] = field(default_factory=dict)
    n_flagged: int = 0

    def merge(self, other: Tally) -> Tally:
        """Return the tally of the rows of both, these first."""
        if not self.n_rows or not other.n_rows:
            return other if other.n_rows else self
        return Tally(
            self.n_rows + other.n_rows,
            _add(self.variables, other.variables),
            self.moments.merge(other.moments) if self.moments is not None and other.moments is not None else None,
            _add(self.predictions, other.predictions),
            _add_flags(self.flags, other.flags),
            self.n_flagged + other.n_flagged,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; `from_dict` gives the tally back, to the last bit."""
        return {
            "n_rows": self.n_rows,
            "variables": {name: dict(found) for name, found in self.variables.items()},
            "moments": None if self.moments is None else self.moments.as_dict(),
            "predictions": dict(self.predictions),
            "flags": dict(self.flags),
            "n_flagged": self.n_flagged,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `as_dict` wrote; an empty mapping is a tally of no row."""
        if not stored:
            return cls()
        moments = stored["moments"]
        return cls(
            int(stored["n_rows"]),
            dict(stored["variables"]),
            None if moments is None else Moments.from_dict(moments),
            dict(stored["predictions"]),
            dict(stored["flags"]),
            int(stored["n_flagged"]),
        )

    @staticmethod
    def merge_dicts(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
        """Merge two tallies as plain values."""
        return Tally.from_dict(first).merge(Tally.from_dict(second)).as_dict()


def tally_block(
    inputs: pd.DataFrame,
    derived: pd.DataFrame | None,
    p_response: FloatArray,
    flags: NDArray[np.object_],
    contract: Contract,
) -> Tally:
    """Count what a comparison with the women of training needs of some scored rows.

    Parameters
    ----------
    inputs : DataFrame of shape (n_rows, n_inputs)
        Canonical predictor columns, as `conform` gives them.
    derived : DataFrame of shape (n_rows, n_columns) or None
        What the pipeline's features derived from them.
    p_response : ndarray of shape (n_rows,)
        Predicted probabilities.
    flags : ndarray of str, shape (n_rows,)
        From `compute_flags`.
    contract : Contract
        What training kept.

    Returns
    -------
    Tally
        Counts and sums; levels that training did not keep are counted together, so no text of a table is in it.
    """
    if not len(inputs):
        return Tally()
    codebook, kept = Codebook.from_dict(contract.codebook), contract.women.get("variables", {})
    counts, n_flagged = _count_flags(flags)
    edges = contract.women.get("predictions", {}).get("edges", PREDICTION_EDGES)
    moments = None
    if contract.development and contract.women and derived is not None:
        moments = _sum_columns(derived, p_response, contract)
    return Tally(
        n_rows=len(inputs),
        variables={
            name: _count(inputs, codebook[name], kept.get(name, {})) for name in contract.predictors if name in inputs
        },
        moments=moments,
        predictions={
            "bins": count_bins(p_response, edges[1:-1]),
            "sum": float(p_response.sum()),
            "sum_squares": float(np.square(p_response).sum()),
        },
        flags=counts,
        n_flagged=n_flagged,
    )


def list_scale(contract: Contract) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Return the columns of `Tally.moments`, the log-odds first, and the centre and spread they are measured by."""
    mean = np.asarray(contract.development["mean"], dtype=np.float64)
    spread = np.sqrt(np.diag(np.asarray(contract.development["covariance"], dtype=np.float64)))
    return tuple(contract.development["columns"]), mean, np.where(spread > 0.0, spread, 1.0)


def _count(inputs: pd.DataFrame, variable: Variable, kept: Mapping[str, Any]) -> dict[str, Any]:
    name = variable.name
    unknown = inputs[name].isna().to_numpy()
    found: dict[str, Any] = {"missing": int(unknown.sum())}
    if "below" in kept and f"{name}__below" in inputs:
        found["below"] = int((inputs[f"{name}__below"].to_numpy(dtype=bool) & ~unknown).sum())
    if "edges" in kept:
        found["bins"] = count_bins(inputs[name].to_numpy(dtype=np.float64, na_value=np.nan), kept["edges"])
    if "levels" in kept:
        texts = count_levels(inputs[name], variable)
        found["levels"] = texts if variable.kind == "binary" else count_rows_of_levels(texts, _named(kept), variable)
    return found


def _named(kept: Mapping[str, Any]) -> list[str]:
    return [level for level in kept["levels"] if level != OTHER_LEVELS]


def _sum_columns(derived: pd.DataFrame, p_response: FloatArray, contract: Contract) -> Moments:
    columns, centre, spread = list_scale(contract)
    values = np.empty((len(derived), len(columns)))
    values[:, 0] = logit(np.clip(p_response, PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR))
    values[:, 1:] = derived[list(columns[1:])].to_numpy(dtype=np.float64)
    values -= centre
    values /= spread
    return compute_moments(values)


def _count_flags(flags: NDArray[np.object_]) -> tuple[dict[str, int], int]:
    codes, texts = pd.factorize(np.asarray(flags, dtype=object))
    found: Counter[str] = Counter()
    n_flagged = 0
    for text, count in zip(texts, np.bincount(codes, minlength=len(texts)).tolist(), strict=True):
        named = [flag for flag in str(text).split(FLAG_SEPARATOR) if flag]
        found.update(dict.fromkeys(named, count))
        n_flagged += count if any(is_applicability(flag) for flag in named) else 0
    return dict(sorted(found.items())), n_flagged


def _add(first: Any, second: Any) -> Any:
    """Add counts and sums of the same structure."""
    if isinstance(first, dict):
        return {name: _add(value, second[name]) for name, value in first.items()}
    if isinstance(first, list):
        return [_add(one, other) for one, other in zip(first, second, strict=True)]
    return first + second


def _add_flags(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {flag: first.get(flag, 0) + second.get(flag, 0) for flag in sorted({*first, *second})}
