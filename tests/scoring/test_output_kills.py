"""Runs killed by SIGKILL, or stopped by the disk, end as if nobody had disturbed them once they are resumed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from children import finished

VICTIM = Path(__file__).with_name("output_victim.py")


def run_scenarios(folder: Path, *scenarios: str, before: tuple[str, ...] = ()) -> dict[str, int]:
    """How often each scenario killed or stopped a run; all of them ended as they must."""
    command = [*before, sys.executable, str(VICTIM), str(folder), *scenarios]
    places = os.pathsep.join([str(VICTIM.parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": places}
    done = finished(command, seconds=300, env=environment)
    assert done.returncode == 0, done.stderr
    return {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()}


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    scenarios = ("csv-over-old", "parts", "anew", "moments-csv", "size-limit", "read-only")
    return run_scenarios(tmp_path_factory.mktemp("kills"), *scenarios)


def test_a_run_killed_at_any_step_goes_on_to_the_same_bytes(kills: dict[str, int]) -> None:
    assert kills["csv-over-old"] > 30
    assert kills["parts"] > 30


def test_a_run_killed_at_any_step_begins_anew_unless_asked_to_go_on(kills: dict[str, int]) -> None:
    assert kills["anew"] > 20


def test_a_run_killed_fifty_times_at_random_moments_loses_and_doubles_nothing(kills: dict[str, int]) -> None:
    assert kills["moments-csv"] >= 50


def test_a_file_that_may_not_grow_is_one_sentence_and_is_gone_on_with(kills: dict[str, int]) -> None:
    assert kills["size-limit"] == 3


def test_a_closed_folder_is_one_sentence_and_nothing_is_left_in_it(kills: dict[str, int]) -> None:
    assert kills["read-only"] == 1


@pytest.mark.slow
def test_other_forms_of_output_survive_kills_too(tmp_path: Path) -> None:
    found = run_scenarios(tmp_path, "parts-over-old", "parquet-parts-over-old", "moments-parquet")
    assert all(n > 30 for n in found.values())


def test_a_full_disk_is_one_sentence_and_is_gone_on_with(tmp_path: Path) -> None:
    mount = f'mount -t tmpfs -o size=20m none "{tmp_path}" && exec "$@"'
    apart = ("unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh")
    try:
        possible = subprocess.run([*apart, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        possible = False
    if not possible:
        pytest.skip("this system lets no test mount a small disk")
    assert run_scenarios(tmp_path, "full-disk", before=apart) == {"full-disk": 4}
