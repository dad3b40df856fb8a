"""What is wrong or doubtful about a table: findings by column and count, never values.

A finding names a rule, a column and the rows it concerns. Its message states the rule, what was found and the
remedy; it holds neither a patient's value nor an identifier. Row numbers stay inside the object and leave it
only through `Findings.rows_frame`, which the `check` command writes beside the cohort.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, overload

import numpy as np
import pandas as pd

from poi_predict.errors import CohortError

__all__ = ["TABLE", "Finding", "Findings", "Severity"]

Severity = Literal["error", "warning"]
TABLE = "(table)"  # the column of a finding that concerns the table as a whole


@dataclass(frozen=True)
class Finding:
    """One rule that a column breaks, and where.

    Attributes
    ----------
    severity : {"error", "warning"}
        An error makes the cells (or the table) unusable; a warning is implausible but usable.
    column : str
        Canonical variable name, or `TABLE`.
    rule : str
        Stable code, such as `hard_range`.
    message : str
        Rule, what was found, remedy. No value, no identifier.
    rows : tuple of int
        Data rows concerned, 1 for the first row under the header; empty if the whole column is concerned.
    """

    severity: Severity
    column: str
    rule: str
    message: str
    rows: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Number of rows concerned; 1 for a finding about a column or a table as a whole."""
        return len(self.rows) or 1

    @property
    def concerns_rows(self) -> bool:
        """Whether single rows are concerned, so that the other rows may still be used."""
        return bool(self.rows)


@dataclass(frozen=True)
class Findings(Sequence[Finding]):
    """Everything found about one table, errors first.

    Examples
    --------
    >>> findings = Findings.of([
    ...     Finding("warning", "fsh", "typical_range", "fsh is usually lower; 1 of 9 rows is not.", (4,)),
    ...     Finding("error", "amh", "unknown_unit", "amh must be in a known unit; it is not."),
    ... ])
    >>> [finding.column for finding in findings]
    ['amh', 'fsh']
    >>> findings.rows_frame()[["row", "column", "rule", "severity"]]
        row column           rule severity
    0  <NA>    amh   unknown_unit    error
    1     4    fsh  typical_range  warning
    >>> findings.raise_if_unusable("clinic.csv")
    Traceback (most recent call last):
        ...
    poi_predict.errors.CohortError: clinic.csv cannot be used; it has 1 error:
      - amh must be in a known unit; it is not.
    """

    items: tuple[Finding, ...] = field(default=())

    @classmethod
    def of(cls, found_items: Iterable[Finding]) -> Findings:
        """Collect findings, errors before warnings, otherwise in the order given."""
        return cls(tuple(sorted(found_items, key=lambda finding: finding.severity != "error")))

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.items)

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, index: int | slice) -> Finding | tuple[Finding, ...]:
        return self.items[index]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that make cells, or the table, unusable."""
        return tuple(finding for finding in self.items if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that are implausible but usable."""
        return tuple(finding for finding in self.items if finding.severity == "warning")

    def frame(self) -> pd.DataFrame:
        """Return one row per finding: severity, column, rule, count, message."""
        columns = ("severity", "column", "rule", "count", "message")
        return pd.DataFrame([[getattr(f, name) for name in columns] for f in self.items], columns=list(columns))

    def rows_frame(self) -> pd.DataFrame:
        """Return one row per finding and data row: row, column, rule, severity, message.

        `row` is missing where a finding concerns a column or the table as a whole.
        """
        counts = [finding.count for finding in self.items]
        rows = [row for finding in self.items for row in (finding.rows or (None,))]
        described = {
            name: np.repeat(np.array([getattr(f, name) for f in self.items], dtype=object), counts)
            for name in ("column", "rule", "severity", "message")
        }
        return pd.DataFrame({"row": pd.array(rows, dtype="Int64")} | described)

    def raise_if_unusable(self, source: str = "The table", *, permit_row_errors: bool = False) -> None:
        """Raise one `CohortError` that lists every error.

        Parameters
        ----------
        source : str
            What the message calls the table, such as its file name.
        permit_row_errors : bool
            Raise only for errors about a column or the table as a whole.
        """
        errors = [f for f in self.errors if not (permit_row_errors and f.concerns_rows)]
        if errors:
            raise CohortError(Findings.of(errors).refusal(source))

    def refusal(self, source: str) -> str:
        """Return the message that lists every error of the table called `source`."""
        count = "1 error" if len(self.errors) == 1 else f"{len(self.errors)} errors"
        lines = "".join(f"\n  - {finding.message}" for finding in self.errors)
        return f"{source} cannot be used; it has {count}:{lines}"
