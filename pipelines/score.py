"""Score a cohort with a stored model: the batch job a clinic schedules."""

from __future__ import annotations

import argparse
from pathlib import Path

from poi_predict.workflow import score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a bundle folder, or models:/name@alias")
    parser.add_argument("--cohort", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--reasons", type=int, default=3)
    parser.add_argument("--allow-synthetic-model", action="store_true")
    wanted = parser.parse_args()
    scored = score(
        wanted.model,
        wanted.cohort,
        wanted.out,
        reasons=wanted.reasons,
        allow_synthetic=wanted.allow_synthetic_model,
    )
    print("\n".join(scored.lines(wanted.out)))


if __name__ == "__main__":
    main()
