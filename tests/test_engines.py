"""Threads and processes give the same results in the same order, and leave nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import engine_jobs
from children import started
from poi_predict.engines import count_jobs, open_engine, open_training
from poi_predict.errors import CohortError, EngineError
from poi_predict.one_thread import one_thread


@pytest.fixture(params=[1, 2, 3])
def engine(request: pytest.FixtureRequest) -> Iterator:
    """This thread alone, or two or three others."""
    with open_engine(None, request.param) as engine:
        yield engine


def test_results_come_in_the_order_of_the_items(engine) -> None:
    assert list(engine.map(engine_jobs.add, 100, range(17))) == list(range(100, 117))


def test_the_number_of_workers_changes_no_byte(engine) -> None:
    with one_thread():
        factor = np.random.default_rng(0).normal(size=(400, 200))
        alone = [engine_jobs.multiply(factor, seed) for seed in range(6)]
    assert list(engine.map(engine_jobs.multiply, factor, range(6))) == alone


def test_blas_has_one_thread_inside_and_as_many_as_before_outside(engine) -> None:
    before = blas_threads()
    assert set(engine.map(engine_jobs.count_blas_threads, None, range(6))) == {1}
    assert blas_threads() == before


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.parametrize("processes", [False, True])
def test_few_items_are_in_flight_and_an_error_waits_its_turn(processes: bool) -> None:
    drawn = []

    def draw() -> Iterator[int]:
        for item in range(40):
            drawn.append(item)
            yield item

    with open_engine(None, 2, processes=processes) as engine:
        results = engine.map(engine_jobs.refuse_item_thirty, None, draw())
        for received in range(1, 31):
            next(results)
            assert len(drawn) <= received + 2 * engine.n_workers
        with pytest.raises(CohortError, match="must hold numbers"):
            next(results)


def test_processes_work_side_by_side_to_the_same_bytes() -> None:
    factor = np.random.default_rng(0).normal(size=(400, 200))
    with open_engine(None, 1) as engine:
        alone = list(engine.map(engine_jobs.multiply, factor, range(12)))
    with open_engine(None, 2, processes=True) as engine:
        pids, blas, products = zip(*engine.map(engine_jobs.describe_work, factor, range(12)), strict=True)
    assert len(set(pids) - {os.getpid()}) == 2
    assert set(blas) == {1}
    assert list(products) == alone


def test_a_process_that_is_killed_is_said_so() -> None:
    with (
        open_engine(None, 2, processes=True) as engine,
        pytest.raises(EngineError, match="ended from outside"),
    ):
        list(engine.map(engine_jobs.die, None, range(4)))


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_a_command_that_is_ended(sent: signal.Signals, tmp_path: Path) -> None:
    with started([sys.executable, engine_jobs.__file__, str(tmp_path)], stderr=subprocess.DEVNULL) as command:
        wait_until(lambda: len(list(tmp_path.glob("pid-*"))) == 2)
        workers = [int(file.name.removeprefix("pid-")) for file in tmp_path.iterdir()]
        command.send_signal(sent)
        command.wait(timeout=10)
        wait_until(lambda: not any(is_running(pid) for pid in workers))


def is_running(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_every_core_is_meant_by_minus_one() -> None:
    assert count_jobs(-1) >= 1
    with open_engine(None, -1) as engine:
        assert engine.n_workers == count_jobs(-1)


def test_a_training_without_an_address_runs_as_it_did() -> None:
    with open_training(None):
        pass
