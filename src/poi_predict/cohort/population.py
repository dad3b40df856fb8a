"""From the rows of a cohort to the rows that a model may learn from, with every loss counted.

Inclusion rules come first, in the order of the study; then the outcome. The attrition table tells at each
step how many rows left and how many rows, women and events remain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from poi_predict.cohort.endpoint import build_endpoint, classify_outcome
from poi_predict.cohort.findings import Findings
from poi_predict.cohort.outcome_losses import describe_unfollowed, find_outcome_breaches
from poi_predict.errors import CohortError, StudyError
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poi_predict.cohort.endpoint import Endpoint, EndpointSettings
    from poi_predict.cohort.findings import Finding
    from poi_predict.cohort.reading import Cohort

__all__ = ["FEWEST_PER_OUTCOME", "AnalysisSet", "InclusionRule", "build_analysis_set", "check_predictors"]

FEWEST_PER_OUTCOME = 2
"""Fewer women than this with, or without, the event leave nothing to compare or to resample."""
PUBLISHED_INSTEAD = (
    ' Published evidence carries a model without any event: primary = "evidence" in [models], with a '
    "section [evidence]."
)
_FEWEST_SHOWN = 5


@dataclass(frozen=True)
class InclusionRule:
    """Keep rows whose variable lies in a range, or among levels.

    Parameters
    ----------
    variable
        Canonical name.
    min, max
        Limits of a numeric variable, both included. A value below a detection limit counts as that limit.
    levels
        Levels of a category; of a variable with several levels at once, any of them suffices.
    missing
        Whether a row without the value stays (``include``) or goes (``exclude``).

    Raises
    ------
    StudyError
        When the rule is empty or contradicts itself.

    Examples
    --------
    >>> InclusionRule("age", min=18, max=40).text
    'age 18 to 40'
    >>> InclusionRule("aetiology", levels=("idiopathic", "autoimmune"), missing="exclude").text
    'aetiology idiopathic or autoimmune, known'
    >>> InclusionRule("age", min=40, max=18)
    Traceback (most recent call last):
    poi_predict.errors.StudyError: The inclusion rule on age must have min no larger than max; it has not.
    Exchange them.
    """

    variable: str
    min: float | None = None
    max: float | None = None
    levels: tuple[str, ...] = ()
    missing: Literal["include", "exclude"] = "include"

    def __post_init__(self) -> None:
        where = f"The inclusion rule on {self.variable}"
        if self.missing not in ("include", "exclude"):
            raise StudyError(f'{where} must have missing = "include" or "exclude". Choose one of them.')
        if self.is_range and self.levels:
            raise StudyError(f"{where} must name limits or levels; it names both. Leave one out.")
        if not self.is_range and not self.levels and self.missing == "include":
            raise StudyError(f"{where} must name min, max or levels; it names none. Add one.")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise StudyError(f"{where} must have min no larger than max; it has not. Exchange them.")

    @property
    def is_range(self) -> bool:
        """Whether the rule speaks of numbers."""
        return self.min is not None or self.max is not None

    @property
    def text(self) -> str:
        """The rule in words, by the variable's name."""
        return self.describe(self.variable)

    def describe(self, label: str, unit: str = "") -> str:
        """Return the rule in words, for the attrition table.

        >>> InclusionRule("fsh", min=25).describe("FSH", "IU/L")
        'FSH at least 25 IU/L'
        """
        words = label
        if self.min is not None and self.max is not None:
            words += f" {self.min:g} to {self.max:g}"
        elif self.min is not None:
            words += f" at least {self.min:g}"
        elif self.max is not None:
            words += f" at most {self.max:g}"
        elif self.levels:
            words += " " + " or ".join(self.levels)
        words += f" {unit}" if unit and self.is_range else ""
        return words + (", known" if self.missing == "exclude" else "")

    def keeps(self, data: pd.DataFrame) -> NDArray[np.bool_]:
        """Say of each row whether it stays.

        Raises
        ------
        StudyError
            When the cohort lacks the variable, or its values are not of the kind that the rule speaks of.
        """
        if self.variable not in data.columns:
            hint = suggest(self.variable, [name for name in map(str, data.columns) if "__" not in name])
            raise StudyError(
                f"An inclusion rule must name a variable of the cohort; {self.variable} is none{hint}. "
                "Map the clinic's column to it, or drop the rule."
            )
        column = data[self.variable]
        numeric = pd.api.types.is_numeric_dtype(column)
        if self.is_range and not numeric:
            raise StudyError(
                f"The inclusion rule on {self.variable} sets limits; the variable holds categories. "
                "Name levels instead."
            )
        missing = column.isna().to_numpy()
        kept = self._in_range(column) if self.is_range else self._in_levels(column)
        return np.where(missing, self.missing == "include", kept)

    def _in_range(self, column: pd.Series[float]) -> NDArray[np.bool_]:
        low = -np.inf if self.min is None else self.min
        high = np.inf if self.max is None else self.max
        return column.between(low, high).to_numpy(dtype=bool, na_value=False)

    def _in_levels(self, column: pd.Series[str]) -> NDArray[np.bool_]:
        if not self.levels:
            return np.ones(len(column), dtype=bool)
        if pd.api.types.is_numeric_dtype(column):  # a yes/no variable is held as 1.0 and 0.0
            names = column.map({1.0: "yes", 0.0: "no"})
            return names.isin(self.levels).to_numpy()
        wanted = set(self.levels)
        return np.array([isinstance(cell, str) and not wanted.isdisjoint(cell.split("+")) for cell in column])


@dataclass(frozen=True)
class AnalysisSet:
    """The rows a model may learn from.

    Parameters
    ----------
    data
        Canonical columns of the rows kept, RangeIndex.
    y_true
        1 response within the horizon, 0 none.
    weight
        Inverse-probability-of-censoring weights, mean 1.
    patient
        0-based number of the woman, in order of first appearance; rows of one woman share it.
    pseudonym
        ``W001`` … by `patient`: tells rows of one woman without telling who she is.
    centre
        Where she was treated; `None` when the cohort has no such column.
    attrition
        step, excluded_rows, remaining_rows, remaining_patients, remaining_events, note.
    n_censored
        Rows without the event whose follow-up ended before the horizon.
    eligible, status
        The rows that the inclusion rules kept, censored ones among them, and the outcome of each
        (`poi_predict.cohort.endpoint.Status`): for table one, never for learning.
    n_unfollowed
        Rows without the event whose follow-up is not stated: lost, not censored.
    n_undated
        Rows with an event of unknown month in women followed beyond the horizon.
    findings
        What is lost of the outcome, and what that does to the response; rows as in the source.
    """

    data: pd.DataFrame
    y_true: NDArray[np.int_]
    weight: NDArray[np.float64]
    patient: NDArray[np.int_]
    pseudonym: NDArray[np.str_]
    centre: NDArray[np.object_] | None
    attrition: pd.DataFrame
    n_censored: int
    eligible: pd.DataFrame
    status: NDArray[np.str_]
    n_unfollowed: int = 0
    n_undated: int = 0
    findings: Findings = field(default_factory=Findings)

    def describe_follow_up(self) -> str:
        """Say how many rows were censored or lost for want of follow-up, and who stands for them."""
        said = [self._describe_censored()]
        if self.n_unfollowed:
            said.append(
                f"{_count(self.n_unfollowed)} without an event have no follow-up and are lost, which makes the "
                "response look more frequent than it is."
            )
        if self.n_undated:
            stands = "undated_event" in {found.rule for found in self.findings} and not np.allclose(self.weight, 1)
            said.append(
                f"{_count(self.n_undated)} have an event of unknown month and a follow-up beyond the horizon; "
                + ("events of known month stand for them where these suffice." if stands else "they are left out.")
            )
        return " ".join(said)

    def _describe_censored(self) -> str:
        if not self.n_censored:
            lost = self.n_unfollowed or self.n_undated
            return "No woman was censored before the horizon." if not lost else "No follow-up ended before the horizon."
        if np.allclose(self.weight, 1):
            return f"{_count(self.n_censored)} were censored and left out; the others count alike."
        return (
            f"{_count(self.n_censored)} without an event were followed for less than the horizon. They are censored, "
            "not non-responders. Women with complete follow-up were weighted to represent them, by the inverse of the "
            f"Kaplan–Meier probability of being followed (weights {self.weight.min():.2f} to {self.weight.max():.2f})."
        )


def _count(n: int) -> str:
    """Return a number of rows for a page; a few would point at single women."""
    return f"{n} rows" if n >= _FEWEST_SHOWN else f"Fewer than {_FEWEST_SHOWN} rows"


def check_predictors(analysis: AnalysisSet, predictors: Sequence[str]) -> None:
    """Refuse rows from which nothing can be learnt.

    Raises
    ------
    CohortError
        When a predictor is unknown in every row analysed.
    """
    blank = [name for name in predictors if name not in analysis.data or analysis.data[name].isna().all()]
    if not blank:
        return
    n = len(analysis.data)
    if len(blank) == len(predictors):
        raise CohortError(
            f"The rows analysed must hold predictors; none of the {n} holds any. If predictors and outcome of a woman "
            "stand in different rows, join them, or say in [cohort.visits] which column names the visit."
        )
    raise CohortError(
        f"Every predictor must be known of some row analysed; {', '.join(blank)} {'is' if len(blank) == 1 else 'are'} "
        f"of none of the {n}. Fill the column, or take it out of predictors.use."
    )


def build_analysis_set(
    cohort: Cohort,
    rules: Sequence[InclusionRule],
    endpoint_settings: EndpointSettings,
    fewest: int = FEWEST_PER_OUTCOME,
) -> AnalysisSet:
    """Apply the inclusion rules in order, then the endpoint; keep rows whose outcome is known.

    Censored rows carry no weight of their own, so they leave too; with ``ipcw`` the women who were followed
    stand for them. The censoring distribution is that of the women included.

    Parameters
    ----------
    cohort : Cohort
    rules : sequence of InclusionRule
    endpoint_settings : EndpointSettings
    fewest : int
        Women that must have the event, and as many that must not; 0 for a model that stands on published evidence.

    Raises
    ------
    StudyError
        When a rule does not fit the cohort.
    CohortError
        When the outcome cannot be formed, or too few women with the event or without it are left.
    """
    data = cohort.data
    status = classify_outcome(data, endpoint_settings)
    log = _Attrition(_woman_codes(data), status == "event")
    kept = np.ones(len(data), dtype=bool)
    log.note("in the cohort", kept)
    for rule in rules:
        n_unknown = int((kept & data[rule.variable].isna().to_numpy()).sum()) if rule.variable in data else 0
        kept &= rule.keeps(data)
        variable = cohort.codebook.get(rule.variable)
        step = rule.describe(variable.label, variable.unit or "") if variable else rule.text
        fate = "kept" if rule.missing == "include" else "left out"
        log.note(step, kept, f"{n_unknown} without a value, {fate}" if n_unknown else "")
    if not kept.any():
        raise CohortError(
            f"The inclusion rules must leave rows to learn from; 0 of {len(data)} rows are left. Widen the rules."
        )
    included = kept
    endpoint = build_endpoint(data[included], endpoint_settings)
    weight = np.zeros(len(data))
    weight[kept] = endpoint.weight
    breaches = find_outcome_breaches(data[included], endpoint_settings, endpoint)
    for name, step, remark in _outcome_steps(endpoint_settings, endpoint):
        kept = kept & (status != name)
        log.note(step, kept, remark)
    patient = _codes(log.woman[kept])
    y_true = (status[kept] == "event").astype(int)
    findings = [each for found in breaches for each in found.findings(cohort.row_number[included])]
    _check_both_outcomes(patient, y_true, fewest, (endpoint, findings))
    analysed = data[kept].reset_index(drop=True)
    return AnalysisSet(
        data=analysed,
        y_true=y_true,
        weight=weight[kept],
        patient=patient,
        pseudonym=_pseudonyms(patient),
        centre=analysed["centre"].to_numpy(dtype=object) if "centre" in analysed else None,
        attrition=log.frame(),
        eligible=data[included].reset_index(drop=True),
        status=status[included],
        n_censored=int((endpoint.status == "censored").sum()),
        n_unfollowed=int((endpoint.status == "unfollowed").sum()),
        n_undated=int((endpoint.status == "undated").sum()),
        findings=Findings.of(findings),
    )


class _Attrition:
    """Counts what is left after each step."""

    def __init__(self, woman: NDArray[np.int_], event: NDArray[np.bool_]) -> None:
        self.woman = woman
        self._event = event
        self._rows: list[tuple[str, int, int, int, int, str]] = []

    def note(self, step: str, kept: NDArray[np.bool_], remark: str = "") -> None:
        remaining = int(kept.sum())
        before = self._rows[-1][2] if self._rows else remaining
        women, events = np.unique(self.woman[kept]).size, int((kept & self._event).sum())
        self._rows.append((step, before - remaining, remaining, women, events, remark))

    def frame(self) -> pd.DataFrame:
        columns = [
            "step",
            "excluded_rows",
            "remaining_rows",
            "remaining_patients",
            "remaining_events",
            "note",
        ]
        return pd.DataFrame(self._rows, columns=columns)


def _outcome_steps(settings: EndpointSettings, endpoint: Endpoint) -> list[tuple[str, str, str]]:
    """Return (status, step, note) of the losses to the outcome, in order."""
    steps = [("unknown", "outcome known", "")]
    if settings.horizon_months is None:
        return steps
    status, weighted = endpoint.status, settings.censoring == "ipcw"
    if (status == "unfollowed").any():
        steps.append(("unfollowed", "follow-up stated", f"no event, follow-up lost. {describe_unfollowed(endpoint)}"))
    if (status == "undated").any():
        steps.append(("undated", "month of the event stated", "events followed beyond the horizon; see the warning"))
    if settings.inconsistent == "exclude":
        steps.append(("inconsistent", "months consistent", "the months contradict each other"))
    remark = "represented by inverse-probability-of-censoring weights"
    if not weighted:
        remark = "left out without weights, which favours the therapy"
    censored = f"censored; {remark}" if (status == "censored").any() else ""
    steps.append(("censored", f"event, or followed for {settings.horizon_months:g} months", censored))
    return steps


def _woman_codes(data: pd.DataFrame) -> NDArray[np.int_]:
    """Return the woman of each row, by number; a row without an identifier is a woman of her own."""
    if "patient_id" not in data.columns:
        return np.arange(len(data))
    codes, names = pd.factorize(data["patient_id"])
    unnamed = codes < 0
    codes[unnamed] = len(names) + np.arange(unnamed.sum())
    return _codes(codes)


def _codes(values: NDArray[np.int_]) -> NDArray[np.int_]:
    """0-based codes in order of first appearance."""
    return np.asarray(pd.factorize(values)[0], dtype=int)


def _pseudonyms(patient: NDArray[np.int_]) -> NDArray[np.str_]:
    width = max(3, len(str(int(patient.max()) + 1)))
    return np.array([f"W{number + 1:0{width}d}" for number in patient.tolist()])


def _check_both_outcomes(
    patient: NDArray[np.int_], y_true: NDArray[np.int_], fewest: int, lost_by: tuple[Endpoint, Sequence[Finding]]
) -> None:
    women = {label: np.unique(patient[y_true == label]).size for label in (1, 0)}
    if len(patient) and min(women.values()) >= fewest:
        return
    endpoint, findings = lost_by
    losses = {"unknown": "have no outcome", "censored": "were followed for less than the horizon"}
    counts = {words: int((endpoint.status == name).sum()) for name, words in losses.items()}
    lost = " and ".join(f"{count} {words}" for words, count in counts.items() if count)
    raise CohortError(
        f"A model that learns from these women alone needs at least {FEWEST_PER_OUTCOME} with the event and "
        f"{FEWEST_PER_OUTCOME} without; {women[1]} with and {women[0]} without are left. "
        + (f"Of the rows included, {lost}." if lost else "Bring more women, or widen the inclusion rules.")
        + "".join(f" {finding.message}" for finding in findings)
        + (PUBLISHED_INSTEAD if len(patient) else "")
    )
