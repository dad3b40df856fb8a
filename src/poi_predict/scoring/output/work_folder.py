"""The hidden folder beside an output that holds what is finished of it, and how far that is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from poi_predict import __version__
from poi_predict.files import open_private, replace_folder
from poi_predict.scoring.output.locking import LOCK, OWNER, Lock
from poi_predict.scoring.output.places import rejected_path, summary_path, work_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["PLACING", "REJECTED", "SCORING", "SUMMARY", "WorkFolder", "compute_run", "sync_path"]

FORMAT = 1
STATE, REJECTED, SUMMARY, REPLACED = "state.json", "rejected.csv", "summary.json", "replaced"
SCORING, PLACING = "scoring", "placing"


def compute_run(key: Mapping[str, Any]) -> str:
    """Return the name of a run: the SHA-256 of all that its output depends on, and of this version.

    >>> compute_run({"model": "a", "rows": 3}) == compute_run({"rows": 3, "model": "a"})
    True
    """
    facts = {"format": FORMAT, "version": __version__, "key": key}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class WorkFolder:
    """The work folder of an output, locked; nobody else writes to it until it is released.

    Parameters
    ----------
    out : Path
        The output.

    Raises
    ------
    OutputError
        If another run holds it.
    OSError
        If it cannot be made.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = work_path(out)
        self._lock = Lock(self.path, out.name)

    @property
    def has_state(self) -> bool:
        """Whether a state stands there, readable or not."""
        return (self.path / STATE).exists()

    def read_state(self) -> dict[str, Any] | None:
        """Return the last state saved; None where there is none, or none that can be read."""
        try:
            state = json.loads((self.path / STATE).read_bytes())
        except (OSError, ValueError):
            return None
        known = isinstance(state, dict) and state.get("format") == FORMAT and state.get("phase") in (SCORING, PLACING)
        return state if known else None

    def save_state(self, state: Mapping[str, Any], *, durably: bool = False) -> None:
        """Replace the state, whole or not at all."""
        partial = self.path / (STATE + ".new")
        with os.fdopen(open_private(partial), "w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, **state}, file)
            if durably:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(self.path / STATE)
        if durably:
            sync_path(self.path)

    def discard(self) -> None:
        """Remove all that is finished; the lock is kept."""
        (self.path / STATE).unlink(missing_ok=True)  # first: what is left half-removed must not look resumable
        for path in self.path.iterdir():
            if path.name in (LOCK, OWNER):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def place(self, state: Mapping[str, Any]) -> None:
        """Move the finished files to where they belong; what was moved before is left.

        The rejected rows first, then the summary, the scores last: where they are, all is.

        Parameters
        ----------
        state : mapping
            Of the phase `PLACING`: "ready" names the scores in this folder, "inode" is that of a folder of parts.
        """
        for name, target in ((REJECTED, rejected_path(self.out)), (SUMMARY, summary_path(self.out))):
            _move(self.path / name, target)
        ready = self.path / str(state["ready"])
        if state["inode"] is None:
            _move(ready, self.out)
        elif ready.is_dir() and ready.stat().st_ino == state["inode"]:  # else the old folder, exchanged for it
            replace_folder(ready, self.out, self.path / REPLACED)
        sync_path(self.path.parent)

    def remove(self) -> None:
        """Remove the folder and let others at it; what cannot be removed stays."""
        with contextlib.suppress(OSError):
            self.discard()
            (self.path / LOCK).unlink(missing_ok=True)
            (self.path / OWNER).unlink(missing_ok=True)
            self.path.rmdir()
        self._lock.release()

    def release(self) -> None:
        """Let others at the folder; it stays as it is."""
        self._lock.release()


def sync_path(path: Path) -> None:
    """Force a file, or the list of files of a folder, to disk, where the system can."""
    with contextlib.suppress(PermissionError):  # a folder cannot be opened on every system
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _move(ready: Path, target: Path) -> None:
    if ready.exists():
        ready.replace(target)
