"""A made-up assessment with everything the evidence sections can show."""

from __future__ import annotations

import numpy as np

from poi_predict.validation import compute_decision_curve, compute_instability


def estimate(value, half, reason=None):
    if value is None:
        return {"estimate": None, "ci_low": None, "ci_high": None, "method": "DeLong", "reason": reason}
    return {"estimate": value, "ci_low": value - half, "ci_high": value + half, "method": "DeLong", "reason": None}


def make_predictions(n=180, n_refits=120, seed=3):
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-0.9, 0.9, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)
    shift = rng.normal(0, 0.35, (1, n_refits)) + rng.normal(0, 0.3, (n, n_refits))
    stretched = log_odds[:, None] * rng.normal(1.1, 0.25, (1, n_refits)) + shift
    return y, 1 / (1 + np.exp(-log_odds)), 1 / (1 + np.exp(-stretched))


def make_null(seed=4, n=200):
    rng = np.random.default_rng(seed)
    draws = {
        "c_statistic": rng.normal(0.5, 0.05, n),
        "brier": rng.normal(0.223, 0.006, n),
        "log_loss": rng.normal(0.63, 0.02, n),
        "log_loss_reduction": rng.normal(-0.012, 0.011, n),
        "calibration_slope": rng.normal(0.1, 0.5, n),
    }
    observed = {
        "c_statistic": 0.71,
        "brier": 0.196,
        "log_loss": 0.57,
        "log_loss_reduction": 0.048,
        "calibration_slope": 0.87,
    }
    null = {
        name: {
            "observed": observed[name],
            "mean": float(values.mean()),
            "q05": float(np.quantile(values, 0.05)),
            "q95": float(np.quantile(values, 0.95)),
            "p_value": 0.005 if name != "calibration_slope" else 0.06,
        }
        for name, values in draws.items()
    }
    return null, draws


def make_ladder():
    rungs = [
        ("prevalence", True, "nothing", None),
        ("evidence", False, "is not part of this version", None),
        ("prespecified", True, "10 women in the smaller outcome group", 31),
        ("penalised", True, "30 women in it, expected shrinkage at least 0.4", 112),
        ("flexible", False, "200 women in it, 20 a column, Riley's criteria", 1430),
    ]
    return {
        "rung": "penalised",
        "reason": "59 women are in the smaller outcome group and the expected shrinkage of 14 columns is 0.61",
        "next_n": 1430,
        "overridden": False,
        "events": 59.3,
        "parameters": 14,
        "rungs": [{"rung": r, "supported": s, "needs": w, "n": n} for r, s, w, n in rungs],
    }


def make_subgroups():
    rows = [
        ("age", "Age", "under 35 years", 96, 36, 0.74, 0.02, 1.02, None),
        ("age", "Age", "35 years and more", 84, 23, 0.66, -0.11, 0.93, None),
        ("amenorrhea_months", "Time since last menses", "under 12 months", 41, 22, 0.69, 0.2, 1.12, None),
        ("amenorrhea_months", "Time since last menses", "12 to 48 months", 78, 25, 0.7, -0.05, 0.97, None),
        ("amenorrhea_months", "Time since last menses", "48 months and more", 61, 12, 0.61, -0.2, 0.88, None),
        ("aetiology", "Aetiology", "idiopathic", 120, 42, 0.72, 0.03, 1.02, None),
        ("aetiology", "Aetiology", "chemo_radiotherapy", 17, 3, None, None, None, "fewer than 20 women"),
        ("aetiology", "Aetiology", "surgical", 29, 4, None, None, None, "fewer than 5 women with the event"),
        ("aetiology", "Aetiology", "not known", 14, 5, None, None, None, "fewer than 20 women"),
    ]
    return [
        {
            "variable": variable,
            "label": label,
            "level": level,
            "n": n,
            "events": events,
            "c_statistic": estimate(c, 5 / n**0.5 / 4, "suppressed"),
            "calibration_in_the_large": estimate(citl, 5 / n**0.5, "suppressed"),
            "o_e_ratio": estimate(oe, 3 / n**0.5, "suppressed"),
            "suppressed": suppressed,
        }
        for variable, label, level, n, events, c, citl, oe, suppressed in rows
    ]


def make_centres():
    rows = [("C1", 62, 22, 0.73), ("C2", 48, 15, 0.68), ("C3", 37, 13, 0.77), ("C4", 21, 8, 0.61), ("C5", 12, 1, None)]
    reason = "only one woman responded"
    centres = [
        {
            "centre": name,
            "n": n,
            "events": events,
            "c_statistic": estimate(c, 1 / n**0.5, reason),
            "calibration_slope": estimate(None if c is None else c + 0.2, 5 / n**0.5, reason),
            "calibration_in_the_large": estimate(0.4 - n / 100, 3 / n**0.5),
        }
        for name, n, events, c in rows
    ]
    pooled = {
        name: {**estimate(value, half), "pi_low": value - 2 * half, "pi_high": value + 2 * half, "tau": 0.21}
        for name, value, half in (
            ("c_statistic", 0.71, 0.07),
            ("calibration_slope", 0.91, 0.3),
            ("calibration_in_the_large", 0.02, 0.4),
        )
    }
    return {"centres": centres, "pooled": pooled}


TWINS = (
    "0 rows equal and 2 nearly equal to a row of another woman, of 180; about 0.4 such pairs are expected by chance. "
    "Only the clinic can say whether they are one woman"
)


def make_leakage():
    rows = [
        ("Is a predictor known only after treatment?", "no", "none is", {"predictors": 0}),
        ("Does a predictor define the outcome?", "no", "no predictor does", {"predictors": 0}),
        (
            "Is the same woman on both sides of a split?",
            "no",
            "cross-validation: 0 women in 100 splits; bootstrap: 0 women in 200 splits",
            {"cross-validation": {"splits": 100, "women": 0}, "bootstrap": {"splits": 200, "women": 0}},
        ),
        (
            "Was every learning step fitted anew in every resample?",
            "yes",
            "all 4 steps, 1200 fits in total",
            {name: {"fitted": 300, "expected": 300} for name in ("features", "impute", "scale", "model")},
        ),
        (
            "Are there rows of different women that may be one woman?",
            "unclear",
            TWINS,
            {"rows": 180, "exact": 0, "near": 2, "pairs_expected_by_chance": 0.4},
        ),
    ]
    keys = ("question", "answer", "finding", "counted")
    return {"questions": [dict(zip(keys, row, strict=True)) for row in rows]}


def make_assessment():
    y, p, refits = make_predictions()
    null, _ = make_null()
    found = compute_instability(p, refits)
    return {
        "study": "menses_12m",
        "n": 180,
        "n_patients": 180,
        "events": int(y.sum()),
        "primary": "ridge",
        "champion": "ridge",
        "synthetic": True,
        "skill": "shown",
        "skill_test": {
            "p_value": 0.005,
            "metric": "log_loss_reduction",
            "observed": 0.048,
            "n_permutations": 200,
            "rule": "shown if p ≤ 0.01 and the reduction is above 0, weak if p ≤ 0.05, otherwise none",
        },
        "null": null,
        "sample_size": {
            "n": 180,
            "events": 59,
            "prevalence": 0.33,
            "n_parameters": 14,
            "assumed_c_statistic": 0.7,
            "criteria": {"for_shrinkage": 892, "for_r2": 410, "for_prevalence": 340, "required": 892},
            "affordable_parameters": 2,
            "expected_shrinkage": 0.61,
            "expected_mape": 0.094,
        },
        "ladder": make_ladder(),
        "calibration_errors": {
            "ici": estimate(0.031, 0.02),
            "e50": estimate(0.026, 0.02),
            "e90": estimate(0.061, 0.04),
            "emax": estimate(None, 0, "the calibration model did not converge"),
        },
        "brier_632_plus": estimate(0.199, 0.02),
        "instability": {
            "mean_absolute_error": found.mean_absolute_error,
            "largest_absolute_error": found.largest_absolute_error,
            "n_refits": found.n_refits,
            "n_failed": 3,
        },
        "subgroups": make_subgroups(),
        "internal_external": make_centres(),
        "leakage": make_leakage(),
    }


def make_arrays():
    y, p, refits = make_predictions()
    _, draws = make_null()
    return {
        "null_draws": draws,
        "p_response": p,
        "p_refits": refits,
        "outcome": {"y_true": y},
        "decision_curve": compute_decision_curve(y, p, np.linspace(0.05, 0.6, 56)),
        "overall": {"c_statistic": 0.71, "calibration_in_the_large": 0.0, "o_e_ratio": 1.0},
        "brier_roads": {"Apparent": estimate(0.186, 0.02), "Cross-validation": estimate(0.201, 0.02)},
    }
