"""From predictions of women a model has not seen to the assessment of a study."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.modeling.fitting import fit_model, predict_response
from poi_predict.modeling.settings import EVIDENCE
from poi_predict.validation import (
    Assessment,
    CandidateAssessment,
    Estimate,
    assess_cross_validated,
    assess_fixed,
    compute_c_gain_within_folds,
    compute_log_loss_reduction,
    compute_optimism,
    compute_resampled_metrics,
    describe_few_refits,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from poi_predict.modeling.development import Development

__all__ = ["CORRECTED_SUFFIX", "assess_development"]

CORRECTED_METRICS = ("c_statistic", "brier", "log_loss", "calibration_in_the_large", "calibration_slope")
CORRECTED_SUFFIX = "_optimism_corrected"
BOUNDS = {"c_statistic": (0.0, 1.0), "brier": (0.0, 1.0)}
FEW_EVENTS = 20
CHAMPION_RULE = (
    "the primary model is champion where its skill is shown against shuffled outcomes, and no predictor that ranks "
    "suspiciously well alone waits for a person to look at it"
)
WITHOUT_WOMEN = (
    "{note}: no cross-validation, no test against shuffled outcomes, no champion. This model stands on published "
    "evidence more than on these women; how well it predicts for them is not known."
)
UNREVIEWED = (
    "A person has to look at {names}: alone it ranks as well as the whole model, or above c 0.9. The model is not "
    "champion until it is declared in predictors.reviewed."
)


def assess_development(
    development: Development,
    study: str,
    *,
    synthetic: bool,
    level: float = 0.95,
    details: Mapping[str, Any] | None = None,
) -> Assessment:
    """Assess every candidate by cross-validation, and the primary model also by Harrell's bootstrap.

    Parameters
    ----------
    development : Development
    study : str
        Name of the study.
    synthetic : bool
        Whether the women are made up.
    level : float
        Coverage of the intervals.
    details : mapping, optional
        What `appraise` found.
    """
    data = development.data
    primary = development.plan.primary
    candidates = []
    for name in development.plan.candidates:
        metrics = _cross_validated_metrics(development, name, level)
        apparent = _apparent_metrics(development, name, level)
        if name == primary:
            corrected = _corrected_metrics(development, apparent, level)
            metrics |= corrected
            apparent |= {key: apparent[key.removesuffix(CORRECTED_SUFFIX)] for key in corrected}
        candidates.append(CandidateAssessment(name, metrics, apparent))
    reduction, beyond = _log_loss_reduction(development), _beyond_published(development, level)
    to_review = ((details or {}).get("leakage") or {}).get("to_review") or ()
    return Assessment(
        study=study,
        n=len(data.y_true),
        n_patients=len(np.unique(data.patient)),
        events=int(data.y_true.sum()),
        candidates=tuple(candidates),
        primary=primary,
        champion=primary if development.null.skill == "shown" and not to_review else None,
        warnings=_warnings(development) + ((UNREVIEWED.format(names=", ".join(to_review)),) if to_review else ()),
        synthetic=synthetic,
        details={
            "log_loss_reduction": None if reduction is None else reduction.as_dict(),
            **({} if beyond is None else {"beyond_published": beyond}),
            "champion_rule": CHAMPION_RULE,
            "resampling": _resampling_counts(development),
            **(details or {}),
        },
    )


def _cross_validated_metrics(development: Development, name: str, level: float) -> dict[str, Estimate]:
    data, folds = development.data, development.plan.folds
    if not folds.is_possible:
        reason = folds.note or "the cohort cannot be split"
        return {m: Estimate.not_estimable("cross-validation", reason, level) for m in _fixed(development, name, level)}
    p = development.cross_validated.p_response[name]
    plan = f"{folds.n_folds}-fold cross-validation repeated {folds.n_repeats} times; "
    found = assess_cross_validated(data.y_true, p, folds.fold, data.weight, data.patient, level)
    return {metric: _prefixed(estimate, plan) for metric, estimate in found.items()}


def _prefixed(estimate: Estimate, plan: str) -> Estimate:
    return replace(estimate, method=plan + estimate.method)


def _fixed(development: Development, name: str, level: float) -> dict[str, Estimate]:
    data = development.data
    return assess_fixed(data.y_true, development.p_apparent[name], data.weight, data.patient, level)


def _apparent_metrics(development: Development, name: str, level: float) -> dict[str, float | None]:
    return {metric: estimate.estimate for metric, estimate in _fixed(development, name, level).items()}


def _corrected_metrics(
    development: Development, apparent: Mapping[str, float | None], level: float
) -> dict[str, Estimate]:
    """Harrell's correction: what each refit loses between its own resample and the original women."""
    data, refits = development.data, development.refits
    usable = [b for b, reason in enumerate(refits.failures) if reason is None]
    p = refits.p_original[usable].T
    drawn = refits.plan.frequencies()[usable] * data.weight
    judged = np.tile(data.weight, (len(usable), 1))
    on_resample = compute_resampled_metrics(data.y_true, p, drawn) if usable else None
    on_original = compute_resampled_metrics(data.y_true, p, judged) if usable else None

    def per_resample(found: pd.DataFrame | None, metric: str) -> NDArray[np.float64]:
        values = np.full(len(refits.plan), np.nan)
        if found is not None:
            values[usable] = found[metric]
        return values

    return {
        metric + CORRECTED_SUFFIX: compute_optimism(
            apparent[metric],
            per_resample(on_resample, metric),
            per_resample(on_original, metric),
            failures=refits.failures,
            level=level,
            bounds=BOUNDS.get(metric, (-np.inf, np.inf)),
        ).corrected
        for metric in CORRECTED_METRICS
    }


def _log_loss_reduction(development: Development) -> Estimate | None:
    p = development.cross_validated.p_response
    model, reference = p[development.plan.primary], p.get("prevalence")
    if not model.size or reference is None or np.isnan(model).any() or np.isnan(reference).any():
        return None
    data = development.data
    return compute_log_loss_reduction(data.y_true, model, reference, data.weight, patient=data.patient)


def _beyond_published(development: Development, level: float) -> dict[str, Any] | None:
    """Say what these women added to the published evidence: out-of-fold predictions beside those of nobody's women."""
    plan, data = development.plan, development.data
    p = development.cross_validated.p_response[plan.primary]
    if plan.primary != EVIDENCE or not p.size or np.isnan(p).any():
        return None
    published = fit_model(plan.candidates[EVIDENCE], data.X.iloc[:0], np.empty(0))
    reference = np.tile(predict_response(published, data.X)[:, None], p.shape[1])
    whose: dict[str, Any] = {"weight": data.weight, "patient": data.patient, "level": level}
    gains = {
        "log_loss": compute_log_loss_reduction(data.y_true, p, reference, **whose),
        "c_statistic": compute_c_gain_within_folds(data.y_true, p, reference, plan.folds.fold, **whose),
    }
    return {name: gain.as_dict() for name, gain in gains.items()}


def _resampling_counts(development: Development) -> dict[str, object]:
    folds, refits = development.plan.folds, development.refits
    failed = [reason for reason in refits.failures if reason is not None]
    return {
        "folds": folds.n_folds,
        "repeats": folds.n_repeats,
        "pipeline_fits": development.cross_validated.n_fits,
        "failed_fits": {name: dict(counts) for name, counts in development.cross_validated.failures.items()},
        "bootstrap_resamples": len(refits.plan),
        "bootstrap_failed": {reason: failed.count(reason) for reason in sorted(set(failed))},
    }


def _warnings(development: Development) -> tuple[str, ...]:
    data, folds, found = development.data, development.plan.folds, []
    events = int(min(data.y_true.sum(), len(data.y_true) - data.y_true.sum()))
    if not folds.is_possible:
        found.append(WITHOUT_WOMEN.format(note=str(folds.note).capitalize()))
    elif events < FEW_EVENTS:
        found.append(
            f"Only {events} women are in the smaller outcome group. Hardly any model can be distinguished from the "
            "overall rate with so few; read every interval before any estimate."
        )
    ladder = development.plan.ladder
    if ladder.overridden:
        found.append(f"LADDER OVERRIDDEN: the cohort supports the model tier {ladder.rung}. {ladder.reason}")
    above = [name for name in development.plan.candidates if not ladder.supports(name)]
    if above:
        found.append(f"For comparison only, since the cohort does not support them: {', '.join(above)}.")
    if folds.is_possible and folds.note:
        found.append(f"Cross-validation: {folds.note}.")
    for name, counts in development.cross_validated.failures.items():
        found.append(
            f"{sum(counts.values())} fits of {name} failed in cross-validation; its figures are not estimable."
        )
    failed = sum(reason is not None for reason in development.refits.failures)
    if failed:
        found.append(f"{failed} of {len(development.refits.plan)} bootstrap resamples could not be used.")
    few = describe_few_refits(len(development.refits.plan) - failed)
    if few and folds.is_possible:
        found.append(f"Bootstrap: {few}.")
    return tuple(found)
