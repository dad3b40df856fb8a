"""Columns that belong together: a number and its unit or sign; one column of yes and no for each level.

Laboratories export "0.14" beside a column "AMH unit" that says pmol/L, or beside "AMH qualifier" that says "<"; REDCap
(Harris et al. 2009, doi:10.1016/j.jbi.2008.08.010) exports a field of check boxes as `adjuvant___1`, `adjuvant___2`, ….
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from poi_predict.cohort.rules import column_finding
from poi_predict.cohort.spelling import header_key, level_key, plain_text, read_header, shown_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from poi_predict.cohort.codebook import Variable
    from poi_predict.cohort.findings import Finding
    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.mapping import ColumnMapping, ReadingSettings

__all__ = ["find_companions", "find_groups"]

Header = tuple[int, str, str]  # position, text, key
_UNIT_WORDS = frozenset(
    header_key(word)
    for word in (
        *("unit", "units", "uom", "unit of measure", "unit of", "units of", "einheit", "einheiten", "unité", "unités"),
        *(
            "unite",
            "unites",
            "unidad",
            "unidades",
            "unità",
            "unita",
            "unidade",
            "birim",
            "birimi",
            "единица",
            "единицы",
        ),
        *("ед", "单位", "單位", "単位", "단위", "واحد", "وحدة", "الوحدة"),
    )
)
_SIGN_WORDS = frozenset(
    header_key(word)
    for word in (
        *(
            "sign",
            "signs",
            "qualifier",
            "qual",
            "op",
            "operator",
            "flag",
            "prefix",
            "modifier",
            "comparator",
            "relation",
        ),
        *(
            "censor",
            "censored",
            "censoring",
            "below",
            "below limit",
            "below detection",
            "below detection limit",
            "below lod",
        ),
        *(
            "below loq",
            "lod",
            "loq",
            "lt",
            "<",
            ">",
            "<>",
            "< or >",
            "undetectable",
            "undetected",
            "nd",
            "bdl",
            "vorzeichen",
        ),
        *(
            "zeichen",
            "signe",
            "signo",
            "segno",
            "sinal",
            "işaret",
            "знак",
            "符号",
            "標誌",
            "标志",
            "記号",
            "부호",
            "علامت",
            "علامة",
        ),
    )
)
_MEASURED_WORDS = frozenset(map(header_key, ("detected", "detectable", "measurable", "quantified", "quantifiable")))
_STATES = frozenset(map(header_key, ("below", "below limit", "below detection", "below detection limit", "below lod")))
_STATES |= frozenset(map(header_key, ("below loq", "censored", "undetectable", "undetected", "nd", "bdl", "lt", "<")))
_REDCAP = re.compile(r"(?P<name>.+?)___(?P<level>.+)")
_CHOICE = re.compile(r"(?P<name>.+?)\s*\(\s*choice\s*=\s*(?P<level>.+)\)\s*", re.IGNORECASE)


def find_companions(
    plans: Sequence[ColumnPlan], headers: Sequence[Header], settings: ReadingSettings
) -> tuple[list[ColumnPlan], list[Finding]]:
    """Give each column of numbers the columns that hold its units and signs.

    A column named after the variable ("AMH unit") is used; one that only says "unit" or "sign" is used beside its only
    neighbour that may need it, and otherwise said not to be read.

    Parameters
    ----------
    plans : sequence of ColumnPlan
        The columns that are variables.
    headers : sequence of (int, str, str)
        Position, text and key of those that are not.
    settings : ReadingSettings
        The study's own columns.
    """
    found: list[ColumnPlan] = []
    findings: list[Finding] = []
    free = list(headers)
    for plan in plans:
        wholly = plan
        if plan.variable.is_numeric:
            wholly, said = _named_companions(plan, free)
            findings += said
            free = [header for header in free if header[0] not in wholly.companions]
        found.append(wholly)
    for header in free:
        for words, attribute in ((_UNIT_WORDS, "unit_position"), (_SIGN_WORDS, "sign_position")):
            if header[2] in words:
                found, said = _attach_unnamed(found, header, attribute, from_bundle=settings.from_bundle)
                findings += said
    return found, findings


def _named_companions(plan: ColumnPlan, headers: Sequence[Header]) -> tuple[ColumnPlan, list[Finding]]:
    variable = plan.variable
    names = {header_key(name) for name in (variable.name, *variable.aliases, plan.header)}
    names |= {header_key(reading.name) for reading in read_header(plan.header)[:1]}
    findings = []
    for attribute, declared, words in (
        ("unit_position", plan.mapping.unit_column, _UNIT_WORDS),
        ("sign_position", plan.mapping.sign_column, _SIGN_WORDS | _MEASURED_WORDS),
    ):
        keys = {key: word for name in names for word in words for key in (name + word, word + name)}
        wanted = {header_key(declared): header_key(declared)} if declared else keys
        at = [header for header in headers if header[2] in wanted]
        facts = {"column": plan.shown, "from_bundle": plan.from_bundle, "what": attribute.split("_")[0]}
        if len(at) > 1 or (declared and not at):
            shown = ", ".join(f'"{shown_header(text)}"' for _, text, _ in at) or f'"{shown_header(declared or "")}"'
            findings.append(column_finding("ambiguous_companion", variable.name, headers=shown, **facts))
        elif at:
            position, text, key = at[0]
            word = wanted[key]
            means = "" if attribute == "unit_position" else _meaning(key if declared else word)
            changes: dict[str, Any] = {attribute: position} | ({"signs_mean": means} if means else {})
            plan = replace(plan, **changes)
            findings.append(column_finding("companion_read", variable.name, header=shown_header(text), **facts))
    return plan, findings


def _meaning(word: str) -> str:
    """Return what yes says in a column of signs: below the limit, measured, or nothing that is known."""
    if any(word.endswith(measured) and not word.endswith("un" + measured) for measured in _MEASURED_WORDS):
        return "measured"
    if word.endswith("flag") or word.startswith("flag"):
        return "flag"
    return "below" if any(word.endswith(state) or word.startswith(state) for state in _STATES) else "sign"


def _attach_unnamed(
    plans: list[ColumnPlan], header: Header, attribute: str, *, from_bundle: bool
) -> tuple[list[ColumnPlan], list[Finding]]:
    """Give a column that only says "unit" or "sign" to its only neighbour that may need it."""
    position, text, _ = header
    is_unit = attribute == "unit_position"
    beside = [position - 1] if is_unit else [position - 1, position + 1]
    able = [
        plan
        for plan in plans
        if plan.position in beside
        and getattr(plan, attribute) is None
        and ((plan.variable.is_numeric and plan.variable.units) if is_unit else plan.variable.censorable)
    ]
    facts = {"header": shown_header(text), "what": "unit" if is_unit else "sign", "from_bundle": from_bundle}
    if len(able) != 1:
        return plans, []
    own = able[0]
    changes: dict[str, Any] = {attribute: position}
    given = replace(own, **changes | ({"units_may_be_other": True} if is_unit else {"signs_mean": "perhaps"}))
    finding = column_finding("companion_read", own.variable.name, column=own.shown, **facts)
    return [given if plan is own else plan for plan in plans], [finding]


def find_groups(
    variable: Variable, headers: Sequence[Header], mapping: ColumnMapping | None, *, from_bundle: bool = False
) -> tuple[tuple[tuple[int, str], ...], list[Finding]]:
    """Return the columns of yes and no of a variable's levels, as positions and levels, and what is to be said.

    Parameters
    ----------
    variable : Variable
        A category or several levels at once.
    headers : sequence of (int, str, str)
        Position, text and key of the columns that are no variable's.
    mapping : ColumnMapping, optional
        What the study says; without a group, columns are taken whose names leave no doubt.
    from_bundle : bool
        Whether a stored model reads the table.
    """
    if variable.role == "provenance":
        return (), []
    if mapping is not None and mapping.group:
        return _declared_group(variable, headers, mapping.group)
    if mapping is not None and mapping.column:
        return (), []
    names = {header_key(name) for name in (variable.name, *variable.aliases)}
    found = [(at, text, level) for at, text, _ in headers for level in _levels_in(text, names, variable)]
    codes = [text for _, text, level in found if level is None]
    facts = {"column": variable.name, "levels": ", ".join(variable.levels), "from_bundle": from_bundle}
    if codes:
        shown = ", ".join(f'"{shown_header(text)}"' for text in codes[:3])
        return (), [column_finding("group_needs_levels", variable.name, headers=shown, **facts)]
    levels = tuple((at, level) for at, _, level in found if level is not None)
    if len(levels) < (1 if variable.kind == "multi" else 2):
        return (), []
    shown = ", ".join(f'"{shown_header(text)}"' for _, text, _ in found[:3])
    return levels, [column_finding("group_read", variable.name, headers=shown, count=len(levels), **facts)]


def _levels_in(text: str, names: set[str], variable: Variable) -> Iterator[str | None]:
    """Yield the level that a column of yes and no is named after; None for a code or an unknown level."""
    if (coded := _CHOICE.fullmatch(text) or _REDCAP.fullmatch(text)) and header_key(coded["name"]) in names:
        yield variable.level_of.get(level_key(coded["level"])) if not coded["level"].strip().isdigit() else None
        return
    parts = re.split(r"[\s_:=./()\[\]-]+", plain_text(text))
    for i in range(1, len(parts)):
        if header_key("".join(parts[:i])) in names:
            level = variable.level_of.get(level_key(" ".join(parts[i:]).strip()))
            if level is not None and not parts[i].isdigit():
                yield level
                return


def _declared_group(
    variable: Variable, headers: Sequence[Header], group: Mapping[str, str]
) -> tuple[tuple[tuple[int, str], ...], list[Finding]]:
    by_key = {key: at for at, _, key in headers}
    absent = [column for column in group if header_key(column) not in by_key]
    wrong = [level for level in group.values() if level_key(level) not in variable.level_of]
    findings = []
    if absent:
        shown = ", ".join(f'"{shown_header(column)}"' for column in absent[:3])
        findings.append(column_finding("absent_group", variable.name, headers=shown, count=len(absent)))
    if wrong:
        facts = {"count": len(wrong), "are": "is" if len(wrong) == 1 else "are"}
        findings.append(
            column_finding("unknown_mapped_level", variable.name, **facts, accepted=", ".join(variable.levels))
        )
    if findings:
        return (), findings
    return tuple((by_key[header_key(c)], variable.level_of[level_key(level)]) for c, level in group.items()), []
