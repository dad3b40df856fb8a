"""Runs that write synthetic blocks, are killed again and again, and must end as if nobody had disturbed them.

Started by test_output_kills.py in a process of its own, since it forks: one argument names the scenario, the other
an empty folder. Prints how often it killed.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import poi_predict
from killing import survives

if __name__ == "__main__":  # the room without its other doors: a fork copies all that is loaded
    room = types.ModuleType("poi_predict.scoring")
    room.__path__ = [str(Path(path) / "scoring") for path in poi_predict.__path__]
    sys.modules["poi_predict.scoring"] = room

from poi_predict.errors import OutputError
from poi_predict.scoring.output import (
    REJECTED_SCHEMA,
    BlockResult,
    OutputOptions,
    ScoreOutput,
    encode_rejected,
    encode_scores,
)

COLUMNS = pa.schema([("patient_id", pa.string()), ("p_response", pa.float64()), ("flags", pa.string())])
IDS = ("0042", 'a "quoted", one', "line\nbreak", "=1+1", "é中", " 7", "")
Contents = dict[str, bytes]
Forms = tuple[tuple[str, int | None], ...]
FORMS: Forms = (("s.csv", 50), ("s.csv", None), ("s.parquet", None), ("s.xlsx", None))


def make_blocks(n_blocks: int, n_rows: int, suffix: str) -> list[BlockResult]:
    rng = np.random.default_rng(n_blocks)
    blocks = []
    for number in range(n_blocks):
        n_rejected = int(rng.integers(0, 3))
        scores = pa.table(
            {
                "patient_id": [f"{rng.choice(IDS)}{row}" for row in range(n_rows - n_rejected)],
                "p_response": rng.random(n_rows - n_rejected),
                "flags": ["missing:amh_ng_ml"] * (n_rows - n_rejected),
            },
            schema=COLUMNS,
        )
        breaches = [
            {"row": number * n_rows + row + 1, "column": "age_years", "rule": "range"} for row in range(n_rejected)
        ]
        content, n_neutralised = encode_scores(scores, suffix)
        blocks.append(
            BlockResult(
                n_rows=n_rows,
                n_scored=n_rows - n_rejected,
                n_rejected=n_rejected,
                scores=content,
                rejected=encode_rejected(pa.Table.from_pylist(breaches, schema=REJECTED_SCHEMA)),
                tally={"sum": float(scores["p_response"].to_numpy().sum()), "by": {"none": n_rejected}},
                n_neutralised=n_neutralised,
            )
        )
    return blocks


def merge(one: dict, other: dict) -> dict:
    return {"sum": one["sum"] + other["sum"], "by": {"none": one["by"]["none"] + other["by"]["none"]}}


def write(out: Path, blocks: list[BlockResult], options: OutputOptions, model: str = "new") -> None:
    n_rows = sum(block.n_rows for block in blocks)
    with ScoreOutput.open(out, {"model": model}, COLUMNS, n_rows, merge, options) as output:
        if output.is_complete:
            return
        for block in blocks[output.n_finished :]:
            output.append(block)
        output.finish({"study": "demo", "tally": output.tally})


def contents(folder: Path) -> Contents:
    """Every file below a folder, by its path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def of_output(found: Contents) -> Contents:
    return {name: content for name, content in found.items() if not name.startswith(".")}


def scores_of(found: Contents, name: str) -> Contents:
    return {path: content for path, content in found.items() if path == name or path.startswith(name + "/")}


def kill_at_every_step(folder: Path, name: str, part_rows: int | None, *, overwrite: bool) -> int:
    """Kill a run at each of its steps in turn, and its resumption at a later one; then let it finish."""
    suffix = Path(name).suffix
    blocks, older = make_blocks(3, 9, suffix), make_blocks(2, 8, suffix)
    options = OutputOptions(overwrite=overwrite, part_rows=part_rows)
    resumed = OutputOptions(resume=True, overwrite=overwrite, part_rows=part_rows)
    before: Contents = {}
    (folder / "reference").mkdir()
    if overwrite:
        write(folder / "reference" / name, older, OutputOptions(part_rows=part_rows), "old")
        before = contents(folder / "reference")
    write(folder / "reference" / name, blocks, options)
    wanted = contents(folder / "reference")
    assert len(wanted) >= 3
    kills = 0
    for step in itertools.count(1):
        place = folder / f"step-{step}"
        place.mkdir()
        if overwrite:
            write(place / name, older, OutputOptions(part_rows=part_rows), "old")
        if survives(partial(write, place / name, blocks, options), step=step):
            assert contents(place) == wanted
            return kills
        kills += 1
        check_nothing_half_done(contents(place), name, before, wanted)
        if step % 2 and not survives(partial(write, place / name, blocks, resumed), step=1 + step // 2):
            kills += 1
            check_nothing_half_done(contents(place), name, before, wanted)
        write(place / name, blocks, resumed)
        assert contents(place) == wanted, (step, sorted(contents(place)))
        assert not [path.name for path in place.iterdir() if path.name.startswith(".")], step
        shutil.rmtree(place)
    return kills


def check_nothing_half_done(found: Contents, name: str, before: Contents, wanted: Contents) -> None:
    """Where scores stand they are whole, old or new; where the new ones stand, so do the other two files."""
    scores = scores_of(found, name)
    assert scores in ({}, scores_of(wanted, name), scores_of(before, name)), sorted(scores)
    assert scores or not before
    if scores == scores_of(wanted, name):
        assert of_output(found) == wanted


def kill_without_resuming(folder: Path) -> int:
    """After a kill the same command without --resume starts anew, or finds the output complete."""
    blocks = make_blocks(3, 9, ".csv")
    (folder / "reference").mkdir()
    write(folder / "reference" / "s.csv", blocks, OutputOptions())
    wanted = contents(folder / "reference")
    for step in itertools.count(1):
        place = folder / f"step-{step}"
        place.mkdir()
        if survives(partial(write, place / "s.csv", blocks, OutputOptions()), step=step):
            return step - 1
        if contents(place) != wanted:
            with contextlib.suppress(OutputError):  # where it was complete in all but its place: it exists
                write(place / "s.csv", blocks, OutputOptions())
        assert contents(place) == wanted, step
    return 0


def kill_at_any_moment(folder: Path, name: str, part_rows: int | None) -> int:
    """Kill runs at random moments, fifty times in all, resuming each until it is finished."""
    blocks = make_blocks(12, 120, Path(name).suffix)
    rng = np.random.default_rng(17)
    (folder / "reference").mkdir()
    started = time.perf_counter()
    write(folder / "reference" / name, blocks, OutputOptions(part_rows=part_rows))
    duration = time.perf_counter() - started
    wanted = contents(folder / "reference")
    options = OutputOptions(resume=True, part_rows=part_rows)
    kills = number = 0
    while kills < 50:
        number += 1
        place = folder / f"run-{number}"
        place.mkdir()
        work = partial(write, place / name, blocks, options)
        while not survives(work, seconds=float(rng.uniform(0, duration))):
            kills += 1
            check_nothing_half_done(contents(place), name, {}, wanted)
        assert contents(place) == wanted
    return kills


def fill_the_disk(folder: Path, forms: Forms, limit: Callable[[], None], relieve: Callable[[], None]) -> int:
    """Write where there is no room until it fails in one sentence, make room, and resume."""
    failures = 0
    for name, part_rows in forms:
        blocks = make_blocks(20, 300, Path(name).suffix)
        place = folder / f"{name}-{part_rows}"
        place.mkdir()

        assert survives(partial(fail_for_room, place / name, blocks, part_rows, limit))
        assert [path.name for path in place.iterdir()] == [f".{name}.resume"]
        failures += 1
        relieve()
        write(place / name, blocks, OutputOptions(resume=True, part_rows=part_rows))
        found = contents(place)
        shutil.rmtree(place)
        place.mkdir()
        write(place / name, blocks, OutputOptions(part_rows=part_rows))
        assert contents(place) == found
        shutil.rmtree(place)
    return failures


def fail_for_room(out: Path, blocks: list[BlockResult], part_rows: int | None, limit: Callable[[], None]) -> None:
    limit()
    with pytest.raises(OutputError, match=r"could not be written \(.*--resume") as failure:
        write(out, blocks, OutputOptions(part_rows=part_rows))
    assert str(out.parent) not in str(failure.value)


def limit_file_sizes() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


def resize_tmpfs(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", "none", str(folder)], check=True)


def fail_to_begin(out: Path) -> None:
    if not os.geteuid():
        os.setuid(65534)  # to root no folder is closed
    with pytest.raises(OutputError, match=r"Permission denied.*nothing was left behind"):
        write(out, make_blocks(1, 3, ".csv"), OutputOptions())


def refuse_read_only(folder: Path) -> int:
    """A folder that must not be written to is said so, and nothing is left in it."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o555)

        assert survives(partial(fail_to_begin, place / "s.csv"))
        assert not list(place.iterdir())
    return 1


SCENARIOS: dict[str, Callable[[Path], int]] = {
    "csv": lambda folder: kill_at_every_step(folder, "s.csv", None, overwrite=False),
    "csv-over-old": lambda folder: kill_at_every_step(folder, "s.csv", None, overwrite=True),
    "parts": lambda folder: kill_at_every_step(folder, "s.tsv", 7, overwrite=False),
    "parts-over-old": lambda folder: kill_at_every_step(folder, "s.csv", 20, overwrite=True),
    "parquet": lambda folder: kill_at_every_step(folder, "s.parquet", None, overwrite=False),
    "parquet-parts-over-old": lambda folder: kill_at_every_step(folder, "s.parquet", 10, overwrite=True),
    "xlsx-over-old": lambda folder: kill_at_every_step(folder, "s.xlsx", None, overwrite=True),
    "anew": kill_without_resuming,
    "size-limit": lambda folder: fill_the_disk(folder, FORMS[1:], limit_file_sizes, lambda: None),
    "full-disk": lambda folder: fill_the_disk(
        folder, FORMS, lambda: resize_tmpfs(folder.parent, "100k"), lambda: resize_tmpfs(folder.parent, "20m")
    ),
    "read-only": refuse_read_only,
    "moments-csv": lambda folder: kill_at_any_moment(folder, "s.csv", None),
    "moments-parts": lambda folder: kill_at_any_moment(folder, "s.csv", 100),
    "moments-parquet": lambda folder: kill_at_any_moment(folder, "s.parquet", None),
}

if __name__ == "__main__":
    gc.disable()  # a collection in a forked process would copy all of its parent's memory
    gc.freeze()
    for scenario in sys.argv[2:]:
        place = Path(sys.argv[1]) / scenario
        place.mkdir()
        print(scenario, SCENARIOS[scenario](place), flush=True)  # noqa: T201
