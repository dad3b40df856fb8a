"""Performance seen in other ways: calibration errors, .632+, decision curve, instability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.report.content import Section, SectionFigure, SectionTable
from poi_predict.report.evidence_figures import plot_decision_curve
from poi_predict.report.formatting import format_estimate, format_number, format_percent, is_missing
from poi_predict.report.instability_figures import compute_calibration_instability, plot_instability
from poi_predict.report.skill_sections import as_sentence
from poi_predict.validation import compute_instability

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    Plain = Mapping[str, Any]

__all__ = [
    "build_calibration_error_section",
    "build_decision_curve_section",
    "build_instability_section",
    "build_resampled_brier_section",
    "describe_gain",
]


def build_calibration_error_section(errors: Plain) -> Section:
    """Return the distances between predictions and the smooth calibration curve: ICI, E50, E90, Emax.

    Parameters
    ----------
    errors : mapping
        ``ici``, ``e50``, ``e90``, ``emax`` → estimate as a mapping.
    """
    words = {
        "ici": "Mean distance (ICI)",
        "e50": "Median distance (E50)",
        "e90": "90 of 100 women are closer than (E90)",
        "emax": "Largest distance (Emax)",
    }
    rows = [
        {"Distance between predicted and observed": words.get(name, name), "Points of chance, 95 % interval": said}
        for name, said in ((name, _format_points(found)) for name, found in errors.items())
    ]
    text = (
        "How far the smooth calibration curve lies from the diagonal, over the women. These distances are never "
        "negative, so a small cohort shows some even for a perfect model: read the interval, not the estimate."
    )
    note = "Austin and Steyerberg (2019, doi:10.1002/sim.8281)."
    table = SectionTable("Calibration errors of the primary model", pd.DataFrame(rows), note)
    return Section("How wrong the chances are", (text,), (table,), after="performance")


def _format_points(found: Plain) -> str:
    scaled = {key: _times_100(found.get(key)) for key in ("estimate", "ci_low", "ci_high")}
    return format_estimate(**scaled, digits=1, reason=found.get("reason"))


def _times_100(value: float | None) -> float | None:
    return None if value is None or is_missing(value) else 100 * value


def build_resampled_brier_section(brier: Plain, others: Mapping[str, Plain] | None = None) -> Section:
    """Return the .632+ Brier score beside the same score by other methods.

    Parameters
    ----------
    brier : mapping
        The .632+ estimate.
    others : mapping, optional
        Name of a method (``"Apparent"``, ``"Cross-validation"``) → estimate.
    """
    methods = {**(others or {}), ".632+ bootstrap": brier}
    rows = [
        {
            "Method": method,
            "Brier score, 95 % interval": format_estimate(
                found.get("estimate"), found.get("ci_low"), found.get("ci_high"), digits=3, reason=found.get("reason")
            ),
        }
        for method, found in methods.items()
    ]
    text = (
        "The .632+ bootstrap mixes the flattering figure on the model's own women with the harsh one on the women left "
        "out of each resample; the more a model overfits, the more the harsh one counts. Methods that agree make a "
        "figure believable."
    )
    note = "Efron and Tibshirani (1997, doi:10.1080/01621459.1997.10474007). Lower is better."
    table = SectionTable("Brier score of the primary model by several methods", pd.DataFrame(rows), note)
    return Section("Brier score: three validation methods compared (.632+)", (text,), (table,), after="performance")


def build_decision_curve_section(curve: pd.DataFrame) -> Section:
    """Return net benefit of treating by the model against treating all and no one.

    Parameters
    ----------
    curve : DataFrame
        From `poi_predict.validation.compute_decision_curve`.
    """
    found = describe_gain(curve)
    text = (
        "If one selects every woman whose chance is at least the threshold, what is gained over selecting all or none? "
        "The threshold says how many selected women without a response one accepts for one with a response: at 20 %, "
        "four. A response that would have come by itself counts as well, so this is no gain from being treated."
    )
    figure = SectionFigure(
        plot_decision_curve(curve),
        "Decision curve.",
        f"Net benefit over thresholds for the model, for treating all and for treating no one. {found}",
        "Left: higher is better. Right: the model minus the better of the two simple policies, with its 95 % band; "
        "above zero the model helps.",
    )
    return Section("Would decisions be better?", (text, found), (), (figure,), after="performance")


def describe_gain(curve: pd.DataFrame) -> str:
    """Say at which thresholds the model helps: every range for itself, since between two of them it need not.

    Parameters
    ----------
    curve : DataFrame
        From `poi_predict.validation.compute_decision_curve`.

    Examples
    --------
    >>> gain = {"strategy": "model_minus_best_default", "threshold": [0.05, 0.1, 0.15, 0.2]}
    >>> curve = pd.DataFrame({**gain, "net_benefit": [0.02, 0.03, 0.01, 0.03], "ci_low": [0.01, 0.01, -0.01, 0.01]})
    >>> describe_gain(curve)
    'The interval of the gain lies above zero at thresholds of 5 % to 10 %; 20 %, of those from 5 % to 20 % looked at.'
    """
    gain = curve[curve["strategy"] == "model_minus_best_default"].sort_values("threshold")
    thresholds = gain["threshold"].astype(float)
    is_above = (pd.to_numeric(gain["ci_low"], errors="coerce") > 0).to_numpy()
    if not is_above.any():
        return "At no threshold does the interval of the gain lie above zero: these women do not show that it helps."
    runs = thresholds[is_above].groupby((~is_above).cumsum()[is_above]).agg(["min", "max"])
    ranges = [
        format_percent(low) if low == high else f"{format_percent(low)} to {format_percent(high)}"
        for low, high in runs.itertuples(index=False)
    ]
    looked = f"{format_percent(float(thresholds.min()))} to {format_percent(float(thresholds.max()))}"
    where = "; ".join(ranges)
    return f"The interval of the gain lies above zero at thresholds of {where}, of those from {looked} looked at."


def build_instability_section(
    instability: Plain,
    p_response: ArrayLike | None = None,
    p_refits: ArrayLike | None = None,
    outcome: Mapping[str, ArrayLike] | None = None,
) -> Section:
    """Return how far each woman's chance depends on which women were learned from.

    Parameters
    ----------
    instability : mapping
        ``mean_absolute_error``, ``largest_absolute_error``, ``n_refits``, ``n_failed``, perhaps ``reason``.
    p_response : array of shape (n,), optional
        Predictions of the model fitted to all women.
    p_refits : array of shape (n, refits), optional
        Predictions for the same women by the refits; NaN columns failed.
    outcome : mapping, optional
        ``y_true`` and perhaps ``weight``, ``patient``, each of shape (n,): adds the calibration curves.
    """
    mean, largest = instability.get("mean_absolute_error"), instability.get("largest_absolute_error")
    title = "Would another cohort give her the same chance?"
    if is_missing(mean) or mean is None:
        why = as_sentence(str(instability.get("reason") or "no refit could be used"))
        return Section(title, (f"Not estimable. {why}".strip(),), after="performance")
    failed = instability.get("n_failed") or 0
    lost = f" {failed} more failed and are left out." if failed else ""
    text = (
        f"The whole procedure was repeated on {instability['n_refits']} bootstrap cohorts, and each predicted every "
        f"woman.{lost} On average her chance moved by {_points(mean)} from the one given here; for the woman it "
        f"moved most, by {_points(largest)}."
    )
    if p_response is None or p_refits is None:
        return Section(title, (text,), after="performance")
    curves = None
    if outcome is not None:
        curves = compute_calibration_instability(p_response=p_response, p_refits=p_refits, **outcome)
    figure = SectionFigure(
        plot_instability(compute_instability(p_response, p_refits).frame, curves),
        "Instability of predictions, of their error, and of calibration.",
        f"Instability plots. Mean absolute prediction error {_points(mean)}, largest {_points(largest)}.",
        "Left: from the 2.5th to the 97.5th percentile of the refits; the further from the diagonal, the less a chance "
        "is known. Middle: the mean difference. Both are means of groups of five women or more with like predictions. "
        "Right: the calibration of each refit on these women in grey, of the model itself in blue.",
    )
    return Section(title, (text, STABLE), (), (figure,), after="performance")


STABLE = (
    "After Riley and Collins (2023, doi:10.1002/bimj.202200302). These spreads say how much the model depends "
    "on the women it learnt from; the intervals that scoring gives come from the model's posterior instead."
)


def _points(value: float | None) -> str:
    return "an unknown amount" if value is None or is_missing(value) else f"{format_number(100 * value, 1)} points"
