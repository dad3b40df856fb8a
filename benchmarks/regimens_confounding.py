"""Whether the doubly robust contrast undoes confounding by indication, and whether a rule is supported out of nothing.

Cohorts in which older women get option A more often and respond less whatever they get; all reasons are recorded. For
each number of women and each true effect, over 200 cohorts: the bias of a contrast with its Monte-Carlo error, how
often its 95 % interval holds the truth, and its mean standard error against the spread it should describe (ratio). The
naive contrast and the doubly robust one stand beside three that were robbed: of the outcome model (everyone gets the
mean), of the propensities (lots of one half are claimed), of both. Either model alone should do, but for what its
penalty leaves behind; without both nothing is adjusted.

Rules: three options. Nothing differs (chosen by age, then by lot); one option is 25 points better for all; each kind
of women has an option of her own. Printed is how often "treat by the model" is said to be supported.

Run: .venv/bin/python benchmarks/regimens_confounding.py [--cohorts 200] [--jobs 2] [--seed 2024]
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special

from poi_predict.regimen import CrossFitSettings, check_courses, compute_policy_value, estimate_effects
from poi_predict.validation import compute_proportion
from poi_predict.validation.intervals import compute_t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poi_predict.regimen import Courses, Covariates, Predict
    from poi_predict.validation import Estimate

SETTINGS = CrossFitSettings(repeats=3)
OFTEN, LESS, START = 0.9, -0.9, -0.3
"""Log-odds of A, and of a response, for 5 years of age; log-odds of a response at 35 with B."""
FSH_OFTEN, FSH_LESS = 0.3, -0.4
LOTS = {"A": 0.5, "B": 0.5}


def draw_chosen(n: int, effect: float, rng: np.random.Generator) -> Courses:
    """Draw a cohort in which clinicians chose between A and B."""
    older, fsh = rng.standard_normal((2, n))
    is_a = rng.random(n) < special.expit(OFTEN * older + FSH_OFTEN * fsh)
    y = rng.random(n) < special.expit(START + LESS * older + FSH_LESS * fsh + effect * is_a)
    return check_courses(y, np.where(is_a, "A", "B"), pd.DataFrame({"age": 35 + 5 * older, "fsh__log": fsh}))


def compute_truth(effect: float) -> float:
    """Mean difference over all women, by Gauss–Hermite quadrature of their normal log-odds."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    eta = START + np.hypot(LESS, FSH_LESS) * nodes
    return float(weights @ (special.expit(eta + effect) - special.expit(eta)) / weights.sum())


def learn_the_mean(train: Courses) -> Predict:
    """Learn an outcome model that knows neither option nor covariates."""
    mean = float(np.average(train.y, weights=train.weight))

    def predict(covariates: Covariates) -> np.ndarray:
        return np.full((len(covariates.frame), len(train.options)), mean)

    return predict


def compare_once(n: int, effect: float, seed: int) -> dict[str, Estimate]:
    courses = draw_chosen(n, effect, np.random.default_rng([seed, n]))
    common = {"reference": "B", "settings": SETTINGS, "random_state": seed}
    (full,) = estimate_effects(courses, **common).contrasts
    (no_outcome,) = estimate_effects(courses, learn=learn_the_mean, **common).contrasts
    (no_propensity,) = estimate_effects(courses, propensity=LOTS, **common).contrasts
    (neither,) = estimate_effects(courses, propensity=LOTS, learn=learn_the_mean, **common).contrasts
    return {
        "naive": full.naive,
        "doubly robust": full.difference,
        "  without outcome model": no_outcome.difference,
        "  without propensities": no_propensity.difference,
        "  without both": neither.difference,
    }


def report_contrasts(n: int, effect: float, found: Sequence[dict[str, Estimate]]) -> None:
    truth, quantile = compute_truth(effect), compute_t_quantile(0.95, n - 2)
    print(f"\n{n} women, true difference {100 * truth:+.1f} points, {len(found)} cohorts")
    print(f"  {'':<24}{'bias, points':>18}{'coverage':>10}{'ratio':>8}{'spread':>9}")
    for name in found[0]:
        table = np.array([(e[name].estimate, e[name].ci_low, e[name].ci_high) for e in found], dtype=float)
        error = table[:, 0].std(ddof=1)
        bias, doubt = table[:, 0].mean() - truth, error / np.sqrt(len(table))
        held = np.mean((table[:, 1] <= truth) & (truth <= table[:, 2]))
        ratio = np.mean((table[:, 2] - table[:, 1]) / (2.0 * quantile)) / error
        said = f"{100 * bias:+.2f} ± {100 * doubt:.2f}"
        print(f"  {name:<24}{said:>18}{held:>10.1%}{ratio:>8.2f}{100 * error:>9.1f}", flush=True)


def draw_for_rule(kind: str, n: int, rng: np.random.Generator) -> Courses:
    """Draw a cohort with three options and three kinds of women."""
    options, trait, age = np.array(["A", "B", "C"]), rng.integers(0, 3, n), rng.standard_normal(n)
    leaning = age[:, np.newaxis] * np.array([0.8, 0.0, -0.8]) * (kind != "nothing differs, lots")
    given = (special.softmax(leaning, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    suits = {"one option better for all": given == 0, "each her own option": trait == given}
    start = -0.4 - 0.6 * age
    y = rng.random(n) < np.clip(special.expit(start) + 0.25 * suits.get(kind, np.zeros(n)), 0.0, 1.0)
    return check_courses(y, options[given], pd.DataFrame({"age": age, "trait": options[trait]}))


def is_supported(kind: str, n: int, seed: int) -> tuple[bool, float]:
    rule = compute_policy_value(
        draw_for_rule(kind, n, np.random.default_rng([seed, n])), settings=SETTINGS, random_state=seed
    )
    return rule.supported, float(rule.gain_over_best.estimate or 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=-1, help="cohorts at a time; -1: one on every core")
    parser.add_argument("--seed", type=int, default=2024)
    wanted = parser.parse_args()
    seeds, started = range(wanted.seed, wanted.seed + wanted.cohorts), time.perf_counter()
    for n in (120, 400):
        for effect in (0.0, 1.0):
            report_contrasts(
                n, effect, Parallel(n_jobs=wanted.jobs)(delayed(compare_once)(n, effect, seed) for seed in seeds)
            )
    print("\nrule said to be supported")
    for kind in (
        "nothing differs, lots",
        "nothing differs, chosen",
        "one option better for all",
        "each her own option",
    ):
        for n in (120, 400):
            found = Parallel(n_jobs=wanted.jobs)(delayed(is_supported)(kind, n, seed) for seed in seeds)
            rate = compute_proportion(sum(said for said, _ in found), len(found))
            gain = 100 * np.mean([value for _, value in found])
            print(
                f"  {kind:<28}{n:>4} women  {rate.estimate:6.1%} ({rate.ci_low:.1%} to {rate.ci_high:.1%}), mean gain "
                f"over the best single option {gain:+.1f} points",
                flush=True,
            )
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
