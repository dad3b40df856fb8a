"""How an output begins: anew, after the last block an interrupted run finished, or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from poi_predict.errors import OutputError
from poi_predict.scoring.output.blocks import list_rejected_columns
from poi_predict.scoring.output.csv_rows import header_as_csv
from poi_predict.scoring.output.growing import DamagedError, GrowingFile
from poi_predict.scoring.output.places import OutputOptions, list_existing, summary_path
from poi_predict.scoring.output.rows import GrowingRows, open_rows
from poi_predict.scoring.output.work_folder import PLACING, REJECTED, SCORING, WorkFolder

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

__all__ = ["COUNTS", "Begun", "begin", "leave"]

COUNTS = ("read", "scored", "rejected", "neutralised")
DAMAGED = "What the interrupted run had finished is damaged; the run started anew."


@dataclass(frozen=True)
class Begun:
    """Open files, and what is in them already.

    Attributes
    ----------
    rows, rejected
        To be appended to.
    n_finished : int
        Blocks in them.
    counts, tally : dict
        Of these blocks.
    overwrite : bool
        Whether an existing output shall be replaced at the end.
    note : str or None
        What the user should know.
    """

    rows: GrowingRows
    rejected: GrowingFile
    n_finished: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    tally: dict[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    note: str | None = None


def begin(work: WorkFolder, run: str, columns: pa.Schema, options: OutputOptions) -> Begun | None:
    """Begin a run in its work folder, or go on with it.

    Parameters
    ----------
    work : WorkFolder
        Locked.
    run : str
        From `compute_run`.
    columns : pa.Schema
    options : OutputOptions

    Returns
    -------
    Begun or None
        None where the same run is complete, and it was asked to go on.

    Raises
    ------
    OutputError
        If another run was interrupted here, or an output exists that must not be replaced.
    """
    _finish_placing(work)
    state, existing = work.read_state() if options.resume else None, list_existing(work.out)
    if options.resume and state is None and work.out in existing and _read_run(work.out) == run:
        return None
    if state is not None and state.get("run") != run:
        raise OutputError(
            "--resume goes on with the same run; another one (of another model, cohort, option or version) was "
            f"interrupted while it wrote {work.out.name}. Give its command again, or leave --resume out to start anew."
        )
    overwrite = options.overwrite or (state is not None and bool(state.get("overwrite")))
    if existing and not overwrite:
        raise OutputError(
            f"An existing output is not replaced unasked; {existing[0].name} exists. Pass --overwrite, or name "
            "another file."
        )
    if state is None:
        note = DAMAGED if options.resume and work.has_state else None
        return _begin_anew(work, columns, options, overwrite=overwrite, note=note)
    try:
        return _go_on(work, columns, options, state, overwrite=overwrite)
    except (DamagedError, KeyError, TypeError, ValueError):
        return _begin_anew(work, columns, options, overwrite=overwrite, note=DAMAGED)


def leave(work: WorkFolder) -> bool:
    """Let others at a work folder; return whether anything is kept in it that can be gone on with."""
    state = work.read_state()
    if state is None or (state["phase"] == SCORING and not state.get("blocks")):
        work.remove()
        return False
    work.release()
    return True


def _finish_placing(work: WorkFolder) -> None:
    """Put an output in place whose run was complete in all but that; whoever comes next does it."""
    state = work.read_state()
    if state is not None and state["phase"] == PLACING:
        work.place(state)
        work.discard()


def _begin_anew(
    work: WorkFolder, columns: pa.Schema, options: OutputOptions, *, overwrite: bool, note: str | None = None
) -> Begun:
    work.discard()
    rows = open_rows(work.path, columns, work.out.suffix.lower(), options.part_rows, None)
    rejected = GrowingFile(work.path / REJECTED)
    rejected.append(header_as_csv(list_rejected_columns(columns)))
    return Begun(rows, rejected, overwrite=overwrite, note=note)


def _go_on(
    work: WorkFolder, columns: pa.Schema, options: OutputOptions, state: dict[str, Any], *, overwrite: bool
) -> Begun:
    rows = open_rows(work.path, columns, work.out.suffix.lower(), options.part_rows, state["scores"])
    try:
        rejected = GrowingFile(work.path / REJECTED, state["rejected"])
    except DamagedError:
        rows.close()
        raise
    return Begun(rows, rejected, state["blocks"], state["counts"], state["tally"], overwrite)


def _read_run(out: Path) -> str | None:
    try:
        summary = json.loads(summary_path(out).read_bytes())
    except (OSError, ValueError):
        return None
    return summary.get("run") if isinstance(summary, dict) else None
