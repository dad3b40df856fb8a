"""The command line as a person or a scheduler meets it: words, exit codes, and nothing half-written."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict import __version__
from poi_predict.cli import main

STUDY = """
[study]
name = "quick"
[endpoint]
event = "menses_resumed"
event_month = "months_to_menses"
follow_up = "follow_up_months"
horizon_months = 12
[predictors]
use = ["age", "fsh", "amh"]
[models]
candidates = ["prevalence", "ridge"]
primary = "ridge"
[validation]
folds = 3
repeats = 1
bootstrap = 20
permutations = 3
"""


LONG = "x" * 300
LIST_HEAVY = """
import sys
HEAVIEST = ("mlflow", "shap", "matplotlib", "pandera")
HEAVY = (*HEAVIEST, "sklearn", "pandas")
print([name for name in HEAVY if name in sys.modules])
"""


@dataclass(frozen=True)
class Answer:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line called in this process: importing the rooms anew for each call would take minutes."""

    def call(*words: object, cwd: Path | None = None) -> Answer:
        monkeypatch.setattr(sys, "argv", ["poi-predict", *map(str, words)])
        if cwd is not None:
            monkeypatch.chdir(cwd)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Answer(int(ended.value.code or 0), out, err)

    return call


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "study.toml"
    file.write_text(STUDY, encoding="utf-8")
    return file


def test_help_names_the_commands_and_loads_nothing_heavy(run: Run) -> None:
    answer = run("--help")
    assert answer.returncode == 0
    for command in ("simulate", "check", "train", "validate", "score", "explain", "ui"):
        assert command in answer.stdout
    heavy = "import poi_predict.cli" + LIST_HEAVY
    loaded = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_the_rooms_load_neither_mlflow_nor_shap_nor_matplotlib() -> None:
    heavy = "import poi_predict.workflow" + LIST_HEAVY.replace("in HEAVY if", "in HEAVIEST if")
    loaded = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_version(run: Run) -> None:
    assert run("--version").stdout.strip() == f"poi-predict {__version__}"


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--study", LONG, "--cohort", "c.csv"),
        ("train", "--study", "menses_12m", "--cohort", "cohort.csv", "--out", LONG, "--no-track"),
        ("score", "--model", LONG, "--cohort", "cohort.csv", "--out", "s.csv"),
        ("simulate", "--n", 40, "--out", f"{LONG}.csv"),
        ("regimens", "--model", "m", "--cohort", "cohort.csv", "--out", f"{LONG}.html", "--patient", "P1"),
    ],
)
def test_names_longer_than_the_system_takes(run: Run, tmp_path: Path, words: tuple[object, ...]) -> None:
    run("simulate", "--n", 60, "--seed", 3, "--out", tmp_path / "cohort.csv")
    answer = run(*words, cwd=tmp_path)
    assert answer.returncode == 2
    assert re.search(r"longer than the system takes; .* Give it a shorter name\.$", answer.stderr.strip())
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.csv"]


def test_the_whole_way(run: Run, tmp_path: Path, study: Path) -> None:
    cohort = tmp_path / "cohort.csv"
    assert run("simulate", "--n", 120, "--seed", 2, "--out", cohort).returncode == 0
    assert run("check", "--study", study, "--cohort", cohort).returncode == 0
    trained = run("train", "--study", study, "--cohort", cohort, "--out", tmp_path / "out", "--jobs", 1, "--no-track")
    assert trained.returncode == 0, trained.stderr
    assert trained.stderr == ""  # quiet in a pipe
    scored = run(
        "score", "--model", tmp_path / "out" / "bundle", "--cohort", cohort, "--out", tmp_path / "s.csv", "--reasons", 2
    )
    assert scored.returncode == 0, scored.stderr
    assert "120 rows read = 120 scored + 0 rejected" in scored.stdout
    page = run(
        "explain", "--model", tmp_path / "out" / "bundle", "--cohort", cohort, "--patient", "SYN-00003",
        "--out", tmp_path / "p.html",
    )  # fmt: skip
    assert page.returncode == 0, page.stderr


def bad_tables(folder: Path) -> dict[str, tuple[Path, str]]:
    """Tables that cannot be used, each with a word its one sentence must hold."""
    rng = np.random.default_rng(1)
    n = 30
    good = pd.DataFrame(
        {
            "patient_id": [f"CANARY-{i}" for i in range(n)],
            "age": rng.normal(32, 4, n).round(1),
            "fsh": rng.uniform(30, 120, n).round(1),
            "amh": rng.uniform(0.02, 0.4, n).round(3),
            "menses_resumed": rng.integers(0, 2, n),
            "months_to_menses": 3,
            "follow_up_months": 14,
        }
    )
    good.loc[good["menses_resumed"] == 0, "months_to_menses"] = np.nan
    made: dict[str, tuple[Path, str]] = {}

    def add(name: str, word: str, frame: pd.DataFrame | None = None, content: bytes | None = None) -> None:
        file = folder / name
        if frame is not None:
            frame.to_csv(file, index=False)
        elif content is not None:
            file.write_bytes(content)
        made[name] = (file, word)

    add("empty.csv", "empty", content=b"")
    add("header_only.csv", "row", frame=good.head(0))
    add("one_class.csv", "at least 2 with the event", frame=good.assign(menses_resumed=0, months_to_menses=np.nan))
    add("three_women.csv", "at least 2 with the event", frame=good.head(3).assign(menses_resumed=[1, 0, 0]))
    wide = pd.concat([good, pd.DataFrame(np.zeros((n, 100_000), dtype=np.int8)).add_prefix("x")], axis=1)
    add("wide.csv", "columns", frame=wide)
    add("missing_column.csv", "fsh", frame=good.drop(columns="fsh"))
    add("no_amh.csv", "amh", frame=good.assign(amh=""))
    add("no_outcome.csv", "menses_resumed", frame=good.drop(columns="menses_resumed"))
    add("binary.csv", "", content=bytes(range(256)) * 40)
    add("truncated.xlsx", "XLSX", content=b"PK\x03\x04" + b"\x00" * 200)
    add("truncated.parquet", "Parquet", content=b"PAR1" + b"\x00" * 50)
    add("cohort.docx", "docx", content=b"x")
    made["folder.csv"] = (folder / "folder.csv", "folder")
    (folder / "folder.csv").mkdir()
    made["absent.csv"] = (folder / "absent.csv", "absent.csv")
    add("extreme.csv", "fsh", frame=good.assign(fsh=5052))
    add("late.csv", "follow_up_months", frame=good.assign(follow_up_months=1))
    return made


NAMES = [
    "empty.csv", "header_only.csv", "one_class.csv", "three_women.csv", "wide.csv", "missing_column.csv", "no_amh.csv",
    "no_outcome.csv", "binary.csv", "truncated.xlsx", "truncated.parquet", "cohort.docx", "folder.csv",
    "absent.csv", "extreme.csv", "late.csv",
]  # fmt: skip


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    return bad_tables(tmp_path_factory.mktemp("bad"))


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_one_clear_message_and_exit_code_2(
    name: str, tables: dict[str, tuple[Path, str]], study: Path, tmp_path: Path, run: Run
) -> None:
    file, word = tables[name]
    out = tmp_path / "out"
    answer = run("train", "--study", study, "--cohort", file, "--out", out, "--jobs", 1, "--no-track", cwd=tmp_path)
    said = answer.stdout + answer.stderr
    assert answer.returncode == 2, said
    assert word.casefold() in said.casefold()
    assert "Traceback" not in said
    assert "CANARY" not in said
    assert len(said) < 1500
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]


def test_a_wrong_delimiter_is_named(tables: dict[str, tuple[Path, str]], study: Path, tmp_path: Path, run: Run) -> None:
    study.write_text(STUDY + '[cohort]\ndelimiter = ";"\n', encoding="utf-8")
    answer = run("check", "--study", study, "--cohort", tables["one_class.csv"][0], cwd=tmp_path)
    assert answer.returncode == 2
    assert "comma" in answer.stdout


@pytest.mark.parametrize("name", ["empty.csv", "missing_column.csv", "no_amh.csv", "one_class.csv", "extreme.csv"])
def test_check_says_the_same_with_exit_code_2(
    name: str, tables: dict[str, tuple[Path, str]], study: Path, run: Run
) -> None:
    file, word = tables[name]
    answer = run("check", "--study", study, "--cohort", file)
    assert answer.returncode == 2
    assert word.casefold() in answer.stdout.casefold()
    assert "CANARY" not in answer.stdout + answer.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--study", "no_such_study", "--cohort", "x.csv"),
        ("score", "--model", "no_such_bundle", "--cohort", "x.csv", "--out", "s.csv"),
        ("score", "--model", "models:/nothing@champion", "--cohort", "x.csv", "--out", "s.csv"),
        ("train", "--study", "menses_12m", "--cohort", "x.csv", "--jobs", "0"),
        ("simulate", "--n", "10", "--out", "cohort.docx"),
        ("simulate", "--n", "0", "--out", "cohort.csv"),
        ("nonsense",),
        ("train",),
    ],
)
def test_wrong_words_exit_with_2(words: tuple[str, ...], tmp_path: Path, run: Run) -> None:
    answer = run(*words, cwd=tmp_path)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
    assert not any(path.suffix in (".csv", ".docx") for path in tmp_path.iterdir())


def test_a_defect_of_ours_is_named_without_a_value(tmp_path: Path) -> None:
    program = "import poi_predict.cli as c\ndef broken(): raise KeyError('CANARY-7')\nc.app = broken\nc.main()\n"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert answer.returncode == 1
    assert "defect" in answer.stderr
    assert "KeyError" in answer.stderr
    assert "CANARY" not in answer.stderr
