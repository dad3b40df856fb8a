"""The survey of a UTF-8 text table: cut into blocks, hashed, and looked through once."""

from __future__ import annotations

import hashlib
import zlib
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort.columns import cells_of, lab_column
from poi_predict.cohort.identity import LongIds, count_long_ids
from poi_predict.cohort.lab_clues import LabClues
from poi_predict.cohort.missing import missing_spellings
from poi_predict.cohort.other_rows import find_other_rows
from poi_predict.cohort.shape import check_header
from poi_predict.cohort.streaming.cells import holds, series_of, texts_of
from poi_predict.cohort.streaming.cutting import cut_records, find_start
from poi_predict.cohort.streaming.plain_rows import Gaps, label_columns, rows_are_plain
from poi_predict.cohort.streaming.plans import BlockPlan, TextLayout
from poi_predict.cohort.streaming.surveyed import Columns, Surveyed, conclude, count_synthetic
from poi_predict.cohort.streaming.text_blocks import UnfitText, check_text, kinds_of, parse_text_block
from poi_predict.cohort.table_cells import SpeltCells, written
from poi_predict.cohort.trailing_summaries import MOST_ROWS
from poi_predict.cohort.unread_columns import column_of_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future
    from pathlib import Path
    from typing import BinaryIO

    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.mapping import ReadingSettings
    from poi_predict.cohort.streaming.cutting import TextStart
    from poi_predict.cohort.streaming.surveyed import Terms
    from poi_predict.cohort.streaming.text_blocks import CellKind

__all__ = ["survey_text"]


def survey_text(path: Path, terms: Terms, pool: Executor, n_threads: int) -> Surveyed:
    """Return the plan of a text table.

    Parameters
    ----------
    path : Path
        The file.
    terms : Terms
        Codebook, settings, size of blocks.
    pool : Executor
        Threads that look through blocks while the next ones are read and hashed.
    n_threads : int
        Their number.

    Raises
    ------
    UnfitText
        If the table must be read whole: its bytes or rows are not all plain.
    CohortError
        If the header cannot be read.
    """
    with path.open("rb") as file:
        start = find_start(file, terms.settings)
        columns = Columns.of(start.headers, terms, column_of_rows(start.top))
        looker = _Looker(columns, start.headers, terms.settings, _layout_of(start))
        file.seek(0)
        sha256, looks = _look_through(file, start.rows, looker.look, terms.size.n_bytes, (pool, n_threads))
        if Gaps.any_between([(look.gaps, look.n_rows) for look in looks]):
            raise UnfitText  # what stands below a blank row may be another table
        if sum(look.n_rows for look in looks) <= MOST_ROWS and not looker.is_plain(file, start.rows):
            raise UnfitText
        clues = looker.all_clues(file, start.rows, looks)
    used = frozenset().union(*(look.used for look in looks))
    headers = tuple(header for i, header in enumerate(start.headers) if header.strip() or i in used)
    n_rows, n_synthetic = sum(look.n_rows for look in looks), sum(look.n_synthetic for look in looks)
    shape = check_header(headers, start.header_row, start.top, terms.settings)
    long_ids = LongIds().joined([look.long_ids for look in looks])
    plan, findings = conclude(path, sha256, headers, columns, (n_rows, n_synthetic), shape, long_ids)
    layout = replace(
        looker.layout,
        spelt=frozenset().union(*(look.spelt for look in looks)),
        n_bytes=start.rows + sum(look.n_bytes for look in looks),
    )
    facts = {
        plan.variable.name: clues[plan.variable.name].settle(lab_column(plan, terms.settings).decimal)
        for plan in columns.numeric
    }
    return Surveyed(replace(plan, layout=layout, facts=facts), tuple(_blocks(start.rows, looks)), findings)


def _layout_of(start: TextStart) -> TextLayout:
    named = max(i + 1 for i, header in enumerate(start.headers) if header.strip())
    return TextLayout(start.delimiter, len(start.headers), named=named)


def _look_through(
    file: BinaryIO,
    start: int,
    look: Callable[[bytes, frozenset[int]], _Look],
    n_bytes: int,
    threads: tuple[Executor, int],
) -> tuple[str, list[_Look]]:
    """Hash a file, and look at its blocks in threads meanwhile; only a few blocks are in memory at a time."""
    pool, n_threads = threads
    digest = hashlib.sha256(file.read(start))
    looks: list[_Look] = []
    pending: deque[Future[_Look]] = deque()
    spelt: set[int] = set()
    for content in cut_records(file, n_bytes):
        pending.append(pool.submit(look, content, frozenset(spelt)))
        digest.update(content)
        if len(pending) > n_threads:
            looks.append(pending.popleft().result())
            spelt |= looks[-1].spelt
    return digest.hexdigest(), [*looks, *(future.result() for future in pending)]


def _blocks(start: int, looks: list[_Look]) -> Iterator[BlockPlan]:
    first_row = 1
    for look in looks:
        if look.n_rows:
            yield BlockPlan(0, 0, start, start + look.n_bytes, first_row, look.n_rows, checksum=look.checksum)
        start += look.n_bytes
        first_row += look.n_records


@dataclass(frozen=True)
class _Look:
    """What one block showed."""

    n_bytes: int
    n_records: int
    n_rows: int
    n_synthetic: int
    checksum: int
    spelt: frozenset[int]
    used: frozenset[int]
    clues: dict[str, LabClues]
    gaps: Gaps
    long_ids: LongIds


@dataclass(frozen=True)
class _Looker:
    """Looks at blocks of one table."""

    columns: Columns
    headers: tuple[str, ...]
    settings: ReadingSettings
    layout: TextLayout

    def look(self, content: bytes, spelt: frozenset[int]) -> _Look:
        """Look at a block; `spelt` are columns seen to hold more than plain numbers, which only saves time."""
        check_text(content, self.layout.delimiter)
        origin = self.columns.origin
        named = [plan for plan in self.columns.plans if plan.variable.kind == "id"]
        wanted = [*self.columns.numeric, *named, *([] if origin is None else [origin])]
        nameless = [i for i, header in enumerate(self.headers) if not header.strip()]
        kinds: dict[int, CellKind] = dict.fromkeys((*nameless, *label_columns(self.headers)), "text")
        kinds |= kinds_of(wanted, self.settings, spelt)
        cells = parse_text_block(content, self.layout, kinds, missing_spellings(map(str, self.settings.missing)))
        if not rows_are_plain(cells, self.headers, lambda: self._everything(content)):
            raise UnfitText
        ids = [texts_of(cells.columns[plan.position]) for plan in named]
        return _Look(
            n_bytes=len(content),
            n_records=cells.n_records,
            n_rows=len(cells.position),
            n_synthetic=0 if origin is None else count_synthetic(cells.columns[origin.position], origin, self.settings),
            checksum=zlib.crc32(content),
            spelt=frozenset(
                i for i, kind in kinds.items() if kind == "number" and isinstance(cells.columns[i], SpeltCells)
            ),
            used=frozenset(i for i in nameless if holds(texts_of(cells.columns[i])).any()),
            clues={
                plan.variable.name: self._clues(plan, cells_of(plan, cells.columns.__getitem__, self.settings))
                for plan in self.columns.numeric
            },
            gaps=Gaps.of(cells),
            long_ids=LongIds().joined([count_long_ids(texts) for texts in ids]),
        )

    def is_plain(self, file: BinaryIO, start: int) -> bool:
        """Whether no row is a summary of the others and no unread column contradicts, as only all rows show."""
        file.seek(start)
        columns, row_number = self._everything(file.read())
        if self.columns.are_contradicted(self.headers, lambda at: written(columns[at]), self.settings):
            return False
        return not find_other_rows(self.headers, columns, row_number, np.zeros(len(row_number), dtype=bool))

    def _everything(self, content: bytes) -> tuple[list[pd.Series], np.ndarray]:
        missing = missing_spellings(map(str, self.settings.missing))
        cells = parse_text_block(content, self.layout, dict.fromkeys(range(self.layout.width), "text"), missing)
        return [series_of(texts_of(cells.columns[i])) for i in range(self.layout.width)], cells.position + 1

    def _clues(self, plan: ColumnPlan, column: pd.Series | SpeltCells) -> LabClues:
        clues = lab_column(plan, self.settings).examine(column).clues()
        return replace(clues, points=None) if isinstance(column, pd.Series) else clues  # never seen as text

    def all_clues(self, file: BinaryIO, start: int, looks: list[_Look]) -> dict[str, LabClues]:
        """Join what the blocks show; look again where the points of plain numbers turn out to matter."""
        found: dict[str, LabClues] = {}
        for plan in self.columns.numeric:
            name, clues = plan.variable.name, LabClues()
            for look in looks:
                clues = clues.joined(look.clues[name])
            place = start
            for look in looks:
                if clues.wants_points and look.clues[name].points is None:
                    file.seek(place)
                    clues = clues.joined(self._points(file.read(look.n_bytes), plan))
                place += look.n_bytes
            found[name] = clues
        return found

    def _points(self, content: bytes, plan: ColumnPlan) -> LabClues:
        cells = parse_text_block(
            content, self.layout, {plan.position: "spelt"}, missing_spellings(map(str, self.settings.missing))
        )
        return lab_column(plan, self.settings).examine(cells.columns[plan.position]).clues()
