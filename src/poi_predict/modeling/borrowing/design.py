"""From derived columns to the coefficients of the evidence model: which column does what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from poi_predict.errors import ModelError
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["INTERCEPT", "TREATED", "Design", "build_design"]

INTERCEPT = "intercept"
TREATED = "treated"
DEFINITION = "definition:"


@dataclass(frozen=True)
class Design:
    """The coefficients of the model and the columns they belong to.

    Attributes
    ----------
    columns : tuple of str
        Derived columns, in the order of X.
    treated, centre : int or None
        Place of the column that says whether a woman was treated, and of the one with her centre.
    baseline, protocol : tuple of int
        Places of columns that work in every woman, and of those that work in treated women.
    pairs : tuple of (int, int)
        Places of columns that interact.
    has_effect : bool
        Whether therapy has an effect of its own: somebody was not treated.
    definitions : tuple of str
        Outcome definitions other than the one predicted.
    """

    columns: tuple[str, ...]
    treated: int | None
    centre: int | None
    baseline: tuple[int, ...]
    protocol: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    has_effect: bool
    definitions: tuple[str, ...]

    @property
    def coefficients(self) -> tuple[str, ...]:
        """Names, in order: intercept, treated, columns, interactions, definitions."""
        named = [self.columns[place] for place in (*self.baseline, *self.protocol)]
        named += [f"{self.columns[a]}:{self.columns[b]}" for a, b in self.pairs]
        named += [f"{DEFINITION}{name}" for name in self.definitions]
        return (INTERCEPT, *((TREATED,) if self.has_effect else ()), *named)

    def therapy(self, values: FloatArray) -> FloatArray:
        """Return 1 for each treated woman and 0 for the others, shape (n,); treated where it is not known."""
        if self.treated is None:
            return np.ones(len(values))
        return np.where(np.isnan(values[:, self.treated]), 1.0, values[:, self.treated])

    def act(self, deviations: FloatArray, therapy: FloatArray) -> FloatArray:
        """Return deviations with those of the protocol 0 in women without therapy, shape (n, n_columns)."""
        acting = deviations.copy()
        acting[:, list(self.protocol)] *= therapy[:, None]
        return acting

    def rows(self, deviations: FloatArray, therapy: FloatArray, definition: int | None = None) -> FloatArray:
        """Return the rows of the design matrix, shape (n, n_coefficients).

        Parameters
        ----------
        deviations : ndarray of shape (n, n_columns)
            Columns less their centre; no gaps.
        therapy : ndarray of shape (n,)
        definition : int, optional
            Which other definition of the outcome the rows have.
        """
        acting = self.act(deviations, therapy)
        parts = [np.ones((len(acting), 1))]
        if self.has_effect:
            parts.append(therapy[:, None])
        parts.append(acting[:, [*self.baseline, *self.protocol]])
        parts += [acting[:, [a]] * acting[:, [b]] for a, b in self.pairs]
        flags = np.zeros((len(acting), len(self.definitions)))
        if definition is not None:
            flags[:, definition] = 1.0
        return np.hstack([*parts, flags])

    def shares(self) -> FloatArray:
        """Return how each coefficient's term is shared among columns, shape (n_coefficients, n_columns).

        An interaction of two centred columns is shared evenly, as Shapley's value does.
        """
        table = np.zeros((len(self.coefficients), len(self.columns)))
        row = 1
        if self.has_effect:
            if self.treated is not None:
                table[row, self.treated] = 1.0
            row += 1
        for place in (*self.baseline, *self.protocol):
            table[row, place] = 1.0
            row += 1
        for a, b in self.pairs:
            table[row, a] += 0.5
            table[row, b] += 0.5
            row += 1
        return table


def build_design(
    columns: Sequence[str],
    *,
    treated: str | None,
    protocol: Sequence[str],
    centre: str | None,
    interactions: Sequence[tuple[str, str]],
    has_effect: bool,
    definitions: Sequence[str],
) -> Design:
    """Look columns up by name.

    Raises
    ------
    ModelError
        If a name is not a column.

    Examples
    --------
    >>> build_design(["fsh__log", "route__intravenous"], treated=None, protocol=["route__intravenous"], centre=None,
    ...     interactions=[], has_effect=True, definitions=[]).coefficients
    ('intercept', 'treated', 'fsh__log', 'route__intravenous')
    """
    place = {name: position for position, name in enumerate(columns)}

    def find(name: str, role: str) -> int:
        if name not in place:
            raise ModelError(f'{role} must name columns of the table; "{name}" is not one{suggest(name, place)}.')
        return place[name]

    special = {find(name, role) for name, role in ((treated, "treated"), (centre, "centre")) if name is not None}
    acting = tuple(find(name, "treatment") for name in protocol)
    rest = tuple(p for p in range(len(columns)) if p not in special and p not in acting)
    pairs = tuple((find(a, "interactions"), find(b, "interactions")) for a, b in interactions)
    if any(p in special for pair in pairs for p in pair):
        raise ModelError("interactions must be of covariates and protocol; therapy itself and centre have their own.")
    return Design(
        columns=tuple(columns),
        treated=None if treated is None else place[treated],
        centre=None if centre is None else place[centre],
        baseline=rest,
        protocol=acting,
        pairs=pairs,
        has_effect=has_effect,
        definitions=tuple(definitions),
    )
