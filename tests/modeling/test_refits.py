"""Refits in bootstrap resamples describe the model itself: as many columns, as many effective coefficients."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from poi_predict.cohort.codebook import read_codebook
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import build_pipeline, fit_model
from poi_predict.modeling.evaluation import scale_thresholds


def test_refits_have_the_columns_of_the_model(women) -> None:
    rng = np.random.default_rng(2)
    model = build_pipeline("ridge", women.features, monotone={}, random_state=0)
    whole = fit_model(model, women.X, women.y)
    n = {True: [], False: []}
    freedom = []
    for _ in range(12):
        rows, counts = np.unique(rng.integers(0, 120, 120), return_counts=True)
        for scaled, sizes in n.items():
            asked = scale_thresholds(model, len(rows) / 120) if scaled else clone(model)
            refit = fit_model(asked, women.X.iloc[rows], women.y[rows], counts.astype(float))
            sizes.append(refit[-1].coef_.size)
            if scaled:
                freedom.append(refit[-1].effective_df_)
    assert abs(np.mean(n[True]) - whole[-1].coef_.size) < 1.0
    assert np.mean(n[True]) > np.mean(n[False])
    assert 0.7 < np.mean(freedom) / whole[-1].effective_df_ < 1.6


def test_the_pipeline_given_keeps_its_thresholds() -> None:
    features = build_features(read_codebook(), FeatureSettings(("aetiology", "cell_source")))
    model = build_pipeline("ridge", features, monotone={}, random_state=0)
    scaled = scale_thresholds(model, 0.5)
    assert {b.rare_level_below for _, b, _ in scaled["features"].builders} == {4}
    assert {b.rare_level_below for _, b, _ in model["features"].builders} == {8}
    assert (scaled["impute"].min_missing, model["impute"].min_missing) == (4, 8)
