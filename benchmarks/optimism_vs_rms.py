"""Optimism by the bootstrap: our batch beside `rms::validate` (Harrell), in time and in figures.

A plain logistic model of four predictors on the teaching cohort `ovarian_response.csv` (333 women, 55 poor
responders: 6 oocytes or fewer), 500 resamples. Each run starts a fresh process of ours and of R, in turn; the
clock is read inside the process, around the validation alone: drawing the resamples, fitting them all, judging
each on its resample and on the cohort, and correcting. Loading packages and reading the file are outside on both
sides; the fit to the whole cohort is outside for R, inside for ours. Then R's own resamples are fed to our code:
the same rows must give the same figures.

Without R (`Rscript` with the package rms; Debian: r-cran-rms) ours runs alone.
Run: .venv/bin/python benchmarks/optimism_vs_rms.py [--runs 7] [--resamples 500] [--data FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from poi_predict.validation import (
    BootstrapPlan,
    compute_optimism,
    compute_resampled_metrics,
    fit_logistic_batch,
    make_bootstrap,
    predict_logistic_batch,
)

DATA = Path(__file__).resolve().parents[2] / "shared" / "datasets" / "ovarian_response.csv"
R_SCRIPT = Path(__file__).with_name("rms_validate.R")
PREDICTORS = ["Age", "MeanAFC", "FSH", "E2"]
METRICS = ("c_statistic", "calibration_slope", "brier")
TARGET_RATIO = 0.25


@dataclass(frozen=True)
class Corrected:
    """One metric by one program in one run; the Monte-Carlo error is of the corrected value."""

    apparent: float
    corrected: float
    monte_carlo: float
    n_ok: int


def read_women(file: Path) -> tuple[np.ndarray, np.ndarray]:
    table = pd.read_csv(file)
    return table[PREDICTORS].to_numpy(float), (table["Oocytes"] <= 6).to_numpy(float)


def correct(X: np.ndarray, y: np.ndarray, plan: BootstrapPlan) -> dict[str, Corrected]:
    """Fit every resample at once, judge each twice, subtract the optimism."""
    counts = plan.frequencies()
    weights = np.vstack([np.ones((1, len(y))), counts])
    p = predict_logistic_batch(X, fit_logistic_batch(X, y, weights))
    on_sample = compute_resampled_metrics(y, p, weights)
    on_cohort = compute_resampled_metrics(y, p[:, 1:])
    found = {}
    for metric in METRICS:
        apparent, learnt = float(on_sample[metric][0]), on_sample[metric].to_numpy()[1:]
        result = compute_optimism(apparent, learnt, on_cohort[metric].to_numpy())
        optimism = learnt - on_cohort[metric].to_numpy()
        error = float(np.nanstd(optimism, ddof=1) / math.sqrt(result.n_ok))
        found[metric] = Corrected(apparent, float(result.corrected.estimate or math.nan), error, result.n_ok)
    return found


def run_ours(file: Path, n_resamples: int, seed: int) -> dict[str, Any]:
    """Validate once and time it; runs in a process of its own."""
    X, y = read_women(file)
    started = time.perf_counter()
    found = correct(X, y, make_bootstrap(y, None, n_resamples=n_resamples, seed=seed))
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "figures": {metric: asdict(figure) for metric, figure in found.items()}}


def start_ours(file: Path, n_resamples: int, seed: int) -> tuple[float, dict[str, Corrected]]:
    command = [sys.executable, __file__, "--data", str(file), "--resamples", str(n_resamples), "--alone", str(seed)]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return answer["seconds"], {metric: Corrected(**figure) for metric, figure in answer["figures"].items()}


def start_rms(file: Path, n_resamples: int, seed: int) -> tuple[float, pd.DataFrame, BootstrapPlan, str]:
    """Seconds, figures in our names, the resamples drawn, and the version of rms."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["Rscript", str(R_SCRIPT), str(file), str(n_resamples), str(seed), folder]
        subprocess.run(command, check=True, capture_output=True)
        figures = pd.read_csv(Path(folder) / "figures.csv", skipinitialspace=True).set_index("index")
        clock = pd.read_csv(Path(folder) / "seconds.csv").iloc[0]
        rows = pd.read_csv(Path(folder) / "rows.csv", header=None).to_numpy().T - 1
    figures.index = figures.index.str.strip()
    figures = figures.rename(index={"Dxy": "c_statistic", "Slope": "calibration_slope", "B": "brier"})
    figures["corrected"] = figures["corrected"].where(figures.index != "c_statistic", (1 + figures["corrected"]) / 2)
    _, y = read_women(file)
    return float(clock["seconds"]), figures, BootstrapPlan.from_rows(rows, y), str(clock["rms"])


def has_rms() -> bool:
    if shutil.which("Rscript") is None:
        return False
    asked = subprocess.run(["Rscript", "-e", "library(rms)"], check=False, capture_output=True)
    return asked.returncode == 0


def report_agreement(
    ours: list[dict[str, Corrected]], theirs: list[pd.DataFrame], same: list[dict[str, Corrected]]
) -> bool:
    """Print both programs' figures over all runs, their Monte-Carlo errors, and the gap on the same resamples."""
    print(f"\n{'corrected':<20}{'ours':>10}{'± MC':>9}{'rms':>10}{'± MC':>9}{'gap / MC':>10}{'same resamples':>17}")
    agrees = True
    for metric in METRICS:
        mine = np.array([run[metric].corrected for run in ours])
        rms = np.array([run.loc[metric, "corrected"] for run in theirs])
        error = math.sqrt(sum(run[metric].monte_carlo ** 2 for run in ours)) / len(ours)
        error_rms = math.sqrt(sum(run[metric].monte_carlo ** 2 for run in same)) / len(same)
        ratio = float(abs(mine.mean() - rms.mean())) / math.hypot(error, error_rms)
        gap = max(abs(run[metric].corrected - value) for run, value in zip(same, rms, strict=True))
        agrees &= ratio < 2.6  # 1 % two-sided
        print(
            f"{metric:<20}{mine.mean():>10.5f}{error:>9.5f}{rms.mean():>10.5f}{error_rms:>9.5f}{ratio:>10.2f}{gap:>17.1e}"
        )
    return agrees


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--alone", type=int, metavar="SEED", help="one run of ours, as JSON (used by the script)")
    wanted = parser.parse_args()
    if not wanted.data.is_file():
        sys.exit(f"--data must be ovarian_response.csv; {wanted.data} is not there.")
    if wanted.alone is not None:
        print(json.dumps(run_ours(wanted.data, wanted.resamples, wanted.alone)))
        return
    compare(wanted.data, wanted.resamples, wanted.runs)


def compare(file: Path, n_resamples: int, n_runs: int) -> None:
    with_rms = has_rms()
    X, y = read_women(file)
    print(
        f"{len(y)} women, {int(y.sum())} events, {len(PREDICTORS)} predictors, {n_resamples} resamples, {n_runs} runs"
    )
    if not with_rms:
        print("rms is not installed (Debian: r-cran-rms); ours runs alone.")
    seconds, seconds_rms, ours, theirs, same, version = [], [], [], [], [], ""
    for seed in range(1, n_runs + 1):
        taken, figures = start_ours(file, n_resamples, seed)
        seconds.append(taken)
        ours.append(figures)
        line = f"run {seed}: ours {taken:6.3f} s"
        if with_rms:
            taken_rms, figures_rms, plan, version = start_rms(file, n_resamples, seed)
            seconds_rms.append(taken_rms)
            theirs.append(figures_rms)
            same.append(correct(X, y, plan))
            line += f"   rms {taken_rms:6.3f} s   ratio {taken / taken_rms:.3f}"
        print(line, flush=True)
    print(f"\nmedian   ours {statistics.median(seconds):.3f} s", end="")
    if not with_rms:
        print()
        for metric in METRICS:
            mean = statistics.fmean(run[metric].corrected for run in ours)
            print(f"{metric:<20}{mean:>10.5f} ± {ours[0][metric].monte_carlo:.5f} a run")
        return
    ratio = statistics.median(a / b for a, b in zip(seconds, seconds_rms, strict=True))
    print(
        f"   rms {version} {statistics.median(seconds_rms):.3f} s   median ratio {ratio:.3f} (target ≤ {TARGET_RATIO})"
    )
    agrees = report_agreement(ours, theirs, same)
    print(
        f"\ntime {'within' if ratio <= TARGET_RATIO else 'ABOVE'} target; figures {'agree' if agrees else 'DISAGREE'}"
    )


if __name__ == "__main__":
    main()
