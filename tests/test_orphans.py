"""Worker processes end with the process they work for, however that ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import pytest

WORKING = """
import os, time
from poi_predict.validation import run_tasks

def work(seconds):
    os.write(1, b"%d " % os.getpid())
    time.sleep(seconds)

run_tasks(work, [0.2, 0.2, 60.0, 60.0], n_jobs=2)
"""


@pytest.mark.skipif(os.name != "posix", reason="a killed parent is told by POSIX")
def test_workers_of_a_killed_training_end() -> None:
    with subprocess.Popen([sys.executable, "-c", WORKING], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        workers: set[int] = set()
        while len(workers) < 2:
            workers |= {int(number) for number in os.read(parent.stdout.fileno(), 100).split()}
        assert parent.pid not in workers
        parent.send_signal(signal.SIGKILL)
        content = b"more"
        while content:  # the pipe ends when the last process that holds it does
            assert select.select([parent.stdout], [], [], 20.0)[0], "a worker outlived the process it works for"
            content = os.read(parent.stdout.fileno(), 100)
