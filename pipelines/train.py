"""Train a study; without arguments, the two shipped studies on a SYNTHETIC demo cohort."""

from __future__ import annotations

import argparse
from pathlib import Path

from poi_predict.progress import Listener, show_progress
from poi_predict.study import read_study
from poi_predict.workflow import simulate, train

DEMO_COHORT = Path("demo/cohort.csv")
DEMO_STUDIES = ["menses_12m", "pregnancy_12m"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", action="append", help="a study.toml or a shipped study; repeatable")
    parser.add_argument("--cohort", type=Path, help="the clinic's table; a SYNTHETIC one is made if left out")
    parser.add_argument("--jobs", type=int, default=-1)
    wanted = parser.parse_args()
    cohort = wanted.cohort
    if cohort is None:
        cohort = DEMO_COHORT
        simulate(240, 7, cohort, overwrite=True)
        print(f"Made 240 SYNTHETIC women: {cohort}")
    for name in wanted.study or DEMO_STUDIES:
        with show_progress() as on_progress:
            run = train(read_study(name), cohort, n_jobs=wanted.jobs, listener=Listener(on_progress, print))
        print("\n".join(run.lines()))
    print("Next: 'make ui' opens the experiments in MLflow; README.md shows how to bring your own cohort.")


if __name__ == "__main__":
    main()
