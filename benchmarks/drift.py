"""How often the drift page calls cohorts of the same women others, what it finds of a known shift, and what it costs.

Training and new women are drawn from one pool of SYNTHETIC women who meet the study's inclusion, so that there is no
drift; then the new women's ages are moved by the shift that so many rows should find in four of five cohorts. The
model is the reference model: its derived columns and predictions stand for any.

Exit code 1 if more than 5 % of the cohorts, and two standard errors, are called others.
Run: .venv/bin/python benchmarks/drift.py [--repeats 400] [--training 167] [--rows 30 40 200 5000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from poi_predict.cohort import build_analysis_set, read_cohort
from poi_predict.modeling import predict_response
from poi_predict.scoring import Contract, conform, read_bundle
from poi_predict.scoring.applicability import compute_flags
from poi_predict.scoring.case_mix import summarise_women
from poi_predict.scoring.drift import Tally, compare_drift, summarise_training, tally_block
from poi_predict.study import Study, read_study
from poi_predict.validation.drift import ERROR
from poi_predict.workflow import simulate

MODEL = Path(__file__).parents[1] / "models" / "reference-menses"
STUDY = "menses_12m"


class Pool:
    """Women whose derived columns and predictions are worked out once, and looked up by a pipeline's names."""

    def __init__(self, n: int, seed: int) -> None:
        self.bundle, self.study = read_bundle(MODEL), read_study(STUDY)
        with tempfile.TemporaryDirectory() as folder:
            simulate(n, seed, Path(folder) / "pool.csv")
            self.women = _read(Path(folder) / "pool.csv", self.study, self.bundle.contract)
        self.derived = self.bundle.pipeline.named_steps["features"].transform(self.women)
        self.p = predict_response(self.bundle.pipeline, self.women)
        self.named_steps = {"features": self}

    def transform(self, women: pd.DataFrame) -> pd.DataFrame:
        """Look the derived columns up."""
        return self.derived.loc[women.index]

    def predict_proba(self, women: pd.DataFrame) -> np.ndarray:
        """Look the predictions up."""
        return np.column_stack([1 - self.p[women.index], self.p[women.index]])

    def train(self, rows: np.ndarray) -> Contract:
        """Return the contract of a model that was trained on these women."""
        women, codebook = self.women.loc[rows], self.study.codebook
        kept = summarise_training(self, women, codebook, self.bundle.contract.predictors)
        return replace(self.bundle.contract, women=kept, development=summarise_women(self, women), regimens={})

    def compare(self, rows: np.ndarray, contract: Contract, older: float = 0.0) -> dict[str, Any]:
        """Compare women, perhaps so many years older, with those of a contract."""
        return compare_drift(self.count(rows, contract, older), contract)

    def count(self, rows: np.ndarray, contract: Contract, older: float = 0.0) -> Tally:
        """Tally women, perhaps so many years older."""
        women, derived = self.women.loc[rows], self.derived.loc[rows]
        if older:
            women, derived = (
                women.assign(age=women["age"] + older),
                derived.assign(age__years=derived["age__years"] + older),
            )
        return tally_block(women, derived, self.p[rows], compute_flags(women, contract, derived), contract)


def _read(file: Path, study: Study, contract: Contract) -> pd.DataFrame:
    cohort = read_cohort(file, study.codebook, study.reading, required=study.required_variables)
    analysis = build_analysis_set(cohort, study.inclusion, study.endpoint)
    return conform(analysis.data, contract).reset_index(drop=True)


def simulate_cohorts(pool: Pool, n_training: int, n_rows: int, repeats: int) -> dict[str, float]:
    rng = np.random.default_rng(n_rows)
    found: list[dict[str, float]] = []
    for _ in range(repeats):
        rows = rng.choice(len(pool.women), n_training + n_rows, replace=False)
        contract = pool.train(rows[:n_training])
        same = pool.compare(rows[n_training:], contract)
        spread = pool.women["age"].std() * same["power"]["smallest_shift_sd"]
        older = pool.compare(rows[n_training:], contract, older=float(spread))
        (age,) = [each for each in older["aspects"] if (each["variable"], each["aspect"]) == ("age", "location")]
        flags = same["applicability"]["flags"]
        found.append(
            {
                "called others": same["status"] == "drift shown",
                "by an aspect": any(each["shown"] for each in same["aspects"]),
                "by membership": bool(same["membership"] and same["membership"]["ci_low"] > 0.5),
                "by predictions": same["predictions"]["ci_low"] > 0 or same["predictions"]["ci_high"] < 0,
                "shift, SD": same["power"]["smallest_shift_sd"],
                "shift found": age["shown"],
                "psi / expected": same["predictions"]["psi"] / same["predictions"]["psi_expected"],
                "rows flagged": same["applicability"]["share"],
                "far": flags.get("far_combination", 0) / n_rows,
            }
        )
    return {"training": n_training, "rows": n_rows, **pd.DataFrame(found).astype(float).mean().round(3).to_dict()}


def time_a_million(pool: Pool) -> None:
    contract = pool.train(np.arange(167))
    rows = np.random.default_rng(1).choice(len(pool.women), 40_000)
    women, derived, p = pool.women.loc[rows], pool.derived.loc[rows], pool.p[rows]
    start = time.perf_counter()
    flags = compute_flags(women, contract, derived)
    middle = time.perf_counter()
    tally_block(women, derived, p, flags, contract)
    end = time.perf_counter()
    print(f"A million rows: flags {25 * (middle - start):.2f} s, tally {25 * (end - middle):.2f} s, one thread.")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=400)
    arguments.add_argument("--training", type=int, default=167)
    arguments.add_argument("--rows", type=int, nargs="+", default=[30, 40, 200, 5000])
    chosen = arguments.parse_args()
    with threadpool_limits(1):
        pool = Pool(40_000, seed=5)
        table = [simulate_cohorts(pool, chosen.training, n_rows, chosen.repeats) for n_rows in chosen.rows]
        print(f"SYNTHETIC women, {chosen.repeats} cohorts each; error wanted: 0.05 at most; shift found: 0.8.")
        print(pd.DataFrame(table).to_string(index=False))
        time_a_million(pool)
    allowed = ERROR + 2 * np.sqrt(ERROR * (1 - ERROR) / chosen.repeats)
    sys.exit(any(row["called others"] > allowed for row in table))


if __name__ == "__main__":
    main()
