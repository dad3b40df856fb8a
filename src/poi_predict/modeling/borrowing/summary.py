"""The posterior in tables: what was believed, what was learned from whom, and what contradicts what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from poi_predict.modeling.borrowing.conflict import (
    combine_conflicts,
    compute_conflict,
    compute_information_shares,
    compute_overall_conflict,
    flag_conflicts,
)
from poi_predict.modeling.borrowing.joint import complete_arms, place_arms
from poi_predict.modeling.borrowing.links import find_link
from poi_predict.modeling.borrowing.posterior import make_tau_grid
from poi_predict.privacy import find_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poi_predict.modeling.borrowing.joint import Evidence, JointFit
    from poi_predict.modeling.borrowing.posterior import Posterior

    FloatArray = NDArray[np.float64]

__all__ = ["describe_arms", "describe_conflict", "describe_posterior"]

QUANTILES = (0.025, 0.5, 0.975)
ARM_DRAWS = 1000
LEAST_LEARNED_BY_ARMS = 0.3
"""Arms move the intercept and, a little, everything else; only what they say much of is held against the priors."""
BISECTIONS = 60


def describe_posterior(fit: JointFit, evidence: Evidence, alone: Posterior, twin: Posterior) -> pd.DataFrame:
    """Return one row a parameter.

    Parameters
    ----------
    fit : JointFit
    evidence : Evidence
    alone, twin : Posterior
        Of arms and priors without the women, and the same with normal tails, of `fit_evidence_alone`.

    Returns
    -------
    DataFrame
        parameter, mean, sd, q2_5, q50, q97_5, prior_mean, prior_sd, share_prior, share_arms, share_patients,
        conflict_p. Deviations and tau have no shares; ``conflict_p`` compares the women with arms and priors or,
        without women, the arms with the priors.
    """
    k, posterior = len(fit.design.coefficients), fit.posterior
    sd = np.sqrt(np.diag(fit.covariance))
    sd_alone = np.sqrt(np.diag(alone.covariance))[:k]
    shares = compute_information_shares(fit.prior_sd, sd_alone, sd[:k])
    conflict = _judge_each(fit, twin)
    quantiles = _find_quantiles(posterior)
    blank = np.full(len(fit.groups), np.nan)

    def extended(values: FloatArray) -> FloatArray:
        return np.concatenate([values, blank])

    frame = pd.DataFrame(
        {
            "parameter": [*fit.design.coefficients, *fit.groups],
            "mean": fit.mean,
            "sd": sd,
            **{name: quantiles[i] for i, name in enumerate(("q2_5", "q50", "q97_5"))},
            "prior_mean": np.concatenate([fit.prior_mean, np.zeros(len(fit.groups))]),
            "prior_sd": extended(fit.prior_sd),
            "share_prior": extended(shares[0]),
            "share_arms": extended(shares[1]),
            "share_patients": extended(shares[2]),
            "conflict_p": extended(conflict),
        }
    )
    return pd.concat([frame, _describe_tau(posterior, evidence)], ignore_index=True)


def describe_conflict(fit: JointFit, evidence: Evidence, alone: Posterior) -> dict[str, Any]:
    """Return the p-values of the sources against each other, and the parameters that stand out.

    ``p_arms``: arms against priors; ``p_patients``: women against both, None without women. Each is one test, of all
    parameters together and of every single one. ``flagged``: parameters that contradict by themselves.
    """
    k = len(fit.design.coefficients)
    prior = fit.prior_mean, np.diag(fit.prior_sd**2)
    of_arms = _first(alone.collapse(), k)
    p = compute_conflict(fit.prior_mean, fit.prior_sd, of_arms[0], np.sqrt(np.diag(of_arms[1])))
    p_arms = combine_conflicts(compute_overall_conflict(prior, of_arms, LEAST_LEARNED_BY_ARMS), p)
    p_patients = None
    if len(fit.centre_codes):
        joint = fit.posterior if fit.twin is None else fit.twin
        before, after = _first(alone.collapse_straight(), k), _first(joint.collapse_straight(), k)
        after = after[0], _without_blur(fit, after[1], before[1])
        p = _judge_each(fit, alone)
        p_patients = _or_none(combine_conflicts(compute_overall_conflict(before, after), p))
    flagged = [name for name, flag in zip(fit.design.coefficients, flag_conflicts(p), strict=True) if flag]
    return {"p_arms": _or_none(p_arms), "p_patients": p_patients, "flagged": flagged, "tail": evidence.tail}


def _judge_each(fit: JointFit, alone: Posterior) -> FloatArray:
    """p-value of each coefficient: the women against arms and priors, or the arms against the priors."""
    k = len(fit.design.coefficients)
    before, spread = _first(alone.collapse(), k)
    sd = np.sqrt(np.diag(spread))
    if not len(fit.centre_codes):
        return compute_conflict(fit.prior_mean, fit.prior_sd, before, sd)
    after = (fit.mean, fit.covariance) if fit.twin is None else fit.twin.collapse()
    mean, covariance = _first(after, k)
    variance = np.diag(_without_blur(fit, covariance, spread))
    return compute_conflict(before, sd, mean, np.sqrt(np.maximum(variance, 0.0)))


def _without_blur(fit: JointFit, covariance: FloatArray, before: FloatArray) -> FloatArray:
    """Return the covariance that a blurred mean is held against: the noise widened it, and makes its moves larger."""
    return covariance - 2.0 * find_noise(covariance, before, fit.blur) if fit.blur else covariance


def _first(moments: tuple[FloatArray, FloatArray], k: int) -> tuple[FloatArray, FloatArray]:
    return moments[0][:k], moments[1][:k, :k]


def describe_arms(fit: JointFit, evidence: Evidence) -> pd.DataFrame:
    """Return one row an arm: what was observed and what the model fits.

    Returns
    -------
    DataFrame
        row_id, study, treated, events, n, observed, fitted, fitted_low, fitted_high, definition, silent (columns
        that its publication does not describe).
    """
    data = place_arms(evidence, fit)
    shape = (len(evidence.arms), evidence.points)
    rng = np.random.default_rng(evidence.seed)
    draws, _ = fit.posterior.draw(ARM_DRAWS, rng)
    rows = np.hstack([data.design, np.repeat(data.groups, evidence.points, axis=0)])
    eta = draws @ rows.T
    share = find_link(evidence.link).probability(eta).reshape(len(draws), *shape).mean(axis=2)
    low, high = np.quantile(share, [0.025, 0.975], axis=0) if shape[0] else (np.empty(0), np.empty(0))
    silent = [
        ", ".join(name for marginal in marginals if marginal.from_table for name in marginal.columns)
        for marginals in complete_arms(evidence, fit.design)
    ]
    return pd.DataFrame(
        {
            "row_id": [arm.row_id for arm in evidence.arms],
            "study": [arm.study for arm in evidence.arms],
            "treated": [arm.treated for arm in evidence.arms],
            "events": [arm.events for arm in evidence.arms],
            "n": [arm.n for arm in evidence.arms],
            "observed": [arm.events / arm.n for arm in evidence.arms],
            "fitted": share.mean(axis=0),
            "fitted_low": low,
            "fitted_high": high,
            "definition": [arm.definition for arm in evidence.arms],
            "silent": silent,
        }
    )


def _find_quantiles(posterior: Posterior) -> FloatArray:
    """Quantiles of each parameter under the mixture, shape (n_quantiles, d), by bisection."""
    means, covariances = posterior.moments
    sd = np.sqrt(np.maximum(np.einsum("kii->ki", covariances), 1e-300))
    low0, high0 = (means - 10 * sd).min(axis=0), (means + 10 * sd).max(axis=0)
    found = []
    for share in QUANTILES:
        low, high = low0.copy(), high0.copy()
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            below = posterior.weights @ ndtr((middle - means) / sd) < share
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        found.append(0.5 * (low + high))
    return np.array(found)


def _describe_tau(posterior: Posterior, evidence: Evidence) -> pd.DataFrame:
    mean = float(posterior.weights @ posterior.taus)
    row = {
        "parameter": "tau",
        "mean": mean,
        "sd": float(np.sqrt(max(posterior.tau_square - mean**2, 0.0))),
        **dict(zip(("q2_5", "q50", "q97_5"), _find_tau_quantiles(posterior, evidence), strict=True)),
        "prior_mean": evidence.tau_scale * float(np.sqrt(2 / np.pi)),
        "prior_sd": evidence.tau_scale * float(np.sqrt(1 - 2 / np.pi)),
    }
    return pd.DataFrame([row])


def _find_tau_quantiles(posterior: Posterior, evidence: Evidence) -> list[float]:
    """Quantiles of tau; within the share of the prior that a grid value stands for, the prior's density is kept."""
    _, shares = make_tau_grid(evidence.tau_scale, evidence.tau_points)
    below, prior_below = (np.append(0.0, np.cumsum(part)) for part in (posterior.weights, shares))
    at = np.interp(QUANTILES, below / below[-1], prior_below)
    return [float(tau) for tau in evidence.tau_scale * ndtri(0.5 + 0.5 * np.minimum(at, 1 - 1e-12))]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
