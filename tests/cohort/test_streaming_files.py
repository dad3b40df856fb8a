"""Cohorts of several files, and files that change, vanish or cannot be used."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.mapping import ReadingSettings
from poi_predict.cohort.streaming import BlockSize, CohortPlan, find_tables, read_block, survey_cohort
from poi_predict.errors import CohortError

ROWS = "".join(f"W{i},{20 + i % 30},{i / 4}\n" for i in range(40))
TABLE = "id,age,FSH (IU/L)\n" + ROWS


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, newline="")
    return path


def survey(spec: Path, *required: str, size: BlockSize | None = None) -> CohortPlan:
    return survey_cohort(spec, read_codebook(), ReadingSettings(), required=required, size=size or BlockSize(100, 7))


def read(plan: CohortPlan) -> pd.DataFrame:
    return pd.concat([read_block(plan, block).data for block in plan.blocks], ignore_index=True)


def test_a_folder_holds_its_tables_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "c.TSV", ".hidden.csv", "_SUCCESS", "notes.md", "deep/d.csv"):
        write(tmp_path / name, "x")
    assert [path.name for path in find_tables(tmp_path)] == ["a.parquet", "b.csv", "c.TSV"]


def test_a_pattern_finds_tables_at_any_depth(tmp_path: Path) -> None:
    for name in ("2024-b.csv", "2024-a.csv", "2023.csv", "deep/2024-c.csv", ".2024.csv"):
        write(tmp_path / name, "x")
    (tmp_path / "2024-folder.csv").mkdir()
    assert [path.name for path in find_tables(tmp_path / "2024-*.csv")] == ["2024-a.csv", "2024-b.csv"]
    assert [path.name for path in find_tables(tmp_path / "**" / "2024-*.csv")] == [
        "2024-a.csv",
        "2024-b.csv",
        "2024-c.csv",
    ]


def test_a_pattern_is_looked_for_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "women.csv", TABLE)
    monkeypatch.chdir(tmp_path)
    assert find_tables(Path("wom*.csv")) == [Path("women.csv")]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "women[1].csv", TABLE)
    assert find_tables(path) == [path]


@pytest.mark.parametrize(
    ("names", "spec", "sentence"),
    [
        (["notes.md"], ".", 'the folder ".*" holds none'),
        (["a.csv", "old.xls"], ".", r'"old\.xls" is one'),
        (["a.csv", "b.csv.gz"], ".", r'"b\.csv\.gz" is one'),
        ([], "*.csv", r'nothing matches "\*\.csv"'),
        ([], "none.csv", r"is not\. Check the path"),
        (["a.pdf"], "a.pdf", "must be a .csv"),
    ],
)
def test_where_there_is_no_table_one_sentence_says_so(
    tmp_path: Path, names: list[str], spec: str, sentence: str
) -> None:
    for name in names:
        write(tmp_path / name, TABLE)
    with pytest.raises(CohortError, match=sentence) as caught:
        survey(tmp_path / spec)
    assert "\n" not in str(caught.value)


def test_each_table_has_its_own_headers_units_and_facts(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "id,AMH (ng/mL),age\n1,ND,30\n2,<0.5,31\n")
    write(tmp_path / "b.csv", "Patient ID;Age;AMH [pmol/L]\n3;32,5;7,14\n4;33;<0,714\n5;x;ND\n")
    pd.DataFrame({"amh (ng/mL)": [0.3], "Age (years)": [34], "id": [6.0]}).to_parquet(tmp_path / "c.parquet")
    plan = survey(tmp_path, "age", "amh", size=BlockSize(1, 1))
    data = read(plan)
    assert data["patient_id"].tolist() == ["1", "2", "3", "4", "5", "6"]
    np.testing.assert_allclose(data["amh"], [0.5, 0.5, 1.0, 0.1, 0.1, 0.3])
    assert data["amh__below"].tolist() == [True, True, False, True, True, False]
    assert [table.name for table in plan.tables] == ["a.csv", "b.csv", "c.parquet"]
    assert [(block.table, block.index) for block in plan.blocks] == [(0, 0), (0, 1), (1, 2), (1, 3), (1, 4), (2, 5)]
    hashes = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a.csv", "b.csv", "c.parquet")]
    assert [table.sha256 for table in plan.tables] == hashes
    assert plan.fingerprint.sha256 == hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    assert plan.fingerprint.rows == plan.n_rows == 6


def test_every_error_of_every_table_is_reported_at_once(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "id,AMH [AU/mL]\n1,0.5\n")
    write(tmp_path / "b.csv", TABLE)
    write(tmp_path / "c.csv", 'id,age\n1,"30\n')
    write(tmp_path / "d.xlsx", "no workbook")
    with pytest.raises(CohortError) as caught:
        survey(tmp_path, "age", "afc")
    message = str(caught.value)
    assert message.splitlines()[0] == "a.csv cannot be used; it has 3 errors:"
    assert "b.csv cannot be used; it has 1 error:\n  - afc must be a column" in message
    assert "c.csv: The quotes of a text table must match" in message
    assert 'A .xlsx file must be intact; "d.xlsx"' in message


def test_synthetic_and_clinic_tables_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "id,age,data_origin\n1,30,SYNTHETIC\n")
    assert survey(tmp_path).synthetic
    write(tmp_path / "b.csv", "id,age\n1,30\n2,31\n")
    assert not survey(tmp_path / "b.csv").synthetic
    with pytest.raises(CohortError, match="SYNTHETIC and clinic rows must not be in one table; 1 of 3 rows"):
        survey(tmp_path)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.xlsx"])
@pytest.mark.parametrize("change", ["other", "longer", "shorter", "gone"])
def test_a_file_that_changes_is_noticed(tmp_path: Path, name: str, change: str) -> None:
    path = tmp_path / name

    def put(frame: pd.DataFrame) -> None:
        writers = {".csv": frame.to_csv, ".parquet": frame.to_parquet, ".xlsx": frame.to_excel}
        writers[path.suffix](path, index=False)

    women = pd.DataFrame({"id": [f"W{i}" for i in range(20)], "age": 30})
    put(women)
    plan = survey(path)
    write(tmp_path / "between.csv", TABLE)
    survey(tmp_path / "between.csv")
    pd.DataFrame({"id": ["x"], "age": [30]}).to_excel(tmp_path / "between.xlsx")
    survey(tmp_path / "between.xlsx")  # what was kept of the table is let go
    if change == "gone":
        path.unlink()
    else:
        put({"other": women.assign(age=31), "longer": pd.concat([women, women]), "shorter": women[:1]}[change])
    expected = r"existing file; .* is not" if change == "gone" else "changed"
    with pytest.raises(CohortError, match=expected) as caught:
        read_block(plan, plan.blocks[-1])
    assert name in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", TABLE)
    path.chmod(0)
    with pytest.raises(CohortError, match="permissions"):
        survey(path)


def test_blocks_of_a_row_group_in_any_order(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [f"W{i}" for i in range(60)], "age": np.arange(60.0) / 2 + 15})
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=45)
    plan = survey(tmp_path / "t.parquet")
    assert [(block.group, block.start) for block in plan.blocks] == [(0, 7 * i) for i in range(7)] + [
        (1, 7 * i) for i in range(3)
    ]
    order = np.random.default_rng(7).permutation(len(plan.blocks))
    for i in order:
        block = read_block(plan, plan.blocks[i])
        first = plan.blocks[i].first_row - 1
        assert block.data["patient_id"].tolist() == [f"W{first + j}" for j in range(len(block.data))]
        assert block.row_number.tolist() == [first + j + 1 for j in range(len(block.data))]
