"""Work that tests give to engines; in a module, so that worker processes find it."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from threadpoolctl import threadpool_info

from poi_predict.engines import open_engine
from poi_predict.errors import CohortError


def add(shared: int, item: int) -> int:
    """The sum, sooner for the later of every four items than for the earlier."""
    time.sleep(0.002 * (3 - item % 4))
    return shared + item


def name_process(_shared: None, item: int) -> tuple[int, int]:
    time.sleep(0.02)
    return item, os.getpid()


def tell_process(fold: int) -> int:
    time.sleep(0.05)
    if fold == 11:
        raise CohortError("Fold 11 holds no woman who responded.")
    return os.getpid()


def refuse_item_thirty(_shared: None, item: int) -> int:
    if item == 30:
        raise CohortError("Column amh_ng_ml must hold numbers; row 31 does not.")
    return item


def multiply(shared: np.ndarray, seed: int) -> bytes:
    """The bytes of a matrix product large enough that BLAS would share it among threads."""
    return (np.random.default_rng(seed).normal(size=(300, 400)) @ shared).tobytes()


def count_blas_threads(_shared: object, _item: int) -> int:
    return max(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")


def describe_work(shared: np.ndarray, seed: int) -> tuple[int, int, bytes]:
    """Which process worked, with how many BLAS threads, and what came out."""
    time.sleep(0.02)
    return os.getpid(), count_blas_threads(shared, seed), multiply(shared, seed)


def die(_shared: None, _item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def score_part(shared: Path, part: Path) -> bytes:
    """Rows as bytes of one Parquet file; the first worker that comes to the fifth is killed in the middle of it."""
    probability = 1 / (1 + np.exp(-(pq.read_table(part)["amh_ng_ml"].to_numpy() - 1)))
    if part.name == "part-4.parquet":
        try:
            (shared / "died").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            die(None, 0)
    return "".join(f"{p!r}\n" for p in probability.tolist()).encode()


def wait_long(shared: Path, _item: int) -> None:
    (shared / f"pid-{os.getpid()}").touch()
    time.sleep(60)


if __name__ == "__main__":  # a command that is interrupted while its worker processes are busy
    with open_engine(None, 2, processes=True) as engine:
        list(engine.map(wait_long, Path(sys.argv[1]), range(2)))
