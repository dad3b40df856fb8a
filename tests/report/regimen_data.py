"""Made-up regimens for pages: two women of a reference model, and the details of a training, by the real classes."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache

import numpy as np
import pandas as pd

from poi_predict.cohort import read_codebook
from poi_predict.evidence.settings import EvidenceSettings
from poi_predict.explain.uncertainty import explain_with_uncertainty
from poi_predict.features import FeatureSettings
from poi_predict.modeling import fit_model, predict_response
from poi_predict.modeling.evidence_pipeline import build_evidence_pipeline
from poi_predict.regimen import (
    CrossFitSettings,
    Support,
    assess_overlap,
    build_draws,
    build_regimen_settings,
    check_courses,
    compare_regimens,
    compare_waiting,
    compute_policy_value,
    count_arms,
    estimate_effects,
    find_confounded,
    list_options,
)
from poi_predict.report import build_patient_content
from poi_predict.report.regimen_content import draw_chances

PREDICTORS = ("age", "fsh", "amenorrhea_months", "cell_source", "route", "dose_cells")
OPTIONS = [
    {"name": "bone marrow", "cell_source": "bone_marrow", "route": "laparoscopy", "dose_cells": 1e7},
    {"name": "adipose", "cell_source": "adipose", "route": "transvaginal", "dose_cells": 1e7},
    {"name": "fat, into a vein", "cell_source": "adipose", "route": "IV", "dose_cells": 1e7},
    {"name": "her own cord", "cell_source": "umbilical_cord", "route": "IV", "dose_cells": 1e15},
]
QUICK = CrossFitSettings(folds=2, repeats=1, draws=200)


@cache
def make_world():
    """A model of published arms, four declared regimens, and two women, one of whom little is known."""
    codebook = read_codebook()
    pipeline = build_evidence_pipeline(
        codebook, FeatureSettings(PREDICTORS), EvidenceSettings("menses"), with_centre=False, random_state=0
    )
    pipeline = fit_model(pipeline, pd.DataFrame({name: pd.Series(dtype=object) for name in PREDICTORS}), np.empty(0))
    settings = build_regimen_settings({"options": OPTIONS[:3]}, codebook, PREDICTORS)
    support = Support(count_arms(settings, codebook, "menses"))
    draws = build_draws(pipeline, n_draws=300, random_state=1)
    women = pd.DataFrame(
        {
            "age": [29.0, 36.0],
            "fsh": [38.0, np.nan],
            "amenorrhea_months": [14.0, np.nan],
            "cell_source": ["bone_marrow", "none"],
            "route": ["intraovarian_laparoscopic", None],
            "dose_cells": [1e7, np.nan],
        }
    )
    return codebook, pipeline, settings, support, draws, list_options(settings, codebook, support.seen), women


def make_model(**changes):
    """What a page says of a model that no woman was used for."""
    assessment = {"n": 0, "events": 0, "primary": "evidence", "champion": None, "candidates": {"evidence": {}}}
    return {
        "assessment": assessment,
        "study": "menses_12m",
        "question": "How likely is she to menstruate again?",
        "endpoint": "Menses resumed within 12 months",
        "synthetic": False,
        "provenance": {"Seed": "7"},
    } | changes


@cache
def make_parts(at=0):
    """The comparison, the chances, the waiting and the explanation of one woman."""
    _, pipeline, settings, support, draws, options, women = make_world()
    row = women.iloc[[at]].reset_index(drop=True)
    explanation = explain_with_uncertainty(pipeline, row, n_draws=300)
    comparison = compare_regimens(draws, row, options, settings, support)
    chances = draw_chances(draws, row, options.options[0])
    return settings, comparison, chances, compare_waiting(draws, row, options.options[:2]), explanation


@cache
def make_woman(at=0, uncertain=True, **model):
    """One woman's facts, as both pages take them."""
    codebook, pipeline, *_, women = make_world()
    row = women.iloc[[at]].reset_index(drop=True)
    explanation = make_parts(at)[-1]
    (low, high), p = pipeline[-1].predict_interval(pipeline[:-1].transform(row))[0], predict_response(pipeline, row)[0]
    missing = [name for name in PREDICTORS if row[name].isna().any()]
    score = {"p_response": p, "ci_low": low, "ci_high": high, "flags": ";".join(f"missing:{n}" for n in missing)}
    shown = explanation if uncertain else explanation.explanation
    return build_patient_content("0042-KX", row.iloc[0], score, shown, codebook, make_model(**model))


@cache
def _compute_details():
    rng = np.random.default_rng(4)
    n = 120
    age = rng.normal(34, 5, n)
    source = np.where(rng.random(n) < 1 / (1 + np.exp(-(age - 34) / 5)), "bone marrow", "adipose")
    source[:4] = "placenta"
    women = pd.DataFrame({"age": age, "fsh": rng.gamma(6, 12, n), "aetiology": rng.choice(["idiopathic", "fmr1"], n)})
    women.loc[:9, "fsh"] = np.nan
    y = rng.random(n) < 1 / (1 + np.exp(0.1 * (age - 34)))
    courses = check_courses(y, source, women)
    protocol = pd.DataFrame({"cell_source": source, "route": np.where(source == "adipose", "vein", "ovarian_artery")})
    comparison = make_parts()[1]
    excluded = {"name": "cord", "label": "her own cord", "reason": "It is not at hand.", "source": "A09"}
    details = {
        "rule": comparison.rule,
        "reference": "none",
        "randomised": False,
        "options": comparison.as_dict()["options"],
        "excluded": [excluded],
        "women": {"n": n, "kinds": dict(Counter(["not distinguishable"] * n))},
        "confounded": [item.as_dict() for item in find_confounded(protocol, np.where(source == "adipose", "X", "Y"))],
        "overlap": assess_overlap(courses, settings=QUICK).as_dict(),
        "effects": estimate_effects(courses, settings=QUICK).as_dict(),
        "value": compute_policy_value(courses, settings=QUICK).as_dict(),
    }
    return json.dumps(details, allow_nan=False)


def make_regimens(**changes):
    """``details["regimens"]`` of a made-up training, through JSON as it is stored."""
    return json.loads(_compute_details()) | changes
