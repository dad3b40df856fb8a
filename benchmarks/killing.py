"""Kill scorings and trainings again and again, let the same command go on, and compare what comes out byte for byte.

A scoring (one file of CSV, one of Parquet, a folder of parts) and a training of a small study, recorded in a fresh
MLflow store, run as processes of their own. Each is killed by SIGKILL in every stage of its way in turn, at a random
moment of that stage, and the same command (a scoring's with --resume) is given again, and killed again, until it
comes to its end. After each kill nothing half-done may look complete: scores and bundle are absent or whole, the
MLflow store opens and lists its runs, and no process is left behind. At the end the scores, the rejected rows, the
summary and the bundle must be those of a run that nobody disturbed, and every registered model must be whole.
Interrupts (SIGINT) and terminations (SIGTERM) are tried too. A bundle names the revision of the source it was made
with: change and commit nothing meanwhile, or run a copy of src/ by PYTHONPATH.

Run: nice .venv/bin/python benchmarks/killing.py [--kills 50] [--rows 300000] [--seed 1] [--only scoring|training]
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.scoring import read_bundle
from poi_predict.tracking import read_registered_bundle
from poi_predict.tracking.mlflow_session import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STUDY = """
[study]
name = "quick"
[endpoint]
event = "menses_resumed"
event_month = "months_to_menses"
follow_up = "follow_up_months"
horizon_months = 12
[predictors]
use = ["age", "fsh", "amh", "afc", "aetiology", "cell_source", "dose_cells"]
[models]
candidates = ["prevalence", "ridge"]
primary = "ridge"
[validation]
folds = 3
repeats = 2
bootstrap = 40
permutations = 3
"""
WOMEN = 160
BAD_EVERY = 1009  # one row in so many holds an age that no woman has
COMMAND = [sys.executable, "-m", "poi_predict"]
ORPHAN_SECONDS = 15.0
LONGEST_SECONDS = 900.0
INTERRUPTED = 130

Contents = dict[str, bytes]


@dataclass(frozen=True)
class Way:
    """A command, the stages it passes, and how to look at what it leaves."""

    name: str
    words: Callable[[Path], list[str]]
    again: tuple[str, ...]
    stages: tuple[tuple[str, Callable[[Path], bool]], ...]
    inspect: Callable[[Path], None]
    results: Callable[[Path], Contents]

    def start(self, place: Path, *, again: bool = False) -> subprocess.Popen[bytes]:
        """Start it in a place, with an MLflow store of its own."""
        words = self.words(place) + (list(self.again) if again else [])
        environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{place / 'store' / 'mlflow.db'}"}
        (place / "store").mkdir(exist_ok=True)
        with (place / "said.txt").open("ab") as said:
            return subprocess.Popen(
                [*COMMAND, *words], stdout=said, stderr=said, env=environment, start_new_session=True, cwd=place
            )

    def stage_of(self, place: Path) -> int:
        """Return the last stage that has begun; -1 before the first."""
        begun = [i for i, (_, has_begun) in enumerate(self.stages) if has_begun(place)]
        return max(begun, default=-1)


@dataclass
class Undisturbed:
    """A run that nobody disturbed: its results, and how long each of its stages took."""

    results: Contents
    seconds: list[float]
    day: dt.date = field(default_factory=lambda: dt.datetime.now(tz=dt.UTC).date())


def measure(way: Way, place: Path) -> Undisturbed:
    place.mkdir()
    began = [time.perf_counter()]
    process = way.start(place)
    while process.poll() is None:
        if way.stage_of(place) >= len(began):
            began.append(time.perf_counter())
        time.sleep(0.001)
    require(process.returncode == 0, way, place, f"the undisturbed run ended with {process.returncode}")
    way.inspect(place)
    return Undisturbed(way.results(place), [float(length) for length in np.diff([*began, time.perf_counter()])])


def kill_in_stage(way: Way, process: subprocess.Popen[bytes], place: Path, stage: int, delay: float) -> bool:
    """Kill a process some time after a stage began; False if it came to its end before."""
    began = None
    until = time.perf_counter() + LONGEST_SECONDS
    while process.poll() is None:
        if began is None and way.stage_of(place) >= stage:
            began = time.perf_counter()
        if began is not None and time.perf_counter() - began >= delay:
            process.kill()
            process.wait()
            return process.returncode == -signal.SIGKILL
        require(time.perf_counter() < until, way, place, "the run does not end")
        time.sleep(0.001)
    return False


def kill_until_done(way: Way, folder: Path, n_kills: int, rng: np.random.Generator, first: int) -> Counter[str]:
    """Kill runs so often in all, each until it comes to its end, and hold every end against the undisturbed one."""
    wanted = measure(way, folder / f"{way.name}-undisturbed")
    parts = zip((name for name, _ in way.stages), wanted.seconds, strict=False)
    print(f"{way.name}: undisturbed " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in parts), flush=True)
    killed: Counter[str] = Counter()
    stages = itertools.cycle(np.roll(np.arange(len(wanted.seconds)), -first).tolist())
    for number in itertools.count():
        if killed.total() >= n_kills:
            return killed
        place = folder / f"{way.name}-{number}"
        place.mkdir()
        for attempt in itertools.count():
            is_in_place = way.stage_of(place) == len(way.stages) - 1  # then no stage of a further run can be told
            process = way.start(place, again=attempt > 0)
            if killed.total() >= n_kills or is_in_place:
                process.wait()
            else:
                stage = next(stages)
                if kill_in_stage(way, process, place, stage, float(rng.uniform(0, wanted.seconds[stage]))):
                    killed[way.stages[max(way.stage_of(place), 0)][0]] += 1
                    require(not left_behind(process.pid), way, place, "a process outlived the killed run")
                    way.inspect(place)
                    continue
            require(process.returncode == 0, way, place, f"the resumed run ended with {process.returncode}")
            break
        way.inspect(place)
        if dt.datetime.now(tz=dt.UTC).date() != wanted.day:  # the day stands in the results
            wanted = measure(way, folder / f"{way.name}-undisturbed-{number}")
        found = way.results(place)
        differ = sorted(name for name in {*found, *wanted.results} if found.get(name) != wanted.results.get(name))
        require(not differ, way, place, f"other bytes than undisturbed: {differ}")
        print(f"  run {number + 1}: killed {attempt} times, {killed.total()} kills so far", flush=True)
        shutil.rmtree(place)
    raise AssertionError


def interrupt(way: Way, folder: Path, sign: signal.Signals, stage: int, delay: float) -> str:
    """Interrupt a run once, as Ctrl-C or a scheduler does, and let it go on; return what it said."""
    place = folder / f"{way.name}-{sign.name}-{stage}"  # MLflow remembers databases by their names
    place.mkdir()
    process = way.start(place)
    while way.stage_of(place) < stage and process.poll() is None:
        time.sleep(0.001)
    time.sleep(delay)
    os.killpg(process.pid, sign)  # as a terminal does: to all of them
    asked = time.perf_counter()
    code = process.wait(timeout=60)
    seconds = time.perf_counter() - asked
    if sign is signal.SIGINT:
        require(code in (0, INTERRUPTED), way, place, f"an interrupt ended it with {code}")
    require(not left_behind(process.pid), way, place, "a process outlived the interrupted run")
    way.inspect(place)
    said = (place / "said.txt").read_text()
    is_lost = code == 0 and "Exception ignored" in said  # Python drops an interrupt that meets a callback of its own
    require(is_lost or "Traceback" not in said, way, place, "it answered with a traceback")
    require(way.start(place, again=True).wait() == 0, way, place, "it did not go on after an interrupt")
    way.inspect(place)
    shutil.rmtree(place)
    return f"{sign.name}: exit {code} after {seconds:.2f} s; it said: {said.strip().splitlines()[-1:]}"


def left_behind(session: int) -> list[int]:
    """Return the processes of a session that still live some seconds later; they are ended."""
    until = time.perf_counter() + ORPHAN_SECONDS
    while (living := list(members(session))) and time.perf_counter() < until:
        time.sleep(0.05)
    for process in living:
        with contextlib.suppress(OSError):
            print(process, Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()[-300:])
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return living


def members(session: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, _, _, found = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(found) == session and state not in "ZX":
                    yield int(entry.name)


def require(holds: bool, way: Way, place: Path, finding: str) -> None:
    if not holds:
        said = place / "said.txt"
        print(said.read_text()[-2000:] if said.exists() else "", flush=True)
        raise SystemExit(f"FAILED: {way.name}: {finding}. Kept: {place}")


def contents(folder: Path, pattern: str) -> Contents:
    files = (path for found in folder.glob(pattern) for path in (found.rglob("*") if found.is_dir() else [found]))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if path.is_file()}


def scoring(out: str, options: tuple[str, ...], model: Path, cohort: Path, n_rows: int) -> Way:
    work = f".{out}.resume"

    def words(place: Path) -> list[str]:
        files = ["--model", str(model), "--cohort", str(cohort), "--out", str(place / out)]
        return ["score", *files, "--reasons", "3", *options]

    def inspect(place: Path) -> None:
        """Where scores stand all three files do, and no row is lost or doubled."""
        if not (place / out).exists():
            return
        ids = read_ids(place / out)
        rejected = pd.read_csv(place / f"{out}.rejected.csv")["row"].nunique()
        rows = json.loads((place / f"{out}.summary.json").read_text())["rows"]
        if not (rows["read"] == n_rows == len(ids) + rejected and len(set(ids)) == len(ids) == rows["scored"]):
            raise SystemExit(f"FAILED: {out}: {len(ids)} scores and {rejected} rejected of {n_rows}. Kept: {place}")

    stages = (
        ("loading", lambda _: True),
        ("scoring", lambda place: (place / work / "state.json").exists()),
        ("completing", lambda place: (place / work / "summary.json").exists() or (place / work / "assembled").exists()),
        ("in place", lambda place: (place / out).exists()),
    )
    return Way(f"scoring {out}", words, ("--resume",), stages, inspect, lambda place: contents(place, f"{out}*"))


def read_ids(out: Path) -> list[str]:
    files = sorted(out.iterdir()) if out.is_dir() else [out]
    if out.suffix == ".parquet":
        return [str(found) for file in files for found in pd.read_parquet(file, columns=["patient_id"])["patient_id"]]
    frames = [pd.read_csv(file, usecols=["patient_id"], dtype=str, keep_default_na=False) for file in files]
    return [str(found) for frame in frames for found in frame["patient_id"]]


def training(study: Path, cohort: Path) -> Way:
    def words(place: Path) -> list[str]:
        files = ["--study", str(study), "--cohort", str(cohort), "--out", str(place / "out")]
        return ["train", *files, "--jobs", "2", "--track"]

    stages = (
        ("reading", lambda _: True),
        ("resampling", lambda place: any(place.glob(".out.resume-*"))),
        ("writing", lambda place: any(place.glob(".out.partial-*"))),
        ("recording", lambda place: (place / "out").exists()),
    )
    results = ("bundle/*", "assessment.json", "*.parquet", "*.html")
    return Way(
        "training",
        words,
        (),
        stages,
        inspect_training,
        lambda place: {name: found for each in results for name, found in contents(place / "out", each).items()},
    )


def inspect_training(place: Path) -> None:
    """Check that the bundle is absent or whole, the MLflow store opens, and every model registered in it is whole."""
    if (place / "out").exists():
        read_bundle(place / "out" / "bundle")
    database = place / "store" / "mlflow.db"
    if not database.exists():
        return
    address = f"sqlite:///{database}"
    with open_store(address) as client:
        experiments = [found.experiment_id for found in client.search_experiments()]
        runs = client.search_runs(experiments, max_results=1000)
        versions = [(found.name, found.version) for found in client.search_model_versions()]
    if any(run.info.status == "FINISHED" and not run.data.metrics for run in runs):
        raise SystemExit(f"FAILED: training: a finished run without metrics. Kept: {place}")
    for name, version in versions:
        read_bundle(read_registered_bundle(f"models:/{name}/{version}", tracking_uri=address))


def write_study(folder: Path) -> tuple[Path, Path]:
    """Write the study and a cohort to train with."""
    study, women = folder / "study.toml", folder / "women.csv"
    study.write_text(STUDY)
    subprocess.run([*COMMAND, "simulate", "--n", str(WOMEN), "--seed", "3", "--out", str(women)], check=True)
    return study, women


def write_cohort(folder: Path, n_rows: int) -> Path:
    """Write a cohort to score, of which some rows cannot be."""
    many = folder / "many.csv"
    subprocess.run([*COMMAND, "simulate", "--n", str(n_rows), "--seed", "4", "--out", str(many)], check=True)
    frame = pd.read_csv(many, dtype=str, keep_default_na=False)
    frame.loc[::BAD_EVERY, "Age (years)"] = "99"
    frame.to_csv(many, index=False)
    return many


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("scoring", "training"))
    parser.add_argument("--folder", type=Path, help="a new folder; by default one of the system's temporary ones")
    wanted = parser.parse_args()
    folder = (wanted.folder or Path(tempfile.mkdtemp())).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(wanted.seed)
    train = training(*write_study(folder))
    if wanted.only != "scoring":
        report("training", [kill_until_done(train, folder, wanted.kills, rng, 0)])
        for sign, stage in ((signal.SIGINT, 1), (signal.SIGINT, 3), (signal.SIGTERM, 1)):
            print("  " + interrupt(train, folder, sign, stage, 0.3))
    if wanted.only != "training":
        many = write_cohort(folder, wanted.rows)
        place = folder / "model"
        place.mkdir()
        if train.start(place).wait() != 0:
            raise SystemExit("FAILED: the model to score with was not made.")
        forms = [("s.csv", ()), ("s.parquet", ()), ("parts.csv", ("--part-rows", "70000"))]
        ways = [scoring(name, options, place / "out/bundle", many, wanted.rows) for name, options in forms]
        shares = [len(each) for each in np.array_split(np.arange(wanted.kills), len(ways))]
        report("scoring", [kill_until_done(way, folder, n, rng, n) for way, n in zip(ways, shares, strict=True)])
        for sign in (signal.SIGINT, signal.SIGTERM):
            print("  " + interrupt(ways[0], folder, sign, 1, 0.1))
    if wanted.folder is None:
        shutil.rmtree(folder)


def report(what: str, found: list[Counter[str]]) -> None:
    counts = sum(found, Counter())
    where = ", ".join(f"{n} while {stage}" for stage, n in counts.items())
    print(f"{what}: {counts.total()} kills ({where}); every run ended in the bytes of an undisturbed one.", flush=True)


if __name__ == "__main__":
    main()
