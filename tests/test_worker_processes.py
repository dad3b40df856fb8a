"""Worker processes end with the process they work for, and leave an interrupt to it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import pytest

from children import started

WORKING = """
import os, time
from poi_predict.validation import run_tasks

def work(seconds):
    os.write(1, b"%d " % os.getpid())
    time.sleep(seconds)

run_tasks(work, [0.2, 0.2, 60.0, 60.0], n_jobs=2)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_process_they_work_for(sign: signal.Signals) -> None:
    command = [sys.executable, "-c", WORKING]
    pipe = subprocess.PIPE
    with started(command, stdout=pipe, stderr=pipe) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        workers: set[int] = set()
        while len(workers) < 2:
            workers |= {int(number) for number in os.read(parent.stdout.fileno(), 100).split()}
        assert parent.pid not in workers
        if sign is signal.SIGKILL:
            parent.kill()
        else:
            os.killpg(parent.pid, sign)  # as a terminal does: to all of them
        content = b"more"
        while content:  # the pipe ends when the last process that holds it does
            assert select.select([parent.stdout], [], [], 20.0)[0], "a worker outlived the process it works for"
            content = os.read(parent.stdout.fileno(), 100)
        said = parent.stderr.read().decode()
        assert "LokyProcess" not in said, said  # a worker that was interrupted would show its own traceback
