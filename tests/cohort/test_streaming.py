"""Read in blocks or whole, by any number of threads: the same rows, numbers, levels and faults."""

from __future__ import annotations

import io
import pickle
import string
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.contract_checks import check_contract
from poi_predict.cohort.mapping import ColumnMapping, ReadingSettings
from poi_predict.cohort.reading import Cohort, read_cohort
from poi_predict.cohort.rules import RULES, row_message
from poi_predict.cohort.schema import find_breaches
from poi_predict.cohort.streaming import BlockSize, CohortPlan, read_block, survey_cohort
from poi_predict.errors import CohortError

CODEBOOK = read_codebook()
FUZZ = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
SMALL = (BlockSize(1, 1), BlockSize(60, 3), BlockSize(400, 7))


def write(folder: Path, content: bytes | str, name: str = "clinic.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def survey(path: Path, reading: ReadingSettings | None = None, **options: object) -> CohortPlan:
    return survey_cohort(path, CODEBOOK, reading or ReadingSettings(), **options)  # type: ignore[arg-type]


def whole(path: Path, reading: ReadingSettings | None = None) -> Cohort:
    return read_cohort(path, CODEBOOK, reading or ReadingSettings(), permit_row_errors=True)


def streamed(plan: CohortPlan) -> tuple[pd.DataFrame, list[int], list[tuple[str, str, int]]]:
    """Data, row numbers, and (rule, column, row) of every fault, of all blocks together."""
    blocks = [read_block(plan, block) for block in plan.blocks]
    data = pd.concat([block.data for block in blocks], ignore_index=True)
    numbers = [int(number) for block in blocks for number in block.row_number]
    faults = [
        (fault.rule, fault.column, int(row))
        for block in blocks
        for fault in block.faults
        for row in block.row_number[fault.rows]
    ]
    return data, numbers, sorted(faults)


def refused(read: Callable[[], object]) -> str | None:
    """What a refusal says, if there is one."""
    try:
        read()
    except CohortError as error:
        return str(error)
    return None


class Refused(Exception):  # noqa: N818 - no error: both readers refuse the file in the same words
    """A file is refused, and in the same words by both readers."""


def assert_same(path: Path, reading: ReadingSettings | None = None, **options: object) -> CohortPlan:
    """The blocks of a file hold what `read_cohort` reads of it; or both refuse it in the same words."""
    refusal = refused(lambda: whole(path, reading))
    if refusal is not None:
        assert refused(lambda: survey(path, reading, **options)) == refusal
        raise Refused(refusal)
    cohort = whole(path, reading)
    plan = survey(path, reading, **options)
    data, numbers, faults = streamed(plan)
    pd.testing.assert_frame_equal(data, cohort.data, check_exact=True)
    assert numbers == cohort.row_number.tolist()
    assert faults == sorted((f.rule, f.column, row) for f in cohort.findings.errors for row in f.rows)
    assert plan.fingerprint == cohort.fingerprint
    assert plan.synthetic is cohort.synthetic
    assert sum(block.n_rows for block in plan.blocks) == plan.n_rows == cohort.n_rows
    return plan


NUMBERS = (
    *("0", "0.02", "1.5", "36", "36.5", "1,5", "0,02", "1.234", "1,234", "1.234,5", "1,234.5", "5.", ".5", "+5", "-5"),
    *("5e6", "1E+06", "5 x 10^6", "1e999", "1e-999", "nan", "-nan", "inf", "Infinity", "0x10", "1_0", "٣", "３６"),
    *("<0.02", "<0,5", "< 1.234", "<1,234", "≤0.1", ">150", "<20 pg/mL", "1.4 pmol/L", "3 mg/L", "ND", "n.d.", "<LOD"),
    *(
        "",
        " ",
        "NA",
        "n/a",
        " NA ",
        "-",
        ".",
        "999",
        " 999",
        "999.0",
        "missing",
        "缺失",
        "x",
        "12-15",
        " 36\t",
        "\x0b7",
    ),
    *("0.1", "0.30000000000000004", "2.2250738585072011e-308", "123456789012345678", "9007199254740993", "1e22"),
)
LEVELS = ("", "NA", "AD-MSC", "adipose", "none", "hAEC", "spleen", "UC MSC", " none ", "1", "PRP + HRT", "none + PRP")
COLUMNS = {
    "id": ("007", "7", " a ", "NA", "", "王一", "ＮＡ", "&lt;na&gt;", "-1", "1.0", "W1", "W2", "\x1cna"),
    "age": ("36", "36.5", "29,0", "", "NA", "200", "x", "1,234", "30 years"),
    "AMH (ng/mL)": NUMBERS,
    "FSH (IU/L)": NUMBERS,
    "cell_source": LEVELS,
    "dose_cells": ("0", "5e6", "5,000,000", "", "1.234", "2,5", "5×10⁶"),
    "adjuvant": LEVELS,
    "previous_births": ("0", "1", "2.5", "", "999"),
    "amenorrhea_months": ("12", "600", "", "1,5"),
    "data_origin": ("SYNTHETIC",),
    "": ("", "", "", "x"),
    "remark": ("", "a", 'say "x"', "two\nlines", "a,b;c", "\r", "Ä"),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    headers = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=2, max_size=7, unique=True))
    headers = ["id", *[header for header in headers if header != "id"]] if draw(st.booleans()) else headers
    pools = [draw(st.lists(st.sampled_from(COLUMNS[header]), min_size=1, max_size=4)) for header in headers]
    rows = draw(st.lists(st.tuples(*map(st.sampled_from, pools)), min_size=0, max_size=12))
    return headers, [list(row) for row in rows]


@st.composite
def messy_csv(draw: st.DrawFn) -> tuple[str, str]:
    """A text table with its separator; some rows are blank, uneven or wrongly quoted."""
    headers, rows = draw(tables())
    separator = draw(st.sampled_from([",", ";", "\t"]))
    buffer = io.StringIO()
    frame = pd.DataFrame(rows, columns=pd.Index(headers, dtype=object), dtype=object)
    newline = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    frame.to_csv(buffer, index=False, sep=separator, lineterminator=newline)
    text = buffer.getvalue()
    oddity = draw(st.sampled_from([None, None, "blank", "blanks", "short", "long", "stray", "open", "cut", "sep"]))
    extra = {
        "blank": newline,
        "blanks": separator * (len(headers) - 1) + newline + newline,
        "short": "W9" + newline,
        "long": separator.join(["1"] * (len(headers) + 2)) + newline,
        "stray": 'x"y' + newline,
        "open": '"x' + newline,
    }
    if oddity in extra:
        lines = text.splitlines(keepends=True)
        lines.insert(draw(st.integers(1, len(lines))), extra[oddity])
        text = "".join(lines)
    elif oddity == "cut":
        text = text[: draw(st.integers(0, len(text)))]
    elif oddity == "sep":
        text = f"sep={separator}{newline}{newline}" + text
    return text, separator


@FUZZ
@given(
    table=messy_csv(),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "gb18030"]),
    size=st.builds(BlockSize, st.integers(1, 300), st.integers(1, 6)),
    n_threads=st.integers(1, 3),
    declares=st.booleans(),
    decimal=st.sampled_from(["auto", "auto", ".", ","]),
    data=st.data(),
)
def test_the_blocks_of_a_messy_table_are_the_table(  # noqa: PLR0917 - what is varied
    tmp_path: Path,
    table: tuple[str, str],
    encoding: str,
    size: BlockSize,
    n_threads: int,
    declares: bool,
    decimal: str,
    data: st.DataObject,
) -> None:
    text, separator = table
    limit = data.draw(st.sampled_from([None, 0.05]))
    reading = ReadingSettings(
        columns=(ColumnMapping("amh", "AMH (ng/mL)", detection_limit=limit),) if limit else (),
        delimiter=separator if declares else "auto",
        decimal=decimal,  # type: ignore[arg-type]
        missing=data.draw(st.sampled_from([(), ("999",), ("999.0", "-5", "1.0")])),
    )
    path = write(tmp_path, text.encode(encoding))
    with suppress(Refused):
        assert_same(path, reading, size=size, n_threads=n_threads)


PARQUET = {
    "id": st.sampled_from([pa.array(["007", None, "NA", " x", ""]), pa.array([12.0, None, 13.5, 14.0, -0.0])]),
    "age": st.sampled_from(
        [pa.array([36.0, None, np.nan, 200.0, 29.5]), pa.array([36, None, 30, 29, 999], pa.int16())]
    ),
    "fsh": st.sampled_from([pa.array([2**60 + 1, 999, None, 50, 7]), pa.array([999, 5, None, 50, 7])]),
    "AMH (ng/mL)": st.sampled_from(
        [pa.array(["<0.02", "0,5", None, "ND", "1.234"]), pa.array(["0.1", "1,234", "", "NA", "x"]).dictionary_encode()]
    ),
    "cell_source": st.sampled_from(
        [
            pa.array(["none", "AD-MSC", None, "spleen", ""], pa.large_string()),
            pa.array([None] * 5),
            pa.array([True] * 5),
        ]
    ),
    "dose_cells": st.sampled_from([pa.array([0, 5e6, None, 1e6, 2.0], pa.float32()), pa.array(list("01234"))]),
    "": st.sampled_from([pa.array([None] * 5, pa.string()), pa.array([None, None, None, "x", None])]),
    "when": st.sampled_from([pa.array([None, 1, 2, 3, None], pa.timestamp("s")), pa.array([[1], None, [], [2], None])]),
}


@settings(FUZZ, max_examples=25)
@given(
    columns=st.fixed_dictionaries(
        {"age": PARQUET["age"]}, optional={name: cells for name, cells in PARQUET.items() if name != "age"}
    ),
    order=st.lists(st.integers(0, 4), max_size=14),
    row_group=st.integers(2, 12),
    n_rows=st.integers(1, 7),
    missing=st.sampled_from([(), ("999",), ("999.0",)]),
)
def test_the_blocks_of_a_parquet_file_are_the_table(
    tmp_path: Path,
    columns: dict[str, pa.Array],
    order: list[int],
    row_group: int,
    n_rows: int,
    missing: tuple[str, ...],
) -> None:
    table = pa.table(columns).take(pa.array(order, pa.int64()))
    empty = pa.table({name: pa.nulls(1, column.type) for name, column in columns.items()})
    path = tmp_path / "clinic.parquet"
    pq.write_table(pa.concat_tables([table, empty, table]), path, row_group_size=row_group)
    with suppress(Refused):
        assert_same(path, ReadingSettings(missing=missing), size=BlockSize(n_rows=n_rows))


CLINIC = """\
Patient ID;Age (y);FSH (mIU/mL);AMH [pmol/L];Cell source;Adjuvant;Menses;Remark
007;36,5;80,1;<0,14;AD-MSC;PRP + HRT;ja;"a;b"
008;29;60;ND;hUC-MSC;none;nein;"two
lines"
009;200;60;1,4;spleen;;nein;
010;33;x;1.234;none;none;nein;
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", SMALL)
def test_blocks_end_where_records_end(tmp_path: Path, newline: str, size: BlockSize) -> None:
    path = write(tmp_path, CLINIC.replace("\n", newline))
    plan = assert_same(path, size=size)
    assert len(plan.blocks) > 1 or size.n_bytes == 400
    assert plan.tables[0].layout is not None


ODD_FORMS = {
    "a blank row between": CLINIC.replace("009;", "\n009;"),
    "a text kept as a formula": CLINIC.replace("009;", '="009";'),
    "a row cut short": CLINIC.replace(";spleen;;nein;", ";spleen"),
    "a mean below": CLINIC + "Mean;33;67;1,4;;;;\n",
    "a note below": CLINIC + "\n* by ELISA;;;;;;;\n",
    "a header once more": CLINIC + CLINIC.splitlines()[0] + "\n",
    "an end mark": CLINIC + "\x1a",
    "an error of a spreadsheet": CLINIC.replace("AD-MSC", "#REF!"),
    "a title above": "Our women\n" + CLINIC,
    "a row of units": CLINIC.replace("007;", ";y;mIU/mL;pmol/L;;;;\n007;"),
    "rounded names": CLINIC.replace("007;", "3.2E+17;"),
    "cut names": CLINIC.replace("007;", "320101199001010000;").replace("008;", "320101199001020000;"),
    "rows of another separator": CLINIC.splitlines()[0] + "\n1,2,3\n2,3,4\n",
}


@pytest.mark.parametrize("size", SMALL)
@pytest.mark.parametrize("form", sorted(ODD_FORMS))
def test_odd_forms_are_read_alike(tmp_path: Path, form: str, size: BlockSize) -> None:
    with suppress(Refused):
        plan = assert_same(write(tmp_path, ODD_FORMS[form]), size=size)
        assert plan.n_rows == sum(block.n_rows for block in plan.blocks)


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030", "cp1252"])
def test_other_encodings_come_in_blocks_of_the_whole_table(tmp_path: Path, encoding: str) -> None:
    text = CLINIC.replace("lines", "Zeilen für später" if encoding == "cp1252" else "患者的备注都写在这里")
    reading = ReadingSettings(encoding=encoding if encoding == "cp1252" else "auto")
    plan = assert_same(write(tmp_path, text.encode(encoding)), reading, size=BlockSize(n_rows=2))
    assert len(plan.blocks) == 2
    assert plan.tables[0].layout is None


def test_a_workbook_comes_in_blocks(tmp_path: Path) -> None:
    frame = pd.read_csv(io.StringIO(CLINIC), sep=";", dtype=str)
    frame.to_excel(tmp_path / "clinic.xlsx", index=False)
    assert len(assert_same(tmp_path / "clinic.xlsx", size=BlockSize(n_rows=3)).blocks) == 2


def test_stray_quotes_far_below_make_the_table_one_that_is_read_whole(tmp_path: Path) -> None:
    rows = "".join(f'{i},30,"a, b"\n' for i in range(50))
    path = write(tmp_path, f"id,age,height\n{rows}51,31,5'6\" tall\n{rows}")
    plan = assert_same(path, size=BlockSize(40, 30))
    assert plan.tables[0].layout is None
    assert plan.n_rows == 101


def test_a_limit_in_the_last_block_is_known_in_the_first(tmp_path: Path) -> None:
    path = write(tmp_path, "id,AMH (ng/mL)\n1,ND\n2,0\n3,1.5\n4,<0.1\n5,<0.02\n")
    data, _, faults = streamed(assert_same(path, size=BlockSize(6)))
    assert data["amh"].tolist() == [0.02, 0.02, 1.5, 0.1, 0.02]
    assert faults == []


@pytest.mark.parametrize(
    ("cells", "first"),
    [(["1,234", "7", "0,5"], 1.234), (["1,234", "7", "0.5"], 1234.0), (["1.234", "7", "0,5"], None), (["1,234"], None)],
)
def test_a_decimal_mark_in_a_later_block_decides_the_first(
    tmp_path: Path, cells: list[str], first: float | None
) -> None:
    rows = "".join(f"{i};{cell}\n" for i, cell in enumerate(cells))
    plan = assert_same(write(tmp_path, "id;FSH (IU/L)\n" + rows), ReadingSettings(delimiter=";"), size=BlockSize(1))
    data, _, faults = streamed(plan)
    assert len(plan.blocks) == len(cells)
    if first is None:
        assert faults == [("ambiguous_decimal", "fsh", 1)]
    elif first > 300:
        assert faults == [("hard_range", "fsh", 1)]
    else:
        assert data["fsh"][0] == first


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.0001, 1e9) | st.decimals(0, 1000, places=17).map(float), min_size=1, max_size=30))
def test_numbers_are_read_correctly_rounded(numbers: list[float]) -> None:
    """To the last bit what Python reads (IEEE 754, round half to even), in columns of plain numbers and in others."""
    with tempfile.TemporaryDirectory() as folder:
        rows = "".join(f"{i},{number!r},{number!r}\n" for i, number in enumerate(numbers))
        path = write(Path(folder), "id,dose_cells,estradiol\n" + rows + "x,NA,<3\n")
        column = (ColumnMapping("dose_cells", "dose_cells", unit="cells"), ColumnMapping("estradiol", "estradiol"))
        plan = survey(path, ReadingSettings(columns=column))
        parsed = read_block(plan, plan.blocks[0])
        free = ~np.isin(np.arange(len(numbers) + 1), np.concatenate([fault.rows for fault in parsed.faults] or [[]]))
        for name in ("dose_cells", "estradiol"):
            assert parsed.data[name][:-1][free[:-1]].tolist() == list(np.array(numbers)[free[:-1]])


def test_what_is_said_of_a_row_is_the_same_in_every_block(tmp_path: Path) -> None:
    path = write(tmp_path, CLINIC)

    def messages(size: BlockSize) -> set[tuple[str, str]]:
        plan = survey(path, size=size)
        return {(fault.rule, fault.message) for block in plan.blocks for fault in read_block(plan, block).faults}

    said = messages(BlockSize())
    assert all(messages(size) == said for size in SMALL)
    assert {rule for rule, _ in said} == {"hard_range", "not_a_number", "unknown_level", "ambiguous_decimal"}
    assert all("this row is" in message and "of" not in message.split("this row")[1][:4] for _, message in said)


def test_every_rule_of_rows_can_be_said_of_one_row() -> None:
    for code, rule in RULES.items():
        if "{rows}" in rule.text:
            facts = {name: "…" for _, name, _, _ in string.Formatter().parse(rule.text) if name}
            assert "this row is" in row_message(code, "amh", **facts)


def test_a_plan_goes_to_another_process_and_holds_no_cell(tmp_path: Path) -> None:
    text = "id,age,AMH (ng/mL),remark\nQZX71,36,<0.0771731,Vvyska\nQZX72,88.7713,ND,-777.25\n"
    plan = survey(write(tmp_path, text))
    sent = pickle.dumps(plan)
    for canary in (b"QZX7", b"88.77", b"Vvyska", b"777.25"):
        assert canary not in sent
    pd.testing.assert_frame_equal(read_block(pickle.loads(sent), plan.blocks[0]).data, streamed(plan)[0])  # noqa: S301
    assert "QZX71" not in repr(plan) + repr(read_block(plan, plan.blocks[0]))


@pytest.mark.parametrize("n_threads", [2, 4])
def test_threads_change_nothing(tmp_path: Path, n_threads: int) -> None:
    rows = "".join(f"{i},{i % 40 + 15},{'<0.02' if i == 150 else '1,5' if i == 90 else i / 7:}\n" for i in range(200))
    path = write(tmp_path, "id;age;AMH (ng/mL)\n".replace(";", "\t") + rows.replace(",", "\t", 0).replace(",", "\t"))
    alone, together = survey(path, size=BlockSize(100)), survey(path, size=BlockSize(100), n_threads=n_threads)
    assert alone == together


def test_streaming_imports_no_pandera(tmp_path: Path) -> None:
    write(tmp_path, CLINIC)
    code = (
        "import sys; from pathlib import Path; from poi_predict.cohort import *; "
        "from poi_predict.cohort.streaming import *; "
        f"p = survey_cohort(Path({str(tmp_path / 'clinic.csv')!r}), read_codebook(), ReadingSettings()); "
        "read_block(p, p.blocks[0]); sys.exit('pandera' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_the_direct_checks_are_those_of_the_schema(data: st.DataObject) -> None:
    """pandera's answer on the same frame is the reference (docs/decisions/0010)."""
    names = data.draw(st.lists(st.sampled_from(sorted(CODEBOOK)), min_size=1, max_size=6, unique=True))
    columns = {}
    for name in names:
        variable = CODEBOOK[name]
        if variable.is_numeric or variable.kind == "binary":
            edges = [edge for limit in variable.hard or () for edge in (limit, np.nextafter(limit, np.inf), limit - 1)]
            cell = st.sampled_from([*edges, 1.0, 2.5, np.nan]) | st.floats(-1e9, 1e9)
            columns[name] = pd.Series(data.draw(st.lists(cell, min_size=4, max_size=4)), dtype="float64")
        else:
            cell = st.sampled_from([*variable.levels, "spleen", None])
            columns[name] = pd.Series(data.draw(st.lists(cell, min_size=4, max_size=4)), dtype="str")
    frame = pd.DataFrame(columns)
    expected = find_breaches(frame, CODEBOOK)
    found = check_contract(frame, CODEBOOK)
    assert list(found) == list(expected)
    assert all(found[key].tolist() == rows.tolist() for key, rows in expected.items())
