"""The only door: a clinic's table becomes a checked `Cohort`, or one error that lists all that is wrong.

Behind the door: `table_files` (bytes → cells), `headers` (which column is which variable, in which unit),
`columns` (cells → numbers and levels), `schema` (what the table must be), `plausibility` (what is doubtful)
and `identity` (whose row it is).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
import pandas as pd

from poi_predict.cohort.column_doubts import check_columns
from poi_predict.cohort.equal_rows import find_equal_rows
from poi_predict.cohort.findings import TABLE, Finding, Findings
from poi_predict.cohort.headers import plan_columns
from poi_predict.cohort.identity import check_centres, check_courses, check_origin, number_rows, parse_patient_ids
from poi_predict.cohort.plausibility import check_consistency, check_typical_ranges
from poi_predict.cohort.rules import column_finding
from poi_predict.cohort.schema import find_breaches
from poi_predict.cohort.shape import check_shape, other_rows
from poi_predict.cohort.table_files import read_table_file
from poi_predict.cohort.typed_table import enforce_contract, mark_breaches, read_columns, reads_as_shown, tabulate
from poi_predict.cohort.unread_columns import find_unread
from poi_predict.cohort.visits import find_divided_women, find_empty_rows, join_visits
from poi_predict.errors import CohortError
from poi_predict.files import shown_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from poi_predict.cohort.codebook import Codebook
    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.mapping import ReadingSettings
    from poi_predict.cohort.table_files import RawTable

__all__ = ["Cohort", "ExtraCheck", "Fingerprint", "check_cohort", "read_cohort"]

_UNUSED = "The study does not use it: this stops nothing, and cohort.ignore leaves the column out."
ExtraCheck = Callable[[pd.DataFrame], list[Finding]]


@dataclass(frozen=True)
class Fingerprint:
    """What identifies a data set without showing a row of it: hash of the bytes, rows, columns."""

    sha256: str
    rows: int
    columns: int


@dataclass(frozen=True, eq=False)
class Cohort:
    """A checked table of treatment courses.

    Attributes
    ----------
    data : DataFrame
        One row per treatment course, canonical names and units, RangeIndex. A censored value is its limit,
        and the companion column `<variable>__below` is True there.
    codebook : Codebook
        What the columns mean.
    row_number : array of int, shape (n,)
        Number of each row in the source, 1 for the first row under the header.
    findings : Findings
        What is doubtful about the table.
    fingerprint : Fingerprint
        Hash and shape of the source.
    synthetic : bool
        Whether rows are SYNTHETIC.
    source_name : str
        File name without its folder.
    header_row : int
        The header's row in the source; `row_number` + `header_row` is the row that a spreadsheet program shows.
    """

    data: pd.DataFrame = field(repr=False)
    codebook: Codebook
    row_number: np.ndarray = field(repr=False)
    findings: Findings = field(repr=False)
    fingerprint: Fingerprint
    synthetic: bool
    source_name: str
    header_row: int = 1

    @property
    def n_rows(self) -> int:
        """Number of treatment courses."""
        return len(self.data)

    @property
    def patient_id(self) -> pd.Series:
        """Identifier of the woman of each row, exactly as given."""
        return self.data["patient_id"]

    @property
    def n_patients(self) -> int:
        """Number of women."""
        return int(self.patient_id.nunique())


def read_cohort(
    path: Path | str,
    codebook: Codebook,
    settings: ReadingSettings,
    *,
    required: Collection[str] = (),
    used: Collection[str] | None = None,
    permit_row_errors: bool = False,
) -> Cohort:
    r"""Read a table of treated women; refuse it, with every reason at once, if it cannot be used.

    Parameters
    ----------
    path : Path
        CSV, TSV, XLSX or Parquet file.
    codebook : Codebook
        Variables to look for; other columns are ignored.
    settings : ReadingSettings
        The clinic's column names, units, spellings and file format.
    required : collection of str
        Variables whose columns must be there, and must hold values.
    used : collection of str, optional
        Variables that are made any use of; an error in the column of another one is a warning. All by default.
    permit_row_errors : bool
        Keep rows with errors, for scoring, which rejects them one by one: their faulty cells are missing in
        `data`, and `findings` says which rows and why. A required column may then be empty. Errors about a
        column or the table as a whole still raise.

    Returns
    -------
    Cohort

    Raises
    ------
    CohortError
        If the file cannot be read, or with every error found.

    Examples
    --------
    >>> import tempfile
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> from poi_predict.cohort.mapping import ReadingSettings
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = Path(folder.name) / "clinic.csv"
    >>> _ = file.write_text("id;Age;FSH (mIU/mL);AMH [pmol/L]\n007;36,5;80;<0,1\n008;29;5052;1,4\n")
    >>> read_cohort(file, read_codebook(), ReadingSettings(), required=["age", "afc"])
    Traceback (most recent call last):
        ...
    poi_predict.errors.CohortError: clinic.csv cannot be used; it has 2 errors:
      - afc must be a column of the table; it is not there. Add it, name its column in columns.afc, or ...
      - fsh (column "FSH (mIU/mL)") must lie between 0 and 300 IU/L; 1 of 2 rows is outside. Check ...
    >>> cohort = read_cohort(file, read_codebook(), ReadingSettings(), permit_row_errors=True)
    >>> cohort.data[["patient_id", "age", "fsh", "amh__below"]].values.tolist()
    [['007', 36.5, 80.0, True], ['008', 29.0, nan, False]]
    >>> folder.cleanup()
    """
    source = shown_name(Path(path))
    cohort = _read(Path(path), codebook, settings, required, needs_values=not permit_row_errors)
    if used is not None:
        cohort = _spare_unused(cohort, codebook, used)
    if isinstance(cohort, Findings):
        raise CohortError(cohort.refusal(source))
    cohort.findings.raise_if_unusable(source, permit_row_errors=permit_row_errors)
    return cohort


def check_cohort(
    path: Path | str,
    codebook: Codebook,
    settings: ReadingSettings,
    *,
    required: Collection[str] = (),
    used: Collection[str] | None = None,
    extra_checks: Sequence[ExtraCheck] = (),
) -> Cohort | Findings:
    """Read a table for the `check` command: whatever is wrong with it is a finding, never an exception.

    Parameters
    ----------
    path, codebook, settings, required, used
        As for `read_cohort`.
    extra_checks : sequence of callable
        Further checks of `Cohort.data`, such as the endpoint's. Rows in their findings are positions in
        `data` counted from 1; they are translated to rows of the source.

    Returns
    -------
    Cohort or Findings
        The cohort with all its findings; only findings if there is no table to speak of.
    """
    try:
        cohort = _read(Path(path), codebook, settings, required, needs_values=True)
    except CohortError as error:
        return Findings.of([_unreadable(error)])
    if used is not None:
        cohort = _spare_unused(cohort, codebook, used)
    if isinstance(cohort, Findings):
        return cohort
    extra: list[Finding] = []
    for check in extra_checks:
        try:
            extra += [_in_source(finding, cohort.row_number) for finding in check(cohort.data)]
        except CohortError as error:
            extra.append(_unreadable(error))
    return replace(cohort, findings=Findings.of([*cohort.findings, *extra]))


@overload
def _spare_unused(found: Cohort, codebook: Codebook, used: Collection[str]) -> Cohort: ...
@overload
def _spare_unused(found: Findings, codebook: Codebook, used: Collection[str]) -> Findings: ...
def _spare_unused(found: Cohort | Findings, codebook: Codebook, used: Collection[str]) -> Cohort | Findings:
    """Make errors in columns that nobody uses warnings: they must not stop a study."""
    findings = found if isinstance(found, Findings) else found.findings
    spared = Findings.of(
        replace(finding, severity="warning", message=f"{finding.message} {_UNUSED}")
        if finding.severity == "error" and finding.column in codebook and finding.column not in used
        else finding
        for finding in findings
    )
    return spared if isinstance(found, Findings) else replace(found, findings=spared)


def _unreadable(error: CohortError) -> Finding:
    return column_finding("unreadable", TABLE, reason=str(error))


def _in_source(finding: Finding, row_number: np.ndarray) -> Finding:
    positions = np.array(finding.rows, dtype=np.int64) - 1
    return replace(finding, rows=tuple(row_number[positions].tolist()))


def _read(
    path: Path,
    codebook: Codebook,
    settings: ReadingSettings,
    required: Collection[str],
    *,
    needs_values: bool,
) -> Cohort | Findings:
    """Return the cohort with everything found, or only findings if its shape leaves nothing to read."""
    table = read_table_file(path, settings)
    shape = check_shape(table, settings)
    if needs_values and not _is_unusable(shape):
        rows, left_out = other_rows(table)
        table = table.without(rows)
        shape = [*check_shape(table, settings), *left_out]
    if _is_unusable(shape):
        return Findings.of(shape)
    plans, header_findings = plan_columns(table.headers, codebook, settings, required)
    copies, equal_findings = find_equal_rows(table, plans, settings, refuse=needs_values)
    if needs_values and settings.duplicates == "drop":
        table = table.without(copies)
    data, cell_findings = _read_columns(table, plans, settings)
    breaches = enforce_contract(data, plans, find_breaches)
    synthetic, origin_findings = check_origin(data)
    data, row_number, visit_findings = join_visits(data, table.row_number, codebook, settings.visits)
    if visit_findings:
        cell_findings = [finding for finding in cell_findings if finding.rule != "repeated_patient_id"]
    findings = [
        *shape,
        *equal_findings,
        *header_findings,
        *cell_findings,
        *[finding for breach in breaches for finding in breach.findings(table.row_number)],
        *visit_findings,
        *find_divided_women(data, row_number, codebook, [name for name in required if name in codebook]),
        *_check_filled(data, plans, required if needs_values else ()),
        *origin_findings,
        *check_typical_ranges(data, codebook, row_number),
        *check_consistency(data, row_number),
        *check_courses(data, row_number),
    ]
    if not needs_values:
        findings += _find_empty(data, row_number, codebook, findings)
    return Cohort(
        data=data,
        codebook=codebook,
        row_number=row_number,
        findings=Findings.of(findings),
        fingerprint=Fingerprint(table.sha256, table.n_rows, len(table.headers)),
        synthetic=synthetic,
        source_name=shown_name(path),
        header_row=table.header_row,
    )


def _is_unusable(shape: Sequence[Finding]) -> bool:
    return any(finding.severity == "error" and not finding.concerns_rows for finding in shape)


def _read_columns(
    table: RawTable, plans: list[ColumnPlan], settings: ReadingSettings
) -> tuple[pd.DataFrame, list[Finding]]:
    named = {plan.position for plan in plans if reads_as_shown(plan)}
    columns, breaches = read_columns(lambda i: table.cells(i, as_shown=i in named), plans, settings)
    breaches += [breach for plan in plans for breach in mark_breaches(plan, table.marks_of(plan.position))]
    findings = [finding for breach in breaches for finding in breach.findings(table.row_number)]
    findings += check_columns(table.columns.__getitem__, columns, plans, settings, table.row_number)
    findings += check_centres(columns, plans, table.row_number)
    findings += find_unread(table.headers, table.texts, plans, settings)
    plan = next((plan for plan in plans if plan.variable.kind == "id"), None)
    if plan is None:
        ids, found = number_rows(table.row_number)
        return tabulate(ids, columns), [*findings, *found]
    ids, found = parse_patient_ids(table.cells(plan.position, as_shown=True), table.row_number, plan.shown)
    return tabulate(ids, columns), [*found, *findings]


def _find_empty(
    data: pd.DataFrame, row_number: np.ndarray, codebook: Codebook, findings: list[Finding]
) -> list[Finding]:
    """Find the rows about which a model cannot be asked, those with an error of their own aside."""
    faulty = np.isin(row_number, [row for found in findings if found.severity == "error" for row in found.rows])
    return [each for breach in find_empty_rows(data, codebook, faulty) for each in breach.findings(row_number)]


def _check_filled(data: pd.DataFrame, plans: list[ColumnPlan], required: Collection[str]) -> list[Finding]:
    """Find the columns that hold no value at all: an error where the study needs them."""
    return [
        column_finding(
            "all_missing" if plan.variable.name in required else "empty_column",
            plan.variable.name,
            column=plan.shown,
            total=len(data),
        )
        for plan in plans
        if plan.variable.name in data and data[plan.variable.name].isna().all()
    ]
