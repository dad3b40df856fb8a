"""How a clinic's own table maps to the codebook: column names, units, level spellings, file format."""

from __future__ import annotations

import codecs
from collections.abc import Mapping  # noqa: TC003 - a study's declaration is checked against the field types
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from poi_predict.errors import StudyError

__all__ = ["ColumnMapping", "Decimal", "ReadingSettings", "VisitSettings", "reading_as_dict", "reading_from_dict"]

Decimal = Literal["auto", ".", ","]
_DECIMALS = ("auto", ".", ",")
_DUPLICATES = ("refuse", "drop")
_DELIMITERS = ("auto", ",", ";", "\t", "|")
_LISTS = ("columns", "ignore", "missing")


@dataclass(frozen=True)
class ColumnMapping:
    """Where a variable is found in a clinic's table, and how it is written there.

    Attributes
    ----------
    variable : str
        Canonical name in the codebook.
    column : str, optional
        The clinic's column name; case, spaces, underscores and a unit in brackets need not match. Without it the
        column is found by its name; an empty name leaves the variable out.
    unit : str, optional
        Unit of the column. Without it, a unit in the header is used, then the canonical unit.
    unit_column, sign_column : str, optional
        Columns that hold each row's unit ("pmol/L") or sign ("<", ">"), where these stand apart from the number.
    group : mapping of str to str
        Column name to level, where each level has a column of yes and no (check boxes) instead of one for all.
    levels : mapping of str to str
        Clinic spelling to canonical level (`yes` or `no` for a binary variable), beside the usual spellings.
    decimal : {"auto", ".", ","}
        Decimal mark of the column; "auto" follows the file's, then decides from the column's own cells.
    detection_limit : float, optional
        Limit, in the column's unit, of a cell that says "ND" or "undetectable" without a number.
    missing : tuple of str
        Spellings of "missing" in this column, beside the usual ones; numbers are compared by value.
    hard, typical : (float, float), optional
        Limits of this study in the canonical unit, in the place of the codebook's.

    Raises
    ------
    StudyError
        If a field breaks these rules.
    """

    variable: str
    column: str | None = None
    unit: str | None = None
    levels: Mapping[str, str] = field(default_factory=dict)
    decimal: Decimal = "auto"
    detection_limit: float | None = None
    unit_column: str | None = None
    sign_column: str | None = None
    group: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str | int | float, ...] = ()
    hard: tuple[float, float] | None = None
    typical: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        where = f"columns.{self.variable}"
        object.__setattr__(self, "missing", _as_spellings(self.missing))
        if self.group and self.column:
            raise StudyError(f"{where} must name a column or a group of columns; it names both. Remove one of them.")
        for name in ("hard", "typical"):
            limits = getattr(self, name)
            if limits is not None:
                if not (len(limits) == 2 and limits[0] < limits[1]):
                    raise StudyError(f"{where}.{name} must be two numbers, the lower one first; it is not.")
                object.__setattr__(self, name, (float(limits[0]), float(limits[1])))
        if self.decimal not in _DECIMALS:
            raise StudyError(f'{where}.decimal must be "auto", "." or ","; it is not. Choose one of them.')
        limit = self.detection_limit
        if limit is not None and not 0 < limit < float("inf"):
            raise StudyError(f"{where}.detection_limit must be a positive number; it is not.")
        if not all(isinstance(text, str) for pair in self.levels.items() for text in pair):
            raise StudyError(f'{where}.levels must map spellings to levels as text, such as {{ "1" = "yes" }}.')

    @property
    def left_out(self) -> bool:
        """Whether the study leaves the variable out, whatever columns the table has."""
        return self.column is not None and not self.column.strip()


@dataclass(frozen=True)
class VisitSettings:
    """How the rows of one woman that are visits, not treatments, are told apart.

    Attributes
    ----------
    column : str
        The clinic's column that names the visit of a row.
    baseline : str or tuple of str
        What it says where the row is from before treatment.
    treatment : str or tuple of str
        What it says where the row is of the treatment itself: the protocol may stand there.

    Raises
    ------
    StudyError
        If a field is empty.
    """

    column: str
    baseline: str | tuple[str, ...]
    treatment: str | tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.column.strip() or not self.baseline_labels or not all(self.baseline_labels):
            raise StudyError(
                "cohort.visits must name the column of the visits and what it says at baseline; one is empty. "
                'Write column = "visit" and baseline = "before", say.'
            )

    @property
    def baseline_labels(self) -> tuple[str, ...]:
        """Names of the visit before treatment."""
        return (self.baseline,) if isinstance(self.baseline, str) else tuple(self.baseline)

    @property
    def treatment_labels(self) -> tuple[str, ...]:
        """Names of the visit of the treatment."""
        return (self.treatment,) if isinstance(self.treatment, str) else tuple(self.treatment)


@dataclass(frozen=True)
class ReadingSettings:
    r"""How the file of a cohort is read.

    Attributes
    ----------
    columns : tuple of ColumnMapping
        Columns with a name, unit or spelling of their own; other columns are matched by name and alias.
    ignore : tuple of str
        Column names never read, for a column whose name happens to be a variable's.
    encoding : str
        "auto" (byte-order mark, then UTF-8, then GB18030) or the name of an encoding.
    delimiter : {"auto", ",", ";", "\\t", "|"}
        Column separator of a text file.
    sheet : int or str
        Sheet of a workbook: "auto" (the first one in sight that holds a table), a name, or a position from 0 among
        those in sight. A hidden sheet is read by its name only.
    header_row : int or "auto"
        Row of the file in which the header stands, as a spreadsheet program counts them; what is above is not read.
        "auto" takes the first row that holds anything.
    duplicates : {"refuse", "drop"}
        Whether rows that equal another in every cell stop a training, or are left out but for the first.
    decimal : {"auto", ".", ","}
        Decimal mark of the file; a column may state its own.
    missing : tuple of str
        Spellings of "missing" in every column beside the usual ones, such as "not asked"; numbers are compared by
        value. A number that is a value of another column belongs in `columns.<variable>.missing`.
    max_columns : int
        A wider table is refused before it is read.
    usual_limits : mapping of str to float
        Detection limit, in the canonical unit, of a column that says "ND" and gives none itself: where a stored
        model is asked, the limit that was usual in the women of training.
    from_bundle : bool
        Whether a stored model reads by these settings, so that messages speak of the file alone.
    absent_is_unknown : bool
        Whether a required column may be absent, as every one but the last of a stored model's may be: its values are
        then unknown in each row.
    visits : VisitSettings, optional
        Which column says of which visit a row is, where a woman has a row for each; without it, a column such as
        ``redcap_event_name`` is recognised where its content leaves no doubt.

    Raises
    ------
    StudyError
        If a field breaks these rules.
    """

    columns: tuple[ColumnMapping, ...] = ()
    ignore: tuple[str, ...] = ()
    encoding: str = "auto"
    delimiter: str = "auto"
    sheet: str | int = "auto"
    header_row: int | Literal["auto"] = "auto"
    duplicates: Literal["refuse", "drop"] = "refuse"
    decimal: Decimal = "auto"
    missing: tuple[str | int | float, ...] = ()
    max_columns: int = 5000
    usual_limits: Mapping[str, float] = field(default_factory=dict)
    from_bundle: bool = field(default=False, compare=False)
    absent_is_unknown: bool = field(default=False, compare=False)
    visits: VisitSettings | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "missing", _as_spellings(self.missing))
        if self.delimiter not in _DELIMITERS:
            raise StudyError('cohort.delimiter must be "auto", ",", ";", "|" or a tab; it is not.')
        if self.decimal not in _DECIMALS:
            raise StudyError('cohort.decimal must be "auto", "." or ","; it is not.')
        if self.max_columns < 1:
            raise StudyError("cohort.max_columns must be at least 1; it is not.")
        if self.duplicates not in _DUPLICATES:
            raise StudyError('cohort.duplicates must be "refuse" or "drop"; it is not. Choose one of them.')
        if self.header_row != "auto" and not (isinstance(self.header_row, int) and self.header_row >= 1):
            raise StudyError(
                f'cohort.header_row must be "auto" or a row from 1; it is {self.header_row}. Write the number of the '
                "header's row, as a spreadsheet program counts it."
            )
        if isinstance(self.sheet, int) and self.sheet < 0:
            raise StudyError(f"cohort.sheet must be a name or a position from 0; it is {self.sheet}. Correct it.")
        if self.encoding != "auto":
            _check_encoding(self.encoding)
        variables = [mapping.variable for mapping in self.columns]
        if len(set(variables)) < len(variables):
            raise StudyError("columns must map each variable once; one is mapped twice. Remove one of them.")

    def mapping_of(self, variable: str) -> ColumnMapping | None:
        """Return the declared mapping of a variable, if there is one."""
        return next((mapping for mapping in self.columns if mapping.variable == variable), None)


def _as_spellings(cells: tuple[str | int | float, ...]) -> tuple[str, ...]:
    return tuple(cell if isinstance(cell, str) else f"{cell:g}" for cell in cells)


def _check_encoding(name: str) -> None:
    try:
        "text".encode(codecs.lookup(name).name)
    except (LookupError, ValueError, TypeError):
        raise StudyError(
            'cohort.encoding must be "auto" or a known text encoding such as "utf-8", "gb18030" or "cp1252"; it is not.'
        ) from None


def reading_as_dict(settings: ReadingSettings) -> dict[str, Any]:
    """Return the settings as plain values that JSON can hold.

    >>> settings = ReadingSettings(columns=(ColumnMapping("estradiol", "E2", unit="pg/mL"),))
    >>> reading_from_dict(reading_as_dict(settings)) == settings
    True
    """
    plain = asdict(settings)
    del plain["from_bundle"], plain["absent_is_unknown"]
    if settings.visits is None:
        del plain["visits"]  # as bundles of earlier versions have it
    return plain | {name: list(plain[name]) for name in _LISTS}


def reading_from_dict(stored: Mapping[str, Any]) -> ReadingSettings:
    """Return the settings that `reading_as_dict` described.

    Raises
    ------
    StudyError
        If a field is unknown or breaks a rule of `ReadingSettings`.
    """
    try:
        values = dict(stored) | {name: tuple(stored.get(name, ())) for name in _LISTS}
        values["columns"] = tuple(ColumnMapping(**entry) for entry in values["columns"])
        if values.get("visits") is not None:
            found: dict[str, Any] = {
                name: value if isinstance(value, str) else tuple(value) for name, value in values["visits"].items()
            }
            values["visits"] = VisitSettings(**found)
        return ReadingSettings(**values | {"from_bundle": True})
    except (AttributeError, TypeError, ValueError):
        raise StudyError(
            "Stored reading settings must hold the fields of ReadingSettings; they do not. Store them again."
        ) from None
