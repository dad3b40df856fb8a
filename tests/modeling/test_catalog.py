from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from skops.io import dumps, get_untrusted_types, loads

from poi_predict.errors import ModelError
from poi_predict.features import TRUSTED_TYPES as FEATURE_TYPES
from poi_predict.features import origin_of
from poi_predict.modeling import CATALOG, TRUSTED_TYPES, build_pipeline, fit_model, predict_response

NAMES = tuple(CATALOG)
MODELS = tuple(name for name in NAMES if name != "prevalence")
LINEAR = tuple(name for name, spec in CATALOG.items() if spec.family == "linear")
MONOTONE = {"fsh": -1, "amenorrhea_months": -1}


def build(women, name: str):
    return build_pipeline(name, women.features, monotone=MONOTONE, random_state=1)


@pytest.fixture(scope="module")
def fitted(women) -> dict[str, object]:
    return {name: fit_model(build(women, name), women.X, women.y, women.weight) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_every_model_gives_probabilities_around_the_observed_rate(women, fitted, name: str) -> None:
    p = predict_response(fitted[name], women.X)
    assert p.shape == (len(women.X),)
    assert ((p >= 0) & (p <= 1)).all()
    rate = np.average(women.y, weights=women.weight)
    assert np.average(p, weights=women.weight) == pytest.approx(rate, abs=0.02)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_finds_a_strong_effect(women, fitted, name: str) -> None:
    p = predict_response(fitted[name], women.X)
    assert p[women.y == 1].mean() > p[women.y == 0].mean() + 0.1


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes(women, fitted, name: str) -> None:
    again = fit_model(build(women, name), women.X, women.y, women.weight)
    assert predict_response(again, women.X).tobytes() == predict_response(fitted[name], women.X).tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_weights_matter(women, fitted, name: str) -> None:
    heavier = fit_model(build(women, name), women.X, women.y, np.where(women.y == 1, 5.0, 1.0))
    assert predict_response(heavier, women.X).mean() > predict_response(fitted[name], women.X).mean() + 0.1


@pytest.mark.parametrize("name", ["prevalence", "logistic", "firth", "ridge", "gradient_boosting"])
def test_the_order_of_the_women_changes_no_prediction(women, name: str) -> None:
    order = np.random.default_rng(0).permutation(len(women.X))
    shuffled = fit_model(build(women, name), women.X.iloc[order], women.y[order], women.weight[order])
    straight = fit_model(build(women, name), women.X, women.y, women.weight)
    difference = predict_response(shuffled, women.X) - predict_response(straight, women.X)
    assert np.abs(difference).max() < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_degenerate_columns_neither_warn_nor_crash(women, name: str) -> None:
    X = women.X.assign(afc=np.nan, age=30.0, aetiology=None, amh=0.02, amh__below=True)
    p = predict_response(fit_model(build(women, name), X, women.y, women.weight), X)
    assert np.isfinite(p).all()


@pytest.mark.parametrize("name", NAMES)
def test_perfect_separation_neither_warns_nor_crashes(women, name: str) -> None:
    y = (women.X["amenorrhea_months"] < women.X["amenorrhea_months"].median()).astype(int)
    p = predict_response(fit_model(build(women, name), women.X, y), women.X)
    assert np.isfinite(p).all()
    if name != "prevalence":
        assert p[y == 1].min() > p[y == 0].max() - 0.2


@pytest.mark.parametrize("name", NAMES)
def test_a_handful_of_women_with_one_event(women, name: str) -> None:
    y = np.r_[1, np.zeros(9, dtype=int)]
    assert np.isfinite(predict_response(fit_model(build(women, name), women.X.head(10), y), women.X)).all()


def test_a_woman_of_whom_nothing_is_known(women, fitted) -> None:
    nothing = women.X.head(1).assign(**dict.fromkeys(women.X.columns, np.nan))
    for name in NAMES:
        assert 0 < predict_response(fitted[name], nothing)[0] < 1


@pytest.mark.parametrize("name", NAMES)
def test_every_model_is_stored_without_pickle(women, fitted, name: str) -> None:
    trusted = [
        *FEATURE_TYPES,
        *TRUSTED_TYPES,
        "numpy.dtype",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
    ]
    stored = dumps(fitted[name])
    assert set(get_untrusted_types(data=stored)) <= set(trusted)
    restored = loads(stored, trusted=trusted)
    assert predict_response(restored, women.X).tobytes() == predict_response(fitted[name], women.X).tobytes()
    assert list(restored[:-1].transform(women.X)) == list(fitted[name][:-1].transform(women.X))


def arrays_in(thing: object, seen: set[int]):
    """Every array reachable from a fitted model, whatever holds it."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        yield thing
    children = (
        thing.values()
        if isinstance(thing, dict)
        else thing
        if isinstance(thing, list | tuple)
        else vars(thing).values()
        if hasattr(thing, "__dict__") and not isinstance(thing, type)
        else ()
    )
    for child in children:
        yield from arrays_in(child, seen)


@pytest.mark.parametrize("name", NAMES)
def test_no_row_is_kept_in_a_fitted_model(women, fitted, name: str) -> None:
    n = len(women.X)
    assert not [a.shape for a in arrays_in(fitted[name], set()) if n in a.shape]


def test_boosting_keeps_the_fields_directions(women, fitted) -> None:
    for variable in MONOTONE:
        grid = np.linspace(women.X[variable].min(), women.X[variable].max(), 40)
        for row in range(10):
            X = pd.concat([women.X.iloc[[row]]] * len(grid), ignore_index=True).assign(**{variable: grid})
            assert (np.diff(predict_response(fitted["gradient_boosting"], X)) <= 1e-12).all()


def test_linear_models_see_finite_standardised_columns(women, fitted) -> None:
    for name in LINEAR:
        columns = fitted[name][:-1].transform(women.X)
        assert np.isfinite(columns.to_numpy()).all()
        np.testing.assert_allclose(columns.mean(), 0.0, atol=1e-10)
        assert {origin_of(column) for column in columns} == set(women.X) - {"amh__below"}
        has_flags = any(column.endswith("__missing") for column in columns)
        assert has_flags == (name != "prespecified")


def test_an_unknown_model_is_refused(women) -> None:
    with pytest.raises(ModelError, match="xgboost"):
        build_pipeline("xgboost", women.features, monotone={}, random_state=0)
