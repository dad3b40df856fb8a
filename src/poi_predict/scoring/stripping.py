"""Bundles of earlier versions: what of their women they give away, and a clean copy of them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.errors import BundleError, OutputError
from poi_predict.modeling.borrowing.women import Moments
from poi_predict.privacy import (
    LEAST,
    blur_moments,
    coarsen_count,
    floor_count,
    hide_count,
    hide_small_groups,
    seed_noise,
)
from poi_predict.scoring.bundle import Bundle, read_bundle, write_bundle
from poi_predict.scoring.contract import Contract, TrainingRange
from poi_predict.scoring.drift.aspects import return_to_unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    FloatArray = NDArray[np.float64]

__all__ = ["describe_exposure", "strip_bundle", "strip_model", "strip_pipeline"]

NOTE = (
    "Stripped of refits, small counts and exact sums; the equation of a linear model is unchanged, the effects of an "
    "evidence model are blurred."
)
NO_INTERVAL = " The model gives no interval any more: it came from the refits."
KEPT = (
    "What could not be taken away: the coefficients, which were learnt from levels of fewer than five women as well. "
    "Only training again does that. Where values are missing, what is filled in is blunter, so predictions change."
)
INDICATOR = 1e-3
SD_OF_CENTRAL_95 = 1.96


def describe_exposure(contract: Contract, *, has_refits: bool) -> str | None:
    """Say what a bundle of an earlier version gives away of its women; None for one of this version.

    Examples
    --------
    >>> describe_exposure(Contract("menses_12m", ("age",), ("age",), privacy={"least": 5}), has_refits=False) is None
    True
    """
    if contract.is_reference or (contract.privacy and not has_refits):
        return None
    held = ["refits, from which every woman of its training can be reconstructed"] if has_refits else []
    held += ["counts of single women", "sums from which one alone in a level can be read"]
    return (
        f"This model was stored by an earlier version and holds {', '.join(held[:-1])} and {held[-1]}. Keep it where "
        "patients' data belong; train again, or write a copy without them: poi-predict strip --model OLD --out NEW."
    )


def strip_model(model: Path, out: Path) -> list[str]:
    """Write a copy of a stored model without what gives its women away, and say what was done.

    Raises
    ------
    BundleError
        If the model cannot be read, or cannot be cleaned.
    OutputError
        If something stands at `out`.
    """
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise OutputError(f"An existing output is not replaced unasked; {out.name} exists. Name another folder.")
    bundle = read_bundle(model)
    write_bundle(strip_bundle(bundle), out)
    return [
        f"Wrote {out}.",
        _describe(bundle),
        KEPT,
        "The old bundle stands as it was: delete it, and every copy of it.",
    ]


def strip_bundle(bundle: Bundle) -> Bundle:
    """Return a model without refits, small counts and exact sums of its women.

    Raises
    ------
    BundleError
        If it is made of trees, whose thresholds and leaves are those of single women; if there is nothing to strip.
    """
    if describe_exposure(bundle.contract, has_refits=bool(bundle.refits)) is None:
        raise BundleError(
            "A model to be stripped must hold what earlier versions stored of its women; this one does not. Use it as "
            "it is."
        )
    if hasattr(_find_model(bundle.pipeline), "estimators_") or hasattr(_find_model(bundle.pipeline), "_predictors"):
        raise BundleError(
            "A model of trees cannot be stripped: its thresholds and leaves are those of single women. Train evidence "
            "or ridge again with this version."
        )
    contract = _strip_contract(bundle.contract)
    return replace(
        bundle,
        pipeline=strip_pipeline(bundle.pipeline, int(bundle.assessment.get("n", 0))),
        contract=contract,
        assessment=_strip_assessment(bundle.assessment, _describe(bundle)),
        card=f"> {_describe(bundle)} {KEPT}\n\n{bundle.card}",
        refits=(),
        digest="",
    )


def _describe(bundle: Bundle) -> str:
    return NOTE + (NO_INTERVAL if bundle.refits else "")


def _find_model(pipeline: Pipeline) -> Any:
    return getattr(pipeline[-1], "base", pipeline[-1])


def _strip_contract(contract: Contract) -> Contract:
    development = _strip_sums(contract.development) if contract.development else {}
    support = dict(contract.regimens.get("support") or {})
    rows = support.get("seen", [])
    if support:
        seen = [{**row, "n_women": floor_count(row["n_women"]) if row["n_women"] >= LEAST else 0} for row in rows]
        support |= {"seen": [row for row in seen if row["n_women"] or row["n_arms"]], "neighbourhood": None}
    women = dict(contract.women)
    if women:
        women = _strip_women(women, rows)
    return replace(
        contract,
        development=development,
        women=women,
        training_ranges=_estimate_ranges(contract, development, women),
        regimens={**contract.regimens, "support": support} if contract.regimens else {},
        privacy={"least": LEAST},
    )


def _strip_sums(development: Mapping[str, Any]) -> dict[str, Any]:
    """Blank the sums of a few women, as far as the sums themselves tell, and blur the others."""
    n = int(development["n_women"])
    mean, known = (np.asarray(development[part], dtype=np.float64) for part in ("mean", "known"))
    covariance = np.asarray(development["covariance"], dtype=np.float64)
    count, variance = known * n, np.diag(covariance)
    is_flag = np.abs(variance - mean * (1 - mean) * count / np.maximum(count - 1, 1)) < INDICATOR
    few = is_flag & (variance > 0) & (np.minimum(mean, 1 - mean) * count < LEAST - 0.5)
    told = (count >= LEAST - 0.5) & ~few
    both = covariance * (n - 1) / n + np.outer(mean, mean)
    cells = (both, mean[:, None] - both, mean[None, :] - both, 1 - mean[:, None] - mean[None, :] + both)
    full = np.all([(cell * n < 0.5) | (cell * n >= LEAST - 0.5) for cell in cells], axis=0)
    kept = np.outer(told, told) & (full | ~np.outer(is_flag, is_flag) | np.eye(len(told), dtype=np.bool_))
    rng = seed_noise(np.append(covariance.ravel(), mean))
    mean, covariance, known = blur_moments(mean, covariance, known, n, kept, rng)
    return {
        **development,
        "mean": [float(f"{value:.6g}") for value in mean],
        "covariance": [[float(f"{value:.6g}") for value in row] for row in covariance],
        "known": [round(float(share), 4) for share in known],
    }


def _strip_women(women: Mapping[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    n = int(women["n_women"])

    def coarsen(share: float) -> float:
        return round(coarsen_count(round(share * n), n) / n, 4)

    variables = {}
    for name, kept in women["variables"].items():
        coarse: dict[str, Any] = {key: coarsen(value) for key, value in kept.items() if key in ("missing", "below")}
        for key in ("levels", "bins"):
            if isinstance(kept.get(key), dict):
                coarse[key] = {level: coarsen(share) for level, share in kept[key].items()}
            elif key in kept:
                coarse[key] = _coarsen_all(kept[key], n)
        variables[name] = {**kept, **coarse}
    found = women["predictions"]
    counts: dict[tuple[Any, Any], int] = {}
    for row in rows:
        pair = (row.get("cell_source"), row.get("route"))
        counts[pair] = counts.get(pair, 0) + row["n_women"]
    protocols = [pair for pair in women.get("protocols", ()) if counts.get(tuple(pair), 0) >= LEAST]
    predictions = {**found, "bins": _coarsen_all(found["bins"], n), "mean": round(found["mean"], 2)}
    return {
        **women,
        "variables": variables,
        "predictions": {**predictions, "sd": round(found["sd"], 2)},
        "protocols": protocols,
    }


def _coarsen_all(shares: list[float], n: int) -> list[float]:
    coarse = [hide_count(round(share * n)) for share in shares]
    return [round(count / max(sum(coarse), 1), 4) for count in coarse]


def _estimate_ranges(contract: Contract, development: Mapping[str, Any], women: Mapping[str, Any]) -> dict[str, Any]:
    """Estimate where the central 95 % of each variable lie, by its blurred mean and spread."""
    found = {}
    columns = list(development.get("columns", ()))
    for name in contract.training_ranges:
        column = women.get("variables", {}).get(name, {}).get("column")
        if column not in columns:
            continue
        place = columns.index(column)
        mean, sd = development["mean"][place], development["covariance"][place][place] ** 0.5
        if sd > 0:
            ends = (return_to_unit(column, mean + side * SD_OF_CENTRAL_95 * sd) for side in (-1.0, 1.0))
            low, high = (float(f"{end:.1e}") for end in ends)
            found[name] = TrainingRange(low, high)
    return found


def _strip_assessment(assessment: Mapping[str, Any], note: str) -> dict[str, Any]:
    clean = copy.deepcopy(dict(assessment))
    if clean.get("subgroups"):
        clean["subgroups"] = hide_small_groups(clean["subgroups"], "variable")
    across = clean.get("internal_external") or {}
    if across.get("centres"):
        across["centres"] = hide_small_groups(across["centres"], "")
    for option in (clean.get("regimens") or {}).get("options", ()):
        option["n_women"] = floor_count(option["n_women"])
    clean["privacy"] = {"least": LEAST}
    clean["warnings"] = [*clean.get("warnings", ()), f"{note} {KEPT}"]
    return clean


def strip_pipeline(pipeline: Pipeline, n: int) -> Pipeline:
    """Return a copy whose sums of women are blurred; the equation of a linear model is the same to the last digits."""
    clean = copy.deepcopy(pipeline)
    model, steps = _find_model(clean), clean.named_steps
    if "impute" in steps:
        imputer = steps["impute"]
        imputer.mean_, imputer.covariance_ = _blur(imputer.mean_, imputer.covariance_, n)
        sd = np.sqrt(np.diag(imputer.covariance_))
        for name, side in (("low_", -SD_OF_CENTRAL_95), ("high_", SD_OF_CENTRAL_95)):
            ends = [float(f"{end:.1e}") for end in imputer.mean_ + side * sd]
            setattr(imputer, name, np.clip(ends, imputer.low_, imputer.high_) if name == "high_" else np.array(ends))
    if "scale" in steps and hasattr(model, "coef_"):
        scaler = steps["scale"]
        mean, scale = scaler.mean_.copy(), scaler.scale_.copy()
        scaler.mean_, covariance = _blur(mean, np.diag(np.square(scale)), n)
        scaler.scale_ = np.sqrt(np.diag(covariance))
        scaler.var_ = np.where(scaler.var_ > 0, np.square(scaler.scale_), 0.0)
        model.intercept_ = model.intercept_ + np.ravel(model.coef_) @ ((scaler.mean_ - mean) / scale)
        model.coef_ = model.coef_ * scaler.scale_ / scale
    if hasattr(model, "fit_"):
        moments = Moments(*_blur(model.fit_.moments.mean, model.fit_.moments.covariance, n))
        model.fit_ = replace(model.fit_, moments=moments)
        if n and len(model.fit_.centre_codes):
            model.blur(LEAST, seed_noise(model.mean_), n=n)
    return clean


def _blur(mean: FloatArray, covariance: FloatArray, n: int) -> tuple[FloatArray, FloatArray]:
    k = len(mean)
    rng = seed_noise(np.append(covariance.ravel(), mean))
    blurred = blur_moments(mean, covariance, np.ones(k), max(n, 1), np.ones((k, k), dtype=np.bool_), rng)
    varies = np.diag(blurred[1]) > 0
    return blurred[0], np.where(np.outer(varies, varies), blurred[1], np.diag(np.diag(covariance)))
