"""Every rule that a table can break, with the words in which it is reported.

A rule is a stable code, a severity, and a message that states the rule, what was found and the remedy. The
messages take a column name, a count and the codebook's own words: never a patient's value or identifier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from poi_predict.cohort.findings import Finding, Severity

if TYPE_CHECKING:
    import numpy as np

__all__ = ["RULES", "Rule", "column_finding", "row_findings"]


class Rule(NamedTuple):
    """One rule: how serious a breach is, and its message with places for the facts."""

    severity: Severity
    text: str


RULES: dict[str, Rule] = {
    # --- the table ----------------------------------------------------------------------------------------
    "unreadable": Rule("error", "{reason}"),
    "no_rows": Rule("error", "A cohort must hold at least one row; the table has a header only. Add rows."),
    "no_header": Rule(
        "error",
        "The first row must hold column names; here it holds numbers. Add a header row.",
    ),
    "wrong_delimiter": Rule(
        "error",
        "The table must have several columns; it has one, and its header holds {count} of the separator "
        '{separator}. Set cohort.delimiter = "{written}" or "auto".',
    ),
    "overlong_row": Rule(
        "error",
        "A row must not have more cells than the header; {rows} longer. Quote cells that hold the separator, or "
        "separate columns by semicolons where commas are decimal marks.",
    ),
    # --- columns ------------------------------------------------------------------------------------------
    "missing_column": Rule(
        "error", "{column} must be a column of the table; it is not there{near}. {remedy}"
    ),
    "unused_mapping": Rule(
        "warning",
        "{column} is mapped to a column that the table does not have{near}. Correct columns.{column}, or remove it.",
    ),
    "duplicated_header": Rule(
        "error",
        "{column} must be one column; {count} columns are called the same. Rename or remove the others.",
    ),
    "ambiguous_column": Rule(
        "error",
        "{column} must be one column; {count} columns could be it ({headers}). Name one of them in columns.{column}.",
    ),
    "unknown_unit": Rule(
        "error",
        "{column} must be in a known unit; the {place} names another one. Use one of {accepted}, or state the unit "
        "in columns.{variable}.unit.",
    ),
    "refused_unit": Rule("error", "{column} must not be in {unit}: {reason}. Use one of {accepted}."),
    "contradicting_unit": Rule(
        "error",
        "{column} must be in one unit; the study declares {declared} and the header says {unit}. Correct one.",
    ),
    "unit_assumed": Rule(
        "warning",
        "{column} states no unit, so {unit} is assumed. State it in the header or in columns.{variable}.unit.",
    ),
    "unknown_mapped_level": Rule(
        "error",
        "columns.{variable}.levels must map to levels of {variable}; {count} of its targets {are} none. Use {accepted}.",
    ),
    "all_missing": Rule(
        "error", "{column} must hold values; every one of the {total} rows is missing. {remedy}"
    ),
    "empty_column": Rule("warning", "{column} is missing in every one of the {total} rows."),
    # --- cells --------------------------------------------------------------------------------------------
    "not_a_number": Rule(
        "error",
        '{column} must be a number, "<limit" where a limit exists, or empty; {rows} none of these. Correct the '
        "cells, or list their spelling of missing in cohort.missing.",
    ),
    "ambiguous_decimal": Rule(
        "error",
        "{column} must be written so that the decimal mark is clear; {rows} readable in two ways. State "
        'columns.{variable}.decimal = "," or ".".',
    ),
    "unknown_cell_unit": Rule(
        "error",
        "{column} must be in a known unit; {rows} in another one. Use one of {accepted} in the cells.",
    ),
    "refused_cell_unit": Rule(
        "error",
        "{column} must be in a unit that can be converted; {rows} in a refused one. Use one of {accepted}.",
    ),
    "no_detection_limit": Rule(
        "error",
        "{column} below its detection limit needs the limit; {rows} below an unknown one. State "
        'columns.{variable}.detection_limit, or write "<limit" in the cells.',
    ),
    "not_censorable": Rule(
        "error",
        '{column} must be measured; {rows} given as "<limit" or undetectable. Correct or empty the cells.',
    ),
    "borrowed_limit": Rule(
        "warning",
        "{column} below its detection limit should state the limit; {rows} without one, and the smallest limit of "
        "the column is taken. State columns.{variable}.detection_limit.",
    ),
    "zero_recorded": Rule(
        "warning",
        "{column} cannot be zero, only undetectable; {rows} zero and taken as below the detection limit. Write "
        '"<limit" instead.',
    ),
    "above_limit": Rule(
        "warning",
        '{column} should be a number; {rows} given as ">limit", and the limit is taken as the value.',
    ),
    "unknown_level": Rule(
        "error",
        "{column} must be one of {accepted}; {rows} none of them. Correct the cells, or map their spelling in "
        "columns.{variable}.levels.",
    ),
    "contradicting_levels": Rule(
        "error", '{column} must not name "none" beside another level; {rows} so. Correct the cells.'
    ),
    "hard_range": Rule(
        "error",
        "{column} must lie between {low} and {high}{unit}; {rows} outside. Check the unit, correct the cells.",
    ),
    "whole_number": Rule("error", "{column} must be a whole number; {rows} not. Correct the cells."),
    "typical_range": Rule(
        "warning", "{column} usually lies between {low} and {high}{unit}; {rows} outside. Check these cells."
    ),
    # --- identity and origin ------------------------------------------------------------------------------
    "no_patient_id": Rule(
        "warning",
        "{column} is not in the table, so each row is taken as another woman. Add a column if this is wrong.",
    ),
    "empty_patient_id": Rule(
        "error", "{column} must name every woman; {rows} without a name. Fill the cells."
    ),
    "repeated_patient_id": Rule(
        "warning",
        "{column} repeats; {rows} of women named in an earlier row, and taken as one woman's treatments.",
    ),
    "similar_patient_id": Rule(
        "warning",
        "{column} should be written alike for one woman; {rows} like another row's but for case or spaces, and "
        "taken as another woman. Correct the cells if she is the same.",
    ),
    "mixed_origin": Rule(
        "error",
        "SYNTHETIC and clinic rows must not be in one table; {rows} SYNTHETIC and the others are not. Separate them.",
    ),
    # --- one cell against another -------------------------------------------------------------------------
    "event_before_treatment": Rule(
        "warning",
        "{column} should be counted from the treatment; {rows} negative, before it. Check these cells.",
    ),
    "event_without_month": Rule(
        "warning", "{column} should be given where {event} is yes; {rows} without it. Fill the cells."
    ),
    "month_without_event": Rule(
        "warning", "{column} should be empty where {event} is not yes; {rows} filled. Check both cells."
    ),
    "event_after_follow_up": Rule(
        "warning",
        "follow_up_months must not be shorter than {column}; {rows} so. Correct them, or set "
        'endpoint.inconsistent = "exclude".',
    ),
    "measured_after_follow_up": Rule(
        "warning", "{column} should not be later than follow_up_months; {rows} later. Check both cells."
    ),
    "birth_without_pregnancy": Rule(
        "warning",
        "live_birth yes should come with clinical_pregnancy yes; {rows} otherwise. Check both cells.",
    ),
    "amenorrhea_exceeds_age": Rule(
        "error",
        "amenorrhea_months must not be longer than the age; {rows} longer. Check the unit of both columns.",
    ),
    "amenorrhea_since_childhood": Rule(
        "warning",
        "amenorrhea_months should begin after the age of {menarche}; {rows} earlier. Check both cells.",
    ),
    "route_without_cells": Rule(
        "warning", "route should be none where cell_source is none; {rows} otherwise. Check both cells."
    ),
}


def column_finding(code: str, variable: str, /, **facts: object) -> Finding:
    """Return the finding that a column, or the table, as a whole breaks a rule.

    Facts fill the places of the rule's message; `column` may be given to show more than the variable's name.

    >>> column_finding("no_rows", "(table)").message
    'A cohort must hold at least one row; the table has a header only. Add rows.'
    """
    rule = RULES[code]
    text = rule.text.format(**{"column": variable, "variable": variable} | facts)
    return Finding(rule.severity, variable, code, text)


def row_findings(
    code: str, variable: str, broken: np.ndarray, row_number: np.ndarray, /, **facts: object
) -> list[Finding]:
    """Return the finding that rows of a column break a rule, or nothing if none does.

    Parameters
    ----------
    code : str
        Rule in `RULES`.
    variable : str
        Canonical name.
    broken : array of bool, shape (n,)
        Rows that break the rule.
    row_number : array of int, shape (n,)
        Number of each row in the source.
    **facts
        What else the message says; `column` may be given to show more than the name.

    Examples
    --------
    >>> found = row_findings("whole_number", "previous_births", np.array([False, True]), np.array([1, 2]))
    >>> found[0].message
    'previous_births must be a whole number; 1 of 2 rows is not. Correct the cells.'
    """
    rows = tuple(row_number[broken].tolist())
    if not rows:
        return []
    counted = f"{len(rows)} of {len(row_number)} rows {'is' if len(rows) == 1 else 'are'}"
    rule = RULES[code]
    text = rule.text.format(**{"column": variable, "variable": variable, "rows": counted} | facts)
    return [Finding(rule.severity, variable, code, text, rows)]
