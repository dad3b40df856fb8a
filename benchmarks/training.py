"""Time the demo training as a whole: 240 women, six candidates, 5 × 10 folds, 200 resamples, SHAP, MLflow.

Prints seconds of each stage and of the whole, and the share of the whole that every candidate's refits take.
Run: .venv/bin/python benchmarks/training.py [--jobs N]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=-1)
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    started = time.perf_counter()
    from poi_predict.progress import Listener  # noqa: PLC0415
    from poi_predict.study import read_study  # noqa: PLC0415
    from poi_predict.workflow import simulate, train  # noqa: PLC0415

    imported = time.perf_counter()
    simulate(240, 7, folder / "cohort.csv")
    study = read_study("menses_12m")
    stages: dict[str, float] = {}

    def note(stage: str, done: int, total: int) -> None:
        if done == total:
            stages[stage] = time.perf_counter()

    before = time.perf_counter()
    train(study, folder / "cohort.csv", folder / "out", n_jobs=wanted.jobs, listener=Listener(note))
    ended = time.perf_counter()
    print(f"imports                {imported - started:7.1f} s")
    last = before
    for stage, moment in stages.items():
        print(f"{stage:<22} {moment - last:7.1f} s")
        last = moment
    print(f"assess, write, record  {ended - last:7.1f} s")
    print(f"whole                  {ended - started:7.1f} s")


if __name__ == "__main__":
    main()
