"""Columns that are not read, and yet hold the units or signs of a column that is, whatever they are called.

A name such as "AMH lab result in" says less than cells such as pmol/L: a column is judged by what it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poi_predict.cohort.columns import column_missing
from poi_predict.cohort.composed_cells import is_yes_no, read_sign
from poi_predict.cohort.lab_spelling import means_undetected, take_apart
from poi_predict.cohort.near_headers import holds_name
from poi_predict.cohort.rules import column_finding
from poi_predict.cohort.spelling import header_key, plain_text, shown_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poi_predict.cohort.findings import Finding
    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.mapping import ReadingSettings

    Texts = Sequence[str | None]

__all__ = ["column_of_rows", "find_unread"]


def find_unread(
    headers: Sequence[str], cells: Callable[[int], Texts], plans: Sequence[ColumnPlan], settings: ReadingSettings
) -> list[Finding]:
    """Find the columns not read that contradict the unit or the sign with which a column of numbers is read.

    Looked at are columns named after the variable, and those beside it that hold nothing but units or signs.

    Parameters
    ----------
    headers : sequence of str
        Column names as written.
    cells : callable
        The cells of a column by its position, all of them or the first.
    plans : sequence of ColumnPlan
        The columns that are read.
    settings : ReadingSettings
        The study's spellings of "missing" and the columns it ignores.

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> from poi_predict.cohort.headers import plan_columns
    >>> from poi_predict.cohort.mapping import ReadingSettings
    >>> headers, settings = ("AMH", "AMH lab result in"), ReadingSettings()
    >>> plans, _ = plan_columns(headers, read_codebook(), settings, ())
    >>> table = [("0.14", "0.05"), ("pmol/L", "ng/mL")]
    >>> find_unread(headers, lambda at: table[at], plans, settings)[0].message
    'amh is read in ng/mL; the column "AMH lab result in", which is not read, says otherwise in 1 of its 2 cells. ...'
    """
    read = {at for plan in plans for at in plan.positions}
    ignored = {header_key(name) for name in settings.ignore}
    numeric = [plan for plan in plans if plan.variable.is_numeric]
    findings = []
    for at, header in enumerate(headers):
        if at in read or header_key(header) in ignored | {""}:
            continue
        named = [plan for plan in numeric if holds_name(header, _names_of(plan))]
        beside = [plan for plan in numeric if abs(plan.position - at) == 1] if not named else []
        judged = [
            (plan, found)
            for plan in named or beside
            if (found := _judge(plan, header, cells(at), cells(plan.position), settings, named=bool(named)))
        ]
        if len(judged) == 1 or named:
            findings += [found for _, found in judged[:1]]
        elif judged:
            names, what = " or ".join(plan.variable.name for plan, _ in judged), judged[0][1].rule.split("_")[1]
            facts = {"header": shown_header(header), "variables": names, "what": what}
            findings.append(
                column_finding("unread_companion", judged[0][1].column, **facts, from_bundle=settings.from_bundle)
            )
    return findings


def column_of_rows(top: Sequence[tuple[int, tuple[str, ...]]]) -> Callable[[int], Texts]:
    """Return the cells of a column, by its position, in the first rows of a file; a short row has none."""
    return lambda at: [row[at] if at < len(row) else None for _, row in top]


def _names_of(plan: ColumnPlan) -> set[str]:
    return {header_key(name) for name in (plan.variable.name, *plan.variable.aliases, plan.header)}


def _judge(
    plan: ColumnPlan, header: str, beside: Texts, own: Texts, settings: ReadingSettings, *, named: bool
) -> Finding | None:
    """Return what a column says against the reading of the cells to which it belongs."""
    missing = column_missing(plan, settings)
    said = ["" if text is None or plain_text(text) in missing else plain_text(text) for text in beside]
    given = {text for text in said if text}
    if not given or any(take_apart(text) for text in given):
        return None
    facts = {"column": plan.shown, "header": shown_header(header), "total": sum(map(bool, said))}
    facts |= {
        "unit": plan.variable.unit if plan.factor == 1 else "the unit stated for it",
        "from_bundle": plan.from_bundle,
    }
    units = {text for text in given if plan.variable.knows_unit(text)}
    if plan.unit_position is None and units and (named or units == given):
        otherwise = sum(text in units and plan.variable.factor(text) != plan.factor for text in said)
        return _found("unread_unit", plan, otherwise, facts)
    signs = {text for text in given if read_sign(text, "sign", missing) in ("<", ">")}
    if plan.sign_position is not None or not plan.variable.censorable:
        return None
    if signs and (named or signs == given):
        otherwise = sum(text in signs and _is_bare(cell) for text, cell in zip(said, own, strict=True))
        return _found("unread_sign", plan, otherwise, facts)
    if named and all(map(is_yes_no, given)):
        name = plan.variable.name
        return column_finding("unread_companion", name, variables=name, what="sign", **facts)
    return None


def _found(rule: str, plan: ColumnPlan, count: int, facts: dict[str, object]) -> Finding | None:
    return column_finding(rule, plan.variable.name, count=count, **facts) if count else None


def _is_bare(cell: str | None) -> bool:
    """Whether a cell is a number without a sign of its own."""
    plain = plain_text(cell or "")
    parts = None if means_undetected(plain) else take_apart(plain)
    return parts is not None and not parts.sign
