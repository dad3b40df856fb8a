"""The words of the evidence: which variables and levels it may speak of, and the derived column of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["DETECTABLE", "Vocabulary"]

DETECTABLE = "detectable"
"""The level by which a hormone is said to be measurable at all."""


@dataclass(frozen=True)
class Vocabulary:
    """Variables and levels that evidence may speak of, and the derived column of each.

    Attributes
    ----------
    columns : mapping of (str, str) to str
        Variable and level to derived column; the level is empty for a number, and the column is empty for the
        level that the others are compared with.
    transforms : mapping of str to str
        Derived column to the way there from the clinical variable.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_rows(
    ...     [{"variable": "fsh", "level": "", "column": "fsh__log", "transform": "log"}]
    ... )
    >>> vocabulary.column("fsh"), vocabulary.transform("fsh__log"), vocabulary.knows("fsh", "high")
    ('fsh__log', 'log', False)
    """

    columns: Mapping[tuple[str, str], str]
    transforms: Mapping[str, str]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, str]]) -> Vocabulary:
        """Build it from rows of ``variable``, ``level``, ``column``, ``transform``."""
        named = list(rows)
        columns = {(row["variable"], row["level"]): row["column"] for row in named}
        return cls(columns, {row["column"]: row["transform"] for row in named if row["column"]})

    @property
    def variables(self) -> tuple[str, ...]:
        """Clinical variables."""
        return tuple(dict.fromkeys(variable for variable, _ in self.columns))

    def levels(self, variable: str) -> tuple[str, ...]:
        """Return the levels of a category, and nothing for a number."""
        return tuple(level for name, level in self.columns if name == variable and level not in ("", DETECTABLE))

    def column(self, variable: str, level: str = "") -> str:
        """Return the derived column, empty for a level that others are compared with."""
        return self.columns[variable, level]

    def transform(self, column: str) -> str:
        """Return how a column comes from its variable."""
        return self.transforms.get(column, "identity")

    def knows(self, variable: str, level: str) -> bool:
        """Whether a variable has this level (an empty one: is a number)."""
        return (variable, level) in self.columns
