"""Whether a linear model's 95 % interval holds the true probability of fresh women, and what its point is worth.

Cohorts with known truth: the SYNTHETIC clinic's simulator, and correlated columns (every third of 0 and 1) whose
effects are none, many and small, three and large with few events, or larger than the prior expects. Printed for each
size: how often the interval holds the true probability, its mean width, the log loss of the point against the truth,
and in how many cohorts the model did not say how sure it is (separation).

Run: nice .venv/bin/python benchmarks/individual_intervals.py [--cohorts 20] [--seed 5]
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from poi_predict.cohort import read_cohort
from poi_predict.features import FeatureSettings, build_features, input_columns
from poi_predict.modeling import (
    FirthLogistic,
    FittedModel,
    PlainLogistic,
    RidgeLogistic,
    build_pipeline,
    fit_model,
    predict_response,
)
from poi_predict.study import read_study
from poi_predict.workflow import simulate

SIZES, FRESH = (20, 40, 80, 160), 200
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
    simulate(n + FRESH, seed, file, truth)
    cohort = read_cohort(file, study.codebook, study.reading, required=study.required_variables)
    columns = [c for c in input_columns(study.codebook, study.features.predictors) if c in cohort.data]
    p = pd.read_csv(truth)
    p = p[next(name for name in p if "menses" in name)].to_numpy(dtype=float)
    y = (np.random.default_rng(seed).random(len(p)) < p).astype(int)
    if min(y[:n].sum(), n - y[:n].sum()) < 2:
        return None
    features = build_features(study.codebook, FeatureSettings(study.features.predictors))
    X = cohort.data[columns]
    pipeline = build_pipeline("ridge", features, monotone={}, random_state=0)
    fitted = fit_model(pipeline, X.iloc[:n].reset_index(drop=True), y[:n])
    fresh = X.iloc[n:].reset_index(drop=True)
    low, high = FittedModel("ridge", fitted).predict_interval(fresh).T
    held = ((low < p[n:]) & (p[n:] < high)).mean()
    return {
        "ridge": (float(held), float((high - low).mean()), compute_log_loss(p[n:], predict_response(fitted, fresh)))
    }


def show(what: str, n: int, cohorts: list[dict[str, tuple[float, float, float]] | None]) -> None:
    for name in MODELS:
        found = np.array([each[name] for each in cohorts if each is not None and name in each])
        if len(found):
            held, width, loss = np.nanmean(found, axis=0)
            silent = int(np.isnan(found[:, 0]).sum())
            print(
                f"{what:34s} {n:4d}  {name:9s} {held:9.1%} {width:7.2f} {loss:9.3f}  {silent:3d} of {len(found)}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=5)
    wanted = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'truth':34s}    n  model      coverage   width  log loss  silent")
    with tempfile.TemporaryDirectory() as folder:
        for n in SIZES:
            found = [judge_simulator(n, wanted.seed + 1000 * r, Path(folder)) for r in range(wanted.cohorts)]
            show("simulator, shipped predictors", n, found)
    for k in (3, 8, 29):
        for kind in EFFECTS:
            for n in SIZES:
                rng = np.random.default_rng(wanted.seed)
                show(f"{k} columns, effects {kind}", n, [judge_columns(kind, n, k, rng) for _ in range(wanted.cohorts)])


if __name__ == "__main__":
    main()
