"""Made-up comparisons of a scored cohort with the women of training."""

from __future__ import annotations

import copy
from typing import Any

ABOUT: dict[str, Any] = {
    "study": "menses_12m",
    "question": "How likely is a woman with POI to menstruate again within 12 months of a cell therapy?",
    "endpoint": "Menses resumed within 12 months",
    "synthetic": True,
    "brands": ("SYNTHETIC",),
    "model_sha256": "b0" * 32,
    "cohort": {"sha256": "da" * 32, "rows": 1250, "tables": 2},
    "rows": {"read": 1250, "scored": 1243, "rejected": 7},
    "day": "2026-11-22",
    "labels": {"fsh": "FSH", "amh": "AMH", "age": "Age", "cell_source": "Cell source", "afc": "Antral follicle count"},
}


def aspect(variable: str, kind: str, training: float, here: float, half: float, **more: Any) -> dict[str, Any]:
    """One comparison with an interval of the given half-width."""
    difference = here - training
    return {
        "variable": variable,
        "aspect": kind,
        "level": None,
        "unit": None,
        "training": training,
        "here": here,
        "difference": difference,
        "ci_low": difference - half,
        "ci_high": difference + half,
        "sd_units": None,
        "shown": abs(difference) > half,
    } | more


DRIFT: dict[str, Any] = {
    "n_rows": 1243,
    "n_training": 240,
    "status": "drift shown",
    "message": "These women differ from those of training in 4 of 12 comparisons, most of all in FSH; read their "
    "predictions with that in mind.",
    "power": {
        "smallest_shift_sd": 0.29,
        "smallest_share": 0.13,
        "rows_for_half_sd": 64,
        "rows_for_fifth_sd": 1390,
        "message": "1243 rows would show a shift of 0.29 standard deviations; a smaller one may hide.",
    },
    "membership": {"estimate": 0.68, "ci_low": 0.63, "ci_high": 0.72},
    "aspects": [
        aspect("age", "location", 33.1, 33.4, 1.2, unit="years", sd_units=0.07),
        aspect("fsh", "location", 71.0, 88.0, 6.0, unit="IU/L", sd_units=0.62),
        aspect("amh", "location", 0.11, 0.10, 0.04, unit="ng/mL", sd_units=-0.05),
        aspect("amh", "below_limit", 0.42, 0.61, 0.11),
        aspect("amh", "missing", 0.08, 0.19, 0.07),
        aspect("afc", "missing", 0.12, 0.15, 0.07),
        aspect("afc", "location", 2.1, 2.1, 0.6, sd_units=0.0),
        aspect("cell_source", "level", 0.31, 0.12, 0.10, level="bone_marrow"),
        aspect("cell_source", "level", 0.44, 0.49, 0.12, level="umbilical_cord"),
        aspect("cell_source", "missing", 0.0, 0.01, 0.03),
        aspect("route", "level", 0.52, 0.50, 0.12, level="intraovarian_laparoscopic"),
        aspect("amenorrhea_months", "location", 41.0, 44.0, 9.0, unit="months", sd_units=0.08),
    ],
    "bins": {
        "age": {
            "edges": [24, 27, 30, 32, 33, 35, 36, 38, 39],
            "training": [0.1] * 10,
            "here": [0.09, 0.1, 0.11, 0.1, 0.09, 0.1, 0.11, 0.1, 0.1, 0.1],
        },
        "fsh": {
            "edges": [34, 42, 50, 58, 66, 75, 86, 98, 120],
            "training": [0.1] * 10,
            "here": [0.04, 0.05, 0.06, 0.07, 0.09, 0.11, 0.12, 0.14, 0.15, 0.17],
        },
        "amh": {
            "edges": [0.03, 0.06, 0.09, 0.15],
            "training": [0.42, 0.15, 0.14, 0.15, 0.14],
            "here": [0.61, 0.12, 0.14, 0.13, None],
        },
    },
    "predictions": {
        "edges": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        "training": [0.05, 0.17, 0.24, 0.21, 0.14, 0.09, 0.06, 0.03, 0.01, 0.0],
        "here": [0.11, 0.24, 0.26, 0.18, 0.11, 0.06, 0.03, 0.01, None, None],
        "mean_training": 0.33,
        "mean_here": 0.28,
        "difference": -0.05,
        "ci_low": -0.08,
        "ci_high": -0.02,
        "psi": 0.091,
        "psi_expected": 0.045,
    },
    "applicability": {
        "rows_flagged": 131,
        "share": 131 / 1243,
        "ci_low": 0.09,
        "ci_high": 0.124,
        "flags": {
            "outside_training:fsh": 88,
            "missing:amh": 236,
            "missing:afc": 186,
            "far_combination": 41,
            "protocol_not_seen": 12,
            "too_much_missing": 6,
            "synthetic_model": 1243,
        },
    },
    "synthetic": True,
}

NOTHING: dict[str, Any] = {
    "n_rows": 12,
    "n_training": None,
    "status": "no women of training",
    "message": "The model keeps no women of training, so nothing can be compared.",
    "power": {},
    "membership": None,
    "aspects": [],
    "bins": {},
    "predictions": {},
    "applicability": {"rows_flagged": 0, "share": 0.0, "ci_low": 0.0, "ci_high": 0.24, "flags": {}},
    "synthetic": False,
}


def make_drift(**changes: Any) -> dict[str, Any]:
    """The example with some of its parts replaced."""
    return copy.deepcopy(DRIFT) | changes
