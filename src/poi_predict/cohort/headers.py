"""Which column of a table is which variable, and in which unit it is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from poi_predict.cohort.companions import find_companions, find_groups
from poi_predict.cohort.header_remarks import changes_nothing, is_explained, read_remark
from poi_predict.cohort.mapping import ColumnMapping, ReadingSettings
from poi_predict.cohort.near_headers import find_near, find_possible
from poi_predict.cohort.rules import column_finding
from poi_predict.cohort.spelling import HeaderReading, header_key, level_key, plain_text, read_header, shown_header
from poi_predict.cohort.visits import VISIT, is_visit_header

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from poi_predict.cohort.codebook import Codebook, Variable
    from poi_predict.cohort.findings import Finding

__all__ = ["ColumnPlan", "accepted_units", "plan_columns"]

_OBVIOUS_UNITS = ("years",)  # nobody gives an age in months without saying so
_SHOWN_UNITS = 6


@dataclass(frozen=True)
class ColumnPlan:
    """One variable, the column of the file that holds it, and the factor into its canonical unit.

    `unit_position` and `sign_position` are columns that hold each row's unit or sign. Where each level has a column of
    yes and no, `group` holds their positions and levels, and `position` is the first of them. `unit_known` says that
    the unit was declared or stated, not assumed.
    """

    variable: Variable
    position: int
    header: str
    mapping: ColumnMapping
    factor: float = 1.0
    unit_known: bool = False
    unit_position: int | None = None
    sign_position: int | None = None
    signs_mean: str = ""
    units_may_be_other: bool = False
    group: tuple[tuple[int, str], ...] = ()
    from_bundle: bool = False

    @property
    def shown(self) -> str:
        """The variable, and the column's own name where it differs, as a message shows them."""
        name = self.variable.name
        same = header_key(self.header) == header_key(name)
        return name if same else f'{name} (column "{shown_header(self.header)}")'

    @property
    def companions(self) -> tuple[int, ...]:
        """Positions of the other columns without which the cells cannot be read."""
        beside = [at for at in (self.unit_position, self.sign_position) if at is not None]
        return (*beside, *(at for at, _ in self.group if at != self.position))

    @property
    def positions(self) -> tuple[int, ...]:
        """Positions of all columns that are read."""
        return (self.position, *self.companions)

    @property
    def is_composed(self) -> bool:
        """Whether its cells are put together from several columns."""
        return bool(self.group or self.companions)


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
    wanted = [v for v in codebook.values() if not ((m := settings.mapping_of(v.name)) and m.left_out)]
    matched = {
        mapping.variable: _locate(mapping.column, open_headers, codebook[mapping.variable], codebook)
        for mapping in settings.columns
        if mapping.variable in codebook and mapping.column and not mapping.left_out
    }
    grouped = {variable.name: settings.mapping_of(variable.name) for variable in wanted}
    claimed = {position for positions in matched.values() for position in positions}
    unclaimed = [header for header in open_headers if header.position not in claimed]
    by_name = [v for v in wanted if v.name not in matched and not ((m := grouped[v.name]) and m.group)]
    found, rivals = _match_names(unclaimed, by_name, codebook)
    matched |= found
    matching = _Matching(
        headers, codebook, settings, matched, [header for header in unclaimed if header.position not in _all(found)]
    )
    plans: list[ColumnPlan] = []
    findings: list[Finding] = []
    for variable in wanted:
        planned, said = matching.plan(variable, needed=variable.name in required)
        plans += planned
        findings += said
    for name, positions in rivals.items():
        facts = {"column": name, "read": shown_header(headers[matched[name][0]]), "others": _quoted(headers, positions)}
        findings.append(column_finding("other_column", name, **facts, from_bundle=settings.from_bundle))
    if not any(plan.variable.name in required for plan in plans):
        findings = [replace(f, severity="error") if f.rule == "absent_column" else f for f in findings]
    left_out = [v for v in codebook.values() if v not in wanted and v.name in required]
    findings += [column_finding("left_out_column", v.name) for v in left_out]
    plans, said = find_companions(plans, [(h.position, h.text, h.key) for h in matching.open], settings)
    with_units = {plan.variable.name for plan in plans if plan.unit_position is not None}
    findings = [f for f in findings if not (f.rule == "unit_assumed" and f.column in with_units)]
    visits, visit_findings = _plan_visits(headers, codebook, settings, {plan.position for plan in plans})
    return [*plans, *visits], [*findings, *said, *visit_findings]


def _plan_visits(
    headers: tuple[str, ...], codebook: Codebook, settings: ReadingSettings, taken: Collection[int]
) -> tuple[list[ColumnPlan], list[Finding]]:
    """Plan the column that says of which visit a row is, if exactly one does."""
    ignored = {header_key(name) for name in settings.ignore}
    found = [
        ColumnPlan(VISIT, i, text, ColumnMapping(VISIT.name, text))
        for i, text in enumerate(headers)
        if i not in taken and header_key(text) not in ignored and is_visit_header(text, settings.visits)
    ]
    if len(found) == 1 and VISIT.name not in codebook:
        return found, []
    if settings.visits is None:
        return [], []
    return [], [column_finding("no_visit_column", VISIT.name, column=settings.visits.column)]


def _all(matched: Mapping[str, list[int]]) -> set[int]:
    return {position for positions in matched.values() for position in positions}


def _quoted(headers: Sequence[str], positions: Iterable[int]) -> str:
    return ", ".join(f'"{shown_header(headers[i])}"' for i in positions)


class _Matching(NamedTuple):
    """What is matched so far: `matched` holds positions by variable, `open` the headers that are no variable's."""

    headers: tuple[str, ...]
    codebook: Codebook
    settings: ReadingSettings
    matched: Mapping[str, list[int]]
    open: list[_Header]

    def plan(self, variable: Variable, *, needed: bool) -> tuple[list[ColumnPlan], list[Finding]]:
        """Return the plan of a variable, if it has a usable column, and what is wrong."""
        name, from_bundle = variable.name, self.settings.from_bundle
        positions, mapping = self.matched.get(name, []), self.settings.mapping_of(name)
        if len(positions) == 1:
            header = self.headers[positions[0]]
            own = mapping or ColumnMapping(name, header)
            plan = ColumnPlan(variable, positions[0], header, own, from_bundle=from_bundle)
            usable, found = _with_factor(plan, self.codebook)
            return usable, [*found, *_level_findings(plan)]
        if positions:
            return [], [_several(name, [self.headers[i] for i in positions])]
        if variable.kind in ("category", "multi") and variable.levels:
            group, found = find_groups(
                variable, [(h.position, h.text, h.key) for h in self.open], mapping, from_bundle=from_bundle
            )
            if group or found:
                at, text = (group[0][0], self.headers[group[0][0]]) if group else (-1, "")
                own = mapping or ColumnMapping(name)
                plan = ColumnPlan(variable, at, text, own, group=group, from_bundle=from_bundle)
                return [plan] if group else [], found
        return [], self._absent(variable, mapping, needed=needed)

    def _absent(self, variable: Variable, mapping: ColumnMapping | None, *, needed: bool) -> list[Finding]:
        """Return the finding that a column is not there, with the column that may be meant."""
        own = None if mapping is None else mapping.column
        headers = [(header.key, header.text) for header in self.open]
        wanted = [own] if own else [variable.name, *variable.aliases]
        near = find_near(wanted, headers)
        possible = [] if own else find_possible(variable, [header.text for header in self.open])
        facts = {"from_bundle": self.settings.from_bundle}
        if possible:
            shown = ", ".join(f'"{shown_header(text)}"' for text in possible[:3])
            rule = "possible_column_needed" if needed else "possible_column"
            return [column_finding(rule, variable.name, headers=shown, **facts)]
        hint = "" if near is None else f' (is it "{shown_header(near)}"?)'
        if not needed:
            return [column_finding("unused_mapping", variable.name, near=hint)] if own else []
        place = f"columns.{variable.name}"
        column, remedy = variable.name, f"Add it, name its column in {place}, or leave it out of the study."
        if own:
            column, remedy = (
                f'{variable.name} (column "{shown_header(own)}")',
                f"Correct {place}, or leave it out of the study.",
            )
        if self.settings.from_bundle:
            remedy = "Add it under that name."
        rule = "absent_column" if self.settings.absent_is_unknown and near is None else "missing_column"
        return [column_finding(rule, variable.name, column=column, near=hint, remedy=remedy)]


class _Header(NamedTuple):
    """A column name, made comparable once."""

    position: int
    text: str
    plain: str
    key: str
    readings: tuple[tuple[str, HeaderReading], ...]

    @classmethod
    def of(cls, position: int, text: str) -> _Header:
        readings = tuple((header_key(reading.name), reading) for reading in read_header(text))
        return cls(position, text, plain_text(text), header_key(text), readings)


def _locate(column: str, headers: Sequence[_Header], variable: Variable, codebook: Codebook) -> list[int]:
    """Return where a mapped column name occurs; the strictest way of comparing that finds it decides."""
    plain, key = plain_text(column), header_key(column)
    comparisons: tuple[Callable[[_Header], bool], ...] = (
        lambda header: header.text == column,
        lambda header: header.plain == plain,
        lambda header: header.key == key,
        lambda header: any(
            name == key and is_explained(reading, variable, codebook.values()) for name, reading in header.readings
        ),
    )
    for same in comparisons:
        if positions := [header.position for header in headers if same(header)]:
            return positions
    return []


def _match_names(
    headers: Sequence[_Header], variables: Collection[Variable], codebook: Codebook
) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Return where the name or an alias of each variable occurs; the canonical name beats the aliases.

    The second mapping holds the columns that were beaten.
    """
    index = {header_key(alias): variable for variable in variables for alias in variable.aliases}
    index |= {header_key(variable.name): variable for variable in variables}
    by_name: dict[str, list[int]] = {}
    by_alias: dict[str, list[int]] = {}
    for header in headers:
        variable = index.get(header.key) or _match_part(header, index, codebook)
        if variable is not None:
            places = by_name if header.key == header_key(variable.name) else by_alias
            places.setdefault(variable.name, []).append(header.position)
    return by_alias | by_name, {name: by_alias[name] for name in by_name if name in by_alias}


def _match_part(header: _Header, index: Mapping[str, Variable], codebook: Codebook) -> Variable | None:
    """Return the variable that a header names once units and remarks that change nothing are taken off."""
    for name, reading in header.readings:
        variable = index.get(name)
        if variable is not None and is_explained(reading, variable, codebook.values()):
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
        return [replace(plan, factor=variable.factor(unit) or 1.0, unit_known=True)], []
    if variable.unit in _OBVIOUS_UNITS or not variable.has_rival_units or _names_unit(plan):
        return [replace(plan, unit_known=True)], []
    facts = {"column": plan.shown, "unit": variable.unit, "from_bundle": plan.from_bundle}
    return [plan], [column_finding("unit_assumed", variable.name, **facts)]


def _names_unit(plan: ColumnPlan) -> bool:
    """Whether the header is the variable's own name and that holds the unit: `months_to_menses`, not `amh`."""
    words = plan.variable.name.split("_")
    return header_key(plan.header) == header_key(plan.variable.name) and any(map(plan.variable.knows_unit, words))


def _unit_fault(plan: ColumnPlan, declared: str | None, stated: str | None) -> Finding | None:
    """Return what is wrong with the unit that the study declares or the header states, if anything is."""
    variable = plan.variable
    facts = {"column": plan.shown, "accepted": accepted_units(variable), "from_bundle": plan.from_bundle}
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
    variable, readings = plan.variable, read_header(plan.header)
    names = {header_key(name) for name in (variable.name, *variable.aliases)}
    for reading in readings:
        for remark in (*reversed(reading.marked), *reading.unmarked):
            leads = remark in reading.unmarked and plain_text(plan.header).startswith(plain_text(remark))
            if leads and header_key(reading.name) not in names:
                continue  # "Year of diagnosis" states no unit
            if units := read_remark(remark, variable, variable.knows_unit):
                return units[0]
    remarks = [remark for reading in readings for remark in reading.marked]
    for remark in remarks:
        if "/" in remark or any(read_remark(remark, variable, other.knows_unit) for other in codebook.values()):
            return remark
    if plan.mapping.unit is None and variable.censorable and variable.has_rival_units:
        return next((word for word in remarks if " " not in word and not changes_nothing(word, variable)), None)
    return None


def accepted_units(variable: Variable) -> str:
    """Return the first accepted units of a variable, for a message."""
    return ", ".join(list(variable.units)[:_SHOWN_UNITS])


def _several(name: str, headers: list[str]) -> Finding:
    if len({plain_text(header) for header in headers}) == 1:
        return column_finding("duplicated_header", name, count=len(headers))
    shown = ", ".join(f'"{shown_header(header)}"' for header in headers)
    return column_finding("ambiguous_column", name, count=len(headers), headers=shown)


def _level_findings(plan: ColumnPlan) -> list[Finding]:
    """Return the finding that the study maps spellings to levels that the variable does not have."""
    variable = plan.variable
    wrong = sum(level_key(level) not in variable.level_of for level in plan.mapping.levels.values())
    if not variable.levels or not wrong:
        return []
    facts = {"count": wrong, "are": "is" if wrong == 1 else "are", "accepted": ", ".join(variable.levels)}
    return [column_finding("unknown_mapped_level", variable.name, **facts)]
