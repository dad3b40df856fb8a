"""Scorings and trainings killed by SIGKILL that must end as if nobody had disturbed them.

Started by test_kills.py in a process of its own, since it forks: one argument names the scenario, the other an empty
folder. Prints how often it killed.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet  # noqa: F401 - what each forked run would import anew
import skops.io  # noqa: F401

from fault_runs import BAD_ROWS, MODEL, N_ROWS, STUDY, make_blocks_small, write_cohort
from killing import survives
from poi_predict import files, workflow
from poi_predict.batch_scoring import ScoringOptions, score
from poi_predict.modeling.checkpoint import Stage
from poi_predict.scoring import read_bundle
from poi_predict.study import read_study
from poi_predict.tracking import mlflow_session, mlflow_store, read_registered_bundle
from support import CREATED

Contents = dict[str, bytes]


def contents(folder: Path, pattern: str = "*") -> Contents:
    found = (path for path in sorted(folder.rglob(pattern)) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def put(target: str, value: object) -> None:
    """Set an attribute of a module or class for good; the process is a fork that ends soon."""
    name, _, attribute = target.rpartition(".")
    holder, _, inner = name.rpartition(".")
    module = sys.modules.get(name) or getattr(sys.modules[holder], inner)
    setattr(module, attribute, value)


def score_once(place: Path, name: str, part_rows: int | None) -> None:
    make_blocks_small(put)
    options = ScoringOptions(resume=True, n_jobs=2, part_rows=part_rows, reasons=2)
    score(str(MODEL), place.parent / "cohort.csv", place / name, options, created=CREATED)


def check_scores(place: Path, name: str) -> None:
    """Where scores stand they are all there, each row once, and so are the files beside them."""
    out = place / name
    if not out.exists():
        return
    parts = sorted(out.iterdir()) if out.is_dir() else [out]
    read = pd.read_parquet if out.suffix == ".parquet" else partial(pd.read_csv, dtype=str)
    ids = [str(found) for part in parts for found in read(part)["patient_id"]]
    rejected = pd.read_csv(place / f"{name}.rejected.csv")["row"].tolist()
    assert rejected == [row + 1 for row in BAD_ROWS]
    assert len(ids) == len(set(ids)) == N_ROWS - len(rejected)
    assert (place / f"{name}.summary.json").exists()


def kill_scorings(folder: Path) -> int:
    """Kill scorings at random moments, each until it comes to its end."""
    rng = np.random.default_rng(3)
    kills = 0
    assert survives(partial(write_cohort, folder / "cohort.csv"))
    for name, part_rows in (("s.csv", None), ("s.parquet", None), ("parts.csv", 150)):
        undisturbed, place = folder / f"{name}-undisturbed", folder / f"{name}-killed"
        undisturbed.mkdir()
        started = time.perf_counter()
        assert survives(partial(score_once, undisturbed, name, part_rows))
        duration = time.perf_counter() - started
        check_scores(undisturbed, name)
        work, wanted = partial(score_once, place, name, part_rows), kills + 2
        while kills < wanted:
            place.mkdir()
            while not survives(work, seconds=float(rng.uniform(0, duration)) if kills < wanted else None):
                kills += 1
                check_scores(place, name)
            assert contents(place) == contents(undisturbed), sorted(contents(place))
            shutil.rmtree(place)
    return kills


def train_once(folder: Path, out: Path, *, track: bool, kill: Callable[[], None] = lambda: None) -> None:
    kill()
    os.environ["MLFLOW_TRACKING_URI"] = address(folder)
    study = read_study(str(folder / "study.toml"))
    workflow.train(study, folder / "cohort.csv", out, n_jobs=1, track=track, created=CREATED)


def address(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def kill_at_call(target: str, number: int) -> None:
    """Let a process be killed instead of its n-th call of a function."""
    calls = 0

    def die(*args: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return genuine(*args, **options)

    name, _, attribute = target.rpartition(".")
    holder, _, inner = name.rpartition(".")
    genuine = getattr(sys.modules.get(name) or getattr(sys.modules[holder], inner), attribute)
    put(target, die)


def check_training(folder: Path, out: Path) -> None:
    """The bundle is absent or whole, the store opens, and what is registered in it is whole."""
    assert not out.exists() or read_bundle(out / "bundle")
    if not (folder / "mlflow.db").exists():
        return
    with mlflow_session.open_store(address(folder)) as client:
        experiments = [found.experiment_id for found in client.search_experiments()]
        assert experiments
        client.search_runs(experiments)
        versions = client.search_model_versions()
    for found in versions:
        uri = f"models:/{found.name}/{found.version}"
        assert read_bundle(read_registered_bundle(uri, tracking_uri=address(folder)))


def kill_trainings(folder: Path, *, track: bool) -> int:
    """Kill one training in every stage, again and again; then let it come to its end."""
    assert survives(partial(write_cohort, folder / "cohort.csv"))
    table = pd.read_csv(folder / "cohort.csv", dtype=str, keep_default_na=False).drop(index=list(BAD_ROWS))
    table.head(120).to_csv(folder / "cohort.csv", index=False)
    (folder / "study.toml").write_text(STUDY)
    assert survives(partial(train_once, folder, folder / "undisturbed", track=track))
    out = folder / "out"
    stages = [
        (f"{Stage.__module__}.Stage.save", 7, False),
        (f"{files.__name__}.replace_folder", 1, False),  # the bundle into the folder that is still hidden
        (f"{files.__name__}.replace_folder", 2, False),
    ]
    if track:
        stages += [
            (f"{mlflow_store.__name__}.record_items", 2, True),
            (f"{mlflow.MlflowClient.__module__}.MlflowClient.set_model_version_tag", 1, True),
        ]
    for target, call, is_in_place in stages:
        kill = partial(kill_at_call, target, call)
        assert not survives(partial(train_once, folder, out, track=track, kill=kill)), target
        assert out.exists() == is_in_place, target
        assert survives(partial(check_training, folder, out))
    assert survives(partial(train_once, folder, out, track=track))
    assert survives(partial(check_training, folder, out))
    assert contents(out) == contents(folder / "undisturbed")
    return len(stages)


SCENARIOS: dict[str, Callable[[Path], int]] = {
    "scorings": kill_scorings,
    "trainings": partial(kill_trainings, track=False),
    "recordings": partial(kill_trainings, track=True),
}

if __name__ == "__main__":
    gc.disable()  # a collection in a forked process would copy all of its parent's memory
    gc.freeze()
    print(SCENARIOS[sys.argv[2]](Path(sys.argv[1])))  # noqa: T201
