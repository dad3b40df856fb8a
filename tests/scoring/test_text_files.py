"""Pipelines as text: the same model to the last bit, and refused when the text is not what training wrote."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from poi_predict.cohort import read_codebook
from poi_predict.errors import BundleError
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import build_pipeline, fit_model, predict_response
from poi_predict.scoring import text_files
from poi_predict.scoring.bundle import Bundle, read_bundle, read_contract, write_bundle
from poi_predict.scoring.contract import Contract, Provenance
from poi_predict.scoring.model_files import dump_pipelines, load_pipelines
from poi_predict.scoring.text_files import parse_archive, render_archive
from poi_predict.scoring.trusted import TRUSTED_TYPES

NAME = "pipeline.skops.json"
LINEAR = ("prevalence", "logistic", "firth", "ridge", "elastic_net")
ODD = np.array([0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308, np.nan, np.inf, -np.inf, 1 / 3])


def make_women(seed: int = 0, n: int = 60) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.uniform(22, 40, n),
            "fsh": rng.lognormal(4, 0.4, n),
            "aetiology": rng.choice(["idiopathic", "surgical"], n),
        }
    )
    X.loc[rng.random(n) < 0.2, "fsh"] = np.nan
    return X, np.arange(n) % 2


def fit_candidate(name: str) -> Pipeline:
    X, y = make_women()
    features = build_features(read_codebook(), FeatureSettings(predictors=("age", "fsh", "aetiology")))
    return fit_model(build_pipeline(name, features, monotone={}, random_state=0), X, y)


def holding(**found: Any) -> bytes:
    """The archive of a pipeline whose step holds these attributes."""
    step = StandardScaler()
    vars(step).update(found)
    return dump_pipelines([Pipeline([("step", step)])])


def held(archive: bytes) -> dict[str, Any]:
    return vars(load_pipelines(archive, NAME, TRUSTED_TYPES)[0]["step"])


def back(archive: bytes) -> bytes:
    return parse_archive(render_archive(archive).encode(), NAME)


def make_bundle(pipeline: Pipeline) -> Bundle:
    return Bundle(
        pipeline=pipeline,
        contract=Contract("menses_12m", ("age", "fsh", "aetiology"), ("age", "fsh", "aetiology")),
        assessment={"primary": "ridge"},
        provenance=Provenance("2026-01-02", "3.11.7", {}, None, "5e" * 32, "da" * 32, 60, 4, 7),
        card="# Menses within 12 months — für die Prüfung\n",
    )


@pytest.fixture(scope="module")
def ridge() -> Pipeline:
    return fit_candidate("ridge")


@pytest.fixture(scope="module")
def text(ridge: Pipeline) -> str:
    return render_archive(dump_pipelines([ridge]))


def store_again(folder: Path, **files: bytes | None) -> None:
    """Write or drop files, with a manifest that agrees, as someone who knows the format could."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for key, content in files.items():
        name = key.replace("__", ".")
        if content is None:
            del manifest["files"][name]
            (folder / name).unlink()
        else:
            manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            (folder / name).write_bytes(content)
    manifest["files"] = dict(sorted(manifest["files"].items()))
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


@pytest.mark.parametrize("name", LINEAR)
def test_a_model_of_text_predicts_the_same_to_the_last_bit(name: str, tmp_path: Path) -> None:
    fitted = fit_candidate(name)
    digest = write_bundle(make_bundle(fitted), tmp_path / "bundle", as_text=True)
    bundle = read_bundle(tmp_path / "bundle")
    X, _ = make_women(5, 200)
    assert predict_response(bundle.pipeline, X).tobytes() == predict_response(fitted, X).tobytes()
    assert bundle.digest == digest
    assert read_contract(tmp_path / "bundle") == bundle.contract
    for file in (tmp_path / "bundle").iterdir():
        file.read_bytes().decode("utf-8")  # a bundle of text holds nothing else


def test_writing_twice_gives_the_same_bytes(ridge: Pipeline, tmp_path: Path) -> None:
    digests = {write_bundle(make_bundle(ridge), tmp_path / place, as_text=True) for place in ("a", "b")}
    assert len(digests) == 1


def test_each_array_stands_on_one_line(text: str) -> None:
    arrays_of = json.loads(text)["arrays"]
    lines = [line for line in text.splitlines() if '"values"' in line]
    assert [line.strip().split(":")[0] for line in lines] == [f'"{name}"' for name in arrays_of]
    assert list(arrays_of) == [f"{number}.npy" for number in range(len(lines))]


def test_a_change_of_one_setting_changes_one_line(ridge: Pipeline, text: str) -> None:
    """Numbers of shared nodes, which would all move, are not in the text."""
    changed = clone(ridge).set_params(impute__max_iterations=77)
    fitted = fit_model(changed, *make_women())
    other = render_archive(dump_pipelines([fitted]))
    pairs = list(zip(text.splitlines(), other.splitlines(), strict=True))
    assert [line.strip().rstrip(",") for line, now in pairs if line != now] == ['"max_iterations": {"json": "50"}']
    assert '"__id__"' not in text


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["f8", "f4", "i8", "u1", "?", "U4"]).flatmap(
        lambda kind: arrays(np.dtype(kind), array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    st.booleans(),
)
def test_any_plain_array_comes_back_bit_by_bit(array: np.ndarray, fortran: bool) -> None:
    array = np.asfortranarray(array) if fortran else array
    if array.dtype.kind == "f":
        array[np.isnan(array)] = np.nan  # one NaN of the many
    archive = holding(found_=array)
    assert back(archive) == archive
    again = held(back(archive))["found_"]
    assert again.tobytes("A") == array.tobytes("A")
    assert again.flags.c_contiguous == array.flags.c_contiguous


def test_what_json_has_no_number_for_is_written_as_text() -> None:
    archive = holding(found_=ODD, limit=float("inf"))
    written = render_archive(archive)
    assert '"nan", "inf", "-inf"' in written
    assert "5e-324" in written

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    json.loads(written, parse_constant=refuse)
    assert held(back(archive))["found_"].tobytes() == ODD.tobytes()
    assert held(back(archive))["limit"] == float("inf")


@pytest.mark.parametrize(
    "strange",
    [
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array([1.0], dtype=">f8"),
        np.array([1j]),
        np.array(["2026-01-02"], dtype="datetime64[D]"),
        np.array(["a" * 2000]),
        np.array([b"a"]),
    ],
)
def test_an_array_that_is_no_plain_text_is_not_written(strange: np.ndarray) -> None:
    with pytest.raises(BundleError, match="1 of its arrays does not"):
        render_archive(holding(found_=strange))


def test_a_number_that_does_not_come_back_is_not_written() -> None:
    payload = np.frombuffer(b"\x01\x00\x00\x00\x00\x00\xf8\xff")
    assert np.isnan(payload[0])
    with pytest.raises(BundleError, match="bit by bit"):
        render_archive(holding(found_=payload))


def test_trees_are_not_written_as_text(tmp_path: Path) -> None:
    X, y = make_women()
    forest = Pipeline([("model", RandomForestClassifier(n_estimators=2, random_state=0))]).fit(X[["age"]], y)
    with pytest.raises(BundleError, match=r"Store a model with trees as pipeline\.skops"):
        write_bundle(make_bundle(forest), tmp_path / "bundle", as_text=True)
    assert not (tmp_path / "bundle").exists()


def change(text: str, old: str, new: str) -> bytes:
    assert old in text
    return text.replace(old, new, 1).encode()


FIRST = '"0.npy": {"dtype": "<f8", "shape": [2, 2], "values": [0.5, "nan", 1.0, 2.0]}'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[2, 2]", "[4]x"),
        ("[2, 2]", "[2, 3]"),
        ("[2, 2]", "[-2, -2]"),
        ("[2, 2]", "[2.0, 2]"),
        ("[2, 2]", "[true, 4]"),
        ("[2, 2]", "[1152921504606846976, 4]"),
        ("[0.5,", "[0.50,"),
        ("[0.5,", "[NaN,"),
        ("[0.5,", "[1e999,"),
        ("[0.5,", '["0.5",'),
        ("[0.5,", "[true,"),
        ("[0.5,", "[null,"),
        ("[0.5,", "[[0.5],"),
        ("1.0, 2.0]", "1, 2.0]"),
        ('"nan"', '"NaN"'),
        ('"shape": [2, 2]', '"shape": [2, 2], "order": "C"'),
        ('"shape": [2, 2]', '"shape": [2, 2], "order": "K"'),
        ('"shape": [2, 2]', '"shape": [2, 2], "shape": [2, 2]'),
        ('"values": [0.5', '"note": 1, "values": [0.5'),
        ('"0.npy"', '"1.npy"'),
        ('"0.npy"', '"../0.npy"'),
        ('"arrays"', '"extra": 0,\n "arrays"'),
        ("{", "{ "),
    ],
)
def test_a_tampered_text_is_refused(old: str, new: str) -> None:
    written = render_archive(holding(found_=np.array([[0.5, np.nan], [1.0, 2.0]])))
    assert FIRST in written
    place = written.index(FIRST) if old in FIRST else 0
    with pytest.raises(BundleError, match=r"pipeline\.skops\.json must be a model as training wrote it"):
        parse_archive(written[:place].encode() + change(written[place:], old, new), NAME)


@pytest.mark.parametrize(
    "kind", ["|O", "object", "O", ">f8", "<f16", "<c16", "|V8", "<M8[D]", "<U9999", "[('a', '<i4')]"]
)
def test_an_array_of_another_type_is_refused(kind: str) -> None:
    written = render_archive(holding(found_=np.array([0.5])))
    with pytest.raises(BundleError, match="an array is of another type"):
        parse_archive(change(written, '"<f8"', json.dumps(kind)), NAME)


@pytest.mark.parametrize("stored", [b"", b"[]", b"{}", b"\xff", b'{"schema": {}}', b'{"schema": 1, "arrays": []}'])
def test_what_is_no_model_is_refused(stored: bytes) -> None:
    with pytest.raises(BundleError, match="must be a model as training wrote it"):
        parse_archive(stored, NAME)
    with pytest.raises(BundleError, match="must be a model as training wrote it"):
        parse_archive(b'{"schema": ' + b"[" * 200_000, NAME)


def test_a_text_of_too_much_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = json.dumps(
        {"schema": {}, "arrays": {"0.npy": {"dtype": "<U999", "shape": [20_000], "values": [""] * 20_000}}}
    )
    with pytest.raises(BundleError, match="must hold arrays of at most"):
        parse_archive(bomb.encode(), NAME)
    monkeypatch.setattr(text_files, "MOST_TEXT_BYTES", len(text) - 1)
    with pytest.raises(BundleError, match="must be a text of at most"):
        parse_archive(text.encode(), NAME)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_changed_byte_gives_a_refusal_or_plain_numbers_only(text: str, data: st.DataObject) -> None:
    content = bytearray(text.encode())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        pipelines = load_pipelines(parse_archive(bytes(content), NAME), NAME, TRUSTED_TYPES)
    except BundleError:
        return
    assert [type(pipeline) for pipeline in pipelines] == [Pipeline]


def test_a_function_smuggled_into_the_text_is_refused_before_it_runs(ridge: Pipeline, tmp_path: Path) -> None:
    write_bundle(make_bundle(ridge), tmp_path / "bundle", as_text=True)
    stored = json.loads((tmp_path / "bundle" / NAME).read_bytes())
    smuggled = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}
    stored["schema"]["content"][0]["content"]["content"]["verbose"] = smuggled
    arrays_of = {name: text_files._build_array(entry) for name, entry in stored["arrays"].items()}
    tampered = text_files._render(stored["schema"], arrays_of).encode()
    store_again(tmp_path / "bundle", pipeline__skops__json=tampered)
    with pytest.raises(BundleError, match=r"os\.system is not"):
        read_bundle(tmp_path / "bundle")


def test_a_bundle_holds_its_model_once(ridge: Pipeline, tmp_path: Path) -> None:
    write_bundle(make_bundle(ridge), tmp_path / "bundle", as_text=True)
    store_again(tmp_path / "bundle", pipeline__skops=dump_pipelines([ridge]))
    with pytest.raises(BundleError, match="this one holds both"):
        read_bundle(tmp_path / "bundle")
    store_again(tmp_path / "bundle", pipeline__skops=None, pipeline__skops__json=None)
    for read in (read_bundle, read_contract):
        with pytest.raises(BundleError, match="this one holds neither"):
            read(tmp_path / "bundle")


def test_an_altered_text_is_refused_by_its_hash(ridge: Pipeline, tmp_path: Path) -> None:
    write_bundle(make_bundle(ridge), tmp_path / "bundle", as_text=True)
    file = tmp_path / "bundle" / NAME
    file.write_text(file.read_text().replace('"values": [', '"values": [ ', 1))
    with pytest.raises(BundleError, match=r"pipeline\.skops\.json is altered"):
        read_bundle(tmp_path / "bundle")
