"""Worker processes that belong to the process they work for: it answers for them, and they end with it."""

from __future__ import annotations

import os
import signal
import threading
import time

__all__ = ["begin_worker"]

POLL_SECONDS = 0.5


def begin_worker(parent: int) -> None:
    """Make a worker process ready: an interrupt is its parent's to answer, and it ends soon after its parent does.

    joblib's processes would otherwise show a traceback each when the terminal is interrupted, and wait for work for
    minutes when their parent was killed.

    Parameters
    ----------
    parent : int
        Number of the process that started this one. If that is gone already, this one ends now.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getppid() != parent:
        os._exit(1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(1)
