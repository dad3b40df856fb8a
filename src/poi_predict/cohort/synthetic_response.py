"""What becomes of made-up women: true probabilities, event times, follow-up and later measurements.

Effects of baseline factors are the widened priors of `poi_predict.evidence` (half the printed effect).
Effects of cell source, route and dose are drawn around zero, since no human estimate exists. A pregnancy
needs menses first: its probability is that of menses times that of conceiving once they are back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from poi_predict.evidence.published import read_prognostic_effects

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["HORIZON_MONTHS", "Response", "ResponseRates", "draw_follow_up", "draw_response"]

HORIZON_MONTHS = 12.0
_EARLY_AMENORRHEA_MONTHS = 48.0
_YOUNG_YEARS = 35.0
_TYPICAL_LOG10_DOSE = 7.0

# Our choices: nobody published them in this form.
_FOLLOW_UP_SHAPE = (1.6, 1.4)  # of a beta distribution between the shortest and the longest follow-up
_LIVE_BIRTH_IF_PREGNANT = 0.75
_MONTHS_TO_BIRTH = 9.0
_ADVERSE_EVENT_GRADES = (0.68, 0.20, 0.09, 0.03)
_VISIT_MONTHS = np.array([3.0, 6.0, 12.0])


@dataclass(frozen=True)
class ResponseRates:
    """Average 12-month probabilities and the spread of the effects that nobody knows (logit scale)."""

    menses: float
    pregnancy: float
    protocol_effect_sd: float
    centre_effect_sd: float


@dataclass(frozen=True)
class Response:
    """True 12-month probabilities, and months from treatment to menses and to pregnancy, observed or not."""

    p_menses: Array
    p_pregnancy: Array
    months_to_menses: Array
    months_to_pregnancy: Array


def draw_response(women: pd.DataFrame, rates: ResponseRates, rng: np.random.Generator) -> Response:
    """Give each woman her probabilities and draw when menses and pregnancy would come.

    The intercepts are set so that the women's probabilities average to the rates. Menses come at a constant
    hazard that reaches the woman's probability at 12 months; a pregnancy within 12 months falls anywhere
    between the menses and the horizon.
    """
    menses_score = _menses_score(women) + _unknown_effects(women, rates, rng)
    menses_intercept = _intercept(lambda a: float(expit(a + menses_score).mean()), rates.menses)
    p_menses = expit(menses_intercept + menses_score)

    conception_score = _conception_score(women) + _unknown_effects(women, rates, rng)
    conception_intercept = _intercept(lambda a: float((p_menses * expit(a + conception_score)).mean()), rates.pregnancy)
    p_conception = expit(conception_intercept + conception_score)

    menses = _months_at_constant_hazard(p_menses, rng)
    in_time = (menses <= HORIZON_MONTHS) & (rng.random(len(women)) < p_conception)
    soon = menses + rng.random(len(women)) * (HORIZON_MONTHS - menses)
    late = np.maximum(menses, HORIZON_MONTHS) + _months_at_constant_hazard(p_conception, rng)
    return Response(p_menses, p_menses * p_conception, menses, np.where(in_time, soon, late))


def _months_at_constant_hazard(probability: Array, rng: np.random.Generator) -> Array:
    """Exponential times that come within the horizon with the probability given."""
    times = HORIZON_MONTHS * rng.standard_exponential(len(probability)) / -np.log1p(-probability)
    return np.asarray(times, dtype=float)


def draw_follow_up(
    women: pd.DataFrame, response: Response, months: tuple[float, float], rng: np.random.Generator
) -> pd.DataFrame:
    """Follow the women for some months and record what is seen until then.

    The length of follow-up depends on nothing, so that censoring is uninformative. Months have one decimal,
    rounded up, so that an event never comes after the end of its follow-up.
    """
    n, (shortest, longest) = len(women), months
    follow_up = np.round(shortest + (longest - shortest) * rng.beta(*_FOLLOW_UP_SHAPE, n), 1)
    menses, pregnancy = (np.ceil(10 * time) / 10 for time in (response.months_to_menses, response.months_to_pregnancy))
    resumed, pregnant = menses <= follow_up, pregnancy <= follow_up
    delivered = follow_up >= pregnancy + _MONTHS_TO_BIRTH
    born = (rng.random(n) < _LIVE_BIRTH_IF_PREGNANT).astype(float)
    seen = pd.DataFrame(
        {
            "menses_resumed": resumed.astype(float),
            "months_to_menses": np.where(resumed, menses, np.nan),
            "clinical_pregnancy": pregnant.astype(float),
            "months_to_pregnancy": np.where(pregnant, pregnancy, np.nan),
            "live_birth": np.where(pregnant, np.where(delivered, born, np.nan), 0.0),
            "follow_up_months": follow_up,
        }
    )
    return pd.concat([seen, _later_measurements(women, menses, follow_up, rng)], axis=1)


def _menses_score(women: pd.DataFrame) -> Array:
    """Log odds of menses, up to the intercept: no effect of AMH (PF06) or age (PF20)."""
    effect = read_prognostic_effects()["prior_estimate"]
    early = (women["amenorrhea_months"] < _EARLY_AMENORRHEA_MONTHS).to_numpy()
    secondary = (women["amenorrhea_type"] == "secondary").to_numpy()
    score = (
        effect["E01"] * women["fsh"].to_numpy()
        + effect["E06"] * early
        + effect["E08"] * secondary
        + effect["E09"] * women["follicles_visible"].to_numpy()
    )
    return np.asarray(score, dtype=float)


def _conception_score(women: pd.DataFrame) -> Array:
    """Log odds of conceiving once menses are back, up to the intercept: age and aetiology."""
    effect = read_prognostic_effects()["prior_estimate"]
    score = (
        effect["E05"] * (women["age"] < _YOUNG_YEARS).to_numpy()
        + effect["E16"] * (women["aetiology"] == "chromosomal").to_numpy()
        + effect["E17"] * (women["aetiology"] == "chemo_radiotherapy").to_numpy()
    )
    return np.asarray(score, dtype=float)


def _unknown_effects(women: pd.DataFrame, rates: ResponseRates, rng: np.random.Generator) -> Array:
    """Draw effects of source, route, dose and centre around zero."""
    total = (
        rates.protocol_effect_sd
        * rng.standard_normal()
        * (np.log10(women["dose_cells"].to_numpy()) - _TYPICAL_LOG10_DOSE)
    )
    for name, sd in (
        ("cell_source", rates.protocol_effect_sd),
        ("route", rates.protocol_effect_sd),
        ("centre", rates.centre_effect_sd),
    ):
        codes, levels = pd.factorize(women[name], sort=True)
        total += sd * rng.standard_normal(len(levels))[codes]
    return np.asarray(total, dtype=float)


def _intercept(average: Callable[[float], float], rate: float) -> float:
    return float(brentq(lambda intercept: average(intercept) - rate, -40.0, 40.0, xtol=1e-10))


def _later_measurements(women: pd.DataFrame, menses: Array, follow_up: Array, rng: np.random.Generator) -> pd.DataFrame:
    """Hormones at one visit (they answer to menses), the worst adverse event, quality of life."""
    n = len(women)
    possible = np.maximum((_VISIT_MONTHS[:, None] <= follow_up).sum(axis=0), 1)
    visit = np.minimum(_VISIT_MONTHS[rng.integers(0, possible)], follow_up)
    back = menses <= visit

    def later(hormone: str, log_change: Array, log_sd: float, most: float) -> Array:
        drawn = women[hormone].to_numpy() * np.exp(log_change + log_sd * rng.standard_normal(n))
        return np.asarray(np.minimum(drawn, most))

    qol = np.clip(60 + 14 * rng.standard_normal(n), 5, 100)
    return pd.DataFrame(
        {
            "fsh_after": later("fsh", np.where(back, -0.7, -0.05), 0.25, 250.0),
            "fsh_after_month": visit,
            "amh_after": later("amh", np.full(n, 0.05), 0.3, 20.0),
            "amh_after_month": visit,
            "estradiol_after": later("estradiol", np.where(back, 1.0, 0.1), 0.4, 800.0),
            "estradiol_after_month": visit,
            "adverse_event_grade": rng.choice(4, size=n, p=_ADVERSE_EVENT_GRADES).astype(float),
            "qol_before": qol,
            "qol_after": np.clip(qol + 2 + 5 * back + 8 * rng.standard_normal(n), 0, 100),
        }
    )
