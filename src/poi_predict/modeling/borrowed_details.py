"""What a training says of its borrowed evidence, as plain values for `assessment.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from poi_predict.evidence import compute_exact_interval
from poi_predict.features import SEPARATOR, origin_of
from poi_predict.modeling.borrowing.links import find_link
from poi_predict.modeling.borrowing.women import build_copula
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.plain import as_plain
from poi_predict.privacy import LEAST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.cohort import Codebook
    from poi_predict.modeling.evaluation import TrainingData

    FloatArray = NDArray[np.float64]

__all__ = ["describe_average_contrast", "describe_borrowing", "predict_contrast"]

DRAWS = 2000
FIELD_POINTS = 256
STEPS = 8
INTERVAL = (0.025, 0.975)
LEVEL = 0.05
SPECIAL_LABELS = {"intercept": "Average woman without therapy", "treated": "Cell therapy against none"}
DEFINITION = "definition:"


def describe_borrowing(
    pipeline: Pipeline, data: TrainingData, codebook: Codebook, outcome: str, *, seed: int
) -> dict[str, Any]:
    """Describe the evidence model of a training: arms, effects, conflict, contrast and learning curve.

    Parameters
    ----------
    pipeline : Pipeline
        Of `build_evidence_pipeline`, fitted to `data`.
    data : TrainingData
        May have no row: then the curve has one point, the evidence alone.
    codebook : Codebook
        Gives the labels.
    outcome : str
        What the evidence is on.
    seed : int
        Of the order in which women are added, and of posterior draws.
    """
    model: EvidenceLogisticRegression = pipeline["model"]
    posterior, conflict = model.describe()
    return {
        "outcome": outcome,
        "link": model.link,
        "arms": _describe_arms(model),
        "effects": _describe_effects(model, posterior, codebook),
        "tau": _describe_tau(posterior) | {"therapy": model.fit_.therapy_spread * model.tau_mean_},
        "conflict": conflict | {"verdict": _judge(conflict)},
        "contrast": describe_average_contrast(pipeline, data.X, data.weight, seed),
        "diagnostics": {name: as_plain(value) for name, value in model.diagnostics_.items()},
        "learning_curve": _compute_learning_curve(pipeline, data, seed),
    }


def describe_average_contrast(pipeline: Pipeline, X: pd.DataFrame, weight: FloatArray, seed: int) -> dict[str, Any]:
    """Say how likely response is with and without therapy for these women on average, and whether it can be told.

    Parameters
    ----------
    pipeline : Pipeline
    X : DataFrame of shape (n_women, n_inputs)
        Without a row, made-up women with the distributions of the field stand for them.
    weight : ndarray of shape (n_women,)
    seed : int
    """
    model: EvidenceLogisticRegression = pipeline["model"]
    columns = pipeline[:-1].transform(X)
    woman = "the women of this cohort, on average"
    if not len(columns):
        columns, woman = _make_field(model), "women as in published cohorts, on average"
        weight = np.ones(len(columns))
    link = find_link(model.link)
    means = []
    for therapy in (1.0, 0.0):
        eta = model.sample_log_odds(columns, DRAWS, np.random.default_rng(seed), therapy=therapy)
        means.append(link.probability(eta) @ (weight / weight.sum()))
    with_therapy, without = means
    difference = with_therapy - without
    low, high = np.quantile(difference, INTERVAL)
    odds_ratio = with_therapy * (1 - without) / ((1 - with_therapy) * without)
    return {
        "with": _share(with_therapy),
        "without": _share(without),
        "difference": _interval(difference, float(difference.mean())),
        "odds_ratio": _interval(odds_ratio, float(np.median(odds_ratio))),
        "distinguishable": bool(low > 0 or high < 0),
        "woman": woman,
    }


def predict_contrast(pipeline: Pipeline, woman: pd.DataFrame) -> dict[str, Any] | None:
    """Say how likely one woman's response is with and without therapy.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    woman : DataFrame of one row

    Returns
    -------
    dict or None
        As `EvidenceLogisticRegression.predict_contrast`; None for a model that has not seen anyone without therapy.
    """
    model = pipeline[-1]
    if not isinstance(model, EvidenceLogisticRegression) or not model.fit_.design.has_effect:
        return None
    found = model.predict_contrast(pipeline[:-1].transform(woman)).iloc[0]
    return {str(name): as_plain(value) for name, value in found.items()}


def _make_field(model: EvidenceLogisticRegression) -> pd.DataFrame:
    """Points with the distributions of the table of the field; gaps where it is silent."""
    names = [str(name) for name in model.feature_names_in_]
    place = {name: position for position, name in enumerate(names)}
    points = build_copula(model.population, model.correlations, FIELD_POINTS, model.random_state)
    return pd.DataFrame(points.place(model.population, place), columns=names)


def _describe_arms(model: EvidenceLogisticRegression) -> list[dict[str, Any]]:
    rows = []
    for row in model.arms_.to_dict("records"):
        low, high = compute_exact_interval(row["events"], row["n"])
        variables = dict.fromkeys(origin_of(name) for name in row.pop("silent").split(", ") if name)
        rows.append({str(name): as_plain(value) for name, value in row.items()})
        rows[-1] |= {"label": row["study"], "ci_low": low, "ci_high": high, "silent": list(variables)}
    return rows


def _describe_effects(
    model: EvidenceLogisticRegression, posterior: pd.DataFrame, codebook: Codebook
) -> list[dict[str, Any]]:
    source = {prior.parameter: prior.source for prior in model.priors}
    rows = []
    for row in posterior[posterior["share_prior"].notna()].to_dict("records"):
        name = str(row.pop("parameter"))
        row.pop("q50")
        row["ci_low"], row["ci_high"] = row.pop("q2_5"), row.pop("q97_5")
        told = {"parameter": name, "variable": _variable(name), "label": _label(name, codebook)}
        rows.append(told | {str(key): as_plain(value) for key, value in row.items()} | {"source": source.get(name, "")})
    return rows


def _describe_tau(posterior: pd.DataFrame) -> dict[str, float]:
    low, mean, high = posterior.loc[posterior["parameter"] == "tau", ["q2_5", "mean", "q97_5"]].to_numpy(dtype=float)[0]
    return {"mean": float(mean), "ci_low": float(low), "ci_high": float(high)}


def _judge(conflict: Mapping[str, Any]) -> str:
    p, flagged = conflict["p_patients"], conflict["flagged"]
    about = "the women of this cohort" if p is not None else "the published arms"
    against = "the borrowed evidence" if p is not None else "the borrowed effects"
    p = conflict["p_arms"] if p is None else p
    if p is None and not flagged:
        return f"{about[0].upper()}{about[1:]} are too few to contradict {against}."
    if flagged or (p is not None and p < LEVEL):
        return f"{about[0].upper()}{about[1:]} contradict {against}."
    return f"{about[0].upper()}{about[1:]} do not contradict {against}."


def _compute_learning_curve(pipeline: Pipeline, data: TrainingData, seed: int) -> list[dict[str, Any]]:
    """Average probabilities of all women of the cohort as the model sees 0, some, and all of them."""
    order = _order_women(data, np.random.default_rng(seed))
    n = len(order)
    curve = []
    for count in _choose_counts(n):
        rows = np.sort(np.concatenate([np.zeros(0, dtype=np.intp), *order[:count]]))
        some = data.take(rows)
        fitted = pipeline if count == n else _refit(pipeline, some)
        found = describe_average_contrast(fitted, data.X, data.weight, seed)
        point = {"n": count}
        for side in ("with", "without"):
            point |= {f"p_{side}": found[side]["p"], f"{side}_low": found[side]["low"]}
            point[f"{side}_high"] = found[side]["high"]
        curve.append(point)
    return curve


def _choose_counts(n: int) -> list[int]:
    """Return how many of n women are added, from none to all; no step is of so few that they could be told."""
    counts = [0]
    for k in np.round(np.geomspace(min(2 * LEAST, max(n, 1)), max(n, 1), STEPS)).astype(int).tolist():
        if min(k - counts[-1], n - k) >= LEAST:
            counts.append(k)
    return [*counts, n] if n else counts


def _refit(pipeline: Pipeline, some: TrainingData) -> Pipeline:
    quick = clone(pipeline).set_params(model__sampler="quick")
    fitted: Pipeline = quick.fit(some.X, some.y_true, model__sample_weight=some.fit_weight)
    return fitted


def _order_women(data: TrainingData, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Rows of each woman, the women in random order."""
    patients, of_row = np.unique(data.patient, return_inverse=True)
    rows = [np.flatnonzero(of_row == k) for k in range(len(patients))]
    return [rows[k] for k in rng.permutation(len(patients))]


def _share(draws: FloatArray) -> dict[str, float]:
    low, high = np.quantile(draws, INTERVAL)
    return {"p": float(draws.mean()), "low": float(low), "high": float(high)}


def _interval(draws: FloatArray, estimate: float) -> dict[str, float]:
    low, high = np.quantile(draws, INTERVAL)
    return {"estimate": estimate, "ci_low": float(low), "ci_high": float(high)}


def _variable(parameter: str) -> str:
    return origin_of(parameter.split(":", maxsplit=1)[0]) if SEPARATOR in parameter else ""


def _label(parameter: str, codebook: Codebook) -> str:
    if parameter in SPECIAL_LABELS:
        return SPECIAL_LABELS[parameter]
    if parameter.startswith(DEFINITION):
        return f"Outcome counted otherwise: {parameter.removeprefix(DEFINITION).replace('_', ' ')}"
    return " × ".join(_column_label(part, codebook) for part in parameter.split(":"))


def _column_label(column: str, codebook: Codebook) -> str:
    variable, derivation = column.split(SEPARATOR, 1)
    label = codebook[variable].label
    if codebook[variable].kind in ("category", "multi") or derivation == "detectable":
        return f"{label}: {derivation.replace('_', ' ')}"
    how = {"log": "log", "log10": "per tenfold", "sqrt": "square root", "years": "per year"}.get(derivation)
    return label if how is None else f"{label}, {how}"
