"""What is lost of the outcome, or taken on a tolerance, and what that does to the share of women who respond."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poi_predict.cohort.endpoint import compute_tolerance, count_representatives
from poi_predict.cohort.rules import Breach

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from poi_predict.cohort.endpoint import Endpoint, EndpointSettings

__all__ = ["describe_unfollowed", "find_outcome_breaches"]

NEARLY_THERE = 0.95
"""From this share of the horizon on, a follow-up too short may be the horizon counted in another way (360 days)."""


def find_outcome_breaches(data: pd.DataFrame, settings: EndpointSettings, endpoint: Endpoint) -> list[Breach]:
    """Find the rows whose outcome is lost, or known only within the tolerance of the horizon.

    Parameters
    ----------
    data : DataFrame
        Canonical columns of the rows included.
    settings : EndpointSettings
    endpoint : Endpoint
        From `poi_predict.cohort.endpoint.build_endpoint`.

    Returns
    -------
    list of Breach
        Each with a warning's words; some may concern no row.

    Examples
    --------
    >>> import pandas as pd
    >>> from poi_predict.cohort.endpoint import EndpointSettings, build_endpoint
    >>> months = {"months_to_menses": [2.0, np.nan, np.nan], "follow_up_months": [14.0, 14.0, np.nan]}
    >>> women = pd.DataFrame({"menses_resumed": [1.0, 0.0, 0.0], **months})
    >>> menses = EndpointSettings("menses_resumed", "months_to_menses", "follow_up_months", 12)
    >>> breaches = find_outcome_breaches(women, menses, build_endpoint(women, menses))
    >>> [(found.rule, int(found.rows.sum())) for found in breaches if found.rows.any()]
    [('no_follow_up', 1)]
    """
    horizon, status = settings.horizon_months, endpoint.status
    unknown = {"effect": _describe_bounds(endpoint, int((status == "unknown").sum()))}
    lost_events = Breach(settings.event, "no_outcome", status == "unknown", unknown)
    if horizon is None:
        return [lost_events]
    event, month, follow_up = (str(name) for name in (settings.event, settings.event_month, settings.follow_up))
    tolerance = float(compute_tolerance(horizon))
    followed, when = (data[name].to_numpy(dtype=float, na_value=np.nan) for name in (follow_up, month))
    within = (status == "no_event") & np.isnan(when) & (followed < horizon)
    within |= (status == "event") & (when > horizon)
    facts = {"horizon": f"{horizon:g}", "event": event, "follow_up": follow_up}
    bounds = {"least": f"{horizon - tolerance:.2f}", "most": f"{horizon + tolerance:.2f}"}
    near = (status == "censored") & (followed >= NEARLY_THERE * horizon)
    lost = facts | {"effect": describe_unfollowed(endpoint)}
    undated = {"horizon": f"{horizon:g}", "event": event, "effect": _describe_undated(data, settings, endpoint)}
    return [
        Breach(follow_up, "horizon_tolerance", within, facts | bounds),
        Breach(follow_up, "nearly_followed", near, facts),
        Breach(follow_up, "no_follow_up", status == "unfollowed", lost),
        lost_events,
        Breach(month, "undated_event", status == "undated", undated),
    ]


def describe_unfollowed(endpoint: Endpoint) -> str:
    """Say what losing the women without the event and without a follow-up does to the share that responds.

    >>> from poi_predict.cohort.endpoint import Endpoint
    >>> known = Endpoint(np.array([1, 0, np.nan]), np.array([1, 1, 0.0]), np.array(["event", "no_event", "unfollowed"]))
    >>> describe_unfollowed(known)
    'Without them 50 of 100 respond; with them as followed to the horizon it would be 33 of 100.'
    """
    rate, total = _response(endpoint), float(endpoint.weight.sum())
    n_lost = int((endpoint.status == "unfollowed").sum())
    if np.isnan(rate):
        return "No outcome is left."
    whole = rate * total / (total + n_lost)
    return (
        f"Without them {100 * rate:.0f} of 100 respond; with them as followed to the horizon it would be "
        f"{100 * whole:.0f} of 100."
    )


def _describe_undated(data: pd.DataFrame, settings: EndpointSettings, endpoint: Endpoint) -> str:
    n_dated, n_undated = count_representatives(data, settings, endpoint.status)
    if n_dated:
        return (
            f"the {n_dated} events of known month in women followed as long stand for them by weight, which is right "
            "if the month was left out whenever the event came."
        )
    return (
        "too few events of known month can stand for them, so they are left out while women without the event stay. "
        + _describe_bounds(endpoint, n_undated)
    )


def _describe_bounds(endpoint: Endpoint, n_lost: int) -> str:
    """Say between which values the share that responds would lie, had nobody been lost."""
    rate, total = _response(endpoint), float(endpoint.weight.sum())
    if np.isnan(rate):
        return "No outcome is left."
    least, most = ((rate * total + n_lost * is_event) / (total + n_lost) for is_event in (0, 1))
    return (
        f"{100 * rate:.0f} of 100 respond without them; it would be {100 * least:.0f} if none of them had the event by "
        f"the horizon, {100 * most:.0f} if all had."
    )


def _response(endpoint: Endpoint) -> float:
    """Weighted share of events; NaN where no outcome is known."""
    known = ~np.isnan(endpoint.y_true)
    weight: NDArray[np.float64] = endpoint.weight[known]
    return float(np.average(endpoint.y_true[known], weights=weight)) if weight.sum() else float("nan")
