"""Words and numbers planted in every column of a cohort turn up nowhere but where a woman's own answer stands.

Searched after check, train, score, validate, explain and regimens: standard output and error, every log record down to
DEBUG, the MLflow store (the database's bytes and every artifact), the bundle, the reports, the drift page, summary,
findings and rejected rows. Archives, Parquet files and arrays are opened: texts in them are searched as texts, numbers
as numbers, also as float32 and on the scales on which models work.

Searched for: every patient_id, centre name, remark, unmapped column and misspelt level; every number that is not
whole, by six decimals that no statistic has by chance. Not searched for: whole numbers and levels, which are anybody's;
the name of the cohort's file, which its owner chose and messages rightly show.

Allowed: scores and compared regimens hold the identifiers (not if they are pseudonyms), a woman's page holds hers, and
the contract of the bundle holds the level spellings that the study declares.
"""

from __future__ import annotations

import gzip
import io
import logging
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fuzzing.running import Answer, run_command
from poi_predict.workflow import simulate
from support import shorten_chains

WORD, DECLARED, DECIMALS = "QZX", "QWVidio", "739182"
TEXT = re.compile(rb"QZX|\.739182")
SPELT = re.compile(rb"QWVidio")
HERS, HER_CENTRE = "QZXid0003", "QZXcentre0"
STUDY = """
[study]
name = "canary"
[columns.aetiology]
column = "Aetiology"
levels = { QWVidio = "idiopathic" }
[endpoint]
event = "menses_resumed"
event_month = "months_to_menses"
follow_up = "follow_up_months"
horizon_months = 12
[predictors]
use = ["age", "fsh", "amh", "amenorrhea_months", "aetiology", "cell_source", "route", "dose_cells"]
[evidence]
outcome = "menses"
[models]
candidates = ["prevalence", "evidence"]
primary = "evidence"
[validation]
folds = 3
repeats = 1
bootstrap = 20
permutations = 3
[tracking]
experiment = "canary"
"""
SCALES = (np.log, np.log1p, np.log10, np.float32)


@dataclass
class Canaries:
    """What was planted: texts by pattern, numbers by value."""

    numbers: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def wanted(self) -> np.ndarray:
        """The numbers on every scale."""
        with np.errstate(all="ignore"):
            return np.unique(np.concatenate([self.numbers, *(scale(self.numbers) for scale in SCALES)]).astype(float))

    def leaks(self, name: str, content: bytes) -> Iterator[str]:
        """Yield where a canary sits in a file."""
        for member, kind, found in _open(name, content):
            if isinstance(found, np.ndarray):
                if np.isin(found[np.isfinite(found)], self.wanted).any():
                    yield f"{member} holds a number of a woman"
            elif hit := TEXT.search(found):
                yield f"{member} holds {found[max(hit.start() - 20, 0) : hit.end() + 20]!r}"
            elif (hit := SPELT.search(found)) and not kind.endswith("contract.json"):
                yield f"{member} holds a declared spelling: {found[max(hit.start() - 20, 0) : hit.end()]!r}"

    def leaks_in(self, folder: Path, *allowed: Path) -> list[str]:
        """Where canaries sit in the files of a folder."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path not in allowed]
        assert files
        return [leak for path in files for leak in self.leaks(str(path.relative_to(folder)), path.read_bytes())]


def _open(name: str, content: bytes) -> Iterator[tuple[str, str, bytes | np.ndarray]]:
    """Yield a content as it is and, of archives, arrays and tables, what is in it."""
    yield name, name, content
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from _open(f"{name}!{member}", archive.read(member))
    elif content[:2] == b"\x1f\x8b":
        yield from _open(name + "!", gzip.decompress(content))
    elif content[:6] == b"\x93NUMPY":
        array = np.load(io.BytesIO(content), allow_pickle=False)
        fields = [array] if array.dtype.names is None else [array[part] for part in array.dtype.names]
        yield from ((name, name, part.astype(float).ravel()) for part in fields if part.dtype.kind in "fiu")
        yield from (
            (name, name, "\n".join(part.astype(str).ravel()).encode()) for part in fields if part.dtype.kind in "US"
        )
    elif content[:4] == b"PAR1":
        table = pq.read_table(pa.BufferReader(content))
        for column in table.columns:
            if pa.types.is_floating(column.type):
                yield name, name, np.asarray(column.to_numpy(), dtype=float)
            else:
                yield name, name, "\n".join(map(str, column.to_pylist())).encode()


def plant(folder: Path, name: str, seed: int, n: int = 90) -> tuple[Path, Canaries]:
    """SYNTHETIC women with a canary in every column that can hold one."""
    file = folder / name
    simulate(n, seed, file)
    women = pd.read_csv(file, dtype=str, keep_default_na=False)
    planted = []
    for header in women.columns:
        numbers = pd.to_numeric(women[header], errors="coerce")
        whole = header in {"AFC", "Previous births", "Number of treatments", "Adverse event grade"}
        if numbers.notna().sum() < n / 20 or whole:
            continue
        rows = numbers.notna().to_numpy()
        texts = [f"{int(value)}.{DECIMALS}{row:03d}" for row, value in enumerate(numbers.fillna(0))]
        women[header] = np.where(rows, texts, women[header])
        planted.append(np.array([float(text) for text in texts])[rows])
    women["Patient ID"] = [f"{WORD}id{row:04d}" for row in range(n)]
    women["Centre"] = [f"{WORD}centre{row % 3}" for row in range(n)]
    women["Aetiology"] = women["Aetiology"].replace("idiopathic", DECLARED)
    women["Remark"] = [f"{WORD}remark {row}" for row in range(n)]
    women["Scanner"] = [f"{row}.{DECIMALS}9" for row in range(n)]
    women.to_csv(file, index=False)
    return file, Canaries(np.unique(np.concatenate(planted)))


def spoil(file: Path) -> None:
    """Rows that cannot be used, for reasons that lie in their cells."""
    women = pd.read_csv(file, dtype=str, keep_default_na=False)
    women.loc[1, "Aetiology"] = f"{WORD}itis"
    women.loc[2, "FSH (IU/L)"] = f"{WORD} 41"
    women.loc[4, "Age (years)"] = f"99.{DECIMALS}"
    women.loc[5, "Dose (10^6 cells)"] = f"1.{DECIMALS},5"
    women.loc[6, "Cell source"] = f"={WORD}()"
    women.to_csv(file, index=False)


class Told:
    """All that was said: standard output and error of every command, and the log."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.handler = logging.Handler(logging.DEBUG)
        self.handler.emit = lambda record: self.texts.append(record.getMessage() + str(record.exc_text or ""))  # type: ignore[method-assign]

    def run(self, *words: object, code: int = 0) -> Answer:
        answer = run_command(*words)
        assert answer.code == code, answer.out + answer.err
        self.texts += [answer.out, answer.err]
        return answer


@dataclass(frozen=True)
class Played:
    """Everything that was done with the planted cohorts, once for all tests."""

    place: Path
    told: Told
    canaries: Canaries


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    place = tmp_path_factory.mktemp("canary")
    (place / "in").mkdir()
    (place / "out").mkdir()
    _, canaries = plant(place / "in", "clinic.csv", 3)
    other, more = plant(place / "in", "other.csv", 4)
    spoil(other)
    canaries.numbers = np.union1d(canaries.numbers, more.numbers)
    study = place / "in" / "study.toml"
    study.write_text(STUDY, encoding="utf-8")
    key = place / "in" / "key"
    key.write_bytes(bytes(range(48, 96)))
    told, out, root = Told(), place / "out", logging.getLogger()
    level = root.level
    with pytest.MonkeyPatch.context() as patch:
        shorten_chains(patch)
        patch.chdir(out)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        root.addHandler(told.handler)
        root.setLevel(logging.DEBUG)
        try:
            play(told, place, study, key)
        finally:
            root.removeHandler(told.handler)
            root.setLevel(level)
    return Played(place, told, canaries)


def play(told: Told, place: Path, study: Path, key: Path) -> None:
    """Every command, on the planted cohorts."""
    cohort, other, out = place / "in" / "clinic.csv", place / "in" / "other.csv", place / "out"
    told.run("check", "-s", study, "-c", cohort)
    told.run("check", "-s", study, "-c", other, code=2)
    told.run("train", "-s", study, "-c", other, "-o", out / "no", code=2)
    told.run("train", "-s", study, "-c", cohort, "-o", out / "model", "-j", 1)
    model = ("-m", out / "model" / "bundle")
    told.run("score", *model, "-c", other, "-o", out / "s.csv", "--reasons", 3, "--drift", out / "d.html", "--track")
    told.run("score", *model, "-c", other, "-o", out / "p.csv", "--pseudonymise", key)
    told.run("score", "-m", "models:/canary/1", "-c", cohort, "-o", out / "s.parquet")
    told.run("validate", *model, "-c", other, "-o", out / "validation", "--track")
    told.run("explain", *model, "-c", other, "-p", HERS, "-o", out / "hers.html")
    told.run("regimens", *model, "-c", other, "-p", HERS, "-o", out / "regimens.html")
    told.run("regimens", *model, "-c", other, "--all", "-o", out / "r.csv")
    told.run("explain", *model, "-c", other, "-p", f"{WORD}id0001", "-o", out / "x.html", code=2)


def test_no_canary_is_said_or_logged(played: Played) -> None:
    said = "\n".join(played.told.texts).encode()
    assert list(played.canaries.leaks("what was said", said)) == []
    assert b"rejected" in said


def test_no_canary_is_in_model_reports_store_or_lists(played: Played) -> None:
    out = played.place / "out"
    own = [out / name for name in ("s.csv", "s.parquet", "r.csv", "hers.html", "regimens.html")]
    assert all(path.exists() for path in (*own, out / "d.html", out / "mlflow.db", out / "s.csv.rejected.csv"))
    assert len(list((out / "mlruns").rglob("*"))) > 20
    assert played.canaries.leaks_in(out, *own) == []
    findings = played.place / "in" / "other.csv.findings.csv"
    assert list(played.canaries.leaks("findings", findings.read_bytes())) == []


@pytest.mark.parametrize("name", ["s.csv", "r.csv"])
def test_answers_hold_identifiers_and_no_other_canary(played: Played, name: str) -> None:
    scores = pd.read_csv(played.place / "out" / name, dtype=str)
    assert scores.pop("patient_id").str.startswith(f"{WORD}id").all()
    assert list(played.canaries.leaks("scores", scores.to_csv().encode())) == []


@pytest.mark.parametrize("page", ["hers.html", "regimens.html"])
def test_a_page_shows_its_own_woman_only(played: Played, page: str) -> None:
    text = (played.place / "out" / page).read_text(encoding="utf-8")
    assert HERS in text
    others = set(re.findall(rf"{WORD}\w*|\d+\.{DECIMALS}\d*", text)) - {HERS, HER_CENTRE}
    assert not {found for found in others if not found.endswith(f"{DECIMALS}003")}


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("log.txt", b"her id is QZXid0007"),
        ("m.json", b'{"age": 31.739182004}'),
        ("rounded.html", b"<td>31.739182</td>"),
        ("settings.json", b"QWVidio"),
    ],
)
def test_a_planted_text_is_found(name: str, planted: bytes) -> None:
    assert list(Canaries().leaks(name, planted))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, planted)
    assert list(Canaries().leaks("pipeline.skops", packed.getvalue()))
    assert list(Canaries().leaks("log.gz", gzip.compress(planted)))
    assert not list(Canaries().leaks(name, b"31.73 QZ idiopathic"))


def test_a_planted_number_is_found_in_arrays_and_tables() -> None:
    canaries = Canaries(np.array([31.739182004]))
    for scale in (float, np.float32, np.log, np.log10):
        array, table = io.BytesIO(), io.BytesIO()
        np.save(array, np.array([1.0, scale(31.739182004)]))
        pq.write_table(pa.table({"x": [float(scale(31.739182004)), None]}), table)
        assert list(canaries.leaks("0.npy", array.getvalue()))
        assert list(canaries.leaks("predictions.parquet", table.getvalue()))
    table = io.BytesIO()
    pq.write_table(pa.table({"pseudonym": ["QZXid0001"]}), table, compression="zstd")
    assert list(canaries.leaks("predictions.parquet", table.getvalue()))
