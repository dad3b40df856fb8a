"""Folders replaced by runs that are killed at every step: the old or the new one must stand, whole.

Started by test_files.py in a process of its own, since it forks: one argument is an empty folder, the other says
whether folders can change places in one step ("exchange") or not ("aside").
"""

from __future__ import annotations

import itertools
import shutil
import sys
from functools import partial
from pathlib import Path

from killing import survives
from poi_predict import files


def write(target: Path, text: str) -> None:
    with files.staged_folder(target, "marker") as staged:
        for name in ("marker", "model"):
            (staged / name).write_text(text)
        (staged / "inner").mkdir()
        (staged / "inner" / "card").write_text(text)


def read(target: Path) -> set[str]:
    """As a reader does: put back what was set aside, then read every file."""
    files.recover_folder(target / "inner")
    assert sorted(path.name for path in target.rglob("*")) == ["card", "inner", "marker", "model"]
    return {path.read_text() for path in target.rglob("*") if path.is_file()}


def kill_at_every_step(folder: Path) -> tuple[int, int]:
    """How often a run was killed, and how often that left no folder until a reader came."""
    absent = 0
    for step in itertools.count(1):
        target = folder / f"step-{step}" / "out"
        write(target, "old")
        survived = survives(partial(write, target, "new"), step=step)
        absent += not target.exists()
        found = read(target)
        assert found in ({"old"}, {"new"}), found
        write(target, "newest")
        assert read(target) == {"newest"}
        if survived:
            assert found == {"new"}
            return step - 1, absent
        shutil.rmtree(target.parent)
    raise AssertionError


if __name__ == "__main__":
    if sys.argv[2] == "aside":
        files._exchange = lambda *_: False
    print(*kill_at_every_step(Path(sys.argv[1])))  # noqa: T201
