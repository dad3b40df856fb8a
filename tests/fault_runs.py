"""Scorings and trainings for the tests of kills and faults: small, but of many blocks and every stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from poi_predict.cohort import BlockSize, SyntheticSettings, make_synthetic_cohort, write_synthetic_cohort
from poi_predict.scoring.output import ScoreOutput
from support import ROOT

MODEL = ROOT / "models" / "reference-menses"
OTHER_MODEL = ROOT / "models" / "reference-pregnancy"
N_ROWS = 400
STUDY = """
[study]
name = "quick"
[endpoint]
event = "menses_resumed"
event_month = "months_to_menses"
follow_up = "follow_up_months"
horizon_months = 12
[predictors]
use = ["age", "fsh", "amh"]
[models]
candidates = ["prevalence", "ridge"]
primary = "ridge"
[validation]
folds = 3
repeats = 1
bootstrap = 20
permutations = 3
"""
BAD_ROWS = (7, 8, 133, 399)  # an age that no woman has


@dataclass(frozen=True)
class Answer:
    """What the command line answered."""

    code: int
    stdout: str
    stderr: str


Run = Callable[..., Answer]
Score = Callable[..., Answer]


def write_cohort(path: Path) -> Path:
    """Write a table of `N_ROWS` women, some of whom cannot be scored."""
    cohort = make_synthetic_cohort(SyntheticSettings(n=N_ROWS), np.random.default_rng(2))
    write_synthetic_cohort(cohort, path)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[list(BAD_ROWS), "Age (years)"] = "99"
    table.to_csv(path, index=False)
    return path


def make_blocks_small(put: Callable[[str, Any], None]) -> None:
    """Let a cohort of some hundred rows come in several blocks."""
    put("poi_predict.cohort.streaming.survey.BlockSize", lambda: BlockSize(n_bytes=10_000, n_rows=50))


def after_block(number: int, then: Callable[[], Any], put: Callable[[str, Any], None]) -> None:
    """Do something once so many blocks are finished."""
    append = ScoreOutput.append

    def append_and_do(self: ScoreOutput, result: Any) -> None:
        append(self, result)
        if self.n_finished == number:
            then()

    put("poi_predict.scoring.output.score_output.ScoreOutput.append", append_and_do)


def outputs(place: Path) -> dict[str, bytes]:
    """Every file of an output by its path, without what is hidden."""
    files = (path for path in sorted(place.rglob("*")) if path.is_file())
    names = ((path.relative_to(place).as_posix(), path) for path in files)
    return {name: path.read_bytes() for name, path in names if name.startswith("s.")}
