"""Worker processes that end with the process they work for, even if that was killed and could tell nobody."""

from __future__ import annotations

import os
import threading
import time

__all__ = ["end_with_parent"]

POLL_SECONDS = 0.5


def end_with_parent(parent: int) -> None:
    """Let this process end soon after its parent does: what a worker process begins with.

    Parameters
    ----------
    parent : int
        Number of the process that started this one. If that is gone already, this one ends now.
    """
    threading.Thread(target=_wait_and_end, args=(parent,), daemon=True).start()


def _wait_and_end(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(1)
