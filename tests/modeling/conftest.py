"""Women whose response FSH and visible follicles foretell, in canonical columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from poi_predict.cohort.codebook import read_codebook
from poi_predict.features import FeatureAssembly, FeatureSettings, build_features


class Women(NamedTuple):
    X: pd.DataFrame
    y: np.ndarray
    weight: np.ndarray
    features: FeatureAssembly


def make_women(n: int, seed: int) -> Women:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.uniform(22, 40, n),
            "fsh": rng.lognormal(4.0, 0.4, n),
            "amh": np.where(rng.random(n) < 0.7, 0.02, rng.lognormal(-2, 0.5, n)),
            "afc": rng.poisson(1.0, n).astype(float),
            "follicles_visible": rng.integers(0, 2, n).astype(float),
            "amenorrhea_months": rng.gamma(2, 20, n),
            "aetiology": rng.choice(["idiopathic", "surgical", "autoimmune", "fmr1"], n, p=[0.5, 0.25, 0.2, 0.05]),
            "dose_cells": rng.lognormal(16, 1, n),
            "adjuvant": rng.choice(["none", "prp", "hrt+prp"], n),
        }
    )
    X["amh__below"] = X["amh"] == 0.02
    log_odds = -1.0 - 2.0 * (np.log(X["fsh"]) - 4) / 0.4 + 1.5 * X["follicles_visible"]
    y = (rng.random(n) < expit(log_odds)).astype(int)
    for name in ("fsh", "afc", "aetiology", "dose_cells"):
        X.loc[rng.random(n) < 0.12, name] = np.nan
    predictors = tuple(name for name in X if "__" not in name)
    features = build_features(read_codebook(), FeatureSettings(predictors))
    return Women(X, y, rng.uniform(0.8, 1.6, n), features)


@pytest.fixture(scope="session")
def women() -> Women:
    return make_women(120, seed=11)
