"""Hostile bundles and tables: nothing is unpickled, or unpacked without a bound, and no output runs as a formula.

What other tests hold: altered, truncated and foreign files of a bundle, paths and links that lead out of it
(test_bundle); untrusted types, arrays and trees that claim more than they hold (test_model_files); bombs among tables
(cohort/test_bombs); formula cells by kind (test_output_csv, test_output_xlsx); registered models (tracking/test_served,
tracking/test_no_pickle).
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

from fault_runs import MODEL, STUDY
from no_pickle import no_pickle
from poi_predict.batch_scoring import ScoringOptions, score
from poi_predict.cohort import SyntheticSettings, make_synthetic_cohort, read_codebook, write_synthetic_cohort
from poi_predict.errors import BundleError
from poi_predict.external_validation import validate
from poi_predict.modeling.checkpoint import Stage
from poi_predict.one_woman import compare_cohort, explain_patient
from poi_predict.scoring import read_bundle
from poi_predict.scoring.model_files import load_pipelines
from poi_predict.scoring.safe_files import write_files
from poi_predict.study import read_study
from poi_predict.workflow import check, train
from support import CREATED

FORMULAS = ("=1+1", "+1-1", "-2+3", "@SUM(A1)", "\t=1", '=HYPERLINK("http://x","y")', "\uff1d1+1")
SIGNS = ("=", "+", "-", "@", "\t", "\r", "\uff1d")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("security") / "cohort.csv"
    write_synthetic_cohort(make_synthetic_cohort(SyntheticSettings(n=150), np.random.default_rng(5)), path)
    return path


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.cwd, ()


def test_the_guard_of_these_tests_catches_a_pickle() -> None:
    trap = pickle.dumps(Trap())
    genuine = pickle.Unpickler
    with pytest.raises(AssertionError), no_pickle():
        pickle.loads(trap)  # noqa: S301
    with pytest.raises(AssertionError), no_pickle():
        genuine(io.BytesIO(trap)).load()
    array = io.BytesIO()
    np.save(array, np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(AssertionError), no_pickle():
        np.load(io.BytesIO(array.getvalue()), allow_pickle=True)


def test_nothing_is_unpickled_from_training_to_the_last_page(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a training that goes on after an interrupt."""
    saved: list[int] = []
    save = Stage.save

    def save_some(self: Stage, task: int, result: Any) -> None:
        save(self, task, result)
        saved.append(task)
        if len(saved) == 9:
            raise KeyboardInterrupt

    (tmp_path / "study.toml").write_text(STUDY)
    quick, out, said = read_study(str(tmp_path / "study.toml")), tmp_path / "out", []
    monkeypatch.setattr(Stage, "save", save_some)
    with pytest.raises(KeyboardInterrupt):
        train(quick, cohort, out, n_jobs=1, track=False, created=CREATED)
    monkeypatch.undo()
    model = str(out / "bundle")
    with no_pickle():
        listener = type("Listener", (), {"on_progress": None, "say": staticmethod(said.append)})()
        train(quick, cohort, out, n_jobs=1, track=False, created=CREATED, listener=listener)
        assert not read_bundle(out / "bundle").holds_refits
        options = ScoringOptions(reasons=2, n_jobs=1, drift=tmp_path / "drift.html")
        assert score(model, cohort, tmp_path / "s.csv", options).n_scored == 150
        explain_patient(model, cohort, "SYN-00003", tmp_path / "her.html")
        compare_cohort(str(MODEL), cohort, tmp_path / "all.csv")
        validate(model, cohort, tmp_path / "validation")
    assert any("Going on where an interrupted run stopped: 9 " in line for line in said)


def rebuilt(tmp_path: Path, **changed: bytes) -> Path:
    """The reference bundle with other files and a manifest that agrees with them, as its enemy would write it."""
    files = {path.name: path.read_bytes() for path in MODEL.iterdir() if path.name != "manifest.json"}
    write_files(tmp_path / "bundle", files | {name.replace("__", "."): content for name, content in changed.items()})
    return tmp_path / "bundle"


def contract_with(**changed: Any) -> bytes:
    stored = json.loads((MODEL / "contract.json").read_bytes())
    return json.dumps(stored | changed).encode()


@pytest.mark.parametrize("name", ["contract__json", "assessment__json", "provenance__json"])
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"study": ' + b"9" * 100_000 + b"}",
        b'{"study": 1e999, "study": NaN',
        b"[]",
        b"\xff\xfe",
        b"",
    ],
)
def test_json_that_would_exhaust_a_parser_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(BundleError):
        read_bundle(rebuilt(tmp_path, **{name: content}))


@pytest.mark.parametrize(
    "changed",
    [
        {"training_ranges": {"age": {"low": "9" * 5000, "high": []}}},
        {"codebook": {"age": {"kind": "numeric", "typical": {"a": 1}}}},
        {"codebook": {"age": {"aliases": [[[]]]}}},
        {"codebook": {"age": 7}},
        {"codebook": {"age": read_codebook()["age"].as_dict() | {"aliases": [{}]}}},
        {"codebook": {"age": read_codebook()["age"].as_dict() | {"typical": {"a": 1}}}},
        {"reading": {"missing": 7}},
        {"reading": {"__class__": "os.system"}},
        {"outcome_codebook": {"menses_resumed": None}},
        {"predictors": "age"},
        {"synthetic": 1},
    ],
)
def test_a_contract_that_describes_no_variables_is_refused_before_it_is_used(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    with pytest.raises(BundleError) as refusal:
        read_bundle(rebuilt(tmp_path, contract__json=contract_with(**changed)))
    assert "\n" not in str(refusal.value)


def archive_of(parts: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_an_archive_of_very_many_parts_is_refused_before_they_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    crowded = archive_of({"schema.json": b"{}"} | {f"{number}.npy": b"" for number in range(300)})
    monkeypatch.setattr("poi_predict.scoring.model_files.MOST_PARTS", 200)
    monkeypatch.setattr(zipfile.ZipFile, "infolist", None)
    with pytest.raises(BundleError, match="at most 200 parts"):
        load_pipelines(crowded, "pipeline.skops", ())


def test_a_part_that_says_it_is_small_is_read_no_further(tmp_path: Path) -> None:
    """A size that is a lie in the list of parts: 40 MB are packed, 40 bytes are declared."""
    bomb = archive_of({"schema.json": b" " * 40_000_000})
    at = bomb.rindex(b"PK\x01\x02") + 24
    lying = bomb[:at] + struct.pack("<I", 40) + bomb[at + 4 :]
    with pytest.raises(BundleError, match="whole, well-formed"):
        load_pipelines(lying, "pipeline.skops", ())


def test_an_archive_within_an_archive_is_not_unpacked(tmp_path: Path) -> None:
    inner = archive_of({"schema.json": b" " * 2**20})
    with pytest.raises(BundleError, match="whole, well-formed"):
        load_pipelines(archive_of({"schema.json": inner, "1.zip": inner}), "pipeline.skops", ())


def test_no_written_table_holds_a_cell_that_runs(cohort: Path, tmp_path: Path) -> None:
    """Every writer of a table with text: scores, rejected rows, findings of a check, regimens of all."""
    women = pd.read_csv(cohort, dtype=str, keep_default_na=False).head(len(FORMULAS))
    women["Patient ID"] = FORMULAS
    women.loc[1, "Age (years)"] = "99"
    folder = tmp_path / "=cmd|calc"
    folder.mkdir()
    for name in ("=1+1.csv", "@x.csv"):
        women.to_csv(folder / name, index=False)
    for suffix in ("csv", "tsv", "xlsx"):
        score(str(MODEL), folder, tmp_path / f"s.{suffix}", ScoringOptions(reasons=1, n_jobs=1))
    compare_cohort(str(MODEL), folder / "@x.csv", tmp_path / "all.csv")
    compare_cohort(str(MODEL), folder / "@x.csv", tmp_path / "all.xlsx")
    check(read_study("menses_12m"), folder / "@x.csv")
    texts = {
        path.name: path for path in [*tmp_path.glob("*.csv"), *tmp_path.glob("*.tsv"), *folder.glob("*.findings.csv")]
    }
    assert sorted(texts) == [
        "@x.csv.findings.csv", "all.csv", "all.csv.rejected.csv", "all.xlsx.rejected.csv",
        "s.csv", "s.csv.rejected.csv", "s.tsv", "s.tsv.rejected.csv",
        "s.xlsx.rejected.csv",
    ]  # fmt: skip
    for name, path in texts.items():
        cells = pd.read_csv(path, dtype=str, keep_default_na=False, sep="\t" if name == "s.tsv" else ",")
        for column in cells:
            for cell in cells[column]:
                assert not cell.startswith(SIGNS) or is_number(cell), (name, column)
    scored = pd.read_csv(texts["s.csv"], dtype=str)["patient_id"].tolist()
    # A formula of the file has no result in it: its row is rejected, as is the woman of 99 years.
    assert scored == 2 * ["'" + name for name in FORMULAS if not name.strip().startswith("=") and name != FORMULAS[1]]
    for name in ("s.xlsx", "all.xlsx"):
        book = openpyxl.load_workbook(tmp_path / name)
        kinds = {cell.data_type for row in book.active.iter_rows() for cell in row}
        assert "f" not in kinds, name


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_a_pseudonym_key_is_written_nowhere(
    cohort: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = b"a key of the clinic that nobody may ever see 0042"
    key = tmp_path / "key"
    key.write_bytes(secret + b"\n")
    out = tmp_path / "out"
    out.mkdir()
    kept: list[bytes] = []
    write = __import__("os").write

    def write_and_keep(file: int, content: Any) -> int:
        kept.append(bytes(content))
        return int(write(file, content))

    monkeypatch.setattr("os.write", write_and_keep)
    options = ScoringOptions(pseudonym_key=key, n_jobs=1, drift=out / "drift.html")
    lines = score(str(MODEL), cohort, out / "s.csv", options).lines()
    everything = b"".join([*kept, *(path.read_bytes() for path in out.iterdir()), "\n".join(lines).encode()])
    said = capfd.readouterr()
    assert kept
    for form in (secret, secret.hex().encode(), secret[:20], repr(secret).encode()[2:30]):
        assert form not in everything
        assert form.decode() not in said.out + said.err
    assert b"SYN-00001" not in everything
