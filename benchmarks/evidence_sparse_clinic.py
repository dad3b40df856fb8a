"""What published effects are worth to a sparse clinic: the evidence model against models that know only its women.

Each clinic has a truth of its own: eight effects drawn from their priors (for one SD of the column; half of the centres
are 0, as in the shipped table), an intercept near the published rate, and a deviation of its own. The
evidence model has the priors and four published arms of 6 to 60 women for the intercept; ridge, Firth's regression
and the prevalence have the clinic's women alone. The clinic recruits 20, 40, 60, 80, then 160 women, the earlier ones
always among them. Judged by the expected log loss on 4000 fresh women of the clinic, whose true probabilities are
known. Clinics whose first 20 women include fewer than two of either outcome are drawn again: the rivals could not be
fitted.

Then the same with every prior's centre of the wrong sign, with normal and with heavier-tailed priors ("t"): what that
costs against the prevalence, and how often the conflict is told (the women against arms and priors, overall p below
0.05 or any effect flagged). False alarms, where the priors are right, are printed beside it.

How many women the evidence is worth depends on how much the priors leave open, not on the model, whose loss is that
of the exact posterior (by long Markov chains in 40 clinics of 20 women: 0.5434 against 0.5435). With SDs of 0.3 to
0.7 ("stated") it is less than the 40 asked for, with 0.2 to 0.5 ("narrow") more.

Exit code 1 if a stated bound is missed.
Run: .venv/bin/python benchmarks/evidence_sparse_clinic.py [--clinics 100] [--jobs 2] [--effects stated|shipped|narrow]
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special

from poi_predict.modeling.borrowing import Arm, Marginal, Prior
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.firth import FirthLogistic
from poi_predict.modeling.ridge import RidgeLogistic

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

# Centre and SD of each effect, for one SD of the column. Shipped: PR04 to PR15 times the SD of their columns.
EFFECTS = {
    "stated": {
        "fsh": (-0.55, 0.70), "amenorrhea": (-0.46, 0.60), "primary": (-0.41, 0.50), "follicles": (0.31, 0.30),
        "age": (0.0, 0.30), "amh": (0.0, 0.45), "afc": (0.0, 0.40), "lh": (0.0, 0.30),
    },
    "shipped": {
        "fsh": (-0.24, 0.75), "amenorrhea": (-0.49, 0.60), "primary": (-0.41, 0.51), "follicles": (0.31, 0.30),
        "age": (0.0, 0.27), "amh": (0.0, 0.46), "afc": (0.0, 0.23), "lh": (0.0, 0.21),
    },
}  # fmt: skip
EFFECTS["narrow"] = {name: (mean, 0.7 * sd) for name, (mean, sd) in EFFECTS["stated"].items()}
ARMS = (10, 35, 6, 60)
INTERCEPT, INTERCEPT_SD, TAU_SCALE = -0.7, 0.5, 0.5
SIZES = (20, 40, 60, 80, 160)
N_FRESH = 4000
FEWEST = 2
RIGHT, WRONG = ("evidence", "evidence t"), ("wrong", "wrong t")
MOST_COST = 0.02


def draw_arm(place: int, effects: np.ndarray, start: float, rng: np.random.Generator) -> Arm:
    n = ARMS[place]
    p = special.expit(start + rng.standard_normal((n, len(effects))) @ effects)
    return Arm(f"A{place}", f"S{place}", int((rng.random(n) < p).sum()), n, treated=True)


def build_evidence(names: list[str], sign: float, tail: str, known: dict, arms: tuple[Arm, ...]) -> ClassifierMixin:
    """Return the evidence model with every prior's centre times `sign`."""
    priors = tuple(Prior(name, sign * mean, sd) for name, (mean, sd) in known.items())
    return EvidenceLogisticRegression(
        priors=(Prior("intercept", -1.0986, 1.5), *priors),
        arms=arms,
        population=tuple(Marginal((name,), "normal", 0.0, 1.0) for name in names),
        tau_scale=TAU_SCALE,
        tail=tail,
    )


def is_flagged(model: EvidenceLogisticRegression) -> bool:
    told = model.conflict_
    overall = told["p_patients"]
    return bool(told["flagged"]) or (overall is not None and overall < 0.05)


def run_clinic(seed: int, wanted: argparse.Namespace) -> list[dict]:
    """Return one row for each number of women and model: its loss, and whether it reported a conflict."""
    rng = np.random.default_rng([wanted.seed, seed])
    known = EFFECTS[wanted.effects]
    names = list(known)
    mean, sd = np.array(list(known.values())).T
    while True:
        effects = rng.normal(mean, sd)
        tau = abs(rng.normal(0, TAU_SCALE))
        start = rng.normal(INTERCEPT, INTERCEPT_SD)
        own = start + tau * rng.normal()
        X = rng.standard_normal((max(SIZES), len(names)))
        y = (rng.random(len(X)) < special.expit(own + X @ effects)).astype(int)
        if FEWEST <= y[: SIZES[0]].sum() <= SIZES[0] - FEWEST:
            break
    arms = tuple(draw_arm(i, effects, start + tau * rng.normal(), rng) for i in range(len(ARMS)))
    fresh = pd.DataFrame(rng.standard_normal((N_FRESH, len(names))), columns=names)
    truth = special.expit(own + fresh.to_numpy() @ effects)

    def loss(p: np.ndarray) -> float:
        kept = np.clip(p, 1e-6, 1 - 1e-6)
        return float(-(truth * np.log(kept) + (1 - truth) * np.log(1 - kept)).mean())

    rows = [{"n": 0, "model": "truth", "loss": loss(truth)}]
    for n in SIZES:
        women, seen = pd.DataFrame(X[:n], columns=names), y[:n]
        rows.append({"n": n, "model": "prevalence", "loss": loss(np.full(N_FRESH, seen.mean()))})
        models = {"ridge": RidgeLogistic(), "firth": FirthLogistic()}
        for kinds, sign in ((RIGHT, 1.0), (WRONG, -1.0)):
            models |= {
                name: build_evidence(names, sign, tail, known, arms)
                for name, tail in zip(kinds, ("normal", "t"), strict=True)
            }
        for name, model in models.items():
            model.fit(women, seen)
            row = {"n": n, "model": name, "loss": loss(model.predict_proba(fresh)[:, 1])}
            if isinstance(model, EvidenceLogisticRegression):
                row |= {"flagged": is_flagged(model), "pareto_k": model.diagnostics_["pareto_k"]}
            rows.append(row)
    return [{"clinic": seed, **row} for row in rows]


def check(losses: dict[int, pd.DataFrame]) -> list[str]:
    """Print what each bound asks and what was found; return the missed ones."""
    at_40, gain = losses[40], losses[60]["ridge"] - losses[20]["evidence"]
    asked = [
        ("n 40: below ridge, share of clinics", at_40["evidence"] < at_40["ridge"], 0.75),
        ("n 40: below Firth, share of clinics", at_40["evidence"] < at_40["firth"], 0.85),
        ("evidence at n 20: gain over ridge at n 60", gain, 0.0),
    ]
    asked += [
        (f"n {n}: {kind}: gain over the prevalence", loss["prevalence"] - loss[kind], -MOST_COST)
        for kind in WRONG
        for n, loss in losses.items()
    ]
    missed = []
    for label, found, least in asked:
        error = found.std(ddof=1) / np.sqrt(len(found))
        missed += [label] if found.mean() < least else []
        verdict = "missed" if found.mean() < least else "held"
        print(f"  {label:<44} {found.mean():+.3f} ± {error:.3f}   at least {least:+.2f}: {verdict}")
    return missed


def report(table: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """Print the mean losses and how often a conflict was told; return the losses of each clinic."""
    losses = {n: part.pivot_table(index="clinic", columns="model", values="loss") for n, part in table.groupby("n")}
    optimum = losses.pop(0)["truth"].mean()
    told = table[table["flagged"].notna()].astype({"flagged": float})
    told = told.pivot_table(index="n", columns="model", values="flagged")
    columns = ["prevalence", "firth", "ridge", *RIGHT, *WRONG]
    print(f"expected log loss (the truth's own {optimum:.3f}); share of clinics; conflict told, right and wrong priors")
    print("   n " + "".join(f"{name:>11}" for name in columns) + "   below ridge  Firth    told: right   t  wrong   t")
    for n, loss in losses.items():
        below = [(loss["evidence"] < loss[rival]).mean() for rival in ("ridge", "firth")]
        print(f"{n:>4} " + "".join(f"{loss[name].mean():>11.3f}" for name in columns), end="")
        print(f"   {below[0]:>11.0%}  {below[1]:>5.0%}          ", end="")
        print("".join(f"{told.loc[n, name]:>5.0%}" for name in (*RIGHT, *WRONG)))
    ridge = np.array([loss["ridge"].mean() for loss in losses.values()])
    worth = np.interp(losses[20]["evidence"].mean(), ridge[::-1], np.log(SIZES)[::-1])
    print(f"evidence at n 20 is as good as ridge at n {np.exp(worth):.0f}: worth {np.exp(worth) - 20:.0f} women")
    k = table["pareto_k"].dropna()
    print(f"Pareto k above 0.7 in {(~(k <= 0.7)).mean():.1%} of fits")
    return losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clinics", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--effects", choices=tuple(EFFECTS), default="stated")
    wanted = parser.parse_args()
    found = Parallel(n_jobs=wanted.jobs)(delayed(run_clinic)(i, wanted) for i in range(wanted.clinics))
    losses = report(pd.DataFrame([row for rows in found for row in rows]))
    print("bounds")
    missed = check(losses)
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
