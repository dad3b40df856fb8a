"""Made-up pages: enough of everything that a page can show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from poi_predict.report.content import (
    FRAME_COLUMNS,
    PatientContent,
    ReportContent,
)

CANDIDATES = ("prevalence", "firth", "ridge")
METRICS = {"c_statistic": 0.66, "brier": 0.2, "log_loss": 0.6, "calibration_slope": 0.8}


def make_performance(candidates=CANDIDATES):
    rows = []
    for name in candidates:
        for metric, value in METRICS.items():
            row = (
                name,
                name.title(),
                metric,
                value,
                value - 0.1,
                value + 0.1,
                value + 0.05,
                "cross-validation",
                None,
            )
            if name == "prevalence" and metric == "calibration_slope":
                row = (name, name.title(), metric, None, None, None, None, "", "every prediction is the same")
            rows.append(row)
    return pd.DataFrame(rows, columns=FRAME_COLUMNS["performance"])


def make_table_one():
    groups = {"overall": 30, "responder": 10, "non_responder": 15, "censored": 5}
    rows = []
    for group, size in groups.items():
        rows.append(("age", "Age", "", "years", group, size, 0, "33.0 (30.0–36.0)"))
        rows += [
            ("aetiology", "Aetiology", level, "", group, size - 1, 1, "4 (40 %)")
            for level in ("idiopathic", "chemo_radiotherapy")
        ]
        rows.append(("hrt_recent", "HRT", "yes", "", group, size, 0, "3 (30 %)"))
    return pd.DataFrame(rows, columns=FRAME_COLUMNS["table_one"])


def make_attribution(n_variables=3):
    size = np.linspace(1, 0.1, n_variables)
    names = [f"v{i}" for i in range(n_variables)]
    return pd.DataFrame(
        {
            "variable": names,
            "label": [f"Variable {i}" for i in range(n_variables)],
            "mean_abs_log_odds": size,
            "share": size / size.sum(),
        }
    )


def make_points(n_women=24, n_variables=3):
    rng = np.random.default_rng(1)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "variable": f"v{i}",
                    "attribution": rng.normal(size=n_women),
                    "value_rank": np.where(rng.random(n_women) < 0.2, np.nan, rng.random(n_women)),
                    "n": 7,
                    "patient_id": "PLANTED-0042",
                }
            )
            for i in range(n_variables)
        ],
        ignore_index=True,
    )


def make_calibration(name="ridge"):
    p = np.linspace(0.1, 0.6, 20)
    curve = pd.DataFrame({"candidate": name, "p": p, "observed": 0.8 * p, "low": 0.5 * p, "high": 1.2 * p})
    groups = pd.DataFrame(
        {
            "candidate": name,
            "predicted": [0.15, 0.3, 0.5],
            "observed": [0.1, 0.3, 0.4],
            "low": [0.0, 0.2, 0.2],
            "high": [0.3, 0.5, 0.7],
            "n": [8, 8, 8],
        }
    )
    edges = np.linspace(0, 0.7, 8)
    bins = pd.DataFrame(
        {
            "candidate": name,
            "left": edges[:-1],
            "right": edges[1:],
            "responders": [0, 1, 1, 2, 2, 2, 2.5],
            "non_responders": [3, 3, 2, 2, 2, 1, 1.2],
            "patient_id": "PLANTED-0042",
        }
    )
    return {"calibration": curve, "calibration_groups": groups, "predictions": bins}


def make_report(**changes):
    attrition = [("Rows in the file", 0, 30, 29, 11, ""), ("Censored", 5, 25, 24, 10, "weighted")]
    findings = [("warning", "fsh", "typical_range", 3, "FSH is outside the typical range.")]
    settings = {
        "study_name": "menses_12m",
        "title": "Menses resumed",
        "question": "Who menstruates again?",
        "population": "Women with POI",
        "endpoint": "Menses within 12 months",
        "verdict": "The data cannot tell.",
        "n": 25,
        "n_patients": 24,
        "events": 10,
        "primary": "ridge",
        "champion": "ridge",
        "synthetic": True,
        "attrition": pd.DataFrame(attrition, columns=FRAME_COLUMNS["attrition"]),
        "table_one": make_table_one(),
        "findings": pd.DataFrame(findings, columns=FRAME_COLUMNS["findings"]),
        "performance": make_performance(),
        "attribution": make_attribution(),
        "attribution_points": make_points(),
        "warnings": ("Few women.",),
        "limits": ("Nobody was randomised.",),
        "provenance": {"Cohort file": "cohort.csv", "Seed": "7", "Date": "2025-11-03"},
        **make_calibration(),
    }
    return ReportContent(**(settings | changes))


def make_factors(n=3):
    log_odds = np.linspace(-0.6, 0.4, n) if n else np.array([])
    return pd.DataFrame(
        {
            "variable": [f"v{i}" for i in range(n)],
            "label": [f"Variable {i}" for i in range(n)],
            "value": [f"{i}.5 IU/L" for i in range(n)],
            "log_odds": log_odds,
            "probability_share": log_odds / 5,
        }
    )


def make_patient(**changes):
    settings = {
        "patient_id": "0042-KX",
        "study_name": "menses_12m",
        "question": "How likely is she to menstruate again?",
        "endpoint": "menstruate again within 12 months",
        "model_label": "Ridge logistic",
        "n": 25,
        "events": 10,
        "p_response": 0.31,
        "ci_low": 0.18,
        "ci_high": 0.47,
        "baseline_probability": 0.33,
        "factors": make_factors(),
        "flags": ("AMH is below the detection limit.",),
        "synthetic": True,
    }
    return PatientContent(**(settings | changes))


@pytest.fixture(scope="session")
def make_report_once():
    """One report content, for tests that share its page."""
    return make_report()


@pytest.fixture
def report():
    return make_report


@pytest.fixture
def patient():
    return make_patient


@pytest.fixture
def frames():
    """Makers of the frames, by name."""
    return {
        "performance": make_performance,
        "table_one": make_table_one,
        "attribution": make_attribution,
        "points": make_points,
        "calibration": make_calibration,
        "factors": make_factors,
    }
