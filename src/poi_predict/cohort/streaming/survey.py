"""The survey of a cohort: every table is read once, so that any block of it can then be read alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from poi_predict.cohort.findings import Findings
from poi_predict.cohort.rules import column_finding
from poi_predict.cohort.streaming.parquet_tables import survey_parquet
from poi_predict.cohort.streaming.places import find_tables, list_left_aside
from poi_predict.cohort.streaming.plans import BlockSize, CohortPlan
from poi_predict.cohort.streaming.surveyed import Surveyed, Terms
from poi_predict.cohort.streaming.text_blocks import UnfitText
from poi_predict.cohort.streaming.text_survey import survey_text
from poi_predict.cohort.streaming.whole_tables import survey_whole
from poi_predict.cohort.table_files import speaking_of, table_suffix
from poi_predict.errors import CohortError
from poi_predict.files import shown_name

if TYPE_CHECKING:
    from collections.abc import Collection
    from concurrent.futures import Executor
    from pathlib import Path

    from poi_predict.cohort.codebook import Codebook
    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["survey_cohort"]

_TEXT = (".csv", ".tsv", ".txt")
_PARQUET = ".parquet"


def survey_cohort(
    spec: Path,
    codebook: Codebook,
    settings: ReadingSettings,
    *,
    required: Collection[str] = (),
    n_threads: int = 1,
    size: BlockSize | None = None,
) -> CohortPlan:
    """Look through a cohort once, in memory that does not grow with its rows.

    What a cell means may depend on its whole column (the decimal mark, the smallest detection limit, whether a table
    is SYNTHETIC); the survey finds that out, so that the blocks of the plan hold exactly what `read_cohort` with
    `permit_row_errors` gives for the same file.

    Parameters
    ----------
    spec : Path
        A file, a folder or a pattern (`find_tables`).
    codebook : Codebook
        Variables to look for; other columns are ignored.
    settings : ReadingSettings
        Column names, units, spellings and file format, the same for every table.
    required : collection of str
        Variables whose columns must be in every table.
    n_threads : int
        Threads that look through text while more is read; changes nothing but the time.
    size : BlockSize, optional
        How large blocks are; changes no result.

    Raises
    ------
    CohortError
        If a table cannot be read or used as a whole, with every reason of every table; if SYNTHETIC and clinic
        tables are mixed.
    """
    terms = Terms(codebook, settings, required, size or BlockSize())
    surveyed: list[Surveyed] = []
    refusals: list[str] = []
    paths, left_aside = find_tables(spec), list_left_aside(spec)
    with ThreadPoolExecutor(max(n_threads, 1)) as pool:
        for path in paths:
            try:
                found = _survey_table(path, terms, pool, n_threads)
                found.findings.raise_if_unusable(shown_name(path))
                surveyed.append(found)
            except CohortError as error:
                name = shown_name(path)
                named = len(paths) == 1 or name in str(error)
                refusals.append(str(error) if named else f"{name}: {error}")
    if refusals:
        raise CohortError("\n".join(refusals))
    return _assemble(surveyed, settings, left_aside)


def _survey_table(path: Path, terms: Terms, pool: Executor, n_threads: int) -> Surveyed:
    suffix = table_suffix(path)
    with speaking_of(path):
        try:
            if suffix == _PARQUET:
                return survey_parquet(path, terms)
            if suffix in _TEXT:
                return survey_text(path, terms, pool, n_threads)
        except UnfitText:
            pass
        return survey_whole(path, terms)


def _assemble(surveyed: list[Surveyed], settings: ReadingSettings, left_aside: list[str]) -> CohortPlan:
    total = sum(found.plan.n_rows for found in surveyed)
    n_synthetic = sum(found.plan.n_synthetic for found in surveyed)
    if 0 < n_synthetic < total:
        mixed = column_finding("mixed_origin", "data_origin", count=n_synthetic, total=total)
        Findings.of([mixed]).raise_if_unusable("The cohort")
    blocks = [replace(block, table=i) for i, found in enumerate(surveyed) for block in found.blocks]
    return CohortPlan(
        tables=tuple(found.plan for found in surveyed),
        blocks=tuple(replace(block, index=i) for i, block in enumerate(blocks)),
        settings=settings,
        left_aside=tuple(left_aside),
    )
