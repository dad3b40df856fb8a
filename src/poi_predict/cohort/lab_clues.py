"""What a column of numbers as a whole says about each of its cells: decimal marks, smallest detection limit.

A cell such as "1,234" or "ND" can only be read when the whole column has been seen. A table that is read in blocks
therefore gathers clues block by block, joins them and settles them; the same facts come out as from the whole column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poi_predict.cohort.mapping import Decimal

__all__ = ["MARK_SETS", "LabClues", "LabFacts"]

MARK_SETS = tuple(frozenset(marks) for marks in ("", ".", ",", ".,"))  # all that a column may turn out to use
_NO_LIMITS = (float("inf"),) * len(MARK_SETS)


@dataclass(frozen=True)
class LabFacts:
    """What is settled about a column.

    Attributes
    ----------
    marks : frozenset of str
        Decimal marks that the column uses, declared or shown.
    limit : float, optional
        Smallest limit ("<0.02") written in the column, in the canonical unit.
    dates : bool
        Whether numbers such as 5.2021 in a column of months are months of a year.
    """

    marks: frozenset[str] = frozenset()
    limit: float | None = None
    dates: bool = False


@dataclass(frozen=True)
class LabClues:
    """What some cells of a column show.

    Attributes
    ----------
    marks : frozenset of str
        Decimal marks shown beyond doubt by cells that need interpretation.
    commas : bool
        Whether such a cell holds a comma: only then do the points of plain numbers matter.
    points : bool, optional
        Whether a plain number shows its point to be a decimal mark; None if nobody has looked.
    limits : tuple of float
        Smallest limit written, under each of `MARK_SETS`; infinite if there is none.
    dates, fractions : bool
        Whether a column of months holds numbers such as 5.2021, and other numbers with as many decimals.
    """

    marks: frozenset[str] = frozenset()
    commas: bool = False
    points: bool | None = False
    limits: tuple[float, ...] = _NO_LIMITS
    dates: bool = False
    fractions: bool = False

    def joined(self, other: LabClues) -> LabClues:
        """Return what both sets of cells show together; the order does not matter.

        >>> LabClues(commas=True).joined(LabClues(points=True)).settle("auto").marks
        frozenset({'.'})
        """
        unseen = not (self.points or other.points) and None in (self.points, other.points)
        return LabClues(
            marks=self.marks | other.marks,
            commas=self.commas or other.commas,
            points=None if unseen else bool(self.points or other.points),
            limits=tuple(map(min, self.limits, other.limits)),
            dates=self.dates or other.dates,
            fractions=self.fractions or other.fractions,
        )

    @property
    def wants_points(self) -> bool:
        """Whether the points of plain numbers decide something, and nobody has looked at them."""
        return self.commas and self.points is None and "." not in self.marks

    def settle(self, decimal: Decimal) -> LabFacts:
        """Return the facts, given the decimal mark declared for the column ("auto" if none is)."""
        marks = self.marks if decimal == "auto" else frozenset(decimal)
        if decimal == "auto" and self.commas and self.points:
            marks |= {"."}
        limit = self.limits[MARK_SETS.index(marks)]
        dates = self.dates and not self.fractions
        return LabFacts(marks, None if limit == float("inf") else limit, dates)
