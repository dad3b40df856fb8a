"""Whether the default training invents skill, and whether it finds skill that is there.

Noise: 40 cohorts of 60 women, 8 events, 6 standard normal predictors that have nothing to do with the outcome.
Signal: 40 cohorts of 200 women, 30 % events, a logistic truth whose own c is exactly 0.80. Each goes through the
default training (`workflow.develop` on a study that declares nothing but its six variables). Printed for each
kind: the rung of the ladder and the model reported, the c reported beside that model's c on 20 000 fresh women,
the verdicts, and the rate of each verdict with a Wilson interval.

At 8 events the ladder stops at the prevalence, so noise says little of the permutation null; with
--override-ladder the declared model is reported whatever the events, and the null alone stands guard. The verdict
is of the primary model: with --candidates prevalence,ridge it is the same, in a fraction of the time.

Rivals (--rivals): the best of five scikit-learn models by its own cross-validated AUC; MLJAR and PyCaret when
they are installed.
Run: .venv/bin/python benchmarks/noise_cohorts.py [--cohorts 40] [--jobs 2] [--override-ladder] [--rivals]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import math
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special
from scipy.optimize import brentq

from poi_predict.errors import PoiPredictError
from poi_predict.modeling import predict_response
from poi_predict.study import read_study
from poi_predict.validation import compute_proportion
from poi_predict.workflow import develop

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = [f"x{i}" for i in range(1, 7)]
SLOPES = np.array([3.0, -2.0, 2.0, 1.0, -1.0, 1.0])
TRUE_C, PREVALENCE = 0.80, 0.30
N_FRESH = 20_000
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Kind:
    """A kind of cohort, and what is asked of the verdicts on it."""

    name: str
    n: int
    c_truth: float
    target: str


@dataclass(frozen=True)
class Found:
    """What one training reported of one cohort; None where the training reports no c."""

    reported: float | None
    fresh: float
    skill: str
    p_value: float | None
    rung: str
    primary: str
    rule: str
    seconds: float


NOISE = Kind("noise", 60, 0.5, "mean reported c ≤ 0.52; shown in at most 1 of 40; none in ≥ 90 %")
SIGNAL = Kind("signal", 200, TRUE_C, "shown in ≥ 80 %; mean reported c within ± 0.03 of the truth")


def solve_truth() -> tuple[float, float]:
    """Intercept and slope on one standard normal index that give the prevalence and the c wanted."""
    z = np.linspace(-8, 8, 2001)
    density = np.exp(-(z**2) / 2)
    density /= density.sum()

    def intercept(slope: float) -> float:
        return float(brentq(lambda a: density @ special.expit(a + slope * z) - PREVALENCE, -20, 20))

    def c_statistic(slope: float) -> float:
        p = special.expit(intercept(slope) + slope * z)
        event, other = density * p / PREVALENCE, density * (1 - p) / (1 - PREVALENCE)
        return float(event @ (np.cumsum(other) - other / 2))

    slope = float(brentq(lambda b: c_statistic(b) - TRUE_C, 0.01, 10))
    return intercept(slope), slope


def draw_women(kind: Kind, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    X = rng.standard_normal((n, len(NAMES)))
    if kind.name == NOISE.name:
        return X, rng.permutation(np.arange(n) < round(n * 8 / 60)).astype(int)
    start, slope = solve_truth()
    p = special.expit(start + slope * X @ SLOPES / np.linalg.norm(SLOPES))
    return X, (rng.random(n) < p).astype(int)


def write_study(folder: Path, wanted: argparse.Namespace) -> Path:
    """Declare the six variables and what was asked for on the command line; all else is the default."""
    lines = ["[study]", 'name = "benchmark"', "", "[variables.responded]", 'label = "Responded"', 'kind = "binary"']
    lines += ['role = "outcome"', ""]
    for name in NAMES:
        lines += [f"[variables.{name}]", f'label = "{name}"', 'kind = "continuous"', 'role = "baseline"', ""]
    lines += ["[endpoint]", 'event = "responded"', "", "[predictors]", f"use = {NAMES}".replace("'", '"'), ""]
    models = [f"candidates = {wanted.candidates.split(',')}".replace("'", '"')] if wanted.candidates else []
    models += ["override_ladder = true"] if wanted.override_ladder else []
    amounts = {"permutations": wanted.permutations, "bootstrap": wanted.bootstrap}
    lines += ["[models]", *models, "", "[validation]"]
    lines += [f"{key} = {amount}" for key, amount in amounts.items() if amount is not None]
    path = folder / "study.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def compute_c(y: np.ndarray, p: np.ndarray) -> float:
    ranks = pd.Series(p).rank().to_numpy()
    n_event = y.sum()
    return float((ranks[y == 1].sum() - n_event * (n_event + 1) / 2) / (n_event * (len(y) - n_event)))


def train_one(kind: Kind, seed: int, wanted: argparse.Namespace) -> Found | str:
    """Train on one cohort; a refusal is its message."""
    rng = np.random.default_rng([seed, kind.n])
    X, y = draw_women(kind, kind.n, rng)
    X_fresh, y_fresh = draw_women(kind, N_FRESH, rng)
    table = pd.DataFrame(X, columns=NAMES).assign(patient_id=[f"W{i:03}" for i in range(kind.n)], responded=y)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        table.to_csv(Path(folder) / "cohort.csv", index=False)
        try:
            study = read_study(write_study(Path(folder), wanted))
            training = develop(study, Path(folder) / "cohort.csv", n_jobs=1)
        except PoiPredictError as error:
            return f"{type(error).__name__}: {error}"
    found = training.assessment.as_dict()
    test = found.get("skill_test", {})
    fitted = training.development.fitted[found["primary"]]
    return Found(
        reported=found["candidates"][found["primary"]].get("c_statistic", {}).get("estimate"),
        fresh=compute_c(y_fresh, predict_response(fitted, pd.DataFrame(X_fresh, columns=NAMES))),
        skill=found.get("skill", NOT_STATED),
        p_value=test.get("p_value"),
        rung=found.get("ladder", {}).get("rung", NOT_STATED),
        primary=found["primary"],
        rule=test.get("rule", NOT_STATED),
        seconds=time.perf_counter() - started,
    )


def report(kind: Kind, found: list[Found]) -> None:
    # Whoever gives all women one probability ranks none of them above another.
    reported = np.array([0.5 if f.reported is None else f.reported for f in found])
    fresh = np.array([f.fresh for f in found])
    silent = sum(f.reported is None for f in found)
    gap = reported - fresh
    print(f"  rule            {found[0].rule}")
    print(f"  rung            {dict(Counter(f.rung for f in found))}")
    print(f"  reported model  {dict(Counter(f.primary for f in found))}")
    low, high = reported.min(), reported.max()
    print(f"  reported c      mean {reported.mean():.3f} ± {error_of(reported):.3f}, {low:.3f} to {high:.3f}", end="")
    print(f" ({silent} report none, counted as 0.5)" if silent else "")
    print(f"  on fresh women  mean {fresh.mean():.3f}; reported less fresh {gap.mean():+.3f} ± {error_of(gap):.3f}")
    print(f"  reported less the truth's {kind.c_truth:.2f}: {reported.mean() - kind.c_truth:+.3f}")
    for skill in ("shown", "weak", "none", NOT_STATED):
        count = sum(f.skill == skill for f in found)
        if count or skill != NOT_STATED:
            rate = compute_proportion(count, len(found))
            print(f"  {skill:<15} {count:>3} of {len(found)} ({rate.ci_low:.1%} to {rate.ci_high:.1%})")
    p_values = np.array([f.p_value for f in found if f.p_value is not None])
    if len(p_values):
        at = [f"p ≤ {cut}: {np.mean(p_values <= cut):.1%}" for cut in (0.01, 0.05, 0.1, 0.5)]
        print(f"  error rates     {', '.join(at)} of {len(p_values)} tests")
    print(f"  target          {kind.target}")
    print(f"  time            {np.median([f.seconds for f in found]):.1f} s a cohort on one core")


def error_of(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def run_kind(kind: Kind, wanted: argparse.Namespace) -> None:
    print(f"\n{kind.name}: {wanted.cohorts} cohorts of {kind.n} women, {len(NAMES)} predictors", flush=True)
    tasks = (delayed(train_one)(kind, wanted.seed + i, wanted) for i in range(wanted.cohorts))
    found, refused = [], Counter()
    for result in Parallel(n_jobs=wanted.jobs, return_as="generator")(tasks):
        if isinstance(result, str):
            refused[result] += 1
        else:
            found.append(result)
        if sys.stderr.isatty():
            print(f"\r  {len(found) + refused.total()} of {wanted.cohorts}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r" + " " * 20 + "\r", end="", file=sys.stderr)
    for message, count in refused.items():
        print(f"  {count} refused: {message}")
    if found:
        report(kind, found)
    if wanted.rivals:
        run_rivals(kind, wanted)


def best_of_five(X: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Report the best of five models by the cross-validation that picked it."""
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.model_selection import StratifiedKFold, cross_val_score  # noqa: PLC0415
    from sklearn.neighbors import KNeighborsClassifier  # noqa: PLC0415
    from sklearn.svm import SVC  # noqa: PLC0415

    models = [LogisticRegression(), KNeighborsClassifier(), SVC(), GradientBoostingClassifier(random_state=seed)]
    models.append(RandomForestClassifier(random_state=seed))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    return max(float(cross_val_score(model, X, y, cv=folds, scoring="roc_auc").mean()) for model in models)


def mljar(X: np.ndarray, y: np.ndarray, seed: int) -> float:
    from supervised.automl import AutoML  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        model = AutoML(f"{folder}/mljar", eval_metric="auc", total_time_limit=60, random_state=seed, verbose=0)
        model.fit(pd.DataFrame(X, columns=NAMES), y)
        return float(model.get_leaderboard()["metric_value"].max())


def pycaret(X: np.ndarray, y: np.ndarray, seed: int) -> float:
    from pycaret.classification import ClassificationExperiment  # noqa: PLC0415

    experiment = ClassificationExperiment()
    experiment.setup(pd.DataFrame(X, columns=NAMES).assign(y=y), target="y", session_id=seed, verbose=False, html=False)
    experiment.compare_models(sort="AUC", verbose=False)
    return float(experiment.pull()["AUC"].max())


RIVALS: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray, int], float]]] = {
    "best of five (sklearn)": ("sklearn", best_of_five),
    "MLJAR": ("supervised", mljar),
    "PyCaret": ("pycaret", pycaret),
}


def run_rivals(kind: Kind, wanted: argparse.Namespace) -> None:
    for label, (package, run) in RIVALS.items():
        if importlib.util.find_spec(package) is None:
            print(f"  rival {label:<22} not installed")
            continue
        reported = Parallel(n_jobs=wanted.jobs)(
            delayed(quietly)(run, kind, wanted.seed + i) for i in range(wanted.cohorts)
        )
        print(
            f"  rival {label:<22} mean reported c {np.mean(reported):.3f}, {min(reported):.3f} to {max(reported):.3f}"
        )


def quietly(run: Callable[[np.ndarray, np.ndarray, int], float], kind: Kind, seed: int) -> Any:
    X, y = draw_women(kind, kind.n, np.random.default_rng([seed, kind.n]))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return run(X, y, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=-1, help="cohorts at a time; -1: one on every core")
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--kind", choices=("noise", "signal", "both"), default="both")
    parser.add_argument("--override-ladder", action="store_true", help="report the declared model whatever the events")
    parser.add_argument("--candidates", default="", help="names joined by commas, for a quicker look; all by default")
    parser.add_argument("--permutations", type=int, help="of the null; the default training's if not given")
    parser.add_argument("--bootstrap", type=int, help="resamples; the default training's if not given")
    parser.add_argument("--rivals", action="store_true", help="also what others report of the same cohorts")
    wanted = parser.parse_args()
    for kind in (NOISE, SIGNAL):
        if wanted.kind in (kind.name, "both"):
            run_kind(kind, wanted)


if __name__ == "__main__":
    main()
