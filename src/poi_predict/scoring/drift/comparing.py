"""A tally beside the women of training: every aspect with its interval, and what so many rows could have shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.plain import as_plain
from poi_predict.scoring.case_mix import FEWEST_KNOWN
from poi_predict.scoring.drift.aspects import MeanAspect, ShareAspect, hide_few, list_means, list_shares, return_to_unit
from poi_predict.scoring.drift.saying import describe_power, say_drift
from poi_predict.scoring.drift.tally import list_scale
from poi_predict.scoring.drift.women import FEWEST
from poi_predict.validation import CaseMixSummary, Estimate, compute_case_mix_from_summary, compute_proportion
from poi_predict.validation.drift import (
    ERROR,
    Differences,
    compute_mean_differences,
    compute_psi,
    compute_share_differences,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poi_predict.scoring.contract import Contract
    from poi_predict.scoring.drift.tally import Tally

__all__ = ["compare_drift"]

FEWEST_ROWS = 30
"""Of fewer rows nothing is compared: in simulations of 25 skew amounts made 6 % of like cohorts others, not 5 %."""

DIGITS = 6
SAME = 1e-4
"""A variance so near to that of a share is that of an indicator; means of training are rounded to six digits."""

HALF_A_WOMAN = 0.5


def compare_drift(tally: Tally, contract: Contract, *, synthetic: bool | None = None) -> dict[str, Any]:
    """Compare a scored cohort with the women of training.

    Every row counts as a woman. All intervals hold together with 95 %: in a cohort of the same kind of women any
    difference is shown with a chance of 5 % at most.

    Parameters
    ----------
    tally : Tally
        Of all scored rows.
    contract : Contract
        Of the model.
    synthetic : bool, optional
        Whether the model or the cohort is made up; by default, whether the model is.

    Returns
    -------
    dict
        Plain values that JSON can hold: ``n_rows``, ``n_training``, ``status`` ("no women of training", "too few
        rows", "no drift shown", "drift shown"), ``message``, ``power``, ``membership``, ``aspects``, ``bins``,
        ``predictions``, ``applicability``, ``synthetic``. Differences are here less training. Of one to four women a
        share is that of two and a half, a bin is None, and a level is joined to "other_levels"; ``edges`` of
        variables are inner ones. Flags, which tell no value, are counted exactly.

    Examples
    --------
    >>> from poi_predict.scoring.contract import Contract
    >>> from poi_predict.scoring.drift import Tally
    >>> found = compare_drift(Tally(n_rows=12), Contract("menses_12m", ("age",), ("age",)))
    >>> found["status"], found["n_training"]
    ('no women of training', None)
    """
    women = contract.women
    found: dict[str, Any] = {
        "n_rows": tally.n_rows,
        "n_training": women.get("n_women"),
        "power": {},
        "membership": None,
        "aspects": [],
        "bins": {},
        "predictions": {},
        "applicability": _describe_applicability(tally),
        "synthetic": contract.synthetic if synthetic is None else synthetic,
    }
    labels = {name: str(contract.codebook.get(name, {}).get("label", name)) for name in contract.predictors}
    if women and tally.n_rows >= FEWEST:
        _compare(found, tally, contract, enough=tally.n_rows >= FEWEST_ROWS)
        for aspect in found["aspects"]:
            aspect["label"] = labels[aspect["variable"]]
    shown = _is_shown(found)
    found["status"] = _judge(found, shown=shown)
    plain: dict[str, Any] = as_plain(_round(found | {"message": say_drift(found, is_reference=contract.is_reference)}))
    return plain


def _compare(found: dict[str, Any], tally: Tally, contract: Contract, *, enough: bool) -> None:
    """Fill in what is compared: of too few rows, only what they could have shown."""
    women = contract.women
    shares, (means, summaries) = list_shares(women, tally), _describe_columns(tally, contract)
    level = 1.0 - ERROR / (len(shares) + len(means) + 1 + (summaries is not None))  # beside aspects: predictions, c
    found["power"] = describe_power(tally.n_rows, women["n_women"], level)
    if not enough:
        return
    found["aspects"] = [*_compare_shares(shares, level), *_compare_means(means, contract, level)]
    found["aspects"].sort(key=lambda aspect: list(women["variables"]).index(aspect["variable"]))
    if summaries is not None:
        found["membership"] = _tell_apart(summaries, level)
    found["bins"] = {
        name: {"edges": kept["edges"], "training": kept["bins"], "here": hide_few(tally.variables[name]["bins"])}
        for name, kept in women["variables"].items()
        if sum(tally.variables.get(name, {}).get("bins", ())) >= FEWEST
    }
    found["predictions"] = _compare_predictions(tally, women, level)


def _describe_columns(
    tally: Tally, contract: Contract
) -> tuple[list[MeanAspect], tuple[CaseMixSummary, CaseMixSummary] | None]:
    """Return the means to compare, and the columns that can be told apart by, in training and here."""
    if tally.moments is None:
        return [], None
    development = CaseMixSummary.from_dict(contract.development)
    here = tally.moments.summarise(*list_scale(contract))
    share = np.asarray(contract.development["known"], dtype=np.float64)
    known = np.array([share * development.n_women, np.diag(tally.moments.known)], dtype=np.float64)
    means = list_means(contract.women, tally, development, here, known)
    kept = np.asarray((known >= FEWEST_KNOWN).all(axis=0))
    for summary, n in zip((development, here), known, strict=True):
        kept &= _has_enough(summary, n)
    kept[0] = True  # the linear predictor, which membership leaves aside
    sizes = [max(2, round(float(side[kept].mean()))) for side in known]
    return means, (_take(development, kept, sizes[0]), _take(here, kept, sizes[1]))


def _has_enough(summary: CaseMixSummary, known: np.ndarray) -> np.ndarray:
    """Whether columns vary, and indicators have five women or more on either side: those of fewer are not normal."""
    mean, variance = summary.mean, np.diag(summary.covariance)
    events = mean * known
    indicator = np.abs(variance - mean * (1.0 - mean) * known / np.maximum(known - 1.0, 1.0)) < SAME
    few = np.minimum(events, known - events) < FEWEST - HALF_A_WOMAN
    return np.asarray((variance > 0.0) & ~(indicator & few))


def _take(summary: CaseMixSummary, kept: np.ndarray, n_women: int) -> CaseMixSummary:
    columns = tuple(name for name, keep in zip(summary.columns, kept, strict=True) if keep)
    return CaseMixSummary(n_women, columns, summary.mean[kept], summary.covariance[np.ix_(kept, kept)])


def _tell_apart(summaries: tuple[CaseMixSummary, CaseMixSummary], level: float) -> dict[str, Any] | None:
    found: Estimate = compute_case_mix_from_summary(*summaries, level, pooled=True).membership_c
    if not found.is_estimable:
        return None
    return {"estimate": found.estimate, "ci_low": found.ci_low, "ci_high": found.ci_high}


def _compare_shares(shares: Sequence[ShareAspect], level: float) -> list[dict[str, Any]]:
    if not shares:
        return []
    table = np.array([share[3:] for share in shares], dtype=np.float64)
    found = compute_share_differences(table[:, 0], table[:, 1], table[:, 2], table[:, 3], level)
    return [
        {
            "variable": share.variable,
            "aspect": share.aspect,
            "level": share.level,
            "unit": None,
            "training": share.events_training / share.n_training,
            "here": share.events_here / share.n_here,
            **_interval(found, place),
            "sd_units": None,
            "shown": bool(found.shown[place]),
        }
        for place, share in enumerate(shares)
    ]


def _compare_means(means: Sequence[MeanAspect], contract: Contract, level: float) -> list[dict[str, Any]]:
    """Compare means on the model's scale, and say them in the clinic's unit: of a logarithm the geometric mean."""
    if not means:
        return []
    training, here = (np.array([mean[side] for mean in means]).T for side in (2, 3))
    found = compute_mean_differences(tuple(training), tuple(here), level)
    rows = []
    for place, mean in enumerate(means):
        start = mean.training[0]
        before = return_to_unit(mean.column, start)
        moved = {
            name: return_to_unit(mean.column, start + value) - before for name, value in _interval(found, place).items()
        }
        spread = mean.training[1]
        rows.append(
            {
                "variable": mean.variable,
                "aspect": "location",
                "level": None,
                "unit": contract.codebook.get(mean.variable, {}).get("unit"),
                "training": before,
                "here": return_to_unit(mean.column, mean.here[0]),
                **moved,
                "sd_units": float(found.difference[place]) / spread if spread > 0.0 else None,
                "shown": bool(found.shown[place]),
            }
        )
    return rows


def _compare_predictions(tally: Tally, women: Mapping[str, Any], level: float) -> dict[str, Any]:
    before, n = women["predictions"], tally.n_rows
    mean = tally.predictions["sum"] / n
    variance = max(0.0, (tally.predictions["sum_squares"] - n * mean**2) / max(1, n - 1))
    found = compute_mean_differences(
        ([before["mean"]], [before["sd"]], [women["n_women"]]), ([mean], [np.sqrt(variance)], [n]), level
    )
    psi, expected = compute_psi(before["bins"], women["n_women"], tally.predictions["bins"])
    return {
        "edges": before["edges"],
        "training": before["bins"],
        "here": hide_few(tally.predictions["bins"]),
        "mean_training": before["mean"],
        "mean_here": mean,
        **_interval(found, 0),
        "psi": psi,
        "psi_expected": expected,
    }


def _interval(found: Differences, place: int) -> dict[str, float]:
    return {name: float(getattr(found, name)[place]) for name in ("difference", "ci_low", "ci_high")}


def _describe_applicability(tally: Tally) -> dict[str, Any]:
    share = compute_proportion(tally.n_flagged, tally.n_rows)
    return {
        "rows_flagged": tally.n_flagged,
        "share": share.estimate,
        "ci_low": share.ci_low,
        "ci_high": share.ci_high,
        "flags": dict(tally.flags),
    }


def _is_shown(found: Mapping[str, Any]) -> bool:
    """Whether any interval leaves "no difference" out."""
    moved, apart = found["predictions"], found["membership"] or {}
    return (
        any(aspect["shown"] for aspect in found["aspects"])
        or bool(moved and (moved["ci_low"] > 0.0 or moved["ci_high"] < 0.0))
        or bool(apart and apart["ci_low"] is not None and apart["ci_low"] > 0.5)
    )


def _judge(found: Mapping[str, Any], *, shown: bool) -> str:
    if not found["n_training"]:
        return "no women of training"
    if found["n_rows"] < FEWEST_ROWS:
        return "too few rows"
    return "drift shown" if shown else "no drift shown"


def _round(value: Any) -> Any:
    """Return numbers of six significant digits: sums in another order must not change a byte."""
    if isinstance(value, dict):
        return {name: _round(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_round(item) for item in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
