"""A real Dask scheduler with two workers on 127.0.0.1: the same bytes, also where a worker is killed on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed

import engine_jobs
from children import started
from poi_predict import cluster
from poi_predict.cluster_software import Software, check_software, remark_processors
from poi_predict.engines import open_engine, open_training
from poi_predict.errors import CohortError, EngineError
from poi_predict.progress import Listener
from poi_predict.study import Study
from poi_predict.validation import run_tasks
from poi_predict.workflow import train
from support import CREATED

distributed = pytest.importorskip("distributed")

PARTS = 12


LOOPBACK = {"dashboard_address": "127.0.0.1:0", "host": "127.0.0.1", "protocol": "tcp://"}


@pytest.fixture(scope="module")
def workers() -> Iterator:
    running = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **LOOPBACK)
    yield running
    with contextlib.suppress(KeyError):  # Dask's own, about a worker that a test ended while it was being restarted
        running.close()


@pytest.fixture
def address(workers) -> str:
    """The scheduler's, once it and the cluster know the same two workers: a test before may have ended some."""
    deadline = time.monotonic() + 60
    while not _is_settled(workers):
        assert time.monotonic() < deadline, "the cluster did not come back"
        workers.scale(2)
        time.sleep(0.1)
    return workers.scheduler_address


def _is_settled(workers) -> bool:
    started = {nanny.worker_address for nanny in list(workers.workers.values())}
    return len(started) == len(workers.worker_spec) == 2 and started == set(workers.scheduler.workers)


def test_results_come_in_the_order_of_the_items(address: str) -> None:
    with open_engine(address, -1) as engine:
        assert engine.n_workers == 2
        assert list(engine.map(engine_jobs.add, 100, range(40))) == list(range(100, 140))
        assert {pid for _, pid in engine.map(engine_jobs.name_process, None, range(8))}.isdisjoint({os.getpid()})


def test_partitioned_parquet_gives_the_local_bytes_though_a_worker_is_killed(address: str, tmp_path: Path) -> None:
    parts = [tmp_path / f"part-{k}.parquet" for k in range(PARTS)]
    for k, part in enumerate(parts):
        values = np.random.default_rng(k).lognormal(-1, 1, size=2000)
        pd.DataFrame({"amh_ng_ml": values}).to_parquet(part)
    with open_engine(address, -1) as engine:
        on_cluster = list(engine.map(engine_jobs.score_part, tmp_path, parts))
    assert (tmp_path / "died").exists()
    with open_engine(None, 2) as engine:
        here = list(engine.map(engine_jobs.score_part, tmp_path, parts))
    assert on_cluster == here


def test_few_blocks_are_in_flight(address: str) -> None:
    with open_engine(address, -1) as engine:
        results = engine.map(engine_jobs.add, 0, range(60))
        next(results)
        assert len(engine.client.futures) <= 1 + 2 * engine.n_workers
        results.close()


def test_an_error_is_raised_as_it_is_and_no_worker_writes_it_down(address: str, capfd) -> None:
    with open_engine(address, -1) as engine, pytest.raises(CohortError, match="must hold numbers") as caught:
        list(engine.map(engine_jobs.refuse_item_thirty, None, range(32)))
    assert caught.traceback[-1].name == "refuse_item_thirty"
    assert "must hold numbers" not in capfd.readouterr().err


def test_a_block_that_ends_every_worker_is_given_up(address: str, workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        workers.scheduler, "allowed_failures", 0
    )  # three by default; each would be a restart to wait for
    with open_engine(address, -1) as engine, pytest.raises(EngineError, match="ended several workers"):
        list(engine.map(engine_jobs.die, None, range(1)))


def test_training_gives_the_local_bytes_though_a_worker_is_killed(
    address: str, workers, demo_cohort: Path, quick_study: Study, trained: Path, tmp_path: Path
) -> None:
    pid = next(iter(workers.workers.values())).pid
    killed = []

    def kill(stage: str, done: int, total: int) -> None:
        if not killed and done > 1:
            os.kill(pid, signal.SIGKILL)
            killed.append(stage)

    with open_training(address):
        train(
            quick_study, demo_cohort, tmp_path / "out", n_jobs=-1, listener=Listener(kill), track=False, created=CREATED
        )
    assert killed
    assert digest(tmp_path / "out") == digest(trained)


def test_resampling_runs_on_the_workers(address: str, workers) -> None:
    with open_training(address):
        outcomes = run_tasks(engine_jobs.tell_process, list(range(12)), n_jobs=-1, failures=(CohortError,))
    assert {outcome.value for outcome in outcomes[:-1]} == {worker.pid for worker in workers.workers.values()}
    assert outcomes[-1].failure == "CohortError: Fold 11 holds no woman who responded."


def digest(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_other_software_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Software.here()
    other = dataclasses.replace(mine, versions=dict(mine.versions) | {"numpy": "1.0"})
    monkeypatch.setattr(Software, "here", lambda: other)
    with pytest.raises(EngineError, match=r"numpy 1\.0 here, .* there"), open_engine(address, -1):
        pass


def test_a_machine_without_poi_predict_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "OURS", "poi_predict_that_nobody_has")
    with pytest.raises(EngineError, match="must have poi_predict; one has not"), open_engine(address, -1):
        pass


def test_other_processors_are_told(address: str) -> None:
    with open_engine(address, -1) as engine:
        assert engine.remark is None
    mine = Software.here()
    assert mine.kernels
    remark = remark_processors([mine, dataclasses.replace(mine, kernels="Elsewhere")])
    assert remark is not None
    assert f"(Elsewhere) than this machine ({mine.kernels})" in remark


def test_other_code_of_ours_is_refused() -> None:
    mine = Software.here()
    check_software(mine)
    older = dataclasses.replace(mine, versions=dict(mine.versions) | {"poi_predict's code": "0" * 12})
    with pytest.raises(EngineError, match="poi_predict's code 000000000000 here"):
        check_software(older)


@pytest.mark.parametrize("work", ["scoring", "training"])
def test_a_cluster_that_loses_all_workers_is_given_up_in_time(
    work: str, address: str, workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.2)
    run = {"scoring": score_for_ever, "training": resample_for_ever}[work]
    ending = threading.Timer(0.5, workers.scale, [0])
    ending.start()
    start = time.monotonic()
    with pytest.raises(EngineError, match="had no worker"):
        run(address)
    assert time.monotonic() - start < 15
    ending.join()


def score_for_ever(address: str) -> None:
    with open_engine(address, -1) as engine:
        for _ in engine.map(engine_jobs.name_process, None, range(10_000)):
            pass


def resample_for_ever(address: str) -> None:
    with open_training(address):
        for _ in Parallel(n_jobs=-1, return_as="generator")(
            delayed(engine_jobs.name_process)(None, k) for k in range(10_000)
        ):
            pass


def test_a_scheduler_without_workers_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.3)
    with (
        distributed.LocalCluster(n_workers=0, **LOOPBACK) as empty,
        pytest.raises(EngineError, match="no worker"),
        open_engine(empty.scheduler_address, -1),
    ):
        pass


def test_a_scheduler_that_goes_away_is_said_so(tmp_path: Path) -> None:
    script = (
        "import sys, distributed\n"
        "if __name__ == '__main__':\n"
        "    with distributed.LocalCluster(n_workers=1, processes=False, dashboard_address='127.0.0.1:0',"
        " protocol='tcp://', host='127.0.0.1') as running:\n"
        "        print(running.scheduler_address, flush=True)\n"
        "        sys.stdin.read()\n"
    )
    with started(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as running:
        address = running.stdout.readline().strip()
        with open_engine(address, -1) as engine:
            results = engine.map(engine_jobs.name_process, None, range(10_000))
            next(results)
            running.kill()
            with pytest.raises(EngineError, match="scheduler was lost"):
                list(results)


def test_nobody_at_the_address_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.3)
    with pytest.raises(EngineError, match="No Dask scheduler answered"), open_engine("tcp://127.0.0.1:9", -1):
        pass


@pytest.mark.parametrize("address", ["scheduler:8786", "http://scheduler:8786", "tcp://scheduler", "tcp://a b:1", ""])
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(EngineError, match="tcp://host:port"), open_engine(address, -1):
        pass


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EngineError, match=r"poi-predict\[dask\]"), open_engine("tcp://127.0.0.1:8786", -1):
        pass


def test_importing_the_engines_loads_no_dask() -> None:
    code = "import sys, poi_predict.engines, poi_predict.cluster; print('distributed' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )
