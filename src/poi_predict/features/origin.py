"""Names: every derived column says which clinical variable it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poi_predict.cohort.codebook import Codebook

__all__ = ["BELOW", "SEPARATOR", "DerivedColumn", "input_columns", "is_companion", "origin_of"]

SEPARATOR = "__"
"""Stands between variable and derivation; reserved, so no variable's name may contain it."""

BELOW = f"{SEPARATOR}below"
"""Ending of the companion column that says where a laboratory value lies below its detection limit."""


class DerivedColumn(NamedTuple):
    """One column that a model sees.

    Attributes
    ----------
    variable : str
        The clinical variable it came from.
    derivation : str
        What was done to it: ``log``, ``under_12``, a level's name.
    sign : int
        1 if the column grows with its variable, -1 if it falls, 0 if neither can be said.

    Examples
    --------
    >>> DerivedColumn("amenorrhea_months", "under_12", sign=-1).name
    'amenorrhea_months__under_12'
    """

    variable: str
    derivation: str
    sign: int = 0

    @property
    def name(self) -> str:
        """The column's name, ``<variable>__<derivation>``."""
        return f"{self.variable}{SEPARATOR}{self.derivation}"


def origin_of(column: str) -> str:
    """Return the clinical variable that a derived column came from.

    Examples
    --------
    >>> origin_of("fsh__log"), origin_of("amenorrhea_months__under_12"), origin_of("age")
    ('fsh', 'amenorrhea_months', 'age')
    """
    return column.split(SEPARATOR, 1)[0]


def is_companion(column: str) -> bool:
    """Whether a column marks the values of another that lie below the detection limit.

    Examples
    --------
    >>> is_companion("amh__below"), is_companion("amh")
    (True, False)
    """
    return column.endswith(BELOW)


def input_columns(codebook: Codebook, predictors: Iterable[str]) -> list[str]:
    """Return the columns of the canonical table that hold these predictors.

    A censorable variable brings its ``__below`` companion; a table may leave the companion out, which
    means that no value is below the limit.

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> input_columns(read_codebook(), ["age", "amh"])
    ['age', 'amh', 'amh__below']
    """
    columns: list[str] = []
    for name in predictors:
        columns.append(name)
        if codebook[name].censorable:
            columns.append(f"{name}{BELOW}")
    return columns
