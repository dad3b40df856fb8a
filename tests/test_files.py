"""Outputs appear whole or not at all."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from children import finished
from poi_predict import files
from poi_predict.errors import OutputError
from poi_predict.files import check_folder_is_ours, recover_folder, replace_folder, staged_file, staged_folder


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


@pytest.mark.parametrize("way", ["exchange", "aside"])
def test_a_run_killed_at_any_step_leaves_a_whole_folder_old_or_new(tmp_path: Path, way: str) -> None:
    victim = Path(__file__).with_name("files_victim.py")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(victim.parent), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(victim), str(tmp_path), way]
    done = finished(command, env=environment)
    assert done.returncode == 0, done.stderr
    kills, absent = map(int, done.stdout.split())
    assert kills > 5
    if way == "aside":
        assert absent == 1  # the window is real, and closed by whoever comes next
    elif files._exchange(tmp_path, tmp_path):  # where the file system can do it
        assert absent == 0


def test_a_folder_set_aside_by_a_killed_run_is_put_back(tmp_path: Path) -> None:
    (tmp_path / ".out.replaced" / "bundle").mkdir(parents=True)
    (tmp_path / ".out.replaced" / "marker").write_text("old")
    recover_folder(tmp_path / "out" / "bundle")
    check_folder_is_ours(tmp_path / "out", "marker")
    assert (tmp_path / "out" / "marker").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_stands_is_not_replaced_by_one_set_aside(tmp_path: Path) -> None:
    (tmp_path / ".out.replaced").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "marker").write_text("new")
    recover_folder(tmp_path / "out")
    assert (tmp_path / "out" / "marker").read_text() == "new"


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_exchange", lambda *_: False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "marker").write_text("old")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "nowhere", tmp_path / "out", tmp_path / "aside")
    assert (tmp_path / "out" / "marker").read_text() == "old"


def test_what_runs_killed_long_ago_left_is_cleared_and_what_is_fresh_is_not(tmp_path: Path) -> None:
    for name, age in {"old": 2 * 24 * 3600, "fresh": 0}.items():
        (tmp_path / f".out.partial-{name}").mkdir()
        (tmp_path / f".out.partial-{name}.file").touch()
        for path in (tmp_path / f".out.partial-{name}", tmp_path / f".out.partial-{name}.file"):
            os.utime(path, (time.time() - age,) * 2)
    with staged_folder(tmp_path / "out", "marker") as staged:
        (staged / "marker").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.partial-fresh", ".out.partial-fresh.file", "out"]


def test_a_file_in_the_place_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "clinic.csv").write_text("id")
    with pytest.raises(OutputError, match="could not be written"), staged_file(tmp_path / "clinic.csv" / "out.csv"):
        pass
