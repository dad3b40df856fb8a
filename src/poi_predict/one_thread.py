"""Numerical libraries held to one thread, so that the number of threads or machines changes no byte.

A matrix product summed by two threads may differ in its last bit from one summed by one. The limit of a BLAS is the
whole process's and that of OpenMP each thread's own; so a thread that lets others work sets the first around all of
their work, and they set the second around theirs.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["one_openmp_thread", "one_thread", "stay_on_one_thread"]

_settling = threading.Lock()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS in this process, and OpenMP in this thread, to one thread inside the block.

    Examples
    --------
    >>> from threadpoolctl import threadpool_info
    >>> with one_thread():
    ...     sorted({library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"})
    [1]
    """
    _load_libraries()
    with threadpool_limits(limits=1):
        yield


@contextlib.contextmanager
def one_openmp_thread() -> Iterator[None]:
    """Hold OpenMP to one thread inside the block, in a thread that works while another is in `one_thread`."""
    with threadpool_limits(limits=1, user_api="openmp"):
        yield


def stay_on_one_thread() -> None:
    """Hold this process to one thread for good: a worker whose threads would lift each other's limits."""
    with _settling:
        _load_libraries()
        threadpool_limits(limits=1)


def _load_libraries() -> None:
    """Load both BLAS libraries, NumPy's and SciPy's: one loaded inside the block would escape the limit."""
    import scipy.linalg  # noqa: F401, PLC0415
