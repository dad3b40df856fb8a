"""Why the rung of penalised models starts where it does: ridge on all columns against no model, and against three.

Cohorts with a known truth (c about 0.70, 35 % events) of more and more women. For each number of events: the
shrinkage that Riley's first criterion leads one to expect, how often ridge on all columns predicts fresh women worse
than the prevalence, and how often it beats Firth on the three columns that hold the stated share of the signal.

Run: .venv/bin/python benchmarks/ladder_rule.py [--cohorts 60] [--seed 1]
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.special import expit

from poi_predict.modeling import FirthLogistic, RidgeLogistic
from poi_predict.validation import compute_expected_shrinkage, compute_max_r2_cox_snell

PREVALENCE, SPREAD, FRESH = 0.35, 0.78, 3000
INTERCEPT = 1.1 * np.log(PREVALENCE / (1 - PREVALENCE))


def compare(columns: int, share: float, n: int, rng: np.random.Generator) -> tuple[float, float] | None:
    """Gain in expected log loss over the cohort's prevalence, of ridge on all and of Firth on three columns."""
    effects = rng.normal(size=columns)
    effects[:3] *= np.sqrt(share / (effects[:3] ** 2).sum())
    effects[3:] *= np.sqrt((1 - share) / (effects[3:] ** 2).sum())
    effects *= SPREAD
    women, fresh = rng.normal(size=(n, columns)), rng.normal(size=(FRESH, columns))
    responds = (rng.random(n) < expit(INTERCEPT + women @ effects)).astype(int)
    truth = expit(INTERCEPT + fresh @ effects)
    if min(responds.sum(), n - responds.sum()) < 3:
        return None

    def loss(p: np.ndarray) -> float:
        kept = np.clip(p, 1e-6, 1 - 1e-6)
        return float(-(truth * np.log(kept) + (1 - truth) * np.log(1 - kept)).mean())

    base = loss(np.full(FRESH, responds.mean()))
    ridge = RidgeLogistic().fit(women, responds).predict_proba(fresh)[:, 1]
    three = FirthLogistic().fit(women[:, :3], responds).predict_proba(fresh[:, :3])[:, 1]
    return base - loss(ridge), base - loss(three)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    rng = np.random.default_rng(wanted.seed)
    r2 = 0.15 * compute_max_r2_cox_snell(PREVALENCE)
    print("columns  signal in three  events    n  shrinkage  ridge worse than none  ridge beats three")
    for columns in (12, 26):
        for share in (0.5, 0.8):
            for events in (20, 30, 45, 70, 110):
                n = round(events / PREVALENCE)
                gains = [compare(columns, share, n, rng) for _ in range(wanted.cohorts)]
                found = np.array([gain for gain in gains if gain is not None])
                shrinkage = compute_expected_shrinkage(n, columns, r2)
                worse, beats = (found[:, 0] < 0).mean(), (found[:, 0] > found[:, 1]).mean()
                print(
                    f"{columns:7d}  {share:15.1f}  {events:6d}  {n:3d}  {shrinkage:9.2f}  {worse:21.0%}  {beats:17.0%}"
                )


if __name__ == "__main__":
    main()
