"""The only door: a clinic's table becomes a checked `Cohort`, or one error that lists all that is wrong.

Layers behind the door: `table_files` (bytes → cells), `headers` (which column is which variable, in which
unit), `columns` (cells → numbers and levels), `schema` (what the table must be), `plausibility` (what is
doubtful), `identity` (whose row it is).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort.codebook import Codebook
from poi_predict.cohort.columns import read_column
from poi_predict.cohort.findings import TABLE, Finding, Findings
from poi_predict.cohort.headers import ColumnPlan, plan_columns
from poi_predict.cohort.identity import check_origin, number_rows, parse_patient_ids
from poi_predict.cohort.plausibility import check_consistency, check_typical_ranges, shown_unit
from poi_predict.cohort.rules import column_finding, row_findings
from poi_predict.cohort.schema import find_breaches
from poi_predict.cohort.table_files import RawTable, read_table_file
from poi_predict.errors import CohortError

if TYPE_CHECKING:
    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["Cohort", "ExtraCheck", "Fingerprint", "check_cohort", "read_cohort"]

ExtraCheck = Callable[[pd.DataFrame], list[Finding]]
_NUMBER = re.compile(r"[<>]?\s*[+-]?\d[\d.,]*")
_SEPARATORS = {",": ("comma", ","), ";": ("semicolon", ";"), "\t": ("tab", "\\t"), "|": ("bar", "|")}


@dataclass(frozen=True)
class Fingerprint:
    """What identifies a data set without showing a row of it: hash of the bytes, rows, columns."""

    sha256: str
    rows: int
    columns: int


@dataclass(frozen=True)
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
        Whether the rows are SYNTHETIC.
    source_name : str
        File name without its folder.
    """

    data: pd.DataFrame = field(repr=False)
    codebook: Codebook
    row_number: np.ndarray = field(repr=False)
    findings: Findings = field(repr=False)
    fingerprint: Fingerprint
    synthetic: bool
    source_name: str

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
    path: Path,
    codebook: Codebook,
    settings: ReadingSettings,
    *,
    required: Collection[str] = (),
    permit_row_errors: bool = False,
) -> Cohort:
    r"""Read a table of treated women and refuse it, with every reason at once, if it cannot be used.

    Parameters
    ----------
    path : Path
        CSV, TSV, XLSX or Parquet file.
    codebook : Codebook
        Variables to look for; other columns are ignored.
    settings : ReadingSettings
        The clinic's column names, units, spellings and file format.
    required : collection of str
        Variables that must be there and hold values.
    permit_row_errors : bool
        Keep rows with errors (for scoring, which rejects them one by one): their faulty cells are missing in
        `data`, and `findings` says which rows and why. Errors of a column or the table still raise.

    Raises
    ------
    CohortError
        If the file cannot be read, or with every error found.

    Examples
    --------
    >>> import tempfile
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = Path(folder.name) / "clinic.csv"
    >>> _ = file.write_text("id;Age;FSH (mIU/mL);AMH [pmol/L]\\n007;36,5;80;<0,1\\n008;29;5052;1,4\\n")
    >>> read_cohort(file, read_codebook(), ReadingSettings(), required=["age", "afc"])
    Traceback (most recent call last):
        ...
    poi_predict.errors.CohortError: clinic.csv cannot be used; it has 2 errors:
      - afc must be a column of the table; it is not there. Add it, or name its column in columns.afc.
      - fsh (column "FSH (mIU/mL)") must lie between 0 and 300 IU/L; 1 of 2 rows is outside. Check the unit, ...
    >>> cohort = read_cohort(file, read_codebook(), ReadingSettings(), permit_row_errors=True)
    >>> cohort.data[["patient_id", "age", "fsh", "amh__below"]].values.tolist()
    [['007', 36.5, 80.0, True], ['008', 29.0, nan, False]]
    >>> folder.cleanup()
    """
    cohort = _read(path, codebook, settings, required)
    if isinstance(cohort, Findings):
        cohort.raise_if_unusable(path.name)
        raise CohortError(
            f"{path.name} cannot be used."
        )  # pragma: no cover - findings without a cohort raise
    cohort.findings.raise_if_unusable(path.name, permit_row_errors=permit_row_errors)
    return cohort


def check_cohort(
    path: Path,
    codebook: Codebook,
    settings: ReadingSettings,
    *,
    required: Collection[str] = (),
    extra_checks: Sequence[ExtraCheck] = (),
) -> Cohort | Findings:
    """Read a table for the `check` command: whatever is wrong with it is a finding, never an exception.

    Parameters
    ----------
    extra_checks : sequence of callable
        Further checks of `Cohort.data`, such as the endpoint's. Rows in their findings are positions in `data`
        counted from 1; they are translated to rows of the source.

    Returns
    -------
    Cohort or Findings
        The cohort with all its findings; only findings if there is no table to speak of.
    """
    try:
        cohort = _read(path, codebook, settings, required)
        if isinstance(cohort, Findings):
            return cohort
        extra = [
            _in_source(finding, cohort.row_number) for check in extra_checks for finding in check(cohort.data)
        ]
    except CohortError as error:
        return Findings((column_finding("unreadable", TABLE, reason=str(error)),))
    return replace(cohort, findings=Findings.of((*cohort.findings, *extra)))


def _in_source(finding: Finding, row_number: np.ndarray) -> Finding:
    return replace(finding, rows=tuple(row_number[np.array(finding.rows, dtype=np.int64) - 1].tolist()))


def _read(
    path: Path, codebook: Codebook, settings: ReadingSettings, required: Collection[str]
) -> Cohort | Findings:
    table = read_table_file(Path(path), settings)
    shape = _shape_findings(table)
    if any(not finding.concerns_rows for finding in shape):
        return Findings.of(shape)
    plans, findings = plan_columns(table.headers, codebook, settings, required)
    if table.n_rows == 0:
        return Findings.of([column_finding("no_rows", TABLE), *findings])
    data, cell_findings = _read_columns(table, plans, settings)
    synthetic, origin_findings = check_origin(data, table.row_number)
    breaches = _breach_findings(data, plans, table.row_number)
    everything = Findings.of(
        (
            *shape,
            *findings,
            *cell_findings,
            *_missing_findings(data, plans, required),
            *breaches,
            *origin_findings,
            *check_typical_ranges(data, codebook, table.row_number),
            *check_consistency(data, table.row_number),
        )
    )
    return Cohort(
        data=data,
        codebook=codebook,
        row_number=table.row_number,
        findings=everything,
        fingerprint=Fingerprint(table.sha256, table.n_rows, len(table.headers)),
        synthetic=synthetic,
        source_name=Path(path).name,
    )


def _shape_findings(table: RawTable) -> list[Finding]:
    """Return what is wrong with the table as such: its separator, its header, the length of its rows."""
    header = table.headers[0]
    counts = {separator: header.count(separator) for separator in _SEPARATORS}
    probable = max(counts, key=lambda separator: counts[separator])
    if len(table.headers) == 1 and counts[probable]:
        name, written = _SEPARATORS[probable]
        facts = {"count": counts[probable], "separator": name, "written": written}
        return [column_finding("wrong_delimiter", TABLE, **facts)]
    named = [text.strip() for text in table.headers if text.strip()]
    if sum(_NUMBER.fullmatch(text) is not None for text in named) > len(named) / 2:
        return [column_finding("no_header", TABLE)]
    return row_findings("overlong_row", TABLE, table.overlong, table.row_number)


def _read_columns(
    table: RawTable, plans: list[ColumnPlan], settings: ReadingSettings
) -> tuple[pd.DataFrame, list[Finding]]:
    columns: dict[str, pd.Series] = {}
    findings: list[Finding] = []
    for plan in plans:
        cells = table.columns[plan.position]
        if plan.variable.kind == "id":
            ids, found = parse_patient_ids(cells, table.row_number, plan.shown)
            columns[plan.variable.name] = ids
            findings += found
        else:
            typed = read_column(cells, plan, settings, table.row_number)
            columns |= typed.columns
            findings += typed.findings
    if "patient_id" not in columns:
        ids, found = number_rows(table.row_number)
        columns = {"patient_id": ids} | columns
        findings += found
    return pd.DataFrame(columns), findings


def _breach_findings(data: pd.DataFrame, plans: list[ColumnPlan], row_number: np.ndarray) -> list[Finding]:
    """Check the table's contract; cells that breach it become missing in `data`."""
    shown = {plan.variable.name: plan for plan in plans}
    findings = []
    present = Codebook(plan.variable for plan in plans)
    for (name, rule), broken in find_breaches(data[_contracted(data, present)], present).items():
        plan = shown[name]
        low, high = plan.variable.hard or (0.0, 0.0)
        facts = {
            "low": f"{low:g}",
            "high": f"{high:g}",
            "unit": shown_unit(plan.variable.unit),
            "column": plan.shown,
        }
        findings += row_findings(rule, name, broken, row_number, **facts)
        data.loc[broken, name] = np.nan
        if f"{name}__below" in data:
            data.loc[broken, f"{name}__below"] = False
    return findings


def _contracted(data: pd.DataFrame, codebook: Codebook) -> list[str]:
    return [column for column in data if column.split("__", 1)[0] in codebook]


def _missing_findings(
    data: pd.DataFrame, plans: list[ColumnPlan], required: Collection[str]
) -> list[Finding]:
    """Return the columns that hold no value at all: an error where the study needs them."""
    findings = []
    for plan in plans:
        name = plan.variable.name
        if not data[name].isna().all():
            continue
        facts = {"column": plan.shown, "total": len(data)}
        if name in required:
            remedy = "Fill it, or leave it out of the study."
            findings.append(column_finding("all_missing", name, **facts, remedy=remedy))
        else:
            findings.append(column_finding("empty_column", name, **facts))
    return findings
