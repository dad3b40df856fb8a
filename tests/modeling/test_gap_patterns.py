"""Gaps filled by pattern are those that the algebra of a fit fills."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from poi_predict.modeling import gap_patterns
from poi_predict.modeling.gap_patterns import PatternFiller, sort_by_key
from poi_predict.modeling.gaps import condition_gaps, find_patterns


def make_table(seed: int, n: int, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(d, d)) * rng.uniform(0.1, 50.0, d)[:, None]
    mean = rng.normal(0, 20, d)
    values = mean + rng.normal(size=(n, d)) @ root.T
    values[rng.random((n, d)) < 0.3] = np.nan
    return values, mean, root @ root.T + 0.1 * np.diag(np.diag(root @ root.T))


@given(seed=st.integers(0, 1000), n=st.integers(0, 40), d=st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_filling_is_the_conditional_mean(seed: int, n: int, d: int) -> None:
    values, mean, covariance = make_table(seed, n, d)
    patterns = find_patterns(np.isnan(values))
    expected = values.copy()
    gaps = condition_gaps(values, mean, covariance, patterns)
    patterns.put(expected, gaps.mean + np.append(mean, 0.0)[patterns.columns[patterns.of_row]])
    filled, rows, found = PatternFiller(mean, covariance).fill(values)
    np.testing.assert_allclose(filled, expected, rtol=1e-9, atol=1e-9)
    for part, pattern in zip(rows, found, strict=True):
        row = patterns.of_row[np.searchsorted(patterns.rows, rows.order[part][0])] if len(pattern.columns) else None
        if row is not None:
            k = len(pattern.columns)
            np.testing.assert_allclose(pattern.covariance, gaps.covariance[row][:k, :k], rtol=1e-8, atol=1e-9)


@given(seed=st.integers(0, 1000), n=st.integers(0, 60), d=st.integers(1, 150))
@settings(max_examples=40, deadline=None)
def test_sorting_brings_equal_rows_together_and_keeps_their_order(seed: int, n: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    bits = np.repeat(rng.random((4, d)) < 0.5, 25, axis=0)[rng.permutation(100)[:n]]
    rows = sort_by_key(bits)
    assert sorted(rows.order.tolist()) == list(range(n))
    parts = [rows.order[part] for part in rows]
    assert sum(len(part) for part in parts) == n
    for part in parts:
        assert (bits[part] == bits[part[0]]).all()
        assert (np.diff(part) > 0).all()
    assert len(parts) == len(np.unique(bits, axis=0))


def test_patterns_are_kept_within_bounds(monkeypatch) -> None:
    monkeypatch.setattr(gap_patterns, "MOST_KEPT", 3)
    values, mean, covariance = make_table(1, 60, 5)
    filler = PatternFiller(mean, covariance)
    filled = filler.fill(values)[0]
    assert len(filler._kept) <= 3
    np.testing.assert_array_equal(filled, PatternFiller(mean, covariance).fill(values)[0])
