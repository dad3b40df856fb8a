"""A small SYNTHETIC model and a training's record, for tests of the store."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Picture

from poi_predict.cohort import read_codebook
from poi_predict.features import FeatureSettings, build_features, input_columns
from poi_predict.modeling import build_pipeline, fit_model
from poi_predict.scoring.bundle import Bundle
from poi_predict.scoring.contract import Contract, Provenance
from poi_predict.tracking.records import Dataset, RunRecord, TrainingEvidence, build_training_record

PREDICTORS = ("age", "fsh", "amh", "aetiology")


def make_women(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "age": rng.uniform(22, 40, n),
            "fsh": rng.lognormal(4, 0.4, n),
            "amh": rng.lognormal(-2, 0.5, n),
            "amh__below": rng.random(n) < 0.5,
            "aetiology": pd.Series(rng.choice(["idiopathic", "surgical"], n), dtype="str"),
        }
    )


def make_bundle() -> Bundle:
    codebook, X = read_codebook(), make_women()
    y = np.arange(len(X)) % 2
    features = build_features(codebook, FeatureSettings(predictors=PREDICTORS))
    pipeline = build_pipeline("ridge", features, monotone={}, random_state=0)
    return Bundle(
        pipeline=fit_model(pipeline, X, y, np.ones(len(X))),
        contract=Contract(
            study="menses_12m",
            predictors=PREDICTORS,
            input_columns=tuple(input_columns(codebook, PREDICTORS)),
            codebook=codebook.subset(PREDICTORS).as_dict(),
            synthetic=True,
        ),
        assessment={},
        provenance=Provenance("2026-11-22", "3.11", {}, None, "5e", "da", len(X), 6, 7),
        card="# Card",
    )


def make_run(**settings: Any) -> RunRecord:
    found = {"estimate": 0.71, "ci_low": 0.62, "ci_high": 0.80, "apparent": 0.77, "method": "DeLong"}
    picture = Picture(figsize=(2, 2))
    picture.subplots().plot([0, 1], [0, 1])
    return build_training_record(
        TrainingEvidence(
            assessment={
                "study": "menses_12m",
                "n": 60,
                "events": 30,
                "candidates": {"prevalence": {"c_statistic": found}, "ridge": {"c_statistic": found}},
                "primary": "ridge",
                "champion": "ridge",
                "warnings": [],
            },
            settings=settings or {"endpoint": {"horizon_months": 12}},
            dataset=Dataset("cohort.csv", "da" * 32, 60, 6),
            tables={"attrition": pd.DataFrame({"step": ["read"], "excluded_rows": [0]})},
            figures={"calibration": picture},
            report="<h1>Menses resumption</h1>",
            verdict="The model tells responders from the others modestly.",
            brands=("SYNTHETIC",),
        )
    )
