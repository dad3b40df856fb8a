"""The output of a scoring: appended block by block, resumable after any kill, complete or not there."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Self

from poi_predict.errors import OutputError, PoiPredictError
from poi_predict.files import explain_unwritten
from poi_predict.plain import as_plain
from poi_predict.scoring.output.beginning import COUNTS, begin, leave
from poi_predict.scoring.output.growing import GrowingFile
from poi_predict.scoring.output.places import OutputOptions, check_place, summary_path
from poi_predict.scoring.output.work_folder import PLACING, SCORING, SUMMARY, WorkFolder, compute_run, sync_path
from poi_predict.scoring.output.xlsx import MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    import pyarrow as pa

    from poi_predict.scoring.output.beginning import Begun
    from poi_predict.scoring.output.blocks import BlockResult

__all__ = ["ScoreOutput", "read_summary"]

COMPLETE = "This run is complete already; nothing was done again."
KEPT = "what is finished is kept, and the same command with --resume goes on from there"


class ScoreOutput:
    r"""Scores, rejected rows and summary of one run, in the making.

    Open it by `ScoreOutput.open` in a ``with`` block; append the result of every block from number `n_finished` on, in
    order; then `finish`. After each block the state is saved, so that a run killed at any moment goes on after the
    last block that was saved, and its final bytes are those of a run that nobody disturbed. Nothing stands at the
    output's place before all is complete.

    Attributes
    ----------
    is_complete : bool
        The same run was completed before: there is nothing to do.
    n_finished : int
        Blocks that are done.
    tally : dict
        The merged tallies of those blocks.
    counts : dict
        Rows read, scored, rejected, and cells neutralised, of those blocks.
    run : str
        The name of the run: a hash of its key.
    note : str or None
        What the user should know: that the run is complete already, or that an interrupted one was damaged.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> import pyarrow as pa
    >>> from poi_predict.scoring.output.blocks import BlockResult
    >>> columns = pa.schema([("patient_id", pa.string()), ("p_response", pa.float64())])
    >>> add = lambda one, other: {"flagged": one["flagged"] + other["flagged"]}
    >>> block = BlockResult(n_rows=1, n_scored=1, n_rejected=0, scores=b"0042,0.3\n", tally={"flagged": 0})
    >>> with TemporaryDirectory() as folder:
    ...     out = Path(folder) / "scores.csv"
    ...     with ScoreOutput.open(out, {"model": "a"}, columns, 1, add) as output:
    ...         output.append(block)
    ...         output.finish({"study": "menses_12m"})
    ...     out.read_text()
    'patient_id,p_response\n0042,0.3\n'
    """

    def __init__(
        self, work: WorkFolder, run: str, n_rows: int, merge: Callable[[Any, Any], Any], begun: Begun | None
    ) -> None:
        self.run = run
        self.is_complete = begun is None
        self.n_finished = 0 if begun is None else begun.n_finished
        self.counts = dict.fromkeys(COUNTS, 0) if begun is None else dict(begun.counts)
        self.tally: dict[str, Any] = {} if begun is None else begun.tally
        self.note = COMPLETE if begun is None else begun.note
        self._work, self._n_rows, self._merge, self._begun = work, n_rows, merge, begun
        self._is_broken = False

    @classmethod
    def open(
        cls,
        out: Path,
        key: Mapping[str, Any],
        columns: pa.Schema,
        n_rows: int,
        merge: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]],
        options: OutputOptions | None = None,
    ) -> Self:
        """Begin an output, or go on with one.

        Parameters
        ----------
        out : Path
            Where the scores shall stand; with ``options.part_rows`` a folder of files.
        key : mapping
            All that the output depends on, as plain JSON values: digests of the model and of the tables, the options,
            the size of the blocks.
        columns : pa.Schema
            Of the scores.
        n_rows : int
            Rows of the cohort: so many must have been appended when it is finished.
        merge : callable
            Makes one tally of two.
        options : OutputOptions, optional

        Raises
        ------
        OutputError
            If something stands there that must not be replaced, another run is at work there or was interrupted
            there, the rows do not fit, or the place cannot be written.
        """
        options = options or OutputOptions()
        check_place(out, options)
        _check_rows(out, n_rows, options)
        run = compute_run({"key": key, "columns": columns.to_string(), "rows": n_rows, "parts": options.part_rows})
        with _plain_words(out.name, lambda: False):
            work = WorkFolder(out)
        with _plain_words(out.name, lambda: leave(work)):
            try:
                begun = begin(work, run, columns, options)
                if begun is None:
                    work.remove()
                return cls(work, run, n_rows, merge, begun)
            except PoiPredictError:
                leave(work)
                raise

    def append(self, result: BlockResult) -> None:
        """Write the next block's rows, and save that it is done.

        Raises
        ------
        OutputError
            If its counts do not add up, or the disk does not take it; what was finished before is kept.
        """
        if result.n_scored + result.n_rejected != result.n_rows:
            raise _defect(result.n_rows, result.n_scored, result.n_rejected)
        begun = self._open_files()
        with self._kept():
            begun.rows.append(result.scores, result.n_scored)
            begun.rejected.append(result.rejected)
            added = (result.n_rows, result.n_scored, result.n_rejected, result.n_neutralised)
            self.counts = {name: self.counts[name] + n for name, n in zip(COUNTS, added, strict=True)}
            tally = self._merge(self.tally, dict(result.tally)) if self.n_finished else dict(result.tally)
            # As it will be read back after a kill, so that merging never sees anything else.
            self.tally = json.loads(json.dumps(tally))
            self.n_finished += 1
            self._work.save_state(self._state(begun))

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Complete the output: check that no row was lost, and put all three files in their places.

        Parameters
        ----------
        summary : mapping
            Plain JSON values; "run" and "rows" (read, scored, rejected, neutralised) are added.

        Raises
        ------
        OutputError
            If not every row was appended, or the files cannot be written; what was finished is kept.
        """
        if self.counts["read"] != self._n_rows or self.counts["scored"] + self.counts["rejected"] != self._n_rows:
            raise _defect(self._n_rows, self.counts["scored"], self.counts["rejected"])
        begun, work = self._open_files(), self._work
        told = as_plain({**summary, "rows": self.counts, "run": self.run})
        content = json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        with self._kept():
            ready = begun.rows.complete(self.counts["scored"])
            begun.rejected.sync()
            written = GrowingFile(work.path / SUMMARY)
            written.append(content.encode())
            written.sync()
            for file in (begun.rows, begun.rejected, written):
                file.close()
            sync_path(ready if ready.is_dir() else ready.parent)
            state = self._state(begun) | {
                "phase": PLACING,
                "ready": ready.relative_to(work.path).as_posix(),
                "inode": ready.stat().st_ino if ready.is_dir() else None,
            }
            work.save_state(state, durably=True)
            work.place(state)
        self.is_complete = True
        work.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._begun is not None:
            self._begun.rows.close()
            self._begun.rejected.close()
        if not self.is_complete and leave(self._work) and isinstance(error, PoiPredictError):
            _say_what_is_kept(error)

    def _state(self, begun: Begun) -> dict[str, Any]:
        return {
            "phase": SCORING,
            "run": self.run,
            "overwrite": begun.overwrite,
            "blocks": self.n_finished,
            "counts": self.counts,
            "scores": begun.rows.position,
            "rejected": begun.rejected.position,
            "tally": self.tally,
        }

    def _open_files(self) -> Begun:
        if self._begun is None or self.is_complete or self._is_broken:
            raise OutputError("An output that has ended must not be written to. This is a defect: please report it.")
        return self._begun

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Say what is kept if the block fails; then nothing more can be appended."""
        self._is_broken = True
        with _plain_words(self._work.out.name, lambda: bool((self._work.read_state() or {}).get("blocks"))):
            yield
        self._is_broken = False


def _say_what_is_kept(error: PoiPredictError) -> None:
    """Raise the error again, if it does not say that the work folder was left to be gone on with."""
    if "--resume" not in str(error):
        kept = "What was finished is kept, and the same command with --resume goes on from there once that is mended."
        raise type(error)(f"{error} {kept}") from None


def _check_rows(out: Path, n_rows: int, options: OutputOptions) -> None:
    if out.suffix.lower() == ".xlsx" and min(n_rows, options.part_rows or n_rows) > MOST_ROWS:
        raise OutputError(
            f"A sheet of XLSX must hold at most {MOST_ROWS} rows; the cohort has {n_rows}. "
            "Write .csv or .parquet, or ask for parts of fewer rows."
        )


def read_summary(out: Path) -> dict[str, Any]:
    """Return the summary of a complete output.

    Raises
    ------
    OutputError
        If it is not there, or is not one.
    """
    try:
        found: dict[str, Any] = json.loads(summary_path(out).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise OutputError(
            f"An output must have its summary beside it; that of {out.name} cannot be read. Score again, with "
            "--overwrite."
        ) from None
    return found


def _defect(n_rows: int, n_scored: int, n_rejected: int) -> OutputError:
    return OutputError(
        f"Rows scored and rejected must add up to rows read; {n_scored} and {n_rejected} do not make {n_rows}. "
        "This is a defect: please report it."
    )


@contextlib.contextmanager
def _plain_words(name: str, is_kept: Callable[[], bool]) -> Iterator[None]:
    """Turn what the disk says into one sentence, with what becomes of the finished blocks."""
    try:
        yield
    except OSError as error:
        raise OutputError(explain_unwritten(name, error, KEPT if is_kept() else "nothing was left behind")) from error
