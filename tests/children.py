"""Commands that tests start: whatever a test does, none of their processes outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any


@contextlib.contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a command in a session of its own, which is ended with all of its processes when the block is left."""
    with subprocess.Popen(command, start_new_session=os.name == "posix", **options) as process:
        try:
            yield process
        finally:
            _end(process)


def finished(command: Sequence[str], *, seconds: float = 120, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and read what it says; after so many seconds it and its processes are ended."""
    pipe = subprocess.PIPE
    with started(command, stdout=pipe, stderr=pipe, text=True, **options) as process:
        stdout, stderr = process.communicate(timeout=seconds)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def _end(process: subprocess.Popen[Any]) -> None:
    if os.name != "posix":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):  # the session is empty already
        os.killpg(process.pid, signal.SIGKILL)
