"""What a training found about size, skill, stability and leakage, as plain values for `assessment.json`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.privacy import LEAST, hide_small_groups
from poi_predict.validation import (
    Grouping,
    LeakageEvidence,
    RefitCount,
    build_leakage_ledger,
    compute_affordable_parameters,
    compute_brier_632_plus,
    compute_c_statistic,
    compute_c_statistic_within_folds,
    compute_calibration_errors,
    compute_decision_curve,
    compute_expected_mape,
    compute_expected_shrinkage,
    compute_information,
    compute_instability,
    compute_max_r2_cox_snell,
    compute_prevalence_estimates,
    compute_sample_size,
    compute_subgroups,
    count_split_overlap,
    cut_at,
    find_duplicate_rows,
    make_centre_splits,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from poi_predict.cohort import Codebook
    from poi_predict.modeling.development import Development
    from poi_predict.modeling.evaluation import TrainingData
    from poi_predict.validation import Estimate, Ladder

__all__ = ["appraise", "describe_sample_size", "make_groupings"]

CUT_POINTS: dict[str, tuple[float, ...]] = {"age": (30.0, 35.0), "amenorrhea_months": (12.0, 48.0)}
CENTRE = "centre"
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 13))
"""Chances from which one might treat, at which the decision curve is drawn."""
SHARE_OF_LARGEST_R2 = 0.15
"""Anticipated Cox–Snell R² as a share of the largest possible, where nothing is known (Riley et al. 2020)."""


def describe_sample_size(data: TrainingData, ladder: Ladder) -> dict[str, Any]:
    """Say, before any fit, what so many women support.

    Parameters
    ----------
    data : TrainingData
        Only outcomes, weights and patients are used.
    ladder : Ladder
        Knows the number of candidate columns.

    Returns
    -------
    dict
        Where all women have the same outcome, without what Riley's criteria ask for: they have no answer.
    """
    found = compute_information(data.y_true, data.weight, data.patient)
    effective, prevalence = max(1, int(found.effective)), found.prevalence
    shares = compute_prevalence_estimates(data.y_true, data.weight, data.patient)
    counted = {
        "n_patients": found.n_women,
        "effective_n": round(found.effective, 1),
        "events": math.floor(10 * found.events) / 10,
        "prevalence": prevalence,
        "prevalence_interval": {method: share.as_dict() for method, share in shares.items()},
        "parameters": ladder.parameters,
    }
    if not found.has_both_outcomes:
        return counted
    r2 = SHARE_OF_LARGEST_R2 * compute_max_r2_cox_snell(prevalence)
    needed = compute_sample_size(r2, ladder.parameters, prevalence)
    return counted | {
        "anticipated_r2": r2,
        "affordable_parameters": compute_affordable_parameters(effective, r2, prevalence),
        "required": needed.required,
        "for_shrinkage": needed.for_shrinkage,
        "for_r2": needed.for_r2,
        "for_prevalence": needed.for_prevalence,
        "expected_shrinkage": compute_expected_shrinkage(effective, ladder.parameters, r2),
        "expected_mape": compute_expected_mape(effective, ladder.parameters, prevalence),
    }


def make_groupings(data: pd.DataFrame, codebook: Codebook) -> tuple[Grouping, ...]:
    """Divide the women by age, time since menses, aetiology and centre, as far as the cohort says.

    Parameters
    ----------
    data : DataFrame
        Rows of the analysis set, canonical columns.
    codebook : Codebook
        Gives the labels.
    """
    groupings = [
        cut_at(name, codebook[name].label, data[name].to_numpy(dtype=float), cuts, codebook[name].unit or "")
        for name, cuts in CUT_POINTS.items()
        if name in data
    ]
    if "aetiology" in data:
        words = data["aetiology"].fillna("not known").astype(str).str.replace("_", " ").to_numpy(dtype=str)
        groupings.append(Grouping("aetiology", codebook["aetiology"].label, words))
    if "centre" in data:
        numbers = _number_centres(data["centre"].fillna("not known").to_numpy(dtype=str))
        groupings.append(Grouping("centre", "Centre", numbers))
    return tuple(groupings)


def _number_centres(names: NDArray[np.str_]) -> NDArray[np.str_]:
    return np.array([f"C{code + 1}" for code in np.unique(names, return_inverse=True)[1]])


def appraise(
    development: Development, groupings: Sequence[Grouping], suspects: Mapping[str, Any], least: int = LEAST
) -> dict[str, Any]:
    """Return everything beyond the candidates' metrics.

    Parameters
    ----------
    development : Development
    groupings : sequence of Grouping
        For the subgroups.
    suspects : mapping
        ``known_after_treatment`` and ``defining_outcome``: predictors of either kind (there should be none).
    least : int
        Groups of fewer women are not described (`poi_predict.privacy`).
    """
    across = development.centres.as_dict()
    if "centres" in across:
        across["centres"] = hide_small_groups(across["centres"], "", least)
    ladder, null = development.plan.ladder, development.null.as_dict()
    if null["null"]:
        null["skill_test"] |= {"folds": development.plan.null.n_folds, "repeats": development.plan.null.n_repeats}
    return {
        "sample_size": describe_sample_size(development.data, ladder),
        "ladder": ladder.as_dict(),
        **null,
        "instability": _instability(development),
        "calibration_errors": _calibration_errors(development),
        "brier_632_plus": _brier_632_plus(development).as_dict(),
        "subgroups": hide_small_groups(_subgroups(development, groupings), "variable", least),
        "internal_external": across,
        "decision_curve": _decision_curve(development),
        "leakage": _leakage(development, suspects),
    }


def _instability(development: Development) -> dict[str, Any]:
    p = development.p_apparent[development.plan.primary]
    found = compute_instability(p, development.refits.p_original.T)
    return {
        "mean_absolute_error": found.mean_absolute_error,
        "largest_absolute_error": found.largest_absolute_error,
        "n_refits": found.n_refits,
        "n_failed": found.n_failed,
    } | ({"reason": found.reason} if found.reason else {})


def _out_of_fold(development: Development) -> NDArray[np.float64] | None:
    p = development.cross_validated.p_response[development.plan.primary]
    return None if p.size == 0 or np.isnan(p).any() else p


def _calibration_errors(development: Development) -> dict[str, Any]:
    p, data = _out_of_fold(development), development.data
    if p is None:
        return {}
    found = compute_calibration_errors(data.y_true, p, data.weight, patient=data.patient, seed=development.plan.seed)
    return {name: estimate.as_dict() for name, estimate in found.items()}


def _decision_curve(development: Development) -> list[dict[str, Any]]:
    """Net benefit by out-of-fold predictions, averaged over repeats; nothing where there is no model to decide by."""
    p, data = _out_of_fold(development), development.data
    if p is None or development.plan.primary == "prevalence":
        return []
    curve = compute_decision_curve(data.y_true, p.mean(axis=1), THRESHOLDS, data.weight, patient=data.patient)
    plain = curve.astype(object)
    records = plain.where(plain.notna(), None).to_dict("records")
    return [{str(key): value for key, value in record.items()} for record in records]


def _brier_632_plus(development: Development) -> Estimate:
    data, refits = development.data, development.refits
    p_out_of_bag = refits.p_original.T.copy()
    for b, rows in enumerate(refits.plan.rows):
        p_out_of_bag[rows, b] = np.nan
    p_apparent = development.p_apparent[development.plan.primary]
    return compute_brier_632_plus(data.y_true, p_apparent, p_out_of_bag, data.weight, data.patient)


def _subgroups(development: Development, groupings: Sequence[Grouping]) -> list[dict[str, Any]]:
    p, data = _out_of_fold(development), development.data
    if p is None:
        return []
    folds = development.plan.folds.fold
    found = compute_subgroups(data.y_true, p, folds, groupings, data.weight, data.patient)
    return [subgroup.as_dict() for subgroup in found]


def _leakage(development: Development, suspects: Mapping[str, Any]) -> dict[str, Any]:
    plan, data = development.plan, development.data
    overlaps = [count_split_overlap(plan.resamples, data.patient)]
    if plan.folds.is_possible:
        overlaps.insert(0, count_split_overlap(plan.folds, data.patient))
    if development.centres.centres and plan.centre is not None:
        splits = make_centre_splits(data.y_true, plan.centre, data.patient)
        overlaps.append(count_split_overlap(splits, data.patient))
    matrix, is_code = _as_numbers(data.X)
    duplicates = find_duplicate_rows(matrix, data.patient, is_code)
    counted = development.cross_validated.step_fits.get(plan.primary, {})
    evidence = LeakageEvidence(
        overlaps=overlaps,
        refits=[RefitCount(step, fitted, expected) for step, (fitted, expected) in counted.items()],
        duplicates=duplicates,
        n_duplicates_across_folds=duplicates.count_across_folds(plan.folds) if plan.folds.is_possible else None,
        known_after_treatment=suspects["known_after_treatment"],
        defining_outcome=suspects["defining_outcome"],
        alone=_rank_alone(data) if plan.folds.is_possible else None,
        c_model=_c_of_primary(development),
        reviewed=suspects.get("reviewed", ()),
    )
    return build_leakage_ledger(evidence).as_dict() | {"to_review": list(evidence.to_review)}


def _c_of_primary(development: Development) -> float | None:
    p, data = _out_of_fold(development), development.data
    if p is None:
        return None
    folds = development.plan.folds.fold
    return compute_c_statistic_within_folds(data.y_true, p, folds, data.weight, data.patient).estimate


def _rank_alone(data: TrainingData) -> dict[str, float]:
    """c-statistic of every clinical variable by itself: numbers in their better direction, words by held-out rates."""
    alone = {}
    for name in data.X.columns:
        if "__" in str(name) or name == CENTRE:
            continue
        column = data.X[name]
        if column.dtype.kind in "fiub":
            values = column.astype(float)
            p = values.fillna(values.median()).rank(pct=True).to_numpy()
        else:
            p = _held_out_rates(column, data)
        if np.isnan(p).any():
            continue
        c = compute_c_statistic(data.y_true, p, data.weight).estimate
        if c is not None:
            alone[str(name)] = max(c, 1.0 - c) if column.dtype.kind in "fiub" else max(c, 0.5)
    return alone


def _held_out_rates(column: pd.Series[Any], data: TrainingData) -> NDArray[np.float64]:
    """Rate of the outcome among the other women of her level; the overall rate counts as one of them."""
    level = column.fillna("not known").astype(str)
    codes = np.unique(level.to_numpy(dtype=str), return_inverse=True)[1]
    y = data.y_true.astype(np.float64)
    events, n = np.bincount(codes, y)[codes] - y, np.bincount(codes)[codes] - 1
    rates: NDArray[np.float64] = (events + y.mean()) / (n + 1)
    return rates


def _as_numbers(X: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Columns as numbers; words become codes, missing values NaN."""
    columns, is_code = [], []
    for name in X.columns:
        column = X[name]
        if column.dtype.kind in "fiub":
            columns.append(column.to_numpy(dtype=np.float64))
            is_code.append(False)
        else:
            codes = column.factorize()[0].astype(np.float64)
            columns.append(np.where(codes < 0, np.nan, codes))
            is_code.append(True)
    return np.column_stack(columns), np.array(is_code)
