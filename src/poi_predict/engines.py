"""Where blocks of work run: threads, processes, or a Dask cluster, with the same results in the same order.

All engines do the same: ``function(shared, item)`` for every item, results in the order of the items, few items in
flight at a time so that memory stays flat, BLAS held to one thread so that no number depends on how many work.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from poi_predict.errors import EngineError
from poi_predict.one_thread import one_openmp_thread, one_thread
from poi_predict.worker_processes import begin_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future

__all__ = ["Engine", "open_engine", "open_training"]

SharedT = TypeVar("SharedT")
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

AHEAD = 2
"""Items in flight for each worker: one at work, one waiting, so that none idles and memory stays flat."""

STARTING_SECONDS = 0.5


class Engine(Protocol):
    """What works through blocks.

    Attributes
    ----------
    n_workers : int
        How many items are worked on at once.
    remark : str or None
        Why a last digit may differ from a local run, if it may: machines of another kind.
    """

    @property
    def n_workers(self) -> int:
        """How many items are worked on at once."""
        ...

    @property
    def remark(self) -> str | None:
        """Why a last digit may differ from a local run, if it may."""
        ...

    def map(
        self, function: Callable[[SharedT, ItemT], ResultT], shared: SharedT, items: Iterable[ItemT]
    ) -> Iterator[ResultT]:
        """Yield ``function(shared, item)`` in the order of the items.

        Parameters
        ----------
        function : callable
            Of a module, so that other processes find it. What it raises is raised here, at its item's turn.
        shared : object
            The same for all items; sent once to each process, so picklable where there are several.
        items : iterable
            Drawn lazily by threads and processes; a cluster lists them first.

        Raises
        ------
        EngineError
            If workers were ended or cannot be reached any more.
        """
        ...


@contextlib.contextmanager
def open_engine(address: str | None, n_jobs: int, *, processes: bool = False) -> Iterator[Engine]:
    """Give the engine that was asked for, and leave nothing of it running.

    Parameters
    ----------
    address : str or None
        ``tcp://host:port`` of a Dask scheduler (``tls://`` with certificates from Dask's own configuration); None works
        on this machine.
    n_jobs : int
        Threads or processes on this machine; -1 uses every core. A cluster uses all its workers.
    processes : bool
        Processes instead of threads: for work that holds Python's lock, such as walks through trees.

    Raises
    ------
    EngineError
        If the cluster cannot be reached, has no workers, or works with other software than this process.

    Examples
    --------
    The share of responders in three small centres, two at a time:

    >>> def share(among: str, centre: dict[str, int]) -> str:
    ...     return f"{centre['responded'] / centre['treated']:.2f} {among}"
    >>> centres = [{"responded": 3, "treated": 12}, {"responded": 8, "treated": 10}, {"responded": 1, "treated": 4}]
    >>> with open_engine(None, n_jobs=2) as engine:
    ...     list(engine.map(share, "of women treated", centres))
    ['0.25 of women treated', '0.80 of women treated', '0.25 of women treated']
    """
    if address is not None:
        from poi_predict.cluster import open_cluster  # noqa: PLC0415

        with open_cluster(address) as engine:
            yield engine
        return
    n_workers = count_jobs(n_jobs)
    if n_workers == 1:
        yield _Here()
    elif processes:
        yield _Processes(n_workers)
    else:
        yield _Threads(n_workers)


@contextlib.contextmanager
def open_training(address: str | None) -> Iterator[str | None]:
    """Let the resampling of a training run on a Dask cluster through joblib's Dask backend; None changes nothing.

    Given back is the engine's remark.

    Parameters
    ----------
    address : str or None
        As in `open_engine`. Trainings inside the block must ask for several jobs (``n_jobs=-1``).

    Raises
    ------
    EngineError
        As in `open_engine`, and if the workers are lost while the training waits for them.

    Examples
    --------
    >>> with open_training(None):
    ...     pass  # train(study, cohort)
    """
    if address is None:
        yield None
        return
    from poi_predict.cluster_training import resample_on_cluster  # noqa: PLC0415

    with resample_on_cluster(address) as remark:
        yield remark


def count_jobs(n_jobs: int) -> int:
    """Return how many threads or processes are meant; -1 is every core that this process may use.

    >>> count_jobs(2)
    2
    """
    if n_jobs > 0:
        return n_jobs
    from joblib import cpu_count  # noqa: PLC0415

    return int(cpu_count())


@dataclass(frozen=True)
class _Here:
    """One item after the other in the thread that asks."""

    n_workers: int = 1
    remark: str | None = None

    def map(
        self, function: Callable[[SharedT, ItemT], ResultT], shared: SharedT, items: Iterable[ItemT]
    ) -> Iterator[ResultT]:
        for item in items:
            with one_thread():
                result = function(shared, item)
            yield result


@dataclass(frozen=True)
class _Threads:
    n_workers: int
    remark: str | None = None

    def map(
        self, function: Callable[[SharedT, ItemT], ResultT], shared: SharedT, items: Iterable[ItemT]
    ) -> Iterator[ResultT]:
        executor = ThreadPoolExecutor(self.n_workers, thread_name_prefix="poi_predict")
        with one_thread():
            try:
                yield from _in_order(executor, self.n_workers, partial(_work, function, shared), items, deque())
            finally:
                executor.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Processes:
    n_workers: int
    remark: str | None = None

    def map(
        self, function: Callable[[SharedT, ItemT], ResultT], shared: SharedT, items: Iterable[ItemT]
    ) -> Iterator[ResultT]:
        from joblib.externals.loky import ProcessPoolExecutor  # noqa: PLC0415
        from joblib.externals.loky.process_executor import BrokenProcessPool  # noqa: PLC0415

        one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        executor = ProcessPoolExecutor(
            self.n_workers, initializer=_begin, initargs=(function, shared, os.getpid()), env=one
        )
        waiting: deque[Future[Any]] = deque()
        try:
            yield from _in_order(executor, self.n_workers, _work_begun, items, waiting)
        except BrokenProcessPool as error:
            raise EngineError(
                "A worker process was ended from outside, most often because memory ran out. "
                "Ask for fewer processes by --jobs; what is finished is kept where the command can resume."
            ) from error
        finally:
            _let_start(waiting)
            executor.shutdown(wait=True, kill_workers=bool(waiting))


def _let_start(waiting: Iterable[Future[Any]]) -> None:
    """Wait until no item is on its way to a process any more: joblib's pool stumbles if it is ended just then."""
    end = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < end and not all(future.running() or future.done() for future in waiting):
        time.sleep(0.001)


def _in_order(
    executor: Executor,
    n_workers: int,
    call: Callable[[Any], Any],
    items: Iterable[Any],
    waiting: deque[Future[Any]],
) -> Iterator[Any]:
    """Yield results in the order of the items, never more than a few in flight; what is left waits in `waiting`."""
    for item in items:
        waiting.append(executor.submit(call, item))
        if len(waiting) >= AHEAD * n_workers:
            yield _first(waiting)
    while waiting:
        yield _first(waiting)


def _first(waiting: deque[Future[Any]]) -> Any:
    """Return the first result; until it is there, it counts as waiting."""
    result = waiting[0].result()
    waiting.popleft()
    return result


def _work(function: Callable[[SharedT, ItemT], ResultT], shared: SharedT, item: ItemT) -> ResultT:
    with one_openmp_thread():
        return function(shared, item)


_begun: list[tuple[Callable[[Any, Any], Any], Any]] = []


def _begin(function: Callable[[Any, Any], Any], shared: object, parent: int) -> None:
    """Make a worker process ready: Ctrl-C is the parent's to answer, and a worker does not outlive its parent."""
    begin_worker(parent)
    _begun[:] = [(function, shared)]


def _work_begun(item: object) -> object:
    function, shared = _begun[0]
    with one_thread():
        return function(shared, item)
