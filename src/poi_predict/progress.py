"""A progress bar on a terminal, and silence in a pipe."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["SILENT", "Listener", "OnProgress", "show_progress"]

OnProgress = Callable[[str, int, int], None]
"""Told the stage in words, the tasks done and their total."""


@dataclass(frozen=True)
class Listener:
    """Who is told how a training goes on.

    Attributes
    ----------
    on_progress : callable, optional
        Told the stage, the tasks done and their total.
    announce : callable, optional
        Told in lines what is worth reading before the end.
    """

    on_progress: OnProgress | None = None
    announce: Callable[[str], None] | None = None

    def say(self, line: str) -> None:
        """Announce a line, if anybody listens."""
        if self.announce is not None:
            self.announce(line)


SILENT = Listener()


@contextlib.contextmanager
def show_progress() -> Iterator[OnProgress]:
    """Give a callback that draws one bar a stage on a terminal's standard error, and does nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _stage, _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description:<34}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars: dict[str, object] = {}

        def draw(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total)
            progress.update(bars[stage], completed=done, total=total)  # type: ignore[arg-type]

        yield draw
