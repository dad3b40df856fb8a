"""The command line run in this process on one damaged file, and what is wrong with how it ended."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
from openpyxl.utils.escape import unescape

from fuzzing.seeds import DIGITS, WORD
from poi_predict.cli import main
from poi_predict.errors import CohortError
from poi_predict.scoring import Bundle, read_bundle
from poi_predict.scoring.batch import read_scoring_cohort

CONSERVED = re.compile(r"^(\d+) rows read = (\d+) scored \+ (\d+) rejected\.$", re.MULTILINE)
MARKED = re.compile(f"{WORD}|{DIGITS}", re.IGNORECASE)
NONE_SCORED = "A row must keep the rules of the model to be scored"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
SIGNS_OF_DEFECT = ("Traceback", "defect of poi-predict", "Error:", "<class", "0x7f", "object at")


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: object
    out: str
    err: str


@dataclass(frozen=True)
class Case:
    """A damaged input as it stands on disk, and the command given."""

    command: tuple[str, ...]
    folder: Path
    out: Path | None = None
    kept: frozenset[str] = field(default_factory=frozenset)


def run_command(*words: object) -> Answer:
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    argv, sys.argv = sys.argv, ["poi-predict", *map(str, words)]
    code: object = "did not end"
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as ended:
        code = ended.code
    except BaseException as error:  # noqa: BLE001 - the last door itself failed
        code = f"{type(error).__name__}"
    finally:
        sys.argv = argv
    return Answer(code, out.getvalue(), err.getvalue())


def judge(case: Case, answer: Answer, expect: Callable[[], list[str | None] | None] | None = None) -> Iterator[str]:
    """Yield what is wrong with the way a command ended.

    `expect` gives the identifiers of the rows to be scored, in order, as another reader finds them.
    """
    if answer.code not in (0, 2):
        yield f"exit code {answer.code}: {answer.err.strip()[-300:]}"
        return
    if answer.code == 2 and case.command[0] != "check":
        yield from _judge_message(answer.err)
    if answer.code == 0 and answer.err:
        yield f"exit code 0, but stderr says: {answer.err[:300]}"
    said = answer.out + answer.err
    if sign := next((sign for sign in SIGNS_OF_DEFECT if sign in said), None):
        yield f'the output shows "{sign}"'
    if found := MARKED.search(said):
        yield f"a cell is shown: …{said[max(found.start() - 60, 0) : found.end() + 20]}…"
    if case.out is not None:
        yield from _judge_files(case, answer, expect)


def _judge_message(message: str) -> Iterator[str]:
    if not message.startswith("poi-predict: ") or not message.endswith("\n"):
        yield f"the message does not begin or end as one: {message[:200]!r}"
    elif len(message) > 4000:
        yield f"the message has {len(message)} characters: {message[:200]!r}"
    elif message.rstrip()[-1] not in '.")':
        yield f"the message is no sentence: {message[-200:]!r}"
    elif not message.isprintable() and any(not c.isprintable() and c != "\n" for c in message):
        yield f"the message holds characters that do not print: {message[:200]!r}"


def _judge_files(case: Case, answer: Answer, expect: Callable[[], list[str | None] | None] | None) -> Iterator[str]:
    assert case.out is not None
    there = {path.name for path in case.folder.iterdir()} - case.kept
    if answer.code == 2 and NONE_SCORED not in answer.err:
        resumable = there == {f".{case.out.name}.resume"} and "--resume" in answer.err
        if there and not resumable:
            yield f"a refused run left {sorted(there)}"
        return
    rejected, summary = (case.out.with_name(case.out.name + end) for end in (".rejected.csv", ".summary.json"))
    if left := sorted(there - {case.out.name, rejected.name, summary.name}):
        yield f"a finished run left {left}"
    for path in (rejected, summary):
        if found := MARKED.search(path.read_text(encoding="utf-8")):
            yield f"{path.name} shows a cell at {found.start()}"
    ids = read_ids(case.out)
    yield from _judge_counts(answer, rejected, summary, len(ids))
    if expect is not None and (expected := expect()) is not None:
        yield from _judge_ids(ids, expected, case.out.suffix)


def _judge_counts(answer: Answer, rejected: Path, summary: Path, n_written: int) -> Iterator[str]:
    counted = CONSERVED.search(answer.out)
    if counted is None:
        yield "no line says how many rows were read, scored and rejected"
        return
    n_read, n_scored, n_rejected = map(int, counted.groups())
    rejections = csv.DictReader(io.StringIO(rejected.read_text(encoding="utf-8"), newline=""))
    n_faulty = len({int(found["row"]) for found in rejections})
    if not n_read == n_scored + n_rejected == n_written + n_faulty:
        said = f"{n_read} rows read, {n_scored} scored, {n_rejected} rejected"
        yield f"{said}, but {n_written} and {n_faulty} are written"
    rows = json.loads(summary.read_bytes())["rows"]
    if (rows["read"], rows["scored"], rows["rejected"]) != (n_read, n_scored, n_rejected):
        yield "the summary counts other rows"


def _judge_ids(ids: list[str], expected: list[str | None], suffix: str) -> Iterator[str]:
    pairs = zip(ids, expected, strict=False)
    first = next((i for i, (written, given) in enumerate(pairs) if not is_shown(written, given, suffix)), "the end")
    if first != "the end" or len(ids) != len(expected):
        yield f"identifiers differ from row {first} on ({len(ids)} written, {len(expected)} expected)"


def is_shown(written: str, given: str | None, suffix: str) -> bool:
    """Whether an identifier is written as it was given; in text tables a formula must have an apostrophe in front."""
    text = given or ""
    if suffix not in {".csv", ".tsv"}:
        return written == text
    return written == "'" + text or (written == text and not text.startswith(FORMULA_STARTS))


def read_ids(out: Path) -> list[str]:
    """The identifiers of an output, read by another reader than the one that wrote it."""
    if out.is_dir():
        return [text for part in sorted(out.iterdir()) for text in read_ids(part)]
    if out.suffix == ".parquet":
        return [text or "" for text in pq.read_table(out)["patient_id"].to_pylist()]
    if out.suffix == ".xlsx":
        book = openpyxl.load_workbook(out, read_only=True)
        rows = book.worksheets[0].iter_rows(min_row=2, values_only=True)
        found = [str(row[0] or "") for row in rows]
        book.close()
        return [unescape(text) for text in found]
    csv.field_size_limit(10**9)
    with out.open(encoding="utf-8", newline="") as file:
        separator = "\t" if out.suffix == ".tsv" else ","
        found_rows = list(csv.DictReader(file, delimiter=separator, strict=True))
    for row in found_rows:
        if not 0 <= float(row["ci_low"] or 0) <= float(row["p_response"]) <= float(row["ci_high"] or 1) <= 1:
            raise ValueError("a probability is not one, or not within its interval")
    return [row["patient_id"] for row in found_rows]


@lru_cache(maxsize=4)
def _read_model(model: Path) -> Bundle:
    return read_bundle(model)


def expected_ids(model: Path, cohort: Path) -> list[str | None] | None:
    """The identifiers of the rows without a fault, as the reader of whole tables finds them."""
    try:
        found = read_scoring_cohort(_read_model(model), cohort, allow_synthetic=True)
    except CohortError:
        if (
            cohort.suffix == ".parquet"
        ):  # the reader of whole tables minds damage in columns that the model does not use
            return None
        raise
    faulty = {row for finding in found.findings.errors for row in finding.rows}
    ids, numbers = found.data["patient_id"].tolist(), found.row_number.tolist()
    return [text for text, number in zip(ids, numbers, strict=True) if number not in faulty]


def empty(folder: Path) -> Path:
    """The folder, with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
