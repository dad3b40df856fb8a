"""One loop for all resampling: many independent tasks, any number of jobs, the same bytes.

Numerical libraries are held to one thread inside each task: a matrix product summed by two threads may
differ in its last bit from one summed by one. Results come in the order of the tasks. A failure of an
expected kind is caught, kept in its place and counted; any other is a defect and propagates.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from poi_predict.worker_processes import begin_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["TaskOutcome", "count_failures", "run_tasks"]

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class TaskOutcome(Generic[ResultT]):
    """What became of one task: its value, or why it failed.

    Attributes
    ----------
    index : int
        Position of the task in the list of tasks.
    value : object or None
        What the function returned.
    failure : str or None
        Kind and message of the expected failure.
    """

    index: int
    value: ResultT | None
    failure: str | None = None

    @property
    def is_ok(self) -> bool:
        """Whether the task finished."""
        return self.failure is None


def run_tasks(
    function: Callable[[TaskT], ResultT],
    tasks: Sequence[TaskT],
    *,
    n_jobs: int,
    on_done: Callable[[TaskOutcome[ResultT]], None] | None = None,
    failures: tuple[type[Exception], ...] = (),
) -> list[TaskOutcome[ResultT]]:
    """Run `function` on every task and return the outcomes in the order of the tasks.

    Parameters
    ----------
    function : callable
        Takes one task. With several jobs it must be importable by the workers, or picklable by cloudpickle.
    tasks : sequence
        Each carries its own data and random stream.
    n_jobs : int
        Processes; 1 runs in this process, -1 uses every core, or inside `engines.open_training` every worker.
    on_done : callable, optional
        Called in this process, in task order, with each outcome as it arrives: a progress bar, a checkpoint.
    failures : tuple of exception types
        Expected failures, kept as outcomes with a reason.

    Examples
    --------
    >>> outcomes = run_tasks(lambda x: 12 / x, [4, 0, 3], n_jobs=1, failures=(ZeroDivisionError,))
    >>> [outcome.value for outcome in outcomes]
    [3.0, None, 4.0]
    >>> count_failures(outcomes)
    {'ZeroDivisionError: division by zero': 1}
    """
    if n_jobs == 1 or len(tasks) < 2:
        arriving: Iterable[TaskOutcome[ResultT]] = (
            _run_one(function, index, task, failures) for index, task in enumerate(tasks)
        )
    else:
        # No backend is named here: processes by default, or the cluster that `engines.open_training` has set.
        # Only for processes; the backend of a cluster has its own keeper of workers and passes these over.
        beginning = {"initializer": begin_worker, "initargs": (os.getpid(),)}
        arriving = Parallel(n_jobs=n_jobs, return_as="generator", **beginning)(
            delayed(_run_one)(function, index, task, failures) for index, task in enumerate(tasks)
        )
    outcomes = []
    for outcome in arriving:
        outcomes.append(outcome)
        if on_done is not None:
            on_done(outcome)
    return outcomes


def _run_one(
    function: Callable[[TaskT], ResultT], index: int, task: TaskT, failures: tuple[type[Exception], ...]
) -> TaskOutcome[ResultT]:
    with threadpool_limits(limits=1):
        try:
            return TaskOutcome(index, function(task))
        except failures as error:
            return TaskOutcome(index, None, f"{type(error).__name__}: {error}")


def count_failures(outcomes: Iterable[TaskOutcome[ResultT]]) -> dict[str, int]:
    """Count the failed tasks by reason."""
    return dict(Counter(outcome.failure for outcome in outcomes if outcome.failure is not None))
