"""How resampling tasks are run: on how many cores, with what is already finished, telling how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from poi_predict.errors import ModelError
from poi_predict.modeling.checkpoint import Stage
from poi_predict.validation import TaskOutcome, run_tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Loop"]

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")
OnDone = Callable[[int, int], None]
Numbers = "NDArray[np.float64]"


@dataclass(frozen=True)
class Loop:
    """One stage's way of running its tasks.

    Attributes
    ----------
    n_jobs : int
        Processes; changes no byte of the result.
    on_done : callable, optional
        Told the tasks done and their total.
    stage : Stage
        Where finished tasks are kept.

    Examples
    --------
    >>> outcomes = Loop(n_jobs=1).run(lambda events: np.array([events / 40]), [12, 3])
    >>> [round(float(outcome.value[0]), 3) for outcome in outcomes]
    [0.3, 0.075]
    """

    n_jobs: int = 1
    on_done: OnDone | None = None
    stage: Stage = field(default_factory=lambda: Stage(None))

    def run(
        self,
        function: Callable[[TaskT], ResultT],
        tasks: Sequence[TaskT],
        encode: Callable[[ResultT], NDArray[np.float64]] | None = None,
        decode: Callable[[NDArray[np.float64]], ResultT] | None = None,
    ) -> list[TaskOutcome[ResultT]]:
        """Run the tasks that are not finished yet, and return the outcomes of all in order.

        Parameters
        ----------
        function : callable
            Takes one task; `ModelError` is a counted failure, anything else a defect.
        tasks : sequence
        encode, decode : callable, optional
            From a result to the numbers that are kept of it, and back; results are kept only where both are given.
        """
        outcomes: dict[int, TaskOutcome[ResultT]] = {}
        if decode is not None:
            for index in range(len(tasks)):
                kept = self.stage.load(index)
                if kept is not None:
                    outcomes[index] = TaskOutcome(index, decode(kept))
        left = [index for index in range(len(tasks)) if index not in outcomes]

        def finish(outcome: TaskOutcome[ResultT]) -> None:
            index = left[outcome.index]
            outcomes[index] = TaskOutcome(index, outcome.value, outcome.failure)
            if encode is not None and outcome.value is not None:
                self.stage.save(index, encode(outcome.value))
            if self.on_done is not None:
                self.on_done(len(outcomes), len(tasks))

        run_tasks(function, [tasks[i] for i in left], n_jobs=self.n_jobs, on_done=finish, failures=(ModelError,))
        return [outcomes[index] for index in range(len(tasks))]

    def run_numbers(
        self, function: Callable[[TaskT], NDArray[np.float64]], tasks: Sequence[TaskT]
    ) -> list[TaskOutcome[NDArray[np.float64]]]:
        """Run tasks whose results are arrays, which are kept as they are."""
        return self.run(function, tasks, encode=np.asarray, decode=np.asarray)
