"""Outputs appended block by block: complete or not there, gone on with, never replaced unasked."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from poi_predict.errors import OutputError
from poi_predict.scoring import write_whole_table
from poi_predict.scoring.output import (
    REJECTED_SCHEMA,
    BlockResult,
    OutputOptions,
    ScoreOutput,
    check_place,
    encode_rejected,
    encode_scores,
    locking,
)
from poi_predict.scoring.output.rows import _find_row_ends
from poi_predict.scoring.output.xlsx import MOST_ROWS

COLUMNS = pa.schema([("patient_id", pa.string()), ("p_response", pa.float64())])
KEY = {"model": "a", "tables": ["b"], "reasons": 3}
RESUME, OVERWRITE = OutputOptions(resume=True), OutputOptions(overwrite=True)


def block(*ids: str, suffix: str = ".csv", n_rejected: int = 0) -> BlockResult:
    table = pa.table({"patient_id": ids, "p_response": [len(text) / 7 for text in ids]}, schema=COLUMNS)
    content, n_neutralised = encode_scores(table, suffix)
    breaches = {"row": [9] * n_rejected, "column": ["age_years"] * n_rejected, "rule": ["range"] * n_rejected}
    rejected = pa.table(breaches | {"message": ["age_years is outside 12 to 55"] * n_rejected}, schema=REJECTED_SCHEMA)
    return BlockResult(
        n_rows=len(ids) + n_rejected,
        n_scored=len(ids),
        n_rejected=n_rejected,
        scores=content,
        rejected=encode_rejected(rejected),
        tally={"ids": list(ids)},
        n_neutralised=n_neutralised,
    )


def merge(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {"ids": one["ids"] + other["ids"]}


def write(
    out: Path,
    blocks: list[BlockResult],
    options: OutputOptions | None = None,
    *,
    key: dict[str, Any] = KEY,
    fail_after: int | None = None,
) -> ScoreOutput:
    """A whole run, or one that fails after so many blocks."""
    with ScoreOutput.open(out, key, COLUMNS, sum(each.n_rows for each in blocks), merge, options) as output:
        if not output.is_complete:
            for number, each in enumerate(blocks[output.n_finished :], start=output.n_finished):
                if number == fail_after:
                    raise KeyboardInterrupt
                output.append(each)
            output.finish({"study": "menses_12m", "psi": float("nan"), "tally": output.tally})
    return output


def interrupt(out: Path, blocks: list[BlockResult], options: OutputOptions | None = None, *, after: int = 1) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(out, blocks, options, fail_after=after)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_all(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_three_files_appear_and_nothing_else(tmp_path: Path) -> None:
    output = write(tmp_path / "s.csv", [block("1", "=2"), block("3", n_rejected=2)])
    assert names(tmp_path) == ["s.csv", "s.csv.rejected.csv", "s.csv.summary.json"]
    assert (tmp_path / "s.csv").read_text() == (
        "patient_id,p_response\n1,0.14285714285714285\n'=2,0.2857142857142857\n3,0.14285714285714285\n"
    )
    assert (tmp_path / "s.csv.rejected.csv").read_text() == (
        "row,column,rule,message\n" + "9,age_years,range,age_years is outside 12 to 55\n" * 2
    )
    assert json.loads((tmp_path / "s.csv.summary.json").read_text()) == {
        "study": "menses_12m",
        "psi": None,
        "tally": {"ids": ["1", "=2", "3"]},
        "rows": {"read": 5, "scored": 3, "rejected": 2, "neutralised": 1},
        "run": output.run,
    }


def test_nothing_stands_at_the_place_before_all_is_complete(tmp_path: Path) -> None:
    with ScoreOutput.open(tmp_path / "s.csv", KEY, COLUMNS, 1, merge) as output:
        output.append(block("1"))
        assert names(tmp_path) == [".s.csv.resume"]
        output.finish({})


@pytest.mark.parametrize("name", ["s.csv", "s.tsv", "s.parquet", "s.xlsx"])
@pytest.mark.parametrize("part_rows", [None, 2])
def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path: Path, name: str, part_rows: int | None) -> None:
    blocks = [block(*ids, suffix=Path(name).suffix) for ids in (("1", "2", "3"), (), ("4",), ("5", "6"))]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    write(tmp_path / "one" / name, blocks, OutputOptions(part_rows=part_rows))
    for after in (1, 3):
        interrupt(tmp_path / "two" / name, blocks, OutputOptions(resume=True, part_rows=part_rows), after=after)
        assert names(tmp_path / "two") == [f".{name}.resume"]
    output = write(tmp_path / "two" / name, blocks, OutputOptions(resume=True, part_rows=part_rows))
    assert output.tally == {"ids": ["1", "2", "3", "4", "5", "6"]}
    assert read_all(tmp_path / "one") == read_all(tmp_path / "two")


def test_parts_hold_their_rows_and_each_a_header(tmp_path: Path) -> None:
    write(tmp_path / "s.csv", [block('a "1"\n', "2", "3"), block("4", "5")], OutputOptions(part_rows=2))
    parts = [pd.read_csv(path, dtype={"patient_id": str}) for path in sorted((tmp_path / "s.csv").iterdir())]
    assert names(tmp_path / "s.csv") == ["part-00000.csv", "part-00001.csv", "part-00002.csv"]
    assert [part["patient_id"].to_list() for part in parts] == [['a "1"\n', "2"], ["3", "4"], ["5"]]


def test_parquet_parts_are_one_data_set_of_exact_ids(tmp_path: Path) -> None:
    blocks = [block("=1", "2", "3", suffix=".parquet"), block("4", suffix=".parquet")]
    write(tmp_path / "s.parquet", blocks, OutputOptions(part_rows=3))
    assert names(tmp_path / "s.parquet") == ["part-00000.parquet", "part-00001.parquet"]
    assert parquet.read_table(tmp_path / "s.parquet")["patient_id"].to_pylist() == ["=1", "2", "3", "4"]


@pytest.mark.parametrize("name", ["s.csv", "s.parquet", "s.xlsx"])
def test_the_bytes_depend_on_the_rows_and_not_on_the_blocks(tmp_path: Path, name: str) -> None:
    suffix = Path(name).suffix
    for folder, blocks in {
        "one": [block("1", "2", "3", suffix=suffix)],
        "many": [block("1", suffix=suffix), block("2", suffix=suffix), block("3", suffix=suffix)],
    }.items():
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / name, blocks)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()


@pytest.mark.parametrize(("name", "part_rows"), [("s.csv", None), ("s.csv", 5), ("s.parquet", None), ("s.xlsx", None)])
def test_a_cohort_without_rows_has_a_header(tmp_path: Path, name: str, part_rows: int | None) -> None:
    write(tmp_path / name, [], OutputOptions(part_rows=part_rows))
    file = tmp_path / name / "part-00000.csv" if part_rows else tmp_path / name
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {".parquet": pd.read_parquet, ".xlsx": pd.read_excel}
    frame = readers.get(file.suffix, pd.read_csv)(file)
    assert frame.columns.to_list() == COLUMNS.names
    assert frame.empty


def test_an_existing_output_is_not_replaced_unasked(tmp_path: Path) -> None:
    for name in ("s.csv", "s.csv.summary.json", "s.csv.rejected.csv"):
        (tmp_path / name).write_text("years of work")
        with pytest.raises(OutputError, match=f"{name} exists. Pass --overwrite"):
            write(tmp_path / "s.csv", [block("1")])
        assert read_all(tmp_path) == {name: b"years of work"}
        (tmp_path / name).unlink()


def test_an_old_output_stands_until_the_new_one_is_complete(tmp_path: Path) -> None:
    write(tmp_path / "s.csv", [block("old")])
    before = read_all(tmp_path)
    interrupt(tmp_path / "s.csv", [block("new"), block("2")], OVERWRITE)
    assert {name: content for name, content in read_all(tmp_path).items() if name[0] != "."} == before
    write(tmp_path / "s.csv", [block("new"), block("2")], RESUME)
    assert b"new" in (tmp_path / "s.csv").read_bytes()
    assert names(tmp_path) == ["s.csv", "s.csv.rejected.csv", "s.csv.summary.json"]


def test_a_run_that_is_complete_is_said_so_and_not_done_again(tmp_path: Path) -> None:
    write(tmp_path / "s.csv", [block("1")])
    before = (tmp_path / "s.csv").stat().st_mtime_ns
    assert write(tmp_path / "s.csv", [block("1")], RESUME).is_complete
    assert (tmp_path / "s.csv").stat().st_mtime_ns == before
    with pytest.raises(OutputError, match="exists"):
        write(tmp_path / "s.csv", [block("1")], RESUME, key={"model": "other"})
    assert len(names(tmp_path)) == 3


def test_another_run_is_not_gone_on_with(tmp_path: Path) -> None:
    blocks = [block("1"), block("2")]
    interrupt(tmp_path / "s.csv", blocks)
    with pytest.raises(OutputError, match=r"another one .* was interrupted"):
        write(tmp_path / "s.csv", blocks, RESUME, key={"model": "other"})
    assert names(tmp_path) == [".s.csv.resume"]
    write(tmp_path / "s.csv", blocks, key={"model": "other"})
    assert len(names(tmp_path)) == 3


@pytest.mark.parametrize("name", ["scores/part-00000.csv", "rejected.csv", "state.json"])
def test_what_was_damaged_is_not_gone_on_with(tmp_path: Path, name: str) -> None:
    blocks = [block("1"), block("2")]
    assert write(tmp_path / "wanted.csv", blocks).note is None
    interrupt(tmp_path / "s.csv", blocks)
    path = tmp_path / ".s.csv.resume" / name
    path.write_bytes(b"\0" * path.stat().st_size)  # as after a power failure
    output = write(tmp_path / "s.csv", blocks, RESUME)
    assert "is damaged; the run started anew" in (output.note or "")
    assert (tmp_path / "s.csv").read_bytes() == (tmp_path / "wanted.csv").read_bytes()


def test_a_run_refused_before_its_first_block_leaves_nothing(tmp_path: Path) -> None:
    interrupt(tmp_path / "s.csv", [block("1")], after=0)
    assert names(tmp_path) == []


def test_two_runs_never_write_one_output(tmp_path: Path) -> None:
    with ScoreOutput.open(tmp_path / "s.csv", KEY, COLUMNS, 1, merge) as output:
        for options in (None, RESUME, OVERWRITE):
            with pytest.raises(OutputError, match=r"another run is writing s\.csv"):
                write(tmp_path / "s.csv", [block("1")], options)
        output.append(block("1"))
        output.finish({})
    assert len(names(tmp_path)) == 3


def test_where_no_locks_are_known_the_number_of_the_process_stands_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locking.fcntl, "flock", refuse)
    with ScoreOutput.open(tmp_path / "s.csv", KEY, COLUMNS, 1, merge) as output:
        with pytest.raises(OutputError, match=r"another run is writing s\.csv"):
            write(tmp_path / "s.csv", [block("1")])
        output.append(block("1"))
    assert (tmp_path / ".s.csv.resume" / "owner").exists() is False
    (tmp_path / ".s.csv.resume" / "owner").write_text(str(dead_process()))
    write(tmp_path / "s.csv", [block("1")], RESUME)
    assert len(names(tmp_path)) == 3


def dead_process() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_lost_and_doubled_rows_are_never_passed_over(tmp_path: Path) -> None:
    with ScoreOutput.open(tmp_path / "s.csv", KEY, COLUMNS, 3, merge) as output:
        with pytest.raises(OutputError, match="must add up"):
            output.append(BlockResult(n_rows=3, n_scored=1, n_rejected=1, scores=b"1,0.5\n"))
        output.append(block("1", "2"))
        with pytest.raises(OutputError, match="do not make 3"):
            output.finish({})
    for suffix in (".csv", ".parquet"):
        short = block("1", "2", suffix=suffix)
        lost = BlockResult(n_rows=3, n_scored=3, n_rejected=0, scores=short.scores)
        with pytest.raises(OutputError, match="3 were scored and 2 are there"):
            write(tmp_path / f"t{suffix}", [lost])
        assert not (tmp_path / f"t{suffix}").exists()


def test_a_folder_that_vanishes_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    with ScoreOutput.open(tmp_path / "gone" / "s.csv", KEY, COLUMNS, 2, merge) as output:
        output.append(block("1"))
        shutil.rmtree(tmp_path / "gone")
        with pytest.raises(OutputError, match=r"s.csv could not be written \(No such file.*nothing was left behind"):
            output.append(block("2"))
        with pytest.raises(OutputError, match="has ended"):
            output.append(block("2"))
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("s.docx", OutputOptions(), "by its suffix"),
        ("no/s.csv", OutputOptions(), "folder does not exist"),
        ("folder.csv", OutputOptions(overwrite=True), "must be a file; folder.csv is a folder"),
        ("folder.csv", OutputOptions(overwrite=True, part_rows=5), "folder.csv holds other files"),
        ("file.csv", OutputOptions(overwrite=True, part_rows=5), "must be a folder; file.csv is a file"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_any_work(
    tmp_path: Path, name: str, options: OutputOptions, reason: str
) -> None:
    (tmp_path / "file.csv").touch()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "folder.csv" / "thesis.docx").touch()
    with pytest.raises(OutputError, match=reason):
        check_place(tmp_path / name, options)
    with pytest.raises(OutputError, match=reason):
        write(tmp_path / name, [block("1")], options)
    assert names(tmp_path) == ["file.csv", "folder.csv"]


def test_an_empty_folder_made_for_the_parts_is_used(tmp_path: Path) -> None:
    (tmp_path / "s.csv").mkdir()
    write(tmp_path / "s.csv", [block("1")], OutputOptions(part_rows=5))
    assert names(tmp_path / "s.csv") == ["part-00000.csv"]


def test_more_rows_than_a_sheet_holds_are_refused_beforehand(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"the cohort has {MOST_ROWS + 1}"):
        ScoreOutput.open(tmp_path / "s.xlsx", KEY, COLUMNS, MOST_ROWS + 1, merge)
    assert names(tmp_path) == []
    with ScoreOutput.open(tmp_path / "s.xlsx", KEY, COLUMNS, MOST_ROWS + 1, merge, OutputOptions(part_rows=100_000)):
        pass


def test_a_line_end_inside_quotes_ends_no_row() -> None:
    assert _find_row_ends(b'1,0.5\n"a\n""b""\n",0.5\n3,\n').tolist() == [6, 21, 24]


def test_other_tables_are_neutralised_too(tmp_path: Path) -> None:
    frame = pd.DataFrame({"patient_id": ["=1", "0042", None], "p": [-1.0, 0.5, None]})
    write_whole_table(frame, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "patient_id,p\n'=1,-1.0\n0042,0.5\n,\n"
    write_whole_table(frame, tmp_path / "t.xlsx")
    cells = [row[0] for row in openpyxl.load_workbook(tmp_path / "t.xlsx").active.iter_rows(min_row=2)]
    assert [(cell.value, cell.data_type) for cell in cells] == [("=1", "s"), ("0042", "s"), (None, "n")]
    write_whole_table(frame, tmp_path / "t.parquet")
    assert pd.read_parquet(tmp_path / "t.parquet")["patient_id"].to_list()[:2] == ["=1", "0042"]
