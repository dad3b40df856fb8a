"""Made-up women whose response to three cell sources is known, and models fitted to them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.pipeline import Pipeline

from poi_predict.cohort import Codebook, read_codebook
from poi_predict.evidence.settings import EvidenceSettings
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import build_pipeline, fit_model
from poi_predict.modeling.evidence_pipeline import build_evidence_pipeline
from poi_predict.regimen.settings import RegimenSettings, build_regimen_settings

PREDICTORS = ("age", "fsh", "amh", "amenorrhea_months", "cell_source", "route", "dose_cells", "adjuvant")
INPUTS = [*PREDICTORS, "fsh__below", "amh__below"]
SOURCES = ("adipose", "bone_marrow", "umbilical_cord")
BETTER = "bone_marrow/intraovarian_laparoscopic"


def codebook() -> Codebook:
    return read_codebook()


def settings(**changes: object) -> RegimenSettings:
    return build_regimen_settings(changes, read_codebook(), PREDICTORS)


def draw_women(n: int, seed: int, missing: float = 0.0) -> pd.DataFrame:
    """Women in canonical columns, sources by lot, all by laparoscopy with about ten million cells."""
    rng = np.random.default_rng(seed)
    women = pd.DataFrame(
        {
            "age": rng.normal(32, 4, n).clip(19, 40),
            "fsh": rng.lognormal(4.1, 0.4, n).clip(25, 200),
            "amh": rng.lognormal(-2.0, 0.6, n),
            "amenorrhea_months": rng.gamma(1.5, 24, n).clip(4, 200),
            "cell_source": rng.permutation(np.resize(SOURCES, n)),
            "route": "intraovarian_laparoscopic",
            "dose_cells": rng.uniform(8e6, 1.2e7, n),
            "adjuvant": "none",
            "fsh__below": False,
            "amh__below": False,
        }
    )
    for name in ("fsh", "amh"):
        women.loc[rng.random(n) < missing, name] = np.nan
    return women


def respond(women: pd.DataFrame, seed: int, gain: float) -> np.ndarray:
    """Responses of one in three; with bone marrow the log-odds are higher by `gain`."""
    rng = np.random.default_rng(seed)
    log_odds = -0.7 - (np.log(women["fsh"].fillna(60.0)) - 4.1) + gain * (women["cell_source"] == "bone_marrow")
    return (rng.random(len(women)) < expit(log_odds)).astype(int)


def fit_evidence(women: pd.DataFrame, y: np.ndarray, predictors: tuple[str, ...] = PREDICTORS) -> Pipeline:
    pipeline = build_evidence_pipeline(
        read_codebook(), FeatureSettings(predictors), EvidenceSettings("menses"), with_centre=False, random_state=0
    )
    return fit_model(pipeline, women, y)


@cache
def reference_model() -> Pipeline:
    """The evidence model of the published arms, without a woman."""
    return fit_evidence(draw_women(3, 0).iloc[:0], np.empty(0, dtype=int))


@cache
def evidence_model(gain: float) -> Pipeline:
    women = draw_women(600, 1, missing=0.1)
    return fit_evidence(women, respond(women, 2, gain))


def _draw_ridge(gain: float) -> tuple[Pipeline, pd.DataFrame, np.ndarray]:
    women = draw_women(200, 3, missing=0.1)
    features = build_features(read_codebook(), FeatureSettings(PREDICTORS))
    return build_pipeline("ridge", features, monotone={}, random_state=0), women, respond(women, 4, gain)


@cache
def ridge_model(gain: float) -> Pipeline:
    return fit_model(*_draw_ridge(gain))
