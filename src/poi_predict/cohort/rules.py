"""Every rule that a table can break, with the words in which it is reported.

A rule is a stable code, a severity, and a message that states the rule, what was found and the remedy. The
messages take a column name, a count and the codebook's own words: never a patient's value or identifier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from poi_predict.cohort.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

__all__ = ["RULES", "Breach", "Rule", "column_finding", "row_findings", "row_message"]


class Rule(NamedTuple):
    """One rule: how serious a breach is, and its message with places for the facts.

    `in_file` is the message where a stored model reads the table: there is no study then in which to declare anything.
    """

    severity: Severity
    text: str
    in_file: str = ""


class Breach(NamedTuple):
    """Rows of a column that break a rule, and what else the rule's message says."""

    variable: str
    rule: str
    rows: np.ndarray  # of bool
    facts: Mapping[str, object]

    @property
    def is_error(self) -> bool:
        """Whether the rows cannot be used."""
        return RULES[self.rule].severity == "error"

    def findings(self, row_number: np.ndarray) -> list[Finding]:
        """Return the breach as a finding, or nothing if no row breaks the rule."""
        return row_findings(self.rule, self.variable, self.rows, row_number, **self.facts)


_TABLE = {
    "unreadable": Rule("error", "{reason}"),
    "no_rows": Rule("error", "A cohort must hold at least one row; the table has a header only. Add rows."),
    "no_header": Rule("error", "The first row must hold column names; it holds numbers. Add a header row."),
    "wrong_delimiter": Rule(
        "error",
        "The table must have several columns; it has one, whose header holds {separator}. Set "
        'cohort.delimiter = "{written}" or "auto".',
    ),
    "overlong_row": Rule(
        "error",
        "A row must not have more cells than the header; {rows} longer. Put cells that hold the "
        "separator in quotes, or separate columns by semicolons where the comma is the decimal mark.",
    ),
    "header_below": Rule(
        "error",
        "The first row must hold column names; they seem to be in row {row}. Set cohort.header_row = {row}, or delete "
        "the rows above it.",
    ),
    "wrong_header_row": Rule(
        "error",
        "cohort.header_row must be the row of the column names; it leads to row {declared}, and they seem to be in row "
        "{row}. Correct it, or the rows above them.",
    ),
    "units_below": Rule(
        "error",
        "The row under the column names must be a woman's; row {row} holds units. Write each unit into its column's "
        'name, such as "AMH (ng/mL)", and delete the row.',
    ),
    "short_rows": Rule(
        "error",
        "Rows must have as many cells as the header; {count} of {total} have fewer. Check that header and rows have "
        "the same separator, or export the table again.",
    ),
    "short_row": Rule(
        "warning",
        "A row should have as many cells as the header; {rows} shorter, and the cells that are not there are taken as "
        "empty. Check that these rows were not cut short.",
    ),
    "summary_row": Rule(
        "error", "A row must be one woman's treatment; {rows} a summary, such as a mean, a total or a count. Delete it."
    ),
    "note_row": Rule(
        "error",
        "A row must be one woman's treatment; {rows} hardly filled: a note, a heading, another table, or a woman of "
        "whom nothing is recorded. Delete it, or fill it.",
    ),
    "repeated_header": Rule("error", "A row must be one woman's treatment; {rows} the header once more. Delete it."),
    "left_out_summary_row": Rule(
        "warning",
        "A row should be one woman's treatment; {rows} a summary, such as a mean, a total or a count, and left out. "
        "Delete it, or rename the woman if it is one.",
    ),
    "left_out_note_row": Rule(
        "warning",
        "A row should be one woman's treatment; {rows} hardly filled (a note, a heading, another table, or a woman of "
        "whom nothing is recorded), and left out. Delete it, or fill it.",
    ),
    "left_out_repeated_header": Rule(
        "warning", "A row should be one woman's treatment; {rows} the header once more, and left out. Delete it."
    ),
    "hidden_row": Rule(
        "warning",
        "Rows should be in sight; {rows} hidden or filtered out in the sheet, and read all the same. Delete them if "
        "they do not belong to the cohort.",
    ),
    "hidden_columns": Rule(
        "warning",
        "Columns should be in sight; {count} hidden in the sheet ({names}), and read all the same where the study uses "
        "them. Delete them if they are old.",
    ),
    "merged_cells": Rule(
        "warning",
        "Each row should have cells of its own; {count} cells are part of ones merged over rows, and take the merged "
        "value. Unmerge and fill them if that is not what is meant.",
    ),
    "sheet_chosen": Rule(
        "warning",
        'A workbook should hold one sheet; "{sheet}" is read, and {others} not. Name another in cohort.sheet if that '
        "is the wrong one.",
    ),
    "equal_rows": Rule(
        "error",
        "A row must differ from every other; {rows} equal to an earlier one in every cell. Delete them, or set "
        'cohort.duplicates = "drop".',
    ),
    "equal_rows_read": Rule(
        "warning",
        "A row should differ from every other; {rows} equal to an earlier one in every cell. Delete them if they are "
        "copies.",
    ),
    "dropped_equal_rows": Rule(
        "warning",
        "A row should differ from every other; {rows} equal to an earlier one in every cell, and left out as "
        'cohort.duplicates = "drop" declares.',
    ),
    "equal_unnamed_rows": Rule(
        "warning",
        "A row should differ from every other; {rows} equal to an earlier one in every cell, and the table names no "
        "woman. Delete them if they are copies.",
    ),
    "mixed_origin": Rule(
        "error",
        "SYNTHETIC and clinic rows must not be in one table; {count} of {total} rows are SYNTHETIC. Separate them.",
    ),
}
_COLUMNS = {
    "missing_column": Rule("error", "{column} must be a column of the table; it is not there{near}. {remedy}"),
    "absent_column": Rule(
        "warning", "{column} should be a column of the table; it is not there, so unknown in every row. {remedy}"
    ),
    "unused_mapping": Rule(
        "warning",
        "{column} should be a column of the table, as it is mapped; it is not there{near}. Correct or "
        "remove columns.{column}.",
    ),
    "possible_column": Rule(
        "warning",
        "{column} is in no column; {headers} could be it, but the name says more, so it is not read. Name it in "
        "columns.{variable} if it is.",
        "{column} is in no column; {headers} could be it, but the name says more, so it is not read. Name the column "
        "{variable} if it is.",
    ),
    "possible_column_needed": Rule(
        "error",
        "{column} must be a column of the table; {headers} could be it, but the name says more (another time, person, "
        "side or basis?), so it is not read. Name it in columns.{variable} if it is.",
        "{column} must be a column of the table; {headers} could be it, but the name says more (another time, person, "
        "side or basis?), so it is not read. Name the column {variable} if it is.",
    ),
    "other_column": Rule(
        "warning",
        '{column} is read from "{read}"; {others} could be it as well. Name the right one in columns.{variable}, or '
        "put the others into cohort.ignore.",
        '{column} is read from "{read}"; {others} could be it as well. Remove the wrong one if that is not right.',
    ),
    "left_out_column": Rule(
        "error",
        'columns.{variable} = "" leaves {column} out, but the study uses it. Remove that line, or the variable from '
        "the study.",
    ),
    "companion_read": Rule(
        "warning",
        '{column} takes its {what} from the column "{header}". Put that into cohort.ignore if it is something else.',
        '{column} takes its {what} from the column "{header}". Rename that if it is something else.',
    ),
    "ambiguous_companion": Rule(
        "error",
        "{column} must have one column for its {what}; not so with {headers}. Name it in "
        "columns.{variable}.{what}_column, or put the others into cohort.ignore.",
        "{column} must have one column for its {what}; not so with {headers}. Remove the others.",
    ),
    "unread_companion": Rule(
        "warning",
        'There is a column "{header}" that is not read; it may hold the {what} of {variables}. Name it in '
        "columns.{variable}.{what}_column, or put it into cohort.ignore.",
        'There is a column "{header}" that is not read; it may hold the {what} of {variables}. Write the {what} into '
        "the cells.",
    ),
    "unread_unit": Rule(
        "error",
        '{column} is read in {unit}; the column "{header}", which is not read, says otherwise in {count} of '
        "its {total} cells. Name it in columns.{variable}.unit_column, or put it into cohort.ignore if it is something "
        "else.",
        '{column} is read in {unit}; the column "{header}", which is not read, says otherwise in {count} of '
        "its {total} cells. Write the unit into the cells of {column}, or remove that column.",
    ),
    "unread_sign": Rule(
        "error",
        '{column} is read as measured; the column "{header}", which is not read, says otherwise in {count} of '
        "its {total} cells. Name it in columns.{variable}.sign_column, or put it into cohort.ignore if it is something "
        "else.",
        '{column} is read as measured; the column "{header}", which is not read, says otherwise in {count} of its '
        "{total} cells. Write the sign into the cells of {column}, or remove that column.",
    ),
    "group_read": Rule(
        "warning",
        "{column} is put together from {count} columns of yes and no ({headers}). Declare them in "
        "columns.{variable}.group, or put them into cohort.ignore if that is wrong.",
        "{column} is put together from {count} columns of yes and no ({headers}). Rename them if that is wrong.",
    ),
    "group_needs_levels": Rule(
        "error",
        "{column} seems to stand in columns of yes and no ({headers}) whose names do not say for which level. Say it "
        'in columns.{variable} = {{ group = {{ "column" = "level", … }} }} with {levels}.',
        "{column} seems to stand in columns of yes and no ({headers}) whose names do not say for which level. Write "
        "one column {variable} with {levels}.",
    ),
    "absent_group": Rule(
        "error",
        "columns.{variable}.group must name columns of the table; {count} of them not there ({headers}). Correct it.",
        "{column} stands in columns of yes and no; {count} of them not there ({headers}). Add them.",
    ),
    "duplicated_header": Rule(
        "error", "{column} must be one column; {count} columns have its name. Rename or remove the others."
    ),
    "ambiguous_column": Rule(
        "error",
        "{column} must be one column; {count} could be it ({headers}). Name one of them in columns.{variable}.",
        "{column} must be one column; {count} could be it ({headers}). Remove or rename the others.",
    ),
    "unknown_unit": Rule(
        "error",
        "{column} must be in a known unit; the one that the {place} names is not. Use one of "
        "{accepted}, in the header or in columns.{variable}.unit.",
        "{column} must be in a known unit; the one that the {place} names is not. Use one of {accepted} in the header.",
    ),
    "refused_unit": Rule("error", "{column} must not be in {unit}: {reason}. Use one of {accepted}."),
    "contradicting_unit": Rule(
        "error",
        "{column} must be in one unit; the study declares {declared} and the header says {unit}. Correct one.",
    ),
    "unit_assumed": Rule(
        "warning",
        "{column} should state its unit; it does not, and {unit} is assumed. State it in the header or "
        "in columns.{variable}.unit.",
        "{column} should state its unit; it does not, and {unit} is assumed. State it in the header.",
    ),
    "unknown_mapped_level": Rule(
        "error",
        "columns.{variable}.levels must map to levels of {variable}; {count} of its targets {are} none."
        " Use {accepted}.",
    ),
    "looks_like_other_unit": Rule(
        "warning",
        "{column} is read in {assumed}, and most of its {count} values are not between the usual {low} and {high}; in "
        "{likely} they would be. State the unit in the header or in columns.{variable}.unit, right as it may be.",
        "{column} is read in {assumed}, and most of its {count} values are not between the usual {low} and {high}; in "
        "{likely} they would be. State the unit in the header, right as it may be.",
    ),
    "taken_as_missing": Rule(
        "warning",
        "{column} should hold values; {rows} taken as missing, since {place} lists them. Check that count.",
    ),
    "unused_missing": Rule(
        "warning",
        "{place} lists spellings that no cell of {column} has, or that mean a level there: {listed}. Correct or remove "
        "them.",
    ),
    "all_missing": Rule(
        "error",
        "{column} must hold values, as the study uses it; no usable one is in the {total} rows. Fill the "
        "column, or leave it out of the study.",
    ),
    "skewed_variable": Rule(
        "warning",
        "{column} should not be skewed so that a few women weigh more than the rest; it is, and is used as it is. Set "
        'transform = "log" (or "sqrt") in [variables.{column}], or "none" to leave it so.',
    ),
    "empty_column": Rule(
        "warning", "{column} should hold values; no usable one is in the {total} rows. Fill it if you can."
    ),
}
_CELLS = {
    "not_a_number": Rule(
        "error",
        '{column} must be a number, "<limit" where it may be below detection, or empty; {rows} none of '
        "these. Correct the cells, or list their spelling in columns.{variable}.missing.",
        '{column} must be a number, "<limit" where it may be below detection, or empty; {rows} none of these. Correct '
        "or empty the cells.",
    ),
    "looks_like_date": Rule(
        "error",
        "{column} must be a number of months since the treatment; {rows} written like a date (month.year). Count the "
        "months from the treatment.",
    ),
    "unknown_sign": Rule(
        "error",
        '{column} must have a sign that can be read ("<", ">" or none); {rows} beside something else. '
        "Correct the cells, or put the column of signs into cohort.ignore.",
        '{column} must have a sign that can be read ("<", ">" or none); {rows} beside something else. '
        "Correct the cells.",
    ),
    "several_levels": Rule("error", "{column} can have one level only; {rows} with several ticked. Correct the boxes."),
    "ambiguous_decimal": Rule(
        "error",
        "{column} must leave no doubt about its decimal mark; {rows} readable in two ways. State "
        'columns.{variable}.decimal = "," or ".".',
        "{column} must leave no doubt about its decimal mark; {rows} readable in two ways. Write the numbers with the "
        "point, and without separators of thousands.",
    ),
    "ambiguous_power": Rule(
        "error",
        "{column} must leave no doubt about powers of ten; {rows} written like 10e6, which is ten million but often "
        "stands for one million. Write 1e6 or 1e7.",
    ),
    "unknown_cell_unit": Rule(
        "error",
        "{column} must be in known units; {rows} in another one. Use one of {accepted} inside the cells, or none.",
    ),
    "refused_cell_unit": Rule(
        "error", "{column} must be in units that can be converted; {rows} not. Use one of {accepted}."
    ),
    "no_detection_limit": Rule(
        "error",
        "{column} below its detection limit, zero included, must come with the limit; {rows} without, "
        "and no cell of the column gives one. State columns.{variable}.detection_limit, or write "
        '"<limit" in the cells.',
        "{column} below its detection limit, zero included, must come with the limit; {rows} without, and no cell of "
        'the column gives one. Write "<limit" in the cells, such as "<0.01".',
    ),
    "not_censorable": Rule(
        "error",
        '{column} must be a plain number; {rows} given as "<limit" or undetectable. Correct or empty the cells.',
    ),
    "borrowed_limit": Rule(
        "warning",
        "{column} below its detection limit should come with the limit; {rows} without, and the "
        "smallest limit of the column is taken. State columns.{variable}.detection_limit.",
        "{column} below its detection limit should come with the limit; {rows} without, and the smallest limit of the "
        'column, or else the one usual in training, is taken. Write "<limit" in the cells.',
    ),
    "zero_recorded": Rule(
        "warning",
        "{column} cannot be zero, only undetectable; {rows} zero, and taken as below the detection "
        'limit. Write "<limit" instead.',
    ),
    "above_limit": Rule(
        "warning",
        '{column} should be a plain number; {rows} given as ">limit", and the limit is taken as the '
        "value. Enter the diluted result if there is one.",
    ),
    "formula_without_result": Rule(
        "error",
        "{column} must hold values; {rows} a formula whose result is not in the file. Open the file in a spreadsheet "
        "program and save it, or paste the values.",
    ),
    "cell_error": Rule(
        "error",
        "{column} must hold values; {rows} an error of the spreadsheet program, such as #REF!. Correct or empty the "
        "cells.",
    ),
    "not_available": Rule(
        "warning",
        '{column} should hold values; {rows} #N/A ("not available"), and taken as missing. Check the formulas if they '
        "looked something up.",
    ),
    "merged_across": Rule(
        "error",
        "{column} must have a cell of its own in each row; {rows} merged with another column. Unmerge and fill "
        "the cells.",
    ),
    "other_unit": Rule(
        "warning",
        "{column} should be in one unit; {rows} in another ({units}), and converted to {unit}. Check that count.",
    ),
    "unit_cell_empty": Rule(
        "warning",
        "{column} takes its units from another column; {rows} without one there, and {unit} is assumed. Fill them.",
    ),
    "floor_without_sign": Rule(
        "warning",
        '{column} should be "<limit" where it is below detection; {rows} at exactly the smallest value, far more than '
        'at any other: it is taken as measured. Write "<limit" if it is the limit.',
    ),
    "unknown_level": Rule(
        "error",
        "{column} must be one of {accepted}; {rows} none of them. Correct the cells, or map their "
        "spellings in columns.{variable}.levels.",
        "{column} must be one of {accepted}; {rows} none of them. Correct the cells.",
    ),
    "unknown_origin": Rule(
        "warning",
        "{column} says where rows come from ({accepted}); {rows} none of these, and taken as real women. Put the "
        "column into cohort.ignore if it means something else.",
        "{column} says where rows come from ({accepted}); {rows} none of these, and taken as real women. Nothing "
        "to do if they are.",
    ),
    "contradicting_levels": Rule(
        "error", '{column} must not hold "none" beside another level; {rows} like that. Correct the cells.'
    ),
    "hard_range": Rule(
        "error",
        "{column} must lie between {low} and {high}{unit}; {rows} outside. Check the unit and the cells.",
    ),
    "whole_number": Rule("error", "{column} must be a whole number; {rows} not. Correct the cells."),
    "typical_range": Rule(
        "warning", "{column} usually lies between {low} and {high}{unit}; {rows} outside. Check these cells."
    ),
    "typical_range_most": Rule(
        "warning",
        "{column} usually lies between {low} and {high}{unit}; {count} of {total} rows are outside. Check the unit and "
        "the column; where these women do differ, set columns.{variable}.typical.",
        "{column} usually lies between {low} and {high}{unit}; {count} of {total} rows are outside. Check the unit and "
        "the column.",
    ),
}
_IDENTITY = {
    "respelt_centre": Rule(
        "warning",
        "{column} should be written alike for one centre; {rows} in another case, with other spaces or punctuation, "
        "and taken as the centre first written so. Correct the cells if they are of another.",
    ),
    "similar_centre": Rule(
        "warning",
        "{column} should be written alike for one centre; {rows} like another but for punctuation or zeros, "
        "and taken as other centres. Correct the cells, or map the spellings in columns.{variable}.levels.",
        "{column} should be written alike for one centre; {rows} like another but for punctuation or zeros, "
        "and taken as other centres. Correct the cells.",
    ),
    "no_patient_id": Rule(
        "warning",
        "{column} should name every woman; the table has no such column, and each row is taken as "
        "another woman. Add it if some rows are of the same woman.",
    ),
    "empty_patient_id": Rule("error", "{column} must name every woman; {rows} without a name. Fill the cells."),
    "repeated_patient_id": Rule(
        "warning",
        "{column} should be new in each row; {rows} of women named before, and taken as their further "
        "treatments. Correct the cells if they are other women.",
    ),
    "rounded_patient_id": Rule(
        "error",
        "{column} must be whole; {rows} like a long number rounded by a spreadsheet program, such as 1.23E+12, and so "
        "shared by other women. Export the column as text.",
    ),
    "truncated_patient_id": Rule(
        "error",
        "{column} must be whole; {count} of {total} identifiers of 16 digits and more end in zeros, as a spreadsheet "
        "program leaves them beyond the fifteenth digit. Export the column as text.",
    ),
    "date_patient_id": Rule(
        "warning",
        "{column} should name a woman; {rows} a date, into which spreadsheet programs turn names such as 3-12. Check "
        "these cells.",
    ),
    "contradicting_courses": Rule(
        "warning",
        "Rows of one {column} should be of one woman; {rows} contradicting an earlier one in {differing}. Correct the "
        "identifiers if they are other women.",
    ),
    "similar_patient_id": Rule(
        "warning",
        "{column} should be written alike for one woman; {rows} like another but for case or spaces, "
        "and taken as other women. Correct the cells if they are the same.",
    ),
}
_CONSISTENCY = {
    "event_before_treatment": Rule(
        "warning",
        "{column} should count from the treatment; {rows} negative, so before it. Check these cells.",
    ),
    "event_without_month": Rule(
        "warning", "{column} should be given where {event} is yes; {rows} without it. Fill the cells."
    ),
    "month_without_event": Rule(
        "warning", "{column} should be empty where {event} is not yes; {rows} filled. Check both cells."
    ),
    "event_after_follow_up": Rule(
        "warning",
        "follow_up_months must not be shorter than {column}; {rows}. Correct them, or set "
        'endpoint.inconsistent = "exclude".',
    ),
    "measured_after_follow_up": Rule(
        "warning", "{column} should not be later than follow_up_months; {rows}. Check both cells."
    ),
    "birth_without_pregnancy": Rule(
        "warning",
        "clinical_pregnancy should be yes where live_birth is yes; {rows} otherwise. Check both cells.",
    ),
    "amenorrhea_exceeds_age": Rule(
        "error",
        "amenorrhea_months must not be longer than the age; {rows}. Check the unit of both columns.",
    ),
    "amenorrhea_since_childhood": Rule(
        "warning",
        "amenorrhea_months should not reach back before the age of {menarche} years; {rows} doing so. "
        "Check both cells.",
    ),
    "dose_without_cells": Rule(
        "error",
        "dose_cells must be empty or 0 where cell_source is none; {rows} otherwise, so she had cells or had none. "
        'Correct the cells, or say columns.cell_source.missing = ["None"] where that word means "not recorded".',
        "dose_cells must be empty or 0 where cell_source is none; {rows} otherwise. Correct the cells, and leave "
        "cell_source empty where it was not recorded.",
    ),
    "cells_without_route": Rule(
        "warning", "route should not be none where cell_source is given; {rows} otherwise. Check both cells."
    ),
    "route_without_cells": Rule(
        "warning", "route should be none where cell_source is none; {rows} otherwise. Check both cells."
    ),
}
_VISITS = {
    "no_visit_column": Rule(
        "warning",
        'cohort.visits should name a column of the table; "{column}" is not there once. Correct it, or remove the '
        "section where each woman has one row.",
    ),
    "visits_joined": Rule(
        "warning",
        "The {count} rows are visits of {women} women and are joined to one row each: what is known before treatment "
        "from the baseline visit alone, the outcome from all. Name the column and its baseline in [cohort.visits] if "
        "that is wrong, or put the column into cohort.ignore.",
    ),
    "several_baseline_visits": Rule(
        "error",
        "Each woman must have one baseline visit; {rows} a further one. Leave one, or give each treatment an "
        "identifier of its own.",
    ),
    "no_baseline_visit": Rule(
        "error", "Each woman must have a baseline visit; {rows} of women without one. Add it, or remove the rows."
    ),
    "visits_disagree": Rule(
        "error",
        "{column} must be the same in all visits of a woman that state it; {rows} otherwise. Leave the value that "
        "counts in one visit.",
    ),
    "follow_up_visit": Rule(
        "error",
        "A row to be scored must be from before treatment; {rows} of another visit. Nothing to do if the woman's "
        "baseline row is scored.",
    ),
    "divided_woman": Rule(
        "error",
        "Predictors and outcome of a woman must stand in one row; {rows} of an outcome whose predictors stand in "
        "another one. Join the rows of each woman, or say in [cohort.visits] which column names the visit and what it "
        "says at baseline.",
    ),
    "row_without_predictor": Rule(
        "error", "A row must hold at least one predictor of the model; {rows} without any. Fill or remove the row."
    ),
}
_OUTCOME = {
    "horizon_tolerance": Rule(
        "warning",
        "{column} and the month of the event are compared with {horizon} months within two days or 0.5 % (365 days, 52 "
        "weeks): {least} to {most} months is the horizon; {rows} taken so. Nothing to do if that is what is meant.",
    ),
    "nearly_followed": Rule(
        "warning",
        "{column} must reach {horizon} months where {event} is no; {rows} short of it by less than a twentieth, and "
        "censored. If 360 days, say, mean {horizon} months there, write the months.",
    ),
    "no_follow_up": Rule(
        "warning",
        "{column} must be given where {event} is no; {rows} without it and lost, since nobody knows how long these "
        "women were followed. {effect} Fill the cells; if every woman was seen at the horizon, leave event_month, "
        "follow_up and horizon_months out of [endpoint].",
    ),
    "no_outcome": Rule(
        "warning",
        "{column} must say yes or no; {rows} without it and lost. {effect} Fill the cells, with no where that is what "
        "an empty cell means.",
    ),
    "undated_event": Rule(
        "warning",
        "{column} must be given where {event} is yes and follow-up is not shorter than {horizon} months; {rows} "
        "without it: {effect} Fill the cells.",
    ),
}
RULES: dict[str, Rule] = _TABLE | _COLUMNS | _CELLS | _IDENTITY | _CONSISTENCY | _VISITS | _OUTCOME


def column_finding(code: str, variable: str, /, **facts: object) -> Finding:
    """Return the finding that a column, or the table, as a whole breaks a rule.

    Facts fill the places of the rule's message; `column` may be given to show more than the variable's name.

    >>> column_finding("no_rows", "(table)").message
    'A cohort must hold at least one row; the table has a header only. Add rows.'
    """
    rule = RULES[code]
    return Finding(rule.severity, variable, code, _message(rule, variable, facts))


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
        What else the message says; `column` may be given to show more than the variable's name.

    Examples
    --------
    >>> import numpy as np
    >>> broken, row_number = np.array([False, True]), np.array([1, 2])
    >>> row_findings("whole_number", "previous_births", broken, row_number)[0].message
    'previous_births must be a whole number; 1 of 2 rows is not. Correct the cells.'
    """
    rows = tuple(row_number[broken].tolist())
    if not rows:
        return []
    rule = RULES[code]
    counted = f"{len(rows)} of {len(row_number)} rows {'is' if len(rows) == 1 else 'are'}"
    return [Finding(rule.severity, variable, code, _message(rule, variable, facts | {"rows": counted}), rows)]


def row_message(code: str, variable: str, /, **facts: object) -> str:
    """Return what a stored model says of one row that breaks a rule: no count, so that such rows get the same words.

    >>> row_message("whole_number", "previous_births")
    'previous_births must be a whole number; this row is not. Correct the cells.'
    >>> row_message("unknown_level", "amenorrhea_type", accepted="primary, secondary")
    'amenorrhea_type must be one of primary, secondary; this row is none of them. Correct the cells.'
    """
    return _message(RULES[code], variable, facts | {"rows": "this row is", "from_bundle": True})


def _message(rule: Rule, variable: str, facts: dict[str, object]) -> str:
    text = rule.in_file if facts.get("from_bundle") and rule.in_file else rule.text
    return text.format(**{"column": variable, "variable": variable} | facts)
