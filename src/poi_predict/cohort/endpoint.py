"""From event, event month and follow-up to a response within a horizon, with censoring handled.

A woman without the event who was followed for less than the horizon is *censored*: nobody knows whether she
would have responded. Counting her as a non-responder makes the therapy look worse than it is, leaving her out
makes it look better. Weighting those who were followed by the inverse of their probability of being followed
does neither, as long as follow-up does not depend on the response.

Follow-up is written in days, weeks or rounded months, so a year is 365 days, 52 weeks or 11.99 months: what lies
within `compute_tolerance` of the horizon is at the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from poi_predict.errors import CohortError, StudyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Endpoint",
    "EndpointSettings",
    "Status",
    "build_endpoint",
    "check_outcome_column",
    "classify_outcome",
    "compute_censoring_survival",
    "compute_tolerance",
    "count_representatives",
]

Status = Literal["event", "no_event", "censored", "unknown", "unfollowed", "undated", "inconsistent"]

DAYS_A_MONTH = 30.4375
TOLERANCE_DAYS, TOLERANCE_SHARE = 2, 0.005
# Fewer dated events, or more than two undated ones to each, would hang the result on single women.
FEWEST_DATED, MOST_UNDATED_TO_ONE = 5, 2


@dataclass(frozen=True)
class EndpointSettings:
    """What counts as a response, and by when.

    Parameters
    ----------
    event
        The variable that holds the event: 0/1, or a number compared with `at_most` and `at_least`.
    event_month, follow_up
        Variables that hold the month of the event and the months followed, both from the index date.
    horizon_months
        The response must come within so many months; `None` when the endpoint has no time.
    at_most, at_least
        A numeric `event` counts when it is no more, or no less, than this (six oocytes or fewer).
    censoring
        ``ipcw`` weights by the inverse probability of being followed; ``exclude`` drops censored women.
    inconsistent
        ``error`` refuses rows whose months contradict each other; ``exclude`` drops and counts them.
    name, label
        How files and people call the endpoint.
    favourable
        Whether the event is what one hopes for. The field's directions (higher FSH never helps) speak of a
        good outcome, and are turned round for an event such as a poor response.

    Raises
    ------
    StudyError
        When the parts contradict one another.

    Examples
    --------
    >>> EndpointSettings("menses_resumed", None, "follow_up_months", 12)
    Traceback (most recent call last):
    poi_predict.errors.StudyError: endpoint.event_month and endpoint.follow_up must be named when
    endpoint.horizon_months is set. Name both, or leave out horizon_months.
    """

    event: str
    event_month: str | None = None
    follow_up: str | None = None
    horizon_months: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    censoring: Literal["ipcw", "exclude"] = "ipcw"
    inconsistent: Literal["error", "exclude"] = "error"
    name: str = ""
    label: str = ""
    favourable: bool = True

    def __post_init__(self) -> None:
        if not self.event:
            raise StudyError("endpoint.event must name a variable; it is empty. Name the outcome.")
        if self.censoring not in ("ipcw", "exclude"):
            raise StudyError('endpoint.censoring must be "ipcw" or "exclude". Choose one of them.')
        if self.inconsistent not in ("error", "exclude"):
            raise StudyError('endpoint.inconsistent must be "error" or "exclude". Choose one of them.')
        self._check_time()
        if self.at_most is not None and self.at_least is not None and self.at_most < self.at_least:
            raise StudyError(
                f"endpoint.at_least must not exceed endpoint.at_most; {self.at_least:g} exceeds "
                f"{self.at_most:g}. Exchange them."
            )

    def _check_time(self) -> None:
        if self.horizon_months is None:
            if self.event_month or self.follow_up:
                raise StudyError(
                    "endpoint.horizon_months must be set when endpoint.event_month or endpoint.follow_up is "
                    "named. Set it, or leave out both."
                )
            return
        if not (np.isfinite(self.horizon_months) and self.horizon_months > 0):
            raise StudyError("endpoint.horizon_months must be a positive number of months. Use 12, say.")
        if not (self.event_month and self.follow_up):
            raise StudyError(
                "endpoint.event_month and endpoint.follow_up must be named when endpoint.horizon_months is "
                "set. Name both, or leave out horizon_months."
            )

    @property
    def defining_variables(self) -> tuple[str, ...]:
        """The variables that define the outcome, and so can never predict it."""
        return tuple(name for name in (self.event, self.event_month, self.follow_up) if name)


@dataclass(frozen=True)
class Endpoint:
    """The response of each row.

    Parameters
    ----------
    y_true
        1 event within the horizon, 0 none, NaN where nobody knows.
    weight
        Weight of each row in estimation: 0 where `y_true` is NaN, and a mean of 1 over the others. All 1
        without censoring.
    status
        ``event``, ``no_event``, ``censored`` (follow-up ended too early), ``unknown`` (event not stated),
        ``unfollowed`` (no event, follow-up not stated), ``undated`` (event of unknown month, follow-up longer than
        the horizon or not stated) or ``inconsistent`` (months that contradict each other).
    """

    y_true: NDArray[np.float64]
    weight: NDArray[np.float64]
    status: NDArray[np.str_]


def build_endpoint(data: pd.DataFrame, settings: EndpointSettings) -> Endpoint:
    """Classify each row and weight those whose outcome is known.

    With `censoring` ``ipcw`` a row weighs 1 / G(min(T, horizon)−): G is the Kaplan–Meier probability of still
    being followed, T the month of the event. Weights are then scaled to a mean of 1 over the rows with a
    known outcome, so that they add up to the women a model really sees, not to the women enrolled.

    An event of unknown month in a woman followed beyond the horizon lies on one side of it or the other. The events
    of known month in women followed as long also stand for these (`count_representatives`): to drop the undated events
    while women without the event stay would make the response too rare. This holds as long as whether the month was
    noted does not depend on when the event came.

    Raises
    ------
    CohortError
        When a column is missing, the event is not 0/1, or months contradict each other (unless
        `settings.inconsistent` is ``exclude``).

    References
    ----------
    Robins and Rotnitzky 1992, doi 10.1007/978-1-4757-1229-2_14; for a binary outcome by a horizon,
    Vock et al. 2016, doi 10.1016/j.jbi.2016.03.009.

    Examples
    --------
    Four women, 12 months: menses at 8 months, none in 14 months, none but followed for 6 months only, menses
    at 3 months. The third is censored; the first and second also stand for her, the fourth had her event
    before the third left.

    >>> data = pd.DataFrame(
    ...     {
    ...         "menses_resumed": [1.0, 0.0, 0.0, 1.0],
    ...         "months_to_menses": [8.0, np.nan, np.nan, 3.0],
    ...         "follow_up_months": [12.0, 14.0, 6.0, 12.0],
    ...     }
    ... )
    >>> settings = EndpointSettings("menses_resumed", "months_to_menses", "follow_up_months", 12)
    >>> endpoint = build_endpoint(data, settings)
    >>> endpoint.status.tolist(), endpoint.y_true.tolist()
    (['event', 'no_event', 'censored', 'event'], [1.0, 0.0, nan, 1.0])
    >>> endpoint.weight.tolist()
    [1.125, 1.125, 0.0, 0.75]
    """
    status = classify_outcome(data, settings)
    if settings.inconsistent == "error":
        _raise_if_inconsistent(data, settings)
    known = np.isin(status, ("event", "no_event"))
    y_true = np.where(known, (status == "event").astype(float), np.nan)
    weight = known.astype(float)
    if settings.censoring == "ipcw" and known.any():
        weight[known] *= _stands_for(data, settings, status)[known]
        if (status == "censored").any():
            weight[known] /= _probability_followed(data, settings, status)[known]
        if (status == "censored").any() or (status == "undated").any():
            weight /= weight[known].mean()
    return Endpoint(y_true=y_true, weight=weight, status=status)


def classify_outcome(data: pd.DataFrame, settings: EndpointSettings) -> NDArray[np.str_]:
    """Say of each row what is known about its outcome at the horizon; refuses missing columns only.

    An event after the horizon is no event by then. An event of unknown month counts when follow-up ended by
    the horizon, otherwise nobody knows on which side it fell (``undated``). Without the event, unknown follow-up leaves
    the outcome unknown (``unfollowed``). An event that is earlier than the treatment or later than the follow-up is
    inconsistent. Months are compared with the horizon, and with each other, within `compute_tolerance`.

    >>> year = pd.DataFrame({"menses_resumed": 0.0, "months_to_menses": np.nan, "follow_up_months": [11.99, 11]})
    >>> classify_outcome(year, EndpointSettings("menses_resumed", "months_to_menses", "follow_up_months", 12)).tolist()
    ['no_event', 'censored']
    """
    event = _event(data, settings)
    status = np.full(len(data), "unknown", dtype="<U12")
    if settings.horizon_months is None:
        status[event == 1] = "event"
        status[event == 0] = "no_event"
        return status
    month, follow_up, horizon = _month(data, settings), _follow_up(data, settings), settings.horizon_months
    happened, tolerance = event == 1, compute_tolerance(horizon)
    status[happened] = "undated"
    status[happened & (np.where(np.isnan(month), follow_up, month) <= horizon + tolerance)] = "event"
    status[happened & (month > horizon + tolerance)] = "no_event"
    status[event == 0] = "unfollowed"
    status[(event == 0) & (follow_up >= horizon - tolerance)] = "no_event"
    status[(event == 0) & (follow_up < horizon - tolerance)] = "censored"
    status[happened & ((month < 0) | _ends_before(follow_up, month))] = "inconsistent"
    return status


def compute_tolerance(months: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much, in months, two ways of writing the same time may differ: two days, or 0.5 % where more.

    A year is 365 days (11.992 months of 30.4375 days), 52 weeks (11.959) or 11.99 months; half a year 182 days or 26
    weeks (5.979); two years 104 weeks (23.918). Months of 30 days (a year of 360 days) lie outside.

    >>> [bool(12 - days / 30.4375 <= compute_tolerance(12)) for days in (365, 364, 360)]
    [True, True, False]
    """
    return np.maximum(TOLERANCE_DAYS / DAYS_A_MONTH, TOLERANCE_SHARE * np.asarray(months, dtype=float))


def count_representatives(data: pd.DataFrame, settings: EndpointSettings, status: NDArray[np.str_]) -> tuple[int, int]:
    """Count the events of known month that can stand for those of unknown month, and these.

    Both in women followed beyond the horizon, or for a time not stated: of the others the outcome is known without a
    month. The first count is 0 where so few are dated that single women would carry the result: fewer than five, or
    less than one to two undated.

    Returns
    -------
    tuple of int
        Dated events that stand for the undated; undated events.
    """
    if settings.horizon_months is None:
        return 0, 0
    n_undated = int((status == "undated").sum())
    n_dated = int(_is_dated(data, settings, status).sum())
    enough = n_dated >= FEWEST_DATED and n_undated <= MOST_UNDATED_TO_ONE * n_dated
    return (n_dated if enough and settings.censoring == "ipcw" else 0), n_undated


def compute_censoring_survival(
    time: NDArray[np.float64],
    censored: NDArray[np.bool_],
    at: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the Kaplan–Meier probability of being followed until just before each time in `at`.

    Where an event and a censoring share a time, the event came first (Kaplan and Meier 1958, doi
    10.1080/01621459.1958.10501452).

    Parameters
    ----------
    time
        Months to the event or to the end of follow-up, one per woman.
    censored
        Whether follow-up ended without the event.
    at
        Times asked about; the value is the left limit G(t−).
    weight
        How many women each one stands for; 1 by default.

    Examples
    --------
    Of four women one leaves at 6 months, when three are left (one had her event at 3 months):

    >>> time, censored = np.array([8.0, 14.0, 6.0, 3.0]), np.array([False, True, True, False])
    >>> compute_censoring_survival(time, censored, np.array([6.0, 8.0])).round(3).tolist()
    [1.0, 0.667]
    """
    weight = np.ones(len(time)) if weight is None else weight
    steps, place = np.unique(time[censored], return_inverse=True)
    leaving = np.bincount(place, weights=weight[censored], minlength=len(steps))
    order = np.argsort(time, kind="stable")
    gone = np.concatenate([[0.0], np.cumsum(weight[order])])[np.searchsorted(time[order], steps, side="right")]
    at_risk = weight.sum() - gone + leaving
    survival = np.concatenate([[1.0], np.cumprod(1 - leaving / at_risk)])
    return np.asarray(survival[np.searchsorted(steps, at, side="left")], dtype=float)


def _probability_followed(
    data: pd.DataFrame, settings: EndpointSettings, status: NDArray[np.str_]
) -> NDArray[np.float64]:
    """G(min(T, horizon)−) of each row; 1 where the outcome cannot be used anyway."""
    horizon = settings.horizon_months or np.inf
    month, follow_up = _month(data, settings), _follow_up(data, settings)
    time = np.where(status == "event", _complete_months(month, follow_up, status), follow_up)
    # An event after the horizon was still followed at the horizon, even where follow-up is not stated.
    time = np.where(status == "no_event", horizon, time)
    usable = np.isin(status, ("event", "no_event", "censored"))
    followed = np.ones(len(data))
    stands_for = _stands_for(data, settings, status)[usable]
    followed[usable] = compute_censoring_survival(
        time[usable], status[usable] == "censored", np.minimum(time[usable], horizon), stands_for
    )
    return followed


def _complete_months(
    month: NDArray[np.float64], follow_up: NDArray[np.float64], status: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Month of each event; where it is unknown, the mean of the known ones up to the end of follow-up, or its middle.

    An event of unknown month came somewhere in (0, follow-up]. Put at its end, it would keep the woman among those at
    risk of leaving for longer than she was.
    """
    known = np.sort(month[(status == "event") & ~np.isnan(month)])
    total = np.concatenate([[0.0], np.cumsum(known)])
    n_before = np.searchsorted(known, np.nan_to_num(follow_up), side="right")
    expected = np.where(n_before > 0, total[n_before] / np.maximum(n_before, 1), follow_up / 2)
    return np.where(np.isnan(month), expected, month)


def _stands_for(data: pd.DataFrame, settings: EndpointSettings, status: NDArray[np.str_]) -> NDArray[np.float64]:
    """How many women each row stands for: itself, and a share of the events of unknown month."""
    n_dated, n_undated = count_representatives(data, settings, status)
    if not n_dated:
        return np.ones(len(data))
    return np.where(_is_dated(data, settings, status), 1 + n_undated / n_dated, 1.0)


def _is_dated(data: pd.DataFrame, settings: EndpointSettings, status: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Events of known month in women whose event would be undated without it."""
    horizon = settings.horizon_months or np.inf
    short = _follow_up(data, settings) <= horizon + compute_tolerance(horizon)
    usable = np.isin(status, ("event", "no_event"))
    return np.asarray((_event(data, settings) == 1) & ~np.isnan(_month(data, settings)) & ~short & usable)


def _ends_before(follow_up: NDArray[np.float64], month: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(follow_up < month - compute_tolerance(month))


def _raise_if_inconsistent(data: pd.DataFrame, settings: EndpointSettings) -> None:
    if settings.horizon_months is None:
        return
    event, month, follow_up = _event(data, settings), _month(data, settings), _follow_up(data, settings)
    happened = event == 1
    findings = [
        f"{rule}; {found} of {len(data)} rows {'is' if found == 1 else 'are'}."
        for rule, found in (
            (
                f"{settings.follow_up} must not be shorter than {settings.event_month}",
                int((happened & _ends_before(follow_up, month)).sum()),
            ),
            (
                f"{settings.event_month} must not be before the treatment (negative)",
                int((happened & (month < 0)).sum()),
            ),
        )
        if found
    ]
    if findings:
        raise CohortError(" ".join([*findings, 'Correct them, or set endpoint.inconsistent = "exclude".']))


def _event(data: pd.DataFrame, settings: EndpointSettings) -> NDArray[np.float64]:
    """1, 0 or NaN by the event variable alone."""
    value = _numbers(data, settings.event)
    if settings.at_most is None and settings.at_least is None:
        strange = int((~np.isnan(value) & (value != 0) & (value != 1)).sum())
        if strange:
            raise CohortError(
                f"{settings.event} must be 0 or 1 to be an event; {strange} of {len(data)} rows are not. "
                "Set endpoint.at_most or endpoint.at_least to say which numbers count."
            )
        return value
    low = -np.inf if settings.at_least is None else settings.at_least
    high = np.inf if settings.at_most is None else settings.at_most
    return np.where(np.isnan(value), np.nan, ((value >= low) & (value <= high)).astype(float))


def _month(data: pd.DataFrame, settings: EndpointSettings) -> NDArray[np.float64]:
    return _numbers(data, settings.event_month or "")


def _follow_up(data: pd.DataFrame, settings: EndpointSettings) -> NDArray[np.float64]:
    return _numbers(data, settings.follow_up or "")


def check_outcome_column(data: pd.DataFrame, column: str) -> None:
    """Refuse a table that lacks a column of the outcome.

    Raises
    ------
    CohortError
        If it is not there.
    """
    if column not in data.columns:
        raise CohortError(
            f"The endpoint needs {column} as a column of the table; it is not there. Name the clinic's column in "
            f"columns.{column} of the study, or choose another endpoint."
        )


def _numbers(data: pd.DataFrame, column: str) -> NDArray[np.float64]:
    check_outcome_column(data, column)
    if not pd.api.types.is_numeric_dtype(data[column]):
        raise CohortError(
            f"The endpoint needs numbers in {column}; it holds categories. Name a yes/no or a numeric variable."
        )
    return data[column].to_numpy(dtype=float, na_value=np.nan)
