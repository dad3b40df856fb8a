"""How long the evidence model takes, beside one ridge fit to the same women in the same run.

Cases, all with their Hessians, nine values of tau and the women's and arms' deviations:
4000 women, 4 arms of 64 points, 24 coefficients (at most 1 s); 60 women, 40 arms of 40 studies, 24 coefficients (at
most 50 ms, so that resampling can afford it), each with and without the correction by importance draws; 60 women with
gaps; and the intervals of 100 000 women. All cases take turns, round after round, so that a machine that slows down
slows all of them; the least and the median of the rounds are printed, the least of processor time, and the median
ratio to the ridge fit of the same round. Bounds are of the lesser of the two least times: with one thread both agree
on a machine with nothing else to do, and processor time is the one that other work disturbs least.

Small matrices gain nothing from more threads and lose much where cores are shared: --threads 0 leaves the linear
algebra library its own number, to see how much.

Exit code 1 if a stated bound is missed.
Run: .venv/bin/python benchmarks/evidence_speed.py [--rounds 15] [--threads 1]
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special
from threadpoolctl import threadpool_limits

from poi_predict.modeling.borrowing import Arm, Marginal, Prior
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.ridge import RidgeLogistic

if TYPE_CHECKING:
    from collections.abc import Callable

N_COEFFICIENTS = 24
COLUMNS = [f"x{i}" for i in range(N_COEFFICIENTS - 2)]  # beside intercept and therapy
FIELD = tuple(Marginal((name,), "normal", 0.0, 1.0) for name in COLUMNS)
PRIORS = tuple(Prior(name, 0.0, 0.5) for name in COLUMNS)
N_PREDICTED = 100_000


def draw_women(n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    X = pd.DataFrame(rng.standard_normal((n, len(COLUMNS))), columns=COLUMNS)
    slopes = 0.5 * rng.standard_normal(len(COLUMNS))
    return X, (rng.random(n) < special.expit(-1 + X.to_numpy() @ slopes)).astype(int)


def draw_arms(n: int, rng: np.random.Generator) -> tuple[Arm, ...]:
    """Arms of as many studies, every other with therapy, each told apart by six columns."""
    arms = []
    for place in range(n):
        women = int(rng.integers(6, 120))
        events = int(rng.binomial(women, special.expit(-1 + 0.5 * rng.standard_normal())))
        told = rng.choice(len(COLUMNS), 6, replace=False)
        marginals = tuple(Marginal((COLUMNS[i],), "normal", float(rng.normal(0, 0.5)), 1.0) for i in told)
        arms.append(Arm(f"A{place}", f"S{place}", events, women, treated=bool(place % 2), marginals=marginals))
    return tuple(arms)


def build(n_women: int, n_arms: int, *, correction: bool = True, gaps: bool = False) -> Callable[[], object]:
    """Return the fit to be timed."""
    rng = np.random.default_rng([n_women, n_arms])
    X, y = draw_women(n_women, rng)
    if gaps:
        X = X.mask(rng.random(X.shape) < 0.1)
    model = EvidenceLogisticRegression(
        priors=PRIORS, arms=draw_arms(n_arms, rng), population=FIELD, correction=correction
    )
    return lambda: model.fit(X, y)


def build_intervals() -> Callable[[], object]:
    rng = np.random.default_rng(3)
    model = EvidenceLogisticRegression(priors=PRIORS, arms=draw_arms(4, rng), population=FIELD)
    model.fit(*draw_women(200, rng))
    fresh = draw_women(N_PREDICTED, rng)[0]
    return lambda: model.predict_interval(fresh)


def build_ridge(n_women: int) -> Callable[[], object]:
    X, y = draw_women(n_women, np.random.default_rng([n_women, 0]))
    return lambda: RidgeLogistic().fit(X.to_numpy(), y)


def build_cases() -> dict[str, tuple[Callable[[], object], float | None, str]]:
    """Return what is timed, its bound in seconds, and the ridge fit it is compared with."""
    small, large = "ridge, 60 women", "ridge, 4000 women"
    return {
        small: (build_ridge(60), None, small),
        large: (build_ridge(4000), None, large),
        "4000 women, 4 arms": (build(4000, 4), 1.0, large),
        "4000 women, 4 arms, no correction": (build(4000, 4, correction=False), None, large),
        "60 women, 40 arms": (build(60, 40), 0.05, small),
        "60 women, 40 arms, no correction": (build(60, 40, correction=False), 0.05, small),
        "60 women with gaps, 40 arms": (build(60, 40, gaps=True), None, small),
        "60 women, 10 arms": (build(60, 10), None, small),
        f"intervals of {N_PREDICTED} women": (build_intervals(), None, small),
    }


def measure(cases: dict[str, tuple[Callable[[], object], float | None, str]], rounds: int) -> dict[str, np.ndarray]:
    """Return seconds by the clock and of the processor, shape (2, rounds), of each case."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, (run, _, _) in cases.items():
            started, busy = time.perf_counter(), time.process_time()
            run()
            if turn:  # the first warms up
                taken[name].append((time.perf_counter() - started, time.process_time() - busy))
    return {name: np.array(values).T for name, values in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1, help="of the linear algebra library; 0: its own choice")
    wanted = parser.parse_args()
    cases = build_cases()
    limit = threadpool_limits(wanted.threads) if wanted.threads else contextlib.nullcontext()
    with limit:
        taken = measure(cases, wanted.rounds)
    print(f"{'milliseconds':<36} {'least':>7} {'median':>7} {'processor':>9}  times ridge   bound")
    missed = []
    for name, (_, bound, ridge) in cases.items():
        clock, processor = 1000 * taken[name]
        best = min(clock.min(), processor.min())
        ratio = np.median(taken[name][1] / taken[ridge][1])
        held = "" if bound is None else f"{1000 * bound:>6.0f} {'held' if best <= 1000 * bound else 'missed'}"
        missed += [name] if held.endswith("missed") else []
        print(
            f"{name:<36} {clock.min():>7.1f} {np.median(clock):>7.1f} {processor.min():>9.1f}  {ratio:>11.1f}  {held}"
        )
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
