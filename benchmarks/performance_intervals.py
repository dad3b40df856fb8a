"""Whether the intervals of cross-validated figures hold what the trained model is worth in new women.

Cohorts with a known truth: n women, a fixed number of responders, predictors that are normal within responders and
non-responders. A penalised logistic model is cross-validated (5 × 10 folds, each fold another fit), assessed by
`assess_cross_validated`, fitted once to all women, and judged on 20 000 fresh ones: that is the truth, one for each
cohort. Noise: no predictor knows anything (c 0.5, slope 0). Signal: three predictors know something. Effects beyond
what is usual: one predictor among twenty carries it all, or effects are drawn from a t distribution with two degrees
of freedom. `--external`: the same model, fixed, on new cohorts (`assess_fixed`).
Printed for each figure: the estimate, the truth, and how many intervals of 95 % hold it.
Run: .venv/bin/python benchmarks/performance_intervals.py [--cohorts 400] [--external]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit

from poi_predict.validation import assess_cross_validated, assess_fixed, make_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FIGURES = ("c_statistic", "brier", "log_loss", "calibration_slope", "calibration_in_the_large")
N_FRESH = 20_000


@dataclass(frozen=True)
class Kind:
    """A kind of cohort: women, responders, predictors, and the distance between responders and the others."""

    n: int
    events: int
    predictors: int = 8
    distance: float = 0.0
    effects: str = "three"

    def draw_effects(self, rng: np.random.Generator) -> Array:
        """Distance between the groups, predictor by predictor."""
        effect = np.zeros(self.predictors)
        effect[: 1 if self.effects == "one" else 3] = 1.0
        if self.effects == "heavy":
            effect = rng.standard_t(2, self.predictors)
        return self.distance * effect / np.linalg.norm(effect)


KINDS = (
    Kind(60, 8),
    Kind(60, 20),
    Kind(120, 30),
    Kind(300, 60),
    Kind(60, 20, distance=0.8),
    Kind(60, 20, distance=1.2),
    Kind(120, 30, distance=1.0),
    Kind(300, 60, distance=0.8),
    Kind(300, 60, distance=1.2),
    Kind(120, 30, 3, 0.9),
    Kind(120, 30, 20, 1.2, "one"),
    Kind(120, 30, 8, 1.2, "heavy"),
)


def draw_women(kind: Kind, n: int, events: int, effect: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    y = np.zeros(n)
    y[:events] = 1.0
    return rng.normal(size=(n, kind.predictors)) + np.outer(y, effect), y


def fit_penalised(X: Array, y: Array, penalty: float) -> Array:
    design = np.column_stack([np.ones(len(y)), X])
    beta = np.zeros(design.shape[1])
    beta[0] = logit(y.mean())
    ridge = penalty * np.diag([0.0] + [1.0] * X.shape[1])
    for _ in range(6):
        p = expit(design @ beta)
        information = (design * (p * (1.0 - p))[:, np.newaxis]).T @ design + ridge
        beta = beta + np.linalg.solve(information, design.T @ (y - p) - ridge @ beta)
    return beta


def predict(beta: Array, X: Array) -> Array:
    return expit(beta[0] + X @ beta[1:])


def compute_truth(p: Array, y: Array) -> list[float]:
    found = assess_fixed(y, p)
    return [float(found[name].estimate or 0.0) for name in FIGURES]


def measure(kind: Kind, seed: int, *, external: bool) -> Array:
    """Estimate, limits and truth of every figure; NaN where not estimable."""
    rng = np.random.default_rng([kind.n, kind.events, kind.predictors, round(100 * kind.distance), seed])
    effect = kind.draw_effects(rng)
    X, y = draw_women(kind, kind.n, kind.events, effect, rng)
    penalty = kind.n / 12
    fitted = fit_penalised(X, y, penalty)
    fresh, y_fresh = draw_women(kind, N_FRESH, round(N_FRESH * kind.events / kind.n), effect, rng)
    truth = compute_truth(predict(fitted, fresh), y_fresh)
    if external:
        X, y = draw_women(kind, kind.n, kind.events, effect, rng)
        found = assess_fixed(y, predict(fitted, X))
    else:
        plan = make_folds(y, None, n_folds=10, n_repeats=5, seed=seed)
        p = np.empty(plan.fold.shape)
        for repeat in range(plan.n_repeats):
            for fold in range(plan.n_folds):
                learn, held_out = plan.split(repeat, fold)
                p[held_out, repeat] = predict(fit_penalised(X[learn], y[learn], penalty), X[held_out])
        found = assess_cross_validated(y, p, plan.fold)
    rows = [(found[name].estimate, found[name].ci_low, found[name].ci_high) for name in FIGURES]
    return np.array([[*row, true] for row, true in zip(rows, truth, strict=True)], dtype=np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=400)
    parser.add_argument("--external", action="store_true")
    wanted = parser.parse_args()
    print("n events p distance effects |", " | ".join(f"{name}: estimate, truth, held" for name in FIGURES))
    for kind in KINDS:
        found = np.array([measure(kind, seed, external=wanted.external) for seed in range(wanted.cohorts)])
        cells = []
        for place in range(len(FIGURES)):
            estimate, low, high, truth = found[:, place].T
            known = np.isfinite(low)
            held = (low[known] <= truth[known]) & (truth[known] <= high[known])
            cells.append(f"{np.nanmean(estimate):.3f}, {truth.mean():.3f}, {100 * held.mean():.1f} %")
        print(kind.n, kind.events, kind.predictors, kind.distance, kind.effects, "|", " | ".join(cells), flush=True)


if __name__ == "__main__":
    main()
