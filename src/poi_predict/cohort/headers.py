"""Which column of a table is which variable, and in which unit it is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from poi_predict.cohort.mapping import ColumnMapping, ReadingSettings
from poi_predict.cohort.rules import column_finding
from poi_predict.cohort.spelling import header_key, level_key, plain_text, shown_header, split_header
from poi_predict.naming import nearest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from poi_predict.cohort.codebook import Codebook, Variable
    from poi_predict.cohort.findings import Finding

__all__ = ["ColumnPlan", "accepted_units", "plan_columns"]

_REMARKS = frozenset({"baseline", "basal", "serum", "before", "pre", "post", "after", "total", "mean"})
_OBVIOUS_UNITS = ("years",)  # nobody gives an age in months without saying so
_SHOWN_UNITS = 6
_COMPARED_HEADERS = 300  # comparing every header of a wide table with every alias would take seconds


@dataclass(frozen=True)
class ColumnPlan:
    """One column of the file, the variable it holds, and the factor into its canonical unit."""

    variable: Variable
    position: int
    header: str
    mapping: ColumnMapping
    factor: float = 1.0

    @property
    def shown(self) -> str:
        """The variable, and the column's own name where it differs, as a message shows them."""
        name = self.variable.name
        same = header_key(self.header) == header_key(name)
        return name if same else f'{name} (column "{shown_header(self.header)}")'


def plan_columns(
    headers: tuple[str, ...], codebook: Codebook, settings: ReadingSettings, required: Collection[str]
) -> tuple[list[ColumnPlan], list[Finding]]:
    """Match the columns of a table to variables: first as the study maps them, then by name and alias.

    Parameters
    ----------
    headers : tuple of str
        Column names as written.
    codebook : Codebook
        Variables to look for, in the order in which they are returned.
    settings : ReadingSettings
        The study's own columns, units and level spellings.
    required : collection of str
        Variables without which the table cannot be used.

    Returns
    -------
    tuple of list
        The plans, and what was found wrong with headers and units. A column whose unit is at fault has no
        plan: its numbers mean nothing.

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> headers = ("Age", "AMH [pmol/L]")
    >>> plans, findings = plan_columns(headers, read_codebook(), ReadingSettings(), ("age",))
    >>> [(plan.variable.name, round(plan.factor, 3)) for plan in plans], findings
    ([('age', 1.0), ('amh', 0.14)], [])
    """
    ignored = {header_key(name) for name in settings.ignore}
    named = [_Header.of(i, text) for i, text in enumerate(headers) if text.strip()]
    open_headers = [header for header in named if header.key not in ignored]
    matched = {
        mapping.variable: _locate(mapping.column, open_headers, codebook[mapping.variable])
        for mapping in settings.columns
        if mapping.variable in codebook
    }
    claimed = {position for positions in matched.values() for position in positions}
    unclaimed = [header for header in open_headers if header.position not in claimed]
    matched |= _match_names(unclaimed, [variable for name, variable in codebook.items() if name not in matched])

    plans: list[ColumnPlan] = []
    findings: list[Finding] = []
    for name, variable in codebook.items():
        positions, mapping = matched.get(name, []), settings.mapping_of(name)
        if len(positions) == 1:
            header = headers[positions[0]]
            plan = ColumnPlan(variable, positions[0], header, mapping or ColumnMapping(name, header))
            usable, found = _with_factor(plan, codebook)
            plans += usable
            findings += [*found, *_level_findings(plan)]
        elif positions:
            findings.append(_several(name, [headers[i] for i in positions]))
        elif name in required or mapping is not None:
            findings.append(_absent(variable, mapping, unclaimed, needed=name in required))
    return plans, findings


class _Header(NamedTuple):
    """A column name, made comparable once: `parts` are its readings as (key of the name, unit, marked)."""

    position: int
    text: str
    plain: str
    key: str
    parts: tuple[tuple[str, str, bool], ...]

    @classmethod
    def of(cls, position: int, text: str) -> _Header:
        parts = tuple((header_key(name), unit, marked) for name, unit, marked in split_header(text))
        return cls(position, text, plain_text(text), header_key(text), parts)


def _locate(column: str, headers: Sequence[_Header], variable: Variable) -> list[int]:
    """Return where a mapped column name occurs; the strictest way of comparing that finds it decides."""
    plain, key = plain_text(column), header_key(column)
    comparisons: tuple[Callable[[_Header], bool], ...] = (
        lambda header: header.text == column,
        lambda header: header.plain == plain,
        lambda header: header.key == key,
        lambda header: any(
            name == key and (marked or variable.knows_unit(unit)) for name, unit, marked in header.parts
        ),
    )
    for same in comparisons:
        if positions := [header.position for header in headers if same(header)]:
            return positions
    return []


def _match_names(headers: Sequence[_Header], variables: Collection[Variable]) -> dict[str, list[int]]:
    """Return where the name or an alias of each variable occurs; the canonical name beats the aliases."""
    index = {header_key(alias): variable for variable in variables for alias in variable.aliases}
    index |= {header_key(variable.name): variable for variable in variables}
    by_name: dict[str, list[int]] = {}
    by_alias: dict[str, list[int]] = {}
    for header in headers:
        variable = index.get(header.key) or _match_part(header, index)
        if variable is not None:
            places = by_name if header.key == header_key(variable.name) else by_alias
            places.setdefault(variable.name, []).append(header.position)
    return by_alias | by_name


def _match_part(header: _Header, index: Mapping[str, Variable]) -> Variable | None:
    """Return the variable that a header names once a unit, or a remark in brackets, is taken off."""
    for name, unit, marked in header.parts:
        variable = index.get(name)
        if variable is not None and (marked or variable.knows_unit(unit)):
            return variable
    return None


def _with_factor(plan: ColumnPlan, codebook: Codebook) -> tuple[list[ColumnPlan], list[Finding]]:
    """Return the plan with the factor of its unit, or without a plan what is wrong with the unit."""
    variable = plan.variable
    if variable.unit is None or not variable.is_numeric:
        return [plan], []
    declared, stated = plan.mapping.unit, _unit_in_header(plan, codebook)
    if fault := _unit_fault(plan, declared, stated):
        return [], [fault]
    unit = declared or stated
    if unit is not None:
        return [replace(plan, factor=variable.factor(unit) or 1.0)], []
    says_enough = header_key(plan.header) == header_key(variable.name) or variable.unit in _OBVIOUS_UNITS
    if says_enough or not variable.has_rival_units:
        return [plan], []
    return [plan], [column_finding("unit_assumed", variable.name, column=plan.shown, unit=variable.unit)]


def _unit_fault(plan: ColumnPlan, declared: str | None, stated: str | None) -> Finding | None:
    """Return what is wrong with the unit that the study declares or the header states, if anything is."""
    variable = plan.variable
    facts = {"column": plan.shown, "accepted": accepted_units(variable)}
    for unit, place in ((declared, "study"), (stated, "header")):
        if unit is None or variable.factor(unit) is not None:
            continue
        if (reason := variable.refusal(unit)) is not None:
            return column_finding("refused_unit", variable.name, **facts, unit=unit, reason=reason)
        return column_finding("unknown_unit", variable.name, **facts, place=place)
    if declared and stated and variable.factor(declared) != variable.factor(stated):
        return column_finding("contradicting_unit", variable.name, **facts, declared=declared, unit=stated)
    return None


def _unit_in_header(plan: ColumnPlan, codebook: Codebook) -> str | None:
    """Return the unit that a header names, known or not; None if it names none.

    A single word in brackets that is in no list of units may still be one (`AMH (AU)`). It is taken for one
    where units of the variable differ in size and the study declares none, so that nothing is guessed.
    """
    variable, splits = plan.variable, split_header(plan.header)
    for _, unit, _ in splits:
        if variable.knows_unit(unit):
            return unit
    remarks = [remark for _, remark, marked in splits if marked]
    for remark in remarks:
        if "/" in remark or any(other.knows_unit(remark) for other in codebook.values()):
            return remark
    if plan.mapping.unit is None and variable.censorable and variable.has_rival_units:
        return next((word for word in remarks if " " not in word and level_key(word) not in _REMARKS), None)
    return None


def accepted_units(variable: Variable) -> str:
    """Return the first accepted units of a variable, for a message."""
    return ", ".join(list(variable.units)[:_SHOWN_UNITS])


def _several(name: str, headers: list[str]) -> Finding:
    if len({plain_text(header) for header in headers}) == 1:
        return column_finding("duplicated_header", name, count=len(headers))
    shown = ", ".join(f'"{shown_header(header)}"' for header in headers)
    return column_finding("ambiguous_column", name, count=len(headers), headers=shown)


def _absent(variable: Variable, mapping: ColumnMapping | None, headers: Sequence[_Header], *, needed: bool) -> Finding:
    """Return the finding that a column is not there, with the column that may be meant."""
    wanted = [mapping.column] if mapping else [variable.name, *variable.aliases]
    by_key = {header.key: header.text for header in headers[:_COMPARED_HEADERS]}
    found = next((key for name in wanted if (key := nearest_name(header_key(name), by_key))), None)
    near = "" if found is None else f' (is it "{shown_header(by_key[found])}"?)'
    if not needed:
        return column_finding("unused_mapping", variable.name, near=near)
    place = f"columns.{variable.name}"
    column, remedy = variable.name, f"Add it, or name its column in {place}."
    if mapping is not None:
        column, remedy = f'{variable.name} (column "{shown_header(mapping.column)}")', f"Correct {place}."
    return column_finding("missing_column", variable.name, column=column, near=near, remedy=remedy)


def _level_findings(plan: ColumnPlan) -> list[Finding]:
    """Return the finding that the study maps spellings to levels that the variable does not have."""
    variable = plan.variable
    wrong = sum(level_key(level) not in variable.level_of for level in plan.mapping.levels.values())
    if not variable.levels or not wrong:
        return []
    facts = {"count": wrong, "are": "is" if wrong == 1 else "are", "accepted": ", ".join(variable.levels)}
    return [column_finding("unknown_mapped_level", variable.name, **facts)]
