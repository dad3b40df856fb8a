"""Finished resamples on disk, so that an interrupted training goes on where it stopped.

Only numbers are kept (predictions and metrics, no pickle), one small file a task, each written whole or not at
all. The key of the folder is made of everything the results depend on: other data, another study or another
version of the software never meets an old result.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict import __version__
from poi_predict.files import make_private_folder, staged_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Checkpoint", "Stage"]

KEY_LENGTH = 12


@dataclass(frozen=True)
class Stage:
    """The finished tasks of one stage of a training; without a folder nothing is kept.

    Examples
    --------
    >>> nowhere = Stage(None)
    >>> nowhere.save(0, np.array([0.3, 0.6]))
    >>> nowhere.load(0) is None
    True
    """

    folder: Path | None

    def load(self, task: int) -> NDArray[np.float64] | None:
        """Return a task's finished result, or None; a file that cannot be read counts as not finished."""
        if self.folder is None:
            return None
        try:
            content = (self.folder / f"{task:06d}.npy").read_bytes()
            return np.asarray(np.load(io.BytesIO(content), allow_pickle=False), dtype=np.float64)
        except (OSError, ValueError, EOFError):
            return None

    def save(self, task: int, result: NDArray[np.float64]) -> None:
        """Keep a task's result."""
        if self.folder is None:
            return
        for folder in (self.folder.parent, self.folder):
            make_private_folder(folder)
        with staged_file(self.folder / f"{task:06d}.npy", private=True) as partial, partial.open("wb") as file:
            np.save(file, result, allow_pickle=False)


@dataclass(frozen=True)
class Checkpoint:
    """Where the finished tasks of one training are.

    Attributes
    ----------
    folder : Path or None
        None keeps nothing.
    """

    folder: Path | None = None

    @classmethod
    def beside(cls, out: Path, facts: Mapping[str, Any]) -> Checkpoint:
        """Return the checkpoint of a training that writes to `out`.

        Parameters
        ----------
        out : Path
            Output folder; the checkpoint stands beside it under a hidden name.
        facts : mapping
            Everything the results depend on, as plain values.
        """
        text = json.dumps({"version": __version__, **facts}, sort_keys=True, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]
        return cls(out.absolute().parent / f".{out.name}.resume-{key}")

    def stage(self, name: str) -> Stage:
        """Return the stage of a name."""
        return Stage(None if self.folder is None else self.folder / name)

    @property
    def n_finished(self) -> int:
        """How many tasks are kept."""
        return 0 if self.folder is None else sum(1 for _ in self.folder.glob("*/*.npy"))

    def clear(self) -> None:
        """Remove what is kept: the training is written."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
