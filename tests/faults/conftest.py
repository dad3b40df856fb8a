"""A model, a cohort of many blocks, and the command line, called in this process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fault_runs import MODEL, Answer, Run, Score, make_blocks_small, write_cohort
from poi_predict.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def call(*words: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["poi-predict", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Answer(int(ended.value.code or 0), out, err)

    return call


@pytest.fixture
def score(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> Score:
    """`poi-predict score` of the cohort in `place`, in blocks of some fifty rows."""
    make_blocks_small(monkeypatch.setattr)

    def call(*words: object, model: Path = MODEL) -> Answer:
        files = ("--model", model, "--cohort", place / "cohort.csv", "--out", place / "s.csv")
        return run("score", *files, "--jobs", 1, *words)

    return call


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort") / "cohort.csv")


@pytest.fixture
def place(tmp_path: Path, cohort: Path) -> Path:
    (tmp_path / "cohort.csv").write_bytes(cohort.read_bytes())
    return tmp_path
