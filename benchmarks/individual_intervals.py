"""Whether a linear model's 95 % interval holds the true probability of fresh women, and what its point is worth.

Cohorts with known truth: the SYNTHETIC clinic's simulator, and correlated columns (every third of 0 and 1) whose
effects are none, many and small, three and large with few events, or larger than the prior expects. Printed for each
size: how often the interval holds the true probability, its mean width, the log loss of the point against the truth,
and in how many cohorts the model did not say how sure it is (separation).

Clinics: centres whose log-odds differ by 0.5 (SD). A model of one clinic or of five is asked about women elsewhere,
and recalibrated there on so many women that about 11, 25 or 50 have the event (`--section clinics`).

Run: nice .venv/bin/python benchmarks/individual_intervals.py [--cohorts 20] [--seed 5] [--section simulator]
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from poi_predict.cohort import read_cohort
from poi_predict.features import FeatureSettings, build_features, input_columns
from poi_predict.modeling import (
    FirthLogistic,
    FittedModel,
    PlainLogistic,
    RidgeLogistic,
    TrainingData,
    add_centre_variance,
    build_pipeline,
    fit_model,
    predict_response,
    recalibrate_pipeline,
)
from poi_predict.modeling.blurring import blur_coefficients
from poi_predict.modeling.planning import _spare_few
from poi_predict.modeling.prespecified import build_prespecified
from poi_predict.privacy import LEAST
from poi_predict.study import read_study
from poi_predict.validation.recalibration_options import compute_recalibration_options
from poi_predict.workflow import simulate

SIZES, FRESH = (20, 40, 80, 160), 200
TAU, EVENTS = 0.5, (11, 25, 50)
EFFECTS = ("none", "small", "few large", "outside the prior")
MODELS = {"ridge": RidgeLogistic, "firth": FirthLogistic, "logistic": PlainLogistic}


def draw_effects(kind: str, k: int, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """Intercept and effects of k standardised columns."""
    if kind == "few large":
        return -2.0, np.r_[1.0, -1.0, 1.0, np.zeros(k - 3)]
    size = {"none": 0.0, "small": 0.3, "outside the prior": 0.7}[kind]
    return -0.9, rng.standard_normal(k) * size


def compute_log_loss(truth: np.ndarray, p: np.ndarray) -> float:
    kept = np.clip(p, 1e-9, 1 - 1e-9)
    return float(-(truth * np.log(kept) + (1 - truth) * np.log(1 - kept)).mean())


def judge_columns(kind: str, n: int, k: int, rng: np.random.Generator) -> dict[str, tuple[float, float, float]] | None:
    X = rng.standard_normal((n + FRESH, k)) @ (np.eye(k) + 0.3 * rng.standard_normal((k, k)))
    X[:, ::3] = X[:, ::3] > 0.7
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    intercept, effects = draw_effects(kind, k, rng)
    truth = expit(intercept + X @ effects)
    y = (rng.random(n + FRESH) < truth).astype(int)
    if min(y[:n].sum(), n - y[:n].sum()) < 2:
        return None
    found = {}
    for name, make in MODELS.items():
        if name == "ridge" or k <= n / 3:
            model = make().fit(X[:n], y[:n])
            low, high = model.predict_interval(X[n:]).T
            held = np.nan if np.isnan(low).any() else ((low < truth[n:]) & (truth[n:] < high)).mean()
            loss = compute_log_loss(truth[n:], model.predict_proba(X[n:])[:, 1])
            found[name] = (float(held), float((high - low).mean()), loss)
    return found


def judge_simulator(n: int, seed: int, folder: Path) -> dict[str, tuple[float, float, float]] | None:
    """Ridge as the shipped study trains it, gaps and all, on women of the simulator."""
    study, file, truth = read_study("menses_12m"), folder / "cohort.csv", folder / "truth.csv"
    simulate(n + FRESH, seed, file, truth, overwrite=True)
    cohort = read_cohort(file, study.codebook, study.reading, required=study.required_variables)
    columns = [c for c in input_columns(study.codebook, study.features.predictors) if c in cohort.data]
    p = pd.read_csv(truth)
    p = p[next(name for name in p if "menses" in name)].to_numpy(dtype=float)
    y = (np.random.default_rng(seed).random(len(p)) < p).astype(int)
    if min(y[:n].sum(), n - y[:n].sum()) < 2:
        return None
    features = build_features(study.codebook, FeatureSettings(study.features.predictors))
    X = cohort.data[columns]
    centre = cohort.data["centre"].to_numpy(dtype=object)[:n]
    learn, fresh = X.iloc[:n].reset_index(drop=True), X.iloc[n:].reset_index(drop=True)
    data = TrainingData(learn, y[:n], np.ones(n), np.arange(n))
    found = {}
    for name in ("ridge", "prespecified"):
        pipeline = build_pipeline(name, features, monotone={}, random_state=0)
        if name == "prespecified":
            pipeline = build_prespecified(study.codebook, study.features, (), max(1, min(3, int(y[:n].sum() // 10))))
        fitted = fit_model(_spare_few(pipeline, LEAST), learn, y[:n])
        stored = add_centre_variance(fitted, data, centre)
        for label, model in (
            (f"{name}, as fitted", fitted),
            (f"{name}, with centres", stored),
            (f"{name}, as stored", blur_coefficients(stored, learn, y[:n])),
        ):
            low, high = FittedModel(name, model).predict_interval(fresh).T
            held = ((low < p[n:]) & (p[n:] < high)).mean()
            loss = compute_log_loss(p[n:], predict_response(model, fresh))
            found[label] = (float(held), float((high - low).mean()), loss)
    return found


def judge_clinics(
    model: str, n: int, n_centres: int, rng: np.random.Generator
) -> dict[str, tuple[float, float, float]]:
    """Women of another clinic: by a model without centres, with them, and recalibrated on women of that clinic."""
    size, k = n + 2 * FRESH, 6
    X = rng.standard_normal((size, k))
    effects = rng.standard_normal(k) * 0.4
    at = np.r_[rng.integers(0, n_centres, n), np.full(2 * FRESH, n_centres)]
    log_odds = -0.9 + X @ effects + TAU * rng.standard_normal(n_centres + 1)[at]
    truth = expit(log_odds)
    y = (rng.random(size) < truth).astype(int)
    table, names = pd.DataFrame(X, columns=[f"x{j}" for j in range(k)]), at.astype(str).astype(object)
    bare = Pipeline(
        [
            ("features", FunctionTransformer(feature_names_out="one-to-one")),
            ("scale", StandardScaler()),
            ("model", MODELS[model]()),
        ]
    )
    pipeline = fit_model(bare.set_output(transform="pandas"), table.iloc[:n], y[:n])
    data = TrainingData(table.iloc[:n], y[:n], np.ones(n), np.arange(n))
    models = {"without": pipeline, "with centres": add_centre_variance(pipeline, data, names[:n])}
    for events in EVENTS:
        there = n + np.arange(FRESH)[np.cumsum(y[n : n + FRESH]) <= events]
        p = predict_response(models["with centres"], table.iloc[there])
        for option in compute_recalibration_options(y[there], p, n_resamples=10, seed=0):
            if option.is_offered:
                moved = recalibrate_pipeline(models["with centres"], *option.coefficients, option.covariance)
                models[f"{option.label}, {events} events"] = moved
    found = {}
    for label, each in models.items():
        fresh = table.iloc[n + FRESH :]
        low, high = FittedModel(model, each).predict_interval(fresh).T
        held = ((low < truth[n + FRESH :]) & (truth[n + FRESH :] < high)).mean()
        loss = compute_log_loss(truth[n + FRESH :], predict_response(each, fresh))
        found[label] = (float(held), float((high - low).mean()), loss)
    return found


def show(what: str, n: int, cohorts: list[dict[str, tuple[float, float, float]] | None]) -> None:
    for name in dict.fromkeys(name for each in cohorts if each is not None for name in each):
        found = np.array([each[name] for each in cohorts if each is not None and name in each])
        if len(found):
            held, width, loss = np.nanmean(found, axis=0)
            silent = int(np.isnan(found[:, 0]).sum())
            print(
                f"{what:34s} {n:4d}  {name:32s} {held:9.1%} {width:7.2f} {loss:9.3f}  {silent:3d} of {len(found)}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--section", choices=("simulator", "columns", "clinics", "all"), default="all")
    wanted = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'truth':34s}    n  model                             coverage   width  log loss  silent")
    sections = ("simulator", "columns", "clinics") if wanted.section == "all" else (wanted.section,)
    with tempfile.TemporaryDirectory() as folder:
        for n in SIZES if "simulator" in sections else ():
            found = [judge_simulator(n, wanted.seed + 1000 * r, Path(folder)) for r in range(wanted.cohorts)]
            show("simulator, shipped predictors", n, found)
    for model in MODELS if "clinics" in sections else ():
        for n_centres in (1, 5):
            rng = np.random.default_rng(wanted.seed)
            cohorts = [judge_clinics(model, 120, n_centres, rng) for _ in range(wanted.cohorts)]
            show(f"{model} of {n_centres} clinics, elsewhere", 120, cohorts)
    for k in (3, 8, 29) if "columns" in sections else ():
        for kind in EFFECTS:
            for n in SIZES:
                rng = np.random.default_rng(wanted.seed)
                show(f"{k} columns, effects {kind}", n, [judge_columns(kind, n, k, rng) for _ in range(wanted.cohorts)])


if __name__ == "__main__":
    main()
