"""Items that are files, written to a folder that a store can take as it is."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from poi_predict.scoring.writing import write_table
from poi_predict.tracking.records import Figure, File, Item, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["write_artifacts"]

DOTS_PER_INCH = 150


def write_artifacts(items: Iterable[Item], folder: Path) -> int:
    """Write every item that is a file below a folder, and return how many there were.

    Parameters
    ----------
    items : iterable of Item
        Those that are not files are passed over.
    folder : Path
        An existing folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as parent:
    ...     n = write_artifacts([Text("report.html", "<h1>Menses resumption</h1>")], Path(parent))
    ...     (n, (Path(parent) / "report.html").read_text())
    (1, '<h1>Menses resumption</h1>')
    """
    written = 0
    for item in items:
        if not isinstance(item, Figure | File | Table | Text):
            continue
        path = folder / item.path
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(item, path)
        written += 1
    return written


def _write(item: Figure | File | Table | Text, path: Path) -> None:
    match item:
        case Figure(figure=figure):
            figure.savefig(path, dpi=DOTS_PER_INCH, bbox_inches="tight")
        case Table(frame=frame):
            write_table(frame, path, ".csv")
        case Text(text=text):
            path.write_text(text, encoding="utf-8")
        case File(source=source):
            shutil.copyfile(source, path)
