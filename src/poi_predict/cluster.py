"""A Dask cluster as engine: blocks as partitions of a `dask.dataframe`, gathered in order, redone where a worker dies.

The client connects only to the address it is given, and opens no port. What all blocks share travels once to each
worker process. A worker computes only with the software that the client has: other versions could give other bytes.
Dask's processes trust each other and pickle between themselves, so a scheduler belongs on a private network, or
behind ``tls://``.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
import time
from collections import deque
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from poi_predict.cluster_software import Software, check_software, remark_processors
from poi_predict.errors import EngineError
from poi_predict.one_thread import stay_on_one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    import pandas as pd

__all__ = ["Patience", "catch", "connect", "count_workers", "has_workers", "open_cluster", "open_result", "take"]

SharedT = TypeVar("SharedT")
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

OURS = "poi_predict"
ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}")
CONNECT_SECONDS = 10.0
PATIENCE_SECONDS = 30.0
"""How long a cluster may be without any worker, at the start and later: a supervisor may be restarting them."""
POLL_SECONDS = 1.0
AHEAD = 2
PARTITIONS = 32
"""Blocks in one dask frame; it bounds the graph that every submission walks through."""


@contextlib.contextmanager
def connect(address: str) -> Iterator[Any]:
    """Give a client of the scheduler whose workers have been checked.

    Raises
    ------
    EngineError
        If Dask is not installed, the address is not one, nobody answers, there are no workers, or they differ.
    """
    if not ADDRESS.fullmatch(address):
        raise EngineError(
            "An engine's address has the form tcp://host:port (or tls://host:port), such as tcp://scheduler:8786."
        )
    try:
        from distributed import Client  # noqa: PLC0415
    except ImportError as error:
        raise EngineError(
            "Working on a cluster needs Dask, which is not installed: pip install 'poi-predict[dask]'."
        ) from error
    with _quiet():
        try:
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False, name="poi_predict")
        except (OSError, ValueError) as error:
            raise EngineError(
                f"No Dask scheduler answered at {address} within {CONNECT_SECONDS:.0f} seconds. "
                "Start it (dask scheduler) or correct the address."
            ) from error
        try:
            with in_plain_words():
                _check_workers(client, address)
            yield client
        finally:
            client.close(timeout=CONNECT_SECONDS)


def _check_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
    except TimeoutError as error:
        raise EngineError(
            f"The scheduler at {address} has had no worker for {PATIENCE_SECONDS:.0f} seconds. "
            f"Start workers (dask worker {address})."
        ) from error
    try:
        # A function of the standard library: where there is no poi_predict, none of ours could be loaded.
        client.run_on_scheduler(metadata.version, OURS)  # it reads the tasks that pass through it
        client.run(metadata.version, OURS)
    except metadata.PackageNotFoundError as error:
        raise EngineError(
            "The scheduler and every worker of a cluster must have poi_predict; one has not. Install the same "
            "poi_predict and requirements.lock on every machine, and restart what runs there."
        ) from error
    client.run_on_scheduler(check_software, Software.here())
    client.run(check_software, Software.here())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own log lines (a worker was lost, a key is gathered again) off the terminal: we say what matters."""
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in before:
            logger.setLevel(level)


@contextlib.contextmanager
def open_cluster(address: str) -> Iterator[Cluster]:
    """Give the engine of a Dask cluster.

    Parameters
    ----------
    address : str
        ``tcp://host:port`` of its scheduler.

    Raises
    ------
    EngineError
        As `connect` does.
    """
    with connect(address) as client:
        yield Cluster(client, remark_processors(client.run(Software.here).values()))


def count_workers(client: Any) -> int:
    """Return the threads of all workers now, and 1 where there are none: somebody may come."""
    return max(1, int(sum(client.nthreads().values())))


def has_workers(client: Any) -> bool:
    """Whether the scheduler has any worker now; False also where it cannot be asked."""
    try:
        return bool(client.nthreads())
    except (OSError, RuntimeError, AttributeError, TimeoutError):
        return False


@dataclass(frozen=True)
class Cluster:
    """The workers of a Dask scheduler.

    Attributes
    ----------
    client : distributed.Client
    remark : str or None
        That last digits may differ from a local run, if they may.
    """

    client: Any
    remark: str | None = None

    @property
    def n_workers(self) -> int:
        """Threads of all workers now."""
        return count_workers(self.client)

    def map(
        self, function: Callable[[SharedT, ItemT], ResultT], shared: SharedT, items: Iterable[ItemT]
    ) -> Iterator[ResultT]:
        """Yield ``function(shared, item)`` in the order of the items; what a lost worker had is done by another."""
        import dask  # noqa: PLC0415

        waiting: deque[Any] = deque()
        try:
            with in_plain_words():
                key = f"poi_predict-job-{uuid4().hex}"
                with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
                    held = self.client.submit(_hold, function, shared, Software.here(), key=key)
                for partition in _make_partitions(items, held):
                    waiting.append(self.client.compute(partition))
                    if len(waiting) >= AHEAD * self.n_workers:
                        yield open_result(take(self.client, waiting.popleft())["result"].iloc[0])
                while waiting:
                    yield open_result(take(self.client, waiting.popleft())["result"].iloc[0])
        finally:
            with contextlib.suppress(Exception):  # the cluster may be gone; the error that ends us is the one to tell
                self.client.cancel([held, *waiting], force=True)


def take(client: Any, future: Any) -> Any:
    """Return a task's result, waiting for it as long as anybody is there to work on it.

    A result that is ready is lost with its worker, and is then made again by another: that too takes time.
    """
    alone = Patience()
    while True:
        try:
            if (failure := future.exception(timeout=POLL_SECONDS)) is not None:
                raise failure
            return future.result(timeout=PATIENCE_SECONDS)
        except TimeoutError:
            alone.check(present=has_workers(client))


@dataclass
class Patience:
    """How long nobody has been there."""

    since: float | None = field(default=None)

    def check(self, *, present: bool) -> None:
        """Take note of whether any worker is there; raise `EngineError` once none has been for too long."""
        now = time.monotonic()
        if present:
            self.since = None
        elif self.since is None:
            self.since = now
        elif now - self.since > PATIENCE_SECONDS:
            raise EngineError(
                f"The cluster has had no worker for {PATIENCE_SECONDS:.0f} seconds. Start workers and run the command "
                "again; what is finished is kept where the command can resume."
            )


@contextlib.contextmanager
def in_plain_words() -> Iterator[None]:
    """Turn Dask's own errors into `EngineError`; what our work raises on a worker is none of them."""
    from distributed import CancelledError, KilledWorker  # noqa: PLC0415
    from distributed.comm.core import CommClosedError  # noqa: PLC0415

    try:
        yield
    except KilledWorker as error:
        raise EngineError(
            "A block of work ended several workers of the cluster one after the other, most often because their memory "
            "ran out. Give the workers more memory, or fewer threads each."
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise EngineError(
            "The connection to the Dask scheduler was lost. Check that it runs, and run the command again; what is "
            "finished is kept where the command can resume."
        ) from error


def _make_partitions(items: Iterable[Any], held: Any) -> Iterator[Any]:
    """Yield one lazy partition for each item: a frame of one row that holds the result, left as it is."""
    import dask  # noqa: PLC0415
    import dask.dataframe as dd  # noqa: PLC0415

    remaining, meta = iter(items), _one_row(None).iloc[:0]
    while chunk := list(itertools.islice(remaining, PARTITIONS)):
        with dask.config.set({"dataframe.convert-string": False}):
            frame = dd.from_map(_work_partition, chunk, args=[held], meta=meta, enforce_metadata=False)
            partitions = frame.to_delayed()
        yield from partitions


@dataclass(frozen=True)
class _Raised:
    error: Exception
    traceback: TracebackType | None


def catch(function: Callable[..., Any], *args: object) -> Any:
    """Return what a function returns or raises; a worker writes what is raised in it, values too, into its log."""
    try:
        return function(*args)
    except Exception as error:  # noqa: BLE001 - it goes on where the result is opened
        return _Raised(error, error.__traceback__)


def open_result(caught: Any) -> Any:
    """Return, or raise, what `catch` caught on a worker."""
    if isinstance(caught, _Raised):
        raise caught.error.with_traceback(caught.traceback)
    return caught


Job = tuple["Callable[[Any, Any], Any]", Any, Software]


def _hold(function: Callable[[Any, Any], Any], shared: object, software: Software) -> Job:
    """Keep what all blocks need as a task's result, which is made again where it is lost; scattered data are not."""
    return function, shared, software


def _work_partition(item: object, job: Job) -> pd.DataFrame:
    function, shared, software = job
    check_software(software)
    stay_on_one_thread()
    return _one_row(catch(function, shared, item))


def _one_row(result: object) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    return pd.DataFrame({"result": pd.Series([result], dtype=object)})
