"""Scorings and trainings killed by SIGKILL end as if nobody had disturbed them; `benchmarks/killing.py` kills more."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from children import finished

VICTIM = Path(__file__).with_name("kills_victim.py")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked and killed")


@pytest.mark.parametrize(
    ("scenario", "least"),
    [("scorings", 6), ("trainings", 3), pytest.param("recordings", 5, marks=pytest.mark.slow)],
)
def test_killed_runs_end_in_the_bytes_of_undisturbed_ones(scenario: str, least: int, tmp_path: Path) -> None:
    places = os.pathsep.join([str(VICTIM.parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(VICTIM), str(tmp_path), scenario]
    environment = os.environ | {"PYTHONPATH": places}
    done = finished(command, seconds=300, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) >= least
