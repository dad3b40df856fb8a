"""Treatment variables that these data cannot take apart from the centre, or from one another.

Where each centre used one cell source only, nobody can say whether source or centre made the difference, whatever
the method. How much the centre explains of who got a level is the R² of that level's indicator on the centres: 1
where it is settled by the centre, 0 where centres used it alike.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.privacy import LEAST, hide_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Confounded", "find_confounded"]

MOST_LEVELS = 10
"""A number with more distinct values (a dose) is taken as a number, not as levels."""
PERFECT = 1.0 - 1e-9


@dataclass(frozen=True)
class Confounded:
    """A treatment variable, or one of its levels, that another variable settles.

    Attributes
    ----------
    variable, other : str
        The treatment variable, and what settles it.
    level : str or None
        The level concerned; None for the whole variable.
    share : float
        Share of the variation explained (R²); the least of all levels where the whole variable is concerned.
    n_mixed : int
        Rows where it varied within a level of `other`: all that a comparison could rest on.
    n : int
        Rows where both are known.
    """

    variable: str
    other: str
    level: str | None
    share: float
    n_mixed: int
    n: int

    @property
    def perfect(self) -> bool:
        """Whether nothing at all is left to compare."""
        return self.share >= PERFECT

    @property
    def sentence(self) -> str:
        """What it means, in one sentence."""
        subject = self.variable if self.level is None else f"{self.variable} “{self.level}”"
        if self.perfect:
            what = "it was always the same" if self.level is None else "it was given to all women or to none"
            return f"{subject} cannot be distinguished from {self.other}: within each {self.other}, {what}."
        few = f"fewer than {LEAST}" if self.n_mixed < LEAST else f"the {self.n_mixed}"
        return (
            f"{subject} can hardly be distinguished from {self.other}, which explains {100 * self.share:.0f} % of who "
            f"got what; a comparison would rest on {few} of {self.n} courses where it varied."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; `n_mixed` as `poi_predict.privacy.hide_count` gives it."""
        return asdict(self) | {"n_mixed": hide_count(self.n_mixed), "perfect": self.perfect, "sentence": self.sentence}


def find_confounded(
    treatments: pd.DataFrame, centre: ArrayLike | None = None, *, near: float = 0.9, centre_name: str = "centre"
) -> tuple[Confounded, ...]:
    """Find treatment variables that centre, or another treatment variable, settles perfectly or nearly.

    Parameters
    ----------
    treatments : DataFrame of shape (n, n_variables)
        The protocol of each course: source, route, dose … Rows where a value is missing are left out of its pairs.
    centre : array of shape (n,), optional
    near : float
        Share of the variation explained from which on a variable is named, above 0 and at most 1.
    centre_name : str
        What to call the centre in a sentence.

    Returns
    -------
    tuple of Confounded
        Empty where everything can be distinguished. A variable that never varied is not named.

    Raises
    ------
    ValueError
        If `near` is out of range or the centres do not fit the rows.

    Examples
    --------
    >>> protocol = pd.DataFrame({"source": ["bone marrow"] * 4 + ["fat"] * 4, "route": ["ovarian", "vein"] * 4})
    >>> for found in find_confounded(protocol, ["Basel"] * 4 + ["Lyon"] * 2 + ["Oslo"] * 2):
    ...     print(found.sentence)
    source cannot be distinguished from centre: within each centre, it was always the same.
    >>> find_confounded(protocol, near=0.0)
    Traceback (most recent call last):
    ValueError: near must be above 0 and at most 1; it is 0.0
    """
    if not 0.0 < near <= 1.0:
        raise ValueError(f"near must be above 0 and at most 1; it is {near}")
    columns = {str(name): treatments[name].reset_index(drop=True) for name in treatments.columns}
    found: list[Confounded] = []
    if centre is not None:
        centres = pd.Series(np.asarray(centre, dtype=object))
        if len(centres) != len(treatments):
            raise ValueError(f"centre must have {len(treatments)} values; it has {len(centres)}")
        for name, column in columns.items():
            found.extend(_compare(name, column, centre_name, centres, near))
    for (name, column), (other, beside) in itertools.combinations(columns.items(), 2):
        # What one way says of the whole variable, the other way would only repeat level by level.
        one_way = list(_compare(name, column, other, beside, near))
        if any(item.level is None for item in one_way):
            found.extend(one_way)
            continue
        other_way = list(_compare(other, beside, name, column, near))
        found.extend(other_way if any(item.level is None for item in other_way) else one_way + other_way)
    return tuple(found)


def _compare(name: str, column: pd.Series, other: str, groups: pd.Series, near: float) -> Iterator[Confounded]:
    known = (column.notna() & groups.notna()).to_numpy()
    values, codes = column[known], np.unique(groups[known].astype(str).to_numpy(), return_inverse=True)[1]
    if len(values) < 2 or codes.max() == 0:
        return
    indicators = _indicate(values)
    if not indicators:
        return
    shares = {level: _explain(indicator, codes) for level, indicator in indicators.items()}
    mixed = {level: _count_mixed(indicator, codes) for level, indicator in indicators.items()}
    if min(shares.values()) >= near:
        yield Confounded(name, other, None, min(shares.values()), _count_mixed_any(indicators, codes), len(values))
        return
    for level, share in shares.items():
        if share >= near:
            yield Confounded(name, other, level, share, mixed[level], len(values))


def _indicate(values: pd.Series) -> dict[str, NDArray[np.float64]]:
    """Return indicators of the levels, or a number as it is; nothing where there is nothing to compare."""
    distinct = values.nunique()
    if distinct < 2:
        return {}
    if pd.api.types.is_numeric_dtype(values) and distinct > MOST_LEVELS:
        return {"": values.to_numpy(dtype=np.float64)}
    text = values.astype(str).to_numpy()
    levels = np.unique(text)
    return {str(level): (text == level).astype(np.float64) for level in levels}


def _explain(indicator: NDArray[np.float64], codes: NDArray[np.intp]) -> float:
    """Share of the variation that lies between groups."""
    size = np.bincount(codes)
    means = np.bincount(codes, weights=indicator) / size
    total = float(np.square(indicator - indicator.mean()).sum())
    return float((size * np.square(means - indicator.mean())).sum()) / total


def _count_mixed(indicator: NDArray[np.float64], codes: NDArray[np.intp]) -> int:
    """Rows of groups within which the indicator varies."""
    n_groups = int(codes.max()) + 1
    low, high = np.full(n_groups, np.inf), np.full(n_groups, -np.inf)
    np.minimum.at(low, codes, indicator)
    np.maximum.at(high, codes, indicator)
    return int((high > low)[codes].sum())


def _count_mixed_any(indicators: dict[str, NDArray[np.float64]], codes: NDArray[np.intp]) -> int:
    coded = sum(number * indicator for number, indicator in enumerate(indicators.values(), start=1))
    return _count_mixed(np.asarray(coded, dtype=np.float64), codes)
