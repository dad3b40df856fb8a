"""Outputs appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from poi_predict.errors import OutputError
from poi_predict.files import staged_file, staged_folder


def test_a_failing_block_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "scores.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError), staged_file(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def test_a_failing_block_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with staged_folder(target, "marker") as staged:
        (staged / "marker").write_text("first")
    with pytest.raises(RuntimeError), staged_folder(target, "marker") as staged:
        (staged / "marker").write_text("second")
        raise RuntimeError
    assert (target / "marker").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_earlier_output_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for content in ("first", "second"):
        with staged_folder(target, "marker") as staged:
            (staged / "marker").write_text(content)
            (staged / f"only_{content}").touch()
    assert sorted(path.name for path in target.iterdir()) == ["marker", "only_second"]


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(OutputError, match="holds other files"), staged_folder(tmp_path, "marker"):
        pass
    assert (tmp_path / "thesis.docx").exists()


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not be written"), staged_file(tmp_path / "no" / "x.csv") as partial:
        partial.write_text("x")
