"""Bundles: whole or not at all, the same bytes each time, refused when altered, and without any patient."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from poi_predict.cohort import read_codebook
from poi_predict.errors import BundleError, OutputError
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import CATALOG, build_pipeline, fit_model, predict_response
from poi_predict.scoring.bundle import Bundle, read_bundle, read_contract, write_bundle
from poi_predict.scoring.contract import Contract, Provenance, compute_training_ranges
from support import EARLIER

if TYPE_CHECKING:
    from pathlib import Path

PREDICTORS = ("age", "fsh", "amh", "afc", "aetiology", "cell_source", "dose_cells")
INPUTS = ("age", "fsh", "amh", "amh__below", "afc", "aetiology", "cell_source", "dose_cells")
N_WOMEN = 97


def make_women(seed: int = 0, n: int = N_WOMEN) -> pd.DataFrame:
    """Women whose every measured value occurs once and nowhere else."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.uniform(20, 41, n),
            "fsh": rng.lognormal(4, 0.4, n),
            "amh": rng.lognormal(-2, 0.6, n),
            "amh__below": rng.random(n) < 0.5,
            "afc": rng.poisson(2, n).astype(float),
            "aetiology": pd.Series(rng.choice(["idiopathic", "surgical", "autoimmune"], n), dtype="str"),
            "cell_source": pd.Series(rng.choice(["adipose", "bone_marrow"], n), dtype="str"),
            "dose_cells": rng.lognormal(16, 1, n),
        }
    )
    for name in ("fsh", "afc", "aetiology", "dose_cells"):
        X.loc[rng.random(n) < 0.1, name] = np.nan
    return X


def fit_candidate(name: str, seed: int = 0) -> Pipeline:
    X = make_women(seed)
    y = (np.random.default_rng(seed + 1).random(N_WOMEN) < 0.4).astype(int)
    features = build_features(read_codebook(), FeatureSettings(predictors=PREDICTORS))
    pipeline = build_pipeline(name, features, monotone={"fsh": -1}, random_state=seed)
    return fit_model(pipeline, X, y, np.ones(N_WOMEN))


def make_bundle(pipeline: Pipeline | None = None) -> Bundle:
    if pipeline is None:
        X = make_women()[["age", "amh"]]
        model = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())])
        pipeline = model.fit(X, np.arange(N_WOMEN) % 2)
    return Bundle(
        pipeline=pipeline,
        contract=Contract(
            study="menses_12m",
            predictors=PREDICTORS,
            input_columns=INPUTS,
            endpoint={"event": "menses_resumed", "horizon_months": 12.0},
            codebook=read_codebook().subset(PREDICTORS).as_dict(),
            training_ranges=compute_training_ranges(make_women(), ("age", "fsh", "amh", "afc", "dose_cells")),
            synthetic=True,
        ),
        assessment={"study": "menses_12m", "n": N_WOMEN, "events": 39, "candidates": {}, "primary": "ridge"},
        provenance=Provenance(
            created="2026-11-22",
            python="3.11.7",
            packages={"scikit-learn": "1.9.1"},
            git_revision=None,
            study_sha256="5e" * 32,
            data_sha256="da" * 32,
            data_rows=N_WOMEN,
            data_columns=12,
            seed=7,
        ),
        card="# Menses resumption within 12 months\n\nSYNTHETIC — für die Prüfung.\n",
    )


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    write_bundle(make_bundle(), tmp_path / "bundle")
    return tmp_path / "bundle"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def rewrite_manifest(folder: Path, **files: bytes) -> None:
    """Write files and a manifest that agrees with them, as someone who knows the format could."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
        entry = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        manifest["files"][name.replace("__", ".")] = entry
    manifest["files"] = dict(sorted(manifest["files"].items()))
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


@pytest.mark.parametrize("name", CATALOG)
def test_every_candidate_predicts_the_same_after_storage_missing_values_and_all(name: str, tmp_path: Path) -> None:
    fitted = fit_candidate(name)
    digest = write_bundle(make_bundle(fitted), tmp_path / "bundle")
    bundle = read_bundle(tmp_path / "bundle")
    X = make_women(5)
    X.loc[0, [column for column in INPUTS if column != "amh__below"]] = np.nan
    np.testing.assert_array_equal(predict_response(bundle.pipeline, X), predict_response(fitted, X))
    assert bundle.digest == digest


@pytest.mark.parametrize("name", CATALOG)
def test_no_value_of_any_woman_stands_in_a_bundle(name: str, tmp_path: Path) -> None:
    X, fitted = make_women(), fit_candidate(name)
    write_bundle(make_bundle(fitted), tmp_path / "bundle")
    derived = fitted["features"].transform(X)
    measured = pd.concat([X[["age", "fsh", "amh", "dose_cells"]], pd.DataFrame(derived)], axis=1)
    canaries = np.unique(measured.to_numpy(dtype=float))
    canaries = canaries[np.isfinite(canaries) & (np.abs(canaries - canaries.round(2)) > 1e-9)]
    assert canaries.size > 4 * 80
    for file, content in contents(tmp_path / "bundle").items():
        if not file.endswith(".skops"):
            assert not any(repr(float(canary)).encode() in content for canary in canaries)
            continue
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            schema = archive.read("schema.json").decode()
            assert not any(repr(float(canary)) in schema for canary in canaries)
            for part in archive.namelist():
                if part.endswith(".npy"):
                    check_array(np.load(io.BytesIO(archive.read(part))), canaries)


def check_array(array: np.ndarray, canaries: np.ndarray) -> None:
    for column in [array[name] for name in array.dtype.names] if array.dtype.names else [array]:
        if column.dtype.kind == "f":
            assert not np.isin(column, canaries).any()
    if array.dtype.names is None and array.ndim <= 2:
        assert N_WOMEN not in array.shape


def test_contents_come_back_as_they_went_in(stored: Path) -> None:
    bundle, written = read_bundle(stored), make_bundle()
    assert bundle.contract == written.contract
    assert bundle.provenance == written.provenance
    assert bundle.assessment == written.assessment
    assert bundle.card == written.card
    assert bundle.refits == ()
    assert read_contract(stored) == written.contract


def test_a_synthetic_model_always_carries_its_brand(stored: Path) -> None:
    assert "SYNTHETIC" in read_bundle(stored).contract.brands


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    digests = [write_bundle(make_bundle(fit_candidate("ridge")), tmp_path / place) for place in ("a", "b")]
    assert digests[0] == digests[1]
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_is_refused(stored: Path, data: st.DataObject) -> None:
    files = contents(stored)
    name = data.draw(st.sampled_from(sorted(files)))
    position = data.draw(st.integers(0, len(files[name]) - 1))
    change = data.draw(st.integers(1, 255))
    altered = bytearray(files[name])
    altered[position] ^= change
    (stored / name).write_bytes(bytes(altered))
    try:
        with pytest.raises(BundleError):
            read_bundle(stored)
    finally:
        (stored / name).write_bytes(files[name])


@pytest.mark.parametrize("name", ["manifest.json", "pipeline.skops", "contract.json", "MODEL_CARD.md"])
def test_a_missing_or_truncated_file_is_refused(stored: Path, name: str) -> None:
    content = (stored / name).read_bytes()
    (stored / name).write_bytes(content[:-1])
    with pytest.raises(BundleError):
        read_bundle(stored)
    (stored / name).unlink()
    with pytest.raises(BundleError, match=name if name != "manifest.json" else "must hold manifest"):
        read_bundle(stored)


def test_an_extra_file_a_link_and_a_folder_are_refused(stored: Path) -> None:
    (stored / "notes.txt").write_text("beside")
    with pytest.raises(BundleError, match="1 other file"):
        read_bundle(stored)
    (stored / "notes.txt").unlink()
    (stored / "sub").mkdir()
    with pytest.raises(BundleError, match="plain files only"):
        read_bundle(stored)
    (stored / "sub").rmdir()
    shutil.move(stored / "MODEL_CARD.md", stored.parent / "card.md")
    (stored / "MODEL_CARD.md").symlink_to(stored.parent / "card.md")
    with pytest.raises(BundleError, match="plain files only"):
        read_bundle(stored)


@pytest.mark.parametrize("name", ["../card.md", "/etc/passwd", "sub/card.md", "C:\\card.md", "notes.txt"])
def test_a_manifest_that_leads_out_of_the_bundle_is_refused(stored: Path, name: str) -> None:
    manifest = json.loads((stored / "manifest.json").read_bytes())
    manifest["files"][name] = manifest["files"].pop("MODEL_CARD.md")
    manifest["files"] = dict(sorted(manifest["files"].items()))
    (stored / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    with pytest.raises(BundleError, match="must list only the files of a bundle"):
        read_bundle(stored)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": "poi_predict bundle"}',
        b'{"format": "other", "version": 1, "files": {}}',
        b'{"format": "poi_predict bundle", "version": true, "files": {}}',
        b'{"format": "poi_predict bundle", "version": 1, "files": []}',
        b'{"format": "poi_predict bundle", "version": 1, "files": {"a": {"sha256": "", "size": -1}}}',
        b"[" * 100_000,
    ],
)
def test_a_malformed_manifest_is_refused(stored: Path, manifest: bytes) -> None:
    (stored / "manifest.json").write_bytes(manifest)
    with pytest.raises(BundleError, match=r"manifest\.json must be as training wrote it"):
        read_bundle(stored)


def test_a_bundle_of_a_later_format_says_so(stored: Path) -> None:
    text = (stored / "manifest.json").read_text()
    (stored / "manifest.json").write_text(text.replace('"version": 1', '"version": 2'))
    with pytest.raises(BundleError, match="Update poi-predict"):
        read_bundle(stored)


def test_a_contract_rewritten_by_someone_who_knows_the_format_is_still_checked(stored: Path) -> None:
    contract = json.loads((stored / "contract.json").read_bytes())
    rewrite_manifest(stored, contract__json=json.dumps(contract | {"synthetic": "no"}).encode())
    with pytest.raises(BundleError, match="of another kind"):
        read_bundle(stored)
    rewrite_manifest(stored, contract__json=json.dumps(contract | {"horizont": 12}).encode())
    with pytest.raises(BundleError, match='"horizont" is not one'):
        read_bundle(stored)
    rewrite_manifest(stored, contract__json=b"\xff")
    with pytest.raises(BundleError, match=r"contract\.json must be JSON"):
        read_bundle(stored)


def test_a_pipeline_exchanged_by_someone_who_knows_the_format_is_still_checked(stored: Path) -> None:
    rewrite_manifest(stored, pipeline__skops=b"PK")
    with pytest.raises(BundleError, match="whole, well-formed"):
        read_bundle(stored)


def test_what_is_not_a_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(BundleError, match="is not a folder"):
            read_bundle(place)
    with pytest.raises(BundleError, match=r"must hold manifest\.json"):
        read_bundle(tmp_path)


def test_an_older_bundle_is_replaced_as_a_whole(tmp_path: Path) -> None:
    shutil.copytree(EARLIER / "ridge", tmp_path / "bundle")
    assert (tmp_path / "bundle" / "refits.skops").exists()
    digest = write_bundle(make_bundle(), tmp_path / "bundle")
    assert read_bundle(tmp_path / "bundle").digest == digest
    assert not (tmp_path / "bundle" / "refits.skops").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(OutputError):
        write_bundle(make_bundle(), tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def test_a_write_that_fails_leaves_the_older_bundle_and_nothing_else(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(stored)

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OutputError, match="No space left on device"):
        write_bundle(replace(make_bundle(), card="# Another"), stored)
    monkeypatch.undo()
    assert contents(stored) == before
    assert [path.name for path in stored.parent.iterdir()] == ["bundle"]


class Stranger(ClassifierMixin, BaseEstimator):
    """A model that this project does not know."""

    def fit(self, _: pd.DataFrame, y: np.ndarray) -> Stranger:
        self.classes_ = np.unique(y)
        return self


def test_a_model_of_a_type_that_reading_would_refuse_is_not_written(tmp_path: Path) -> None:
    stranger = Pipeline([("model", Stranger())]).fit(make_women()[["age"]], np.arange(N_WOMEN) % 2)
    with pytest.raises(BundleError, match=r"Stranger is not"):
        write_bundle(make_bundle(stranger), tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_a_number_that_is_none_is_not_written_as_nan(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="finite numbers"):
        write_bundle(replace(make_bundle(), assessment={"c_statistic": float("nan")}), tmp_path / "bundle")


def test_training_ranges_are_coarse_and_need_twenty_women() -> None:
    ranges = compute_training_ranges(make_women(), ("age", "fsh", "lh"))
    assert set(ranges) == {"age", "fsh"}
    assert (ranges["age"].low, ranges["age"].high) == (20.0, 41.0)
    assert compute_training_ranges(make_women(n=19), ("age",)) == {}
