"""Score a cohort with a stored model: the batch job a clinic schedules."""

from __future__ import annotations

import argparse
from pathlib import Path

from poi_predict.batch_scoring import ScoringOptions, score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a bundle folder, or models:/name@alias")
    parser.add_argument("--cohort", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--reasons", type=int, default=3)
    parser.add_argument("--allow-synthetic-model", action="store_true")
    parser.add_argument("--overwrite", action="store_true", help="replace an output that is there already")
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")
    wanted = parser.parse_args()
    options = ScoringOptions(
        reasons=wanted.reasons,
        allow_synthetic=wanted.allow_synthetic_model,
        overwrite=wanted.overwrite,
        resume=wanted.resume,
    )
    print("\n".join(score(wanted.model, wanted.cohort, wanted.out, options).lines()))


if __name__ == "__main__":
    main()
