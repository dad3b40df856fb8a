"""What is looked up is what shap works out by walking the trees, and what Shapley's formula says."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from poi_predict.explain import TreeAttribution, tree_tables, trees
from poi_predict.explain.tree_tables import build_tree_tables
from poi_predict.explain.trees import _make_explainer

MODELS: dict[str, Any] = {
    "boosted, four leaves": HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=4, min_samples_leaf=10),
    "boosted, deep": HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=30, min_samples_leaf=3),
    "forest": RandomForestClassifier(n_estimators=8, min_samples_leaf=10, random_state=0),
    "forest, deep": RandomForestClassifier(n_estimators=4, min_samples_leaf=2, max_depth=9, random_state=0),
    "stumps": RandomForestClassifier(n_estimators=5, max_depth=1, random_state=0),
    "no split": RandomForestClassifier(n_estimators=2, min_samples_leaf=150, random_state=0),
}


def make_table(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = np.column_stack([rng.normal(0, 1, (n, 4)).round(1), rng.random((n, 2)) < 0.4])
    y = (rng.random(n) < 1 / (1 + np.exp(-values[:, 0] - values[:, 1] * values[:, 4]))).astype(int)
    values[rng.random(values.shape) < 0.1] = np.nan
    return values, y


@pytest.mark.parametrize("name", MODELS)
def test_tables_hold_what_shap_works_out(name: str) -> None:
    explainer = _make_explainer(MODELS[name].fit(*make_table(250, 1)))
    values, _ = make_table(80, 2)
    values[0] = np.nan
    tables = build_tree_tables(explainer)
    assert tables is not None
    walked = explainer(values, check_additivity=False)
    expected = walked.values[..., 1] if walked.values.ndim == 3 else walked.values
    np.testing.assert_allclose(tables.attribute(values), expected, rtol=0, atol=1e-12)
    assert tables.baseline == pytest.approx(np.reshape(walked.base_values, (80, -1))[0, -1], abs=1e-12)


def test_a_tree_by_the_definition_of_shapley() -> None:
    model = HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=6, min_samples_leaf=10).fit(*make_table(250, 1))
    tree = model._predictors[0][0].nodes
    row = make_table(3, 5)[0][1]

    def expect(known: set[int], node: int = 0) -> float:
        """Mean of the tree where these columns are known and the rest are as in training."""
        here = tree[node]
        if here["is_leaf"]:
            return float(here["value"])
        if int(here["feature_idx"]) in known:
            value = row[int(here["feature_idx"])]
            left = bool(here["missing_go_to_left"]) if np.isnan(value) else value <= here["num_threshold"]
            return expect(known, int(here["left"] if left else here["right"]))
        sides = [int(here["left"]), int(here["right"])]
        counts = [float(tree[side]["count"]) for side in sides]
        return sum(n * expect(known, side) for n, side in zip(counts, sides, strict=True)) / sum(counts)

    orders = list(permutations(range(6)))
    exact = np.zeros(6)
    for order in orders:
        for place, column in enumerate(order):
            exact[column] += expect(set(order[: place + 1])) - expect(set(order[:place]))
    tables = build_tree_tables(_make_explainer(model))
    assert tables is not None
    np.testing.assert_allclose(tables.attribute(row[None])[0], exact / len(orders), atol=1e-12)
    assert (np.abs(exact) > 1e-3).sum() > 2


def test_threads_and_parts_of_the_rows_change_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = build_tree_tables(_make_explainer(MODELS["forest"].fit(*make_table(250, 1))))
    assert tables is not None
    values, _ = make_table(300, 3)
    whole = tables.attribute(values)
    monkeypatch.setattr(tree_tables, "ROWS_AT_ONCE", 70)
    np.testing.assert_array_equal(tables.attribute(values, n_jobs=3), whole)


def test_a_tree_too_deep_for_tables_is_left_to_shap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "FEWEST_ROWS", 10)
    model = MODELS["boosted, four leaves"].fit(*make_table(250, 1))
    values, _ = make_table(40, 2)
    looked_up, baseline, _ = TreeAttribution(model).attribute(values)
    monkeypatch.setattr(tree_tables, "DEEPEST", 1)
    assert build_tree_tables(_make_explainer(model)) is None
    walked, same_baseline, on_log_odds = TreeAttribution(model).attribute(values)
    np.testing.assert_allclose(looked_up, walked, rtol=0, atol=1e-12)
    assert baseline == pytest.approx(same_baseline)
    assert on_log_odds


def test_few_rows_and_many_have_the_same_numbers() -> None:
    model = MODELS["forest"].fit(*make_table(250, 1))
    values, _ = make_table(trees.FEWEST_ROWS, 2)
    many = TreeAttribution(model).attribute(values)
    few = TreeAttribution(model).attribute(values[:30])
    np.testing.assert_allclose(many[0][:30], few[0], rtol=0, atol=1e-12)
    assert many[1:] == pytest.approx(few[1:])


def test_what_was_asked_before_changes_no_byte() -> None:
    model = MODELS["forest"].fit(*make_table(250, 1))
    many, _ = make_table(trees.FEWEST_ROWS, 2)
    used, fresh = TreeAttribution(model), TreeAttribution(model)
    used.attribute(many)
    np.testing.assert_array_equal(used.attribute(many[:30])[0], fresh.attribute(many[:30])[0])
