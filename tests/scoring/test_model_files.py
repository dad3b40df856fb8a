"""Archives of fitted pipelines: the same bytes each time, and refused when they are not what they claim."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from poi_predict.errors import BundleError
from poi_predict.scoring import model_files
from poi_predict.scoring.model_files import dump_pipelines, load_pipelines

if TYPE_CHECKING:
    from collections.abc import Callable

TRUSTED = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
LEARNERS: dict[str, Callable[[], BaseEstimator]] = {
    "linear": LogisticRegression,
    "forest": lambda: RandomForestClassifier(n_estimators=12, random_state=3),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=8, random_state=3),
}


def make_women(seed: int = 0, n: int = 120) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"age": rng.normal(35, 4, n), "fsh": rng.lognormal(4, 0.4, n), "amh": rng.random(n)})
    X = X.mask(rng.random(X.shape) < 0.1)
    return X, rng.integers(0, 2, n)


def fit(learner: str, seed: int = 0) -> Pipeline:
    X, y = make_women(seed)
    steps = [("impute", SimpleImputer()), ("scale", StandardScaler()), ("model", LEARNERS[learner]())]
    return Pipeline(steps).set_output(transform="pandas").fit(X, y)


def change_schema(archive: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    parts = unpack(archive)
    schema = json.loads(parts["schema.json"])
    change(schema)
    return pack(parts | {"schema.json": json.dumps(schema).encode()})


def unpack(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as stored:
        return {name: stored.read(name) for name in stored.namelist()}


def pack(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def change_nodes(archive: bytes, column: str, value: int) -> bytes:
    """Write a value into one column of the root of every tree."""
    parts = unpack(archive)
    for name, content in parts.items():
        if name.endswith(".npy"):
            array = np.load(io.BytesIO(content))
            if column in (array.dtype.names or ()):
                array[column][0] = value
                buffer = io.BytesIO()
                np.save(buffer, array)
                parts[name] = buffer.getvalue()
    return pack(parts)


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_loaded_model_predicts_what_the_fitted_one_did(learner: str) -> None:
    models = [fit(learner, seed) for seed in range(3)]
    X, _ = make_women(9)
    loaded = load_pipelines(dump_pipelines(models), "refits.skops", TRUSTED)
    for before, after in zip(models, loaded, strict=True):
        np.testing.assert_array_equal(before.predict_proba(X), after.predict_proba(X))


@pytest.mark.parametrize("learner", LEARNERS)
def test_dumping_what_was_loaded_gives_the_same_bytes(learner: str) -> None:
    archive = dump_pipelines([fit(learner)])
    assert dump_pipelines(load_pipelines(archive, "pipeline.skops", TRUSTED)) == archive


def test_two_processes_with_different_hash_seeds_write_the_same_bytes() -> None:
    code = (
        "import sys, hashlib\n"
        f"sys.path.insert(0, {str(__file__.rsplit('/', 1)[0])!r})\n"
        "import test_model_files as t\n"
        "from poi_predict.scoring.model_files import dump_pipelines\n"
        "junk = [bytearray(17) for _ in range(int(sys.argv[1]))]\n"
        "print(hashlib.sha256(dump_pipelines([t.fit(name) for name in t.LEARNERS])).hexdigest())\n"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", code, junk],
            env={"PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, junk in [("1", "0"), ("2", "1000")]
    ]
    assert digests[0] == digests[1]


def test_loaded_models_share_no_mutable_part_that_fitting_would_change() -> None:
    first, second = load_pipelines(dump_pipelines([fit("linear")] * 2), "refits.skops", TRUSTED)
    X, y = make_women(5)
    before = second.predict_proba(X)
    first.fit(X, y)
    np.testing.assert_array_equal(second.predict_proba(X), before)


def test_no_memory_address_and_no_date_is_stored() -> None:
    archive = dump_pipelines([fit("linear")])
    with zipfile.ZipFile(io.BytesIO(archive)) as stored:
        assert {part.date_time for part in stored.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        ids = set()

        def collect(node: Any) -> None:
            if isinstance(node, dict):
                ids.add(node.get("__id__", 0))
            for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
                collect(child)

        collect(json.loads(stored.read("schema.json")))
    assert max(ids) < 1000


def test_bytes_between_the_fields_of_tree_nodes_are_zero() -> None:
    found = 0
    for name, content in unpack(dump_pipelines([fit("forest")])).items():
        array = np.load(io.BytesIO(content)) if name.endswith(".npy") else np.empty(0)
        if "missing_go_to_left" in (array.dtype.names or ()):  # the last field of a node, in byte 56 of 64
            rows = np.frombuffer(content[-array.nbytes :], np.uint8).reshape(-1, array.itemsize)
            assert not rows[:, 57:].any()
            found += 1
    assert found


def test_a_model_with_an_unstorable_part_is_refused() -> None:
    model = Pipeline([("model", LogisticRegression())])
    model.helper = (woman for woman in ())  # a generator has no state to store
    with pytest.raises(BundleError, match="without pickle"):
        dump_pipelines([model])


def test_an_untrusted_type_is_refused_and_named() -> None:
    archive = dump_pipelines([fit("forest")])
    with pytest.raises(BundleError, match=r"pipeline\.skops .* sklearn\.tree\._tree\.Tree is not"):
        load_pipelines(archive, "pipeline.skops", ("numpy.dtype",))


def test_a_function_smuggled_in_is_refused_before_it_runs() -> None:
    def smuggle(schema: dict[str, Any]) -> None:
        schema["content"][0]["content"]["content"]["verbose"] = {
            "__class__": "system",
            "__module__": "os",
            "__loader__": "FunctionNode",
        }

    archive = change_schema(dump_pipelines([fit("linear")]), smuggle)
    with pytest.raises(BundleError, match=r"os\.system is not"):
        load_pipelines(archive, "pipeline.skops", TRUSTED)


def test_something_other_than_pipelines_is_refused() -> None:
    for other in (skops.io.dumps(LogisticRegression()), skops.io.dumps([DictVectorizer()])):
        with pytest.raises(BundleError, match="holds something else"):
            load_pipelines(other, "pipeline.skops", TRUSTED)


def test_a_model_of_another_scikit_learn_is_refused_with_both_versions() -> None:
    archive = dump_pipelines([fit("linear")])
    parts = unpack(archive)
    parts["schema.json"] = parts["schema.json"].replace(sklearn.__version__.encode(), b"0.24.2")
    with pytest.raises(BundleError, match=rf"trained it, 0\.24\.2; {sklearn.__version__} is installed"):
        load_pipelines(pack(parts), "pipeline.skops", TRUSTED)


@pytest.mark.parametrize("cut", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_archive_is_refused(cut: float) -> None:
    archive = dump_pipelines([fit("linear")])
    with pytest.raises(BundleError, match="whole, well-formed"):
        load_pipelines(archive[: int(cut * len(archive))], "pipeline.skops", TRUSTED)


@pytest.mark.parametrize(
    "schema",
    [
        b"[]",
        b"{}",
        b"nonsense",
        b'{"protocol": 99}',
        b'{"protocol": 2, "__loader__": "Nobody"}',
        b"[" * 200_000,
    ],
)
def test_a_malformed_schema_is_refused(schema: bytes) -> None:
    with pytest.raises(BundleError, match="whole, well-formed"):
        load_pipelines(pack({"schema.json": schema}), "pipeline.skops", TRUSTED)


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "FREE_EXPANSION_BYTES", 2**16)
    bomb = pack({"schema.json": b" " * 2**24})
    assert len(bomb) < 2**15
    with pytest.raises(BundleError, match="must unpack to at most"):
        load_pipelines(bomb, "pipeline.skops", TRUSTED)


def test_an_array_that_claims_more_than_it_holds_is_refused() -> None:
    parts = unpack(dump_pipelines([fit("linear")]))
    name = next(name for name in parts if name.endswith(".npy"))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**50, 2**12)})
    with pytest.raises(BundleError, match="of the size they claim"):
        load_pipelines(pack(parts | {name: header.getvalue()}), "pipeline.skops", TRUSTED)


@pytest.mark.parametrize(
    ("learner", "column", "value"),
    [
        ("forest", "left_child", 10**6),
        ("forest", "right_child", 0),
        ("forest", "feature", 3),
        ("forest", "feature", -7),
        ("boosting", "left", 10**6),
        ("boosting", "right", 0),
        ("boosting", "feature_idx", 99),
        ("boosting", "is_categorical", 1),
    ],
)
def test_a_tree_that_leads_out_of_itself_is_refused(learner: str, column: str, value: int) -> None:
    archive = change_nodes(dump_pipelines([fit(learner)]), column, value)
    with pytest.raises(BundleError, match="stay within the tree"):
        load_pipelines(archive, "pipeline.skops", TRUSTED)
