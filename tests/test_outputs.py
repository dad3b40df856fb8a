"""No command replaces what it reads, or an existing file unasked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from poi_predict.cli import app
from poi_predict.errors import OutputError
from poi_predict.files import check_apart, check_output, check_output_folder
from poi_predict.workflow import simulate

MODEL = str(Path(__file__).parent.parent / "models" / "reference-menses")


@pytest.fixture
def cohort(tmp_path):
    file = tmp_path / "clinic.csv"
    simulate(12, 3, file)
    return file


def run(*words: object) -> str:
    """Run a command that must refuse, and return why."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(result.exception, OutputError), result.output
    return str(result.exception)


def links(cohort: Path) -> list[Path]:
    """The cohort under other names."""
    symbolic, hard = cohort.with_name("symbolic.csv"), cohort.with_name("hard.csv")
    symbolic.symlink_to(cohort)
    hard.hardlink_to(cohort)
    return [cohort, symbolic, hard, cohort.parent / "folder" / ".." / cohort.name]


COMMANDS = {
    "explain": ("explain", "-m", MODEL, "-p", "SYN-00003"),
    "regimens": ("regimens", "-m", MODEL, "-p", "SYN-00003"),
    "regimens --all": ("regimens", "-m", MODEL, "--all"),
    "score": ("score", "-m", MODEL, "--no-track", "-j", 1),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_writes_onto_its_own_cohort(command, cohort):
    (cohort.parent / "folder").mkdir()
    before = cohort.read_bytes()
    for name in links(cohort):
        assert "never replaces what is read" in run(*COMMANDS[command], "-c", cohort, "-o", name, "--overwrite")
        assert cohort.read_bytes() == before


@pytest.mark.parametrize("command", COMMANDS)
def test_an_existing_file_is_replaced_only_when_asked(command, cohort, tmp_path):
    out = tmp_path / ("out.csv" if command in ("regimens --all", "score") else "out.html")
    out.write_text("mine")
    assert "not replaced unasked" in run(*COMMANDS[command], "-c", cohort, "-o", out)
    assert out.read_text() == "mine"


def test_an_existing_page_is_replaced_when_asked(cohort, tmp_path):
    out = tmp_path / "out.html"
    out.write_text("mine")
    words = [*COMMANDS["explain"], "-c", str(cohort), "-o", str(out), "--overwrite"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert out.read_text() != "mine"


def test_a_model_is_never_written_into(cohort, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(MODEL, model)
    words = ("explain", "-m", model, "-p", "SYN-00003", "-c", cohort, "--overwrite", "-o")
    assert "lies in model" in run(*words, model / "contract.json")
    assert "lies in model" in run(*words, model / "page.html")


def test_simulated_women_replace_nothing_unasked(cohort, tmp_path):
    before = cohort.read_bytes()
    assert "not replaced unasked" in run("simulate", "-o", cohort)
    assert "not replaced unasked" in run("simulate", "-o", tmp_path / "new.csv", "--truth", cohort)
    assert "named twice" in run("simulate", "-o", tmp_path / "new.csv", "--truth", tmp_path / "new.csv")
    assert cohort.read_bytes() == before
    assert not (tmp_path / "new.csv").exists()
    assert CliRunner().invoke(app, ["simulate", "-o", str(cohort), "--n", "3", "--overwrite"]).exit_code == 0
    assert cohort.read_bytes() != before


def test_an_earlier_training_or_validation_is_replaced_only_when_asked(cohort, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "assessment.json").write_text("{}")
    (out / "validation.json").write_text("{}")
    for words in (("train", "-s", "menses_12m", "--no-track"), ("validate", "-m", MODEL, "--no-track")):
        assert "holds an earlier one" in run(*words, "-c", cohort, "-o", out)
    (out / "assessment.json").unlink()
    assert "holds other files" in run("train", "-s", "menses_12m", "-c", cohort, "-o", out, "--overwrite")


def test_a_cohort_inside_an_output_folder_is_never_replaced_with_it(cohort, tmp_path):
    inside = tmp_path / "out" / "clinic.csv"
    inside.parent.mkdir()
    cohort.rename(inside)
    (inside.parent / "assessment.json").write_text("{}")
    words = ("train", "-s", "menses_12m", "--no-track", "-c", inside, "-o", inside.parent, "--overwrite")
    assert "clinic.csv lies in out" in run(*words)


def test_places_apart_are_left_alone(tmp_path):
    cohort, out = tmp_path / "clinic.csv", tmp_path / "out.csv"
    cohort.write_text("age")
    check_output(out, [cohort], overwrite=False)
    check_apart([out], [tmp_path / "not there.csv"])
    check_output_folder(tmp_path / "new", "assessment.json", [cohort], overwrite=False)


def test_rows_that_are_all_rejected_end_with_the_exit_code_of_bad_input(tmp_path):
    file, out = tmp_path / "nobody.csv", tmp_path / "scores.csv"
    simulate(3, 3, file)
    header, *rows = file.read_text().splitlines()
    age = header.split(",").index("Age (years)")
    cells = [row.split(",") for row in rows]
    impossible = [",".join([*row[:age], "99", *row[age + 1 :]]) for row in cells]
    file.write_text("\n".join([header, *impossible]) + "\n")
    result = CliRunner().invoke(app, [*map(str, COMMANDS["score"]), "-c", str(file), "-o", str(out)])
    assert result.exit_code == 2
    assert "3 rows read = 0 scored + 3 rejected" in result.output
    assert "none of 3 does" in result.output
    assert (tmp_path / "scores.csv.rejected.csv").exists()
    table = tmp_path / "regimens.csv"
    result = CliRunner().invoke(app, [*map(str, COMMANDS["regimens --all"]), "-c", str(file), "-o", str(table)])
    assert result.exit_code == 2
    assert "none of 3 does" in result.output
