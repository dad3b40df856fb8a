"""A made-up evidence part of an assessment, with everything the report can show of an evidence model."""

from __future__ import annotations

import math

ARMS = [
    # row_id, study, year, label, treated, events, n, definition
    ("Z01", "Alder", "2021", "adipose cells, all doses", True, 4, 9, ""),
    ("Z02", "Birch", "2016", "bone-marrow cells", True, 2, 10, ""),
    ("Z09", "Cedar", "2023", "amniotic cells, into the ovarian artery on both sides", True, 13, 35, ""),
    ("Z16", "Dogwood", None, "umbilical-cord cells", True, 1, 6, ""),
    ("Z22", "Elm (long-term outcome, a title that does not end)", "2016", "usual care", False, 117, 507, ""),
    ("Z23", "Fir", "2023", "usual care", False, 48, 162, "ovarian_function"),
]
EFFECTS = [
    # parameter, label, prior mean, prior sd, mean, sd, arms, patients, conflict p, source
    ("treated", "Cell therapy against none", 0.0, 0.6, 0.21, 0.33, 0.62, 0.08, 0.51, "assumed"),
    ("cell_source__adipose", "Cell source: adipose", 0.0, 0.5, 0.12, 0.46, 0.11, 0.04, 0.6, "assumed"),
    ("cell_source__amniotic_msc", "Cell source: amniotic MSC", 0.0, 0.5, 0.04, 0.48, 0.06, 0.02, 0.7, "assumed"),
    ("route__intravenous", "Route: intravenous", 0.0, 0.5, -0.22, 0.44, 0.1, 0.13, 0.44, "assumed"),
    ("dose_cells__log10", "Cell dose, per tenfold", 0.0, 0.5, 0.09, 0.31, 0.0, 0.61, 0.82, "assumed"),
    ("treated:fsh__log", "Cell therapy against none × FSH, log", 0.0, 0.25, 0.01, 0.25, 0.0, 0.02, None, "assumed"),
    ("age__years", "Age, per year", -0.04, 0.03, -0.05, 0.025, 0.0, 0.31, 0.35, "PF28, widened"),
    ("fsh__log", "FSH, log", -0.9, 0.5, -0.2, 0.33, 0.01, 0.56, 0.16, "PF12, widened"),
    (
        "amenorrhea_months__log",
        "Time since last menses, log",
        -0.5,
        0.35,
        -0.61,
        0.24,
        0.02,
        0.52,
        0.71,
        "PF18, widened",
    ),
    ("amenorrhea_type__primary", "Type of amenorrhea: primary", -1.2, 1.4, -1.3, 1.05, 0.0, 0.44, 0.9, "PF51, widened"),
    ("follicles_visible__yes", "Follicles visible on ultrasound", 0.6, 0.6, 0.71, 0.42, 0.0, 0.51, 0.66, "PF52"),
    ("karyotype__45x", "Karyotype: 45,X", -0.3, 0.7, -0.3, 0.7, 0.0, 0.0, None, "PF19, widened"),
    ("previous_births__count", "Previous births", 0.0, 0.3, 0.0, 0.3, 0.0, 0.0, None, "assumed"),
    ("definition:ovarian_function", "Ovarian function, not menses", 0.0, 0.4, 0.15, 0.3, 0.44, 0.0, None, "assumed"),
    ("intercept", "Starting level", -1.1, 1.0, -0.9, 0.2, 0.5, 0.4, None, "NH02"),
]


def make_arm(arm):
    row_id, study, year, label, treated, events, n, definition = arm
    p, fitted = events / n, 0.5 * events / n + 0.14
    half = 1.96 * math.sqrt(p * (1 - p) / n)
    return {
        "row_id": row_id, "study": study, "year": year, "label": label, "treated": treated, "events": events, "n": n,
        "observed": p, "ci_low": max(0.0, p - half), "ci_high": min(1.0, p + 1.2 * half),
        "fitted": fitted, "fitted_low": max(0.0, fitted - 0.08), "fitted_high": fitted + 0.1,
        "definition": definition, "silent": ["fsh", "fsh__log", "amh"] if treated else ["bmi"],
    }  # fmt: skip


def make_effect(effect):
    parameter, label, prior_mean, prior_sd, mean, sd, arms, patients, conflict_p, source = effect
    return {
        "parameter": parameter, "variable": parameter.partition("__")[0], "label": label,
        "prior_mean": prior_mean, "prior_sd": prior_sd, "mean": mean, "sd": sd,
        "ci_low": mean - 1.96 * sd, "ci_high": mean + 1.96 * sd,
        "share_prior": 1 - arms - patients, "share_arms": arms, "share_patients": patients,
        "conflict_p": conflict_p, "source": source,
    }  # fmt: skip


def make_curve(n=60, step=10):
    rows = []
    for k in range(0, n + 1, step):
        narrow = 1 / math.sqrt(1 + k / 25)
        with_, without = 0.33 - 0.0006 * k, 0.25 + 0.0003 * k
        rows.append(
            {
                "n": k,
                "p_with": with_,
                "with_low": with_ - 0.15 * narrow,
                "with_high": with_ + 0.19 * narrow,
                "p_without": without,
                "without_low": without - 0.1 * narrow,
                "without_high": without + 0.12 * narrow,
            }
        )
    return rows


def make_conflict(**changes):
    return {
        "p_patients": 0.34,
        "p_arms": 0.61,
        "flagged": [],
        "tail": "normal",
        "verdict": "These women do not contradict the evidence.",
    } | changes


def make_contrast(**changes):
    return {
        "with": {"p": 0.327, "low": 0.221, "high": 0.458},
        "without": {"p": 0.249, "low": 0.183, "high": 0.331},
        "difference": {"estimate": 0.078, "ci_low": -0.089, "ci_high": 0.241},
        "odds_ratio": {"estimate": 1.46, "ci_low": 0.71, "ci_high": 2.98},
        "distinguishable": False,
        "woman": "the women of this cohort, on average",
    } | changes


def make_evidence(**changes):
    return {
        "outcome": "menses",
        "arms": [make_arm(arm) for arm in ARMS],
        "effects": [make_effect(effect) for effect in EFFECTS],
        "tau": {"mean": 0.31, "ci_low": 0.04, "ci_high": 0.81},
        "conflict": make_conflict(),
        "contrast": make_contrast(),
        "diagnostics": {"pareto_k": 0.22, "effective_draws": 3421.0, "corrected": True},
        "learning_curve": make_curve(),
    } | changes


def make_details(**changes):
    return {"skill": "none", "evidence": make_evidence(**changes)}


def make_hers(**changes):
    return {
        "p_with": 0.33, "with_low": 0.22, "with_high": 0.46,
        "p_without": 0.25, "without_low": 0.18, "without_high": 0.33,
        "difference": 0.08, "difference_low": -0.09, "difference_high": 0.24, "distinguishable": False,
    } | changes  # fmt: skip
