"""joblib's Dask backend for the resampling of training, made to end where its cluster does.

joblib's own backend waits for ever for a batch whose task was cancelled or ended every worker it was given to, since
it calls joblib back only with results. This one calls back with whatever became of the batch.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from poi_predict import cluster
from poi_predict.cluster_software import Software, check_software, remark_processors
from poi_predict.errors import EngineError
from poi_predict.one_thread import stay_on_one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["resample_on_cluster"]


@contextlib.contextmanager
def resample_on_cluster(address: str) -> Iterator[str | None]:
    """Let joblib run on the workers of a Dask scheduler inside the block; gives what to tell about their processors.

    Parameters
    ----------
    address : str
        ``tcp://host:port`` of the scheduler.

    Raises
    ------
    EngineError
        If the cluster cannot be used, or is lost on the way.
    """
    with cluster.connect(address) as client:
        from distributed import CancelledError  # noqa: PLC0415
        from joblib import parallel_config  # noqa: PLC0415

        remark = remark_processors(client.run(Software.here).values())
        backend = _make_backend(client)
        watch = _Watch(client, backend.futures)
        with cluster.in_plain_words():
            try:
                with watch, parallel_config(backend=backend, n_jobs=-1):
                    yield remark
            except CancelledError as error:
                raise watch.finding or error from error


def _make_backend(client: Any) -> Any:
    """Return the backend; its class is made here, since importing its parent imports Dask."""
    from joblib._dask import DaskDistributedBackend  # noqa: PLC0415
    from joblib.parallel import SequentialBackend  # noqa: PLC0415

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(client=client)
            self.futures: set[Any] = set()
            self._software = Software.here()

        def effective_n_jobs(self, n_jobs: int) -> int:  # noqa: ARG002 - joblib's signature; a cluster works with all
            return cluster.count_workers(client)

        def get_nested_backend(self) -> tuple[Any, None]:
            return SequentialBackend(nesting_level=1), None

        def start_call(self) -> None:
            self.futures.clear()

        def stop_call(self) -> None:
            self.futures.clear()

        def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> Any:
            future = client.submit(_run_batch, func, self._software, key=f"poi_predict-resamples-{uuid4().hex}")
            self.futures.add(future)
            if callback is not None:
                future.add_done_callback(callback)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            try:
                return cluster.open_result(cluster.take(client, out))
            finally:
                self.futures.discard(out)

        def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002
            with contextlib.suppress(Exception):  # the cluster may be gone already
                client.cancel(list(self.futures), force=True)

    return Backend()


def _run_batch(batch: Callable[[], list[Any]], software: Software) -> Any:
    check_software(software)
    stay_on_one_thread()
    return cluster.catch(batch)


@dataclass
class _Watch:
    """A thread that cancels what is waited for once the cluster has been without workers for too long."""

    client: Any
    futures: set[Any]
    finding: EngineError | None = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> _Watch:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        alone = cluster.Patience()
        while not self._ended.wait(cluster.POLL_SECONDS):
            try:
                alone.check(present=cluster.has_workers(self.client))
            except EngineError as error:
                self.finding = error
                with contextlib.suppress(Exception):
                    self.client.cancel(list(self.futures), force=True)
                return
