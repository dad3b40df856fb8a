from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from poi_predict.modeling import ElasticNetLogistic


def make_sample(effect: float, seed: int = 2, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 8))
    return X, (rng.random(n) < expit(effect * X[:, 0] - 0.5)).astype(int)


def test_the_path_begins_at_the_prevalence() -> None:
    X, y = make_sample(1.0)
    strongest = ElasticNetLogistic(n_penalties=1).fit(X, y)
    np.testing.assert_allclose(strongest.coef_, 0.0, atol=1e-3)
    np.testing.assert_allclose(strongest.predict_proba(X)[:, 1], y.mean(), atol=2e-3)


def test_signal_is_found() -> None:
    X, y = make_sample(2.0)
    model = ElasticNetLogistic().fit(X, y)
    assert np.argmax(np.abs(model.coef_[0])) == 0
    assert model.coef_[0, 0] > 0.7


def test_the_same_seed_gives_the_same_bytes() -> None:
    X, y = make_sample(1.0)
    one, other = ElasticNetLogistic(random_state=3).fit(X, y), ElasticNetLogistic(random_state=3).fit(X, y)
    assert one.coef_.tobytes() == other.coef_.tobytes()


@pytest.mark.parametrize("events", [1, 2, 4])
def test_few_events_neither_warn_nor_crash(events: int) -> None:
    X, _ = make_sample(0.0, n=40)
    y = (np.arange(40) < events).astype(int)
    p = ElasticNetLogistic().fit(X, y).predict_proba(X)[:, 1]
    assert p.mean() == pytest.approx(events / 40, abs=5e-3)


def test_constant_columns_are_the_prevalence() -> None:
    model = ElasticNetLogistic().fit(np.ones((12, 3)), np.tile([0, 0, 1], 4))
    np.testing.assert_allclose(model.predict_proba(np.ones((1, 3)))[0, 1], 1 / 3)
