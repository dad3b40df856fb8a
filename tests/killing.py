"""Work done in a forked process that is killed by SIGKILL, at a chosen step or a chosen moment."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

STEPS = ("write", "replace", "rename", "unlink", "mkdir", "rmdir", "ftruncate", "fsync", "open")


def survives(work: Callable[[], Any], *, step: int | None = None, seconds: float | None = None) -> bool:
    """Do the work in a forked process; True if it came to its end, False if it was killed on the way.

    `step` kills it instead of its n-th call to the file system (a write is torn in half first); `seconds` kills it
    after a while, wherever it is.
    """
    child = os.fork()
    if not child:
        code = 1
        try:
            if step is not None:
                _kill_at(step)
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - a forked process must not run its parent's code
            traceback.print_exc()
        finally:
            os._exit(code)
    if seconds is not None:
        timer = threading.Timer(seconds, os.kill, (child, signal.SIGKILL))
        timer.start()
    _, status = os.waitpid(child, 0)
    if seconds is not None:
        timer.cancel()
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


def _kill_at(step: int) -> None:
    calls = 0

    def counted(name: str) -> Callable[..., Any]:
        genuine = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == step:
                if name == "write":
                    genuine(args[0], args[1][: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)
            return genuine(*args, **kwargs)

        return call

    for name in STEPS:
        setattr(os, name, counted(name))
