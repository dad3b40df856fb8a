"""The mixture of normal distributions against exact posteriors: closed forms, and integration by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import digamma, expit, polygamma

from poi_predict.errors import ModelError
from poi_predict.modeling.borrowing.hamiltonian import MOST_R_HAT
from poi_predict.modeling.borrowing.likelihood import ArmData, JointData, Women
from poi_predict.modeling.borrowing.links import find_link
from poi_predict.modeling.borrowing.posterior import (
    Posterior,
    _maximise,
    compute_posterior,
    make_tau_grid,
    make_white_points,
)


def nobody(columns: int = 1, groups: int = 1) -> Women:
    return Women(np.empty((0, columns)), np.empty(0), np.empty(0), np.empty((0, groups)))


def make_arms(events: list[float], n: list[float], group: list[int]) -> ArmData:
    """Arms without covariates: eight equal points each."""
    return ArmData(
        np.ones((8 * len(n), 1)), np.array(events), np.array(n), np.ones(len(n)), np.eye(max(group) + 1)[group], 8
    )


def compute(data: JointData, tau_scale: float = 0.0, *, correct: bool = True, n_taus: int = 9) -> Posterior:
    grid = make_tau_grid(tau_scale, n_taus)
    return compute_posterior(data, find_link("logit"), grid, sampler="importance" if correct else "none", seed=0)


def make_data(arms: ArmData, prior_sd: float, groups: int = 1) -> JointData:
    return JointData(nobody(groups=groups), arms, groups, np.zeros(1), np.array([prior_sd]), np.zeros((1, 1)))


def test_grid_has_the_moments_of_a_half_normal() -> None:
    taus, shares = make_tau_grid(0.5, 9)
    assert (np.diff(taus) > 0).all()
    assert shares.sum() == pytest.approx(1.0)
    assert shares @ taus == pytest.approx(stats.halfnorm(scale=0.5).mean(), rel=0.003)
    assert shares @ taus**2 == pytest.approx(0.25, rel=0.005)
    assert [part.tolist() for part in make_tau_grid(0.0, 9)] == [[0.0], [1.0]]


@pytest.mark.parametrize(("peak", "width"), [(0.3, 0.1), (0.6, 0.15), (0.05, 0.1)])
def test_grid_integrates_a_posterior_much_narrower_than_the_prior(peak: float, width: float) -> None:
    taus, shares = make_tau_grid(0.5, 9)
    fine = np.linspace(0, 3, 20_001)
    exact = stats.halfnorm(scale=0.5).pdf(fine) * stats.norm(peak, width).pdf(fine)
    exact /= exact.sum()
    weights = shares * stats.norm(peak, width).pdf(taus)
    weights /= weights.sum()
    mean, sd = exact @ fine, np.sqrt(exact @ fine**2 - (exact @ fine) ** 2)
    assert weights @ taus == pytest.approx(mean, abs=0.1 * sd)
    assert np.sqrt(weights @ taus**2 - (weights @ taus) ** 2) == pytest.approx(sd, rel=0.06)


@pytest.mark.parametrize("correct", [False, True])
def test_without_data_the_posterior_is_the_prior(correct: bool) -> None:
    data = JointData(
        nobody(columns=2),
        ArmData(np.empty((0, 2)), *(np.empty(0),) * 3, np.empty((0, 1)), 8),
        1, np.array([-1.0, 0.4]), np.array([2.5, 0.3]), np.zeros((2, 2)),
    )  # fmt: skip
    found = compute(data, 0.5, correct=correct)
    most = 1e-5 if correct else 1e-9  # draws of equal weight are smoothed in an order that rounding decides
    np.testing.assert_allclose(found.mean, [-1.0, 0.4, 0.0], atol=most)
    np.testing.assert_allclose(found.covariance, np.diag([2.5**2, 0.3**2, found.tau_square]), atol=most)
    np.testing.assert_allclose(found.weights, make_tau_grid(0.5, 9)[1], rtol=most)


def test_flat_prior_and_one_arm_give_the_binomial_estimate() -> None:
    found = compute(make_data(make_arms([20], [60], [0]), 1e4), correct=False)
    assert found.mean[0] == pytest.approx(np.log(20 / 40), abs=1e-7)
    assert found.covariance[0, 0] == pytest.approx(1 / 20 + 1 / 40, rel=1e-4)


@pytest.mark.parametrize(("r", "n"), [(0, 9), (1, 9), (3, 10), (9, 10), (20, 60)])
def test_importance_draws_give_the_moments_of_a_skewed_posterior(r: int, n: int) -> None:
    eta = np.linspace(-14, 14, 20_001)
    mass = stats.norm(0, 2.5).pdf(eta) * stats.binom(n, expit(eta)).pmf(r)
    mass /= mass.sum()
    mean, sd = mass @ eta, np.sqrt(mass @ eta**2 - (mass @ eta) ** 2)
    data = make_data(make_arms([r], [n], [0]), 2.5)
    plain, corrected = compute(data, correct=False), compute(data)
    assert corrected.corrected
    assert corrected.pareto_k < 0.7
    assert corrected.effective_draws > 400
    shifts = [abs(posterior.mean[0] - mean) / sd for posterior in (plain, corrected)]
    spreads = [abs(np.sqrt(posterior.covariance[0, 0]) / sd - 1) for posterior in (plain, corrected)]
    assert shifts[1] < min(0.04, shifts[0] + 0.002)
    assert spreads[1] < min(0.04, spreads[0] + 0.002)


def test_a_tail_no_normal_distribution_has_is_not_trusted() -> None:
    # Without a prior, one response of nine leaves log-odds whose lower tail is exponential.
    found = compute(make_data(make_arms([1], [9], [0]), 1e4))
    assert found.pareto_k > 0.7
    assert not found.corrected
    exact = digamma(1) - digamma(8), np.sqrt(polygamma(1, 1) + polygamma(1, 8))
    assert abs(found.mean[0] - exact[0]) / exact[1] < 0.2  # the refit by axes still holds


def test_between_study_spread_is_integrated_as_by_brute_force() -> None:
    events, n, scale = [4.0, 14.0, 9.0, 3.0], [10.0, 24.0, 41.0, 20.0], 1.0
    found = compute(make_data(make_arms(events, n, [0, 1, 2, 3]), 2.5, groups=4), scale)
    mu, tau, z = np.linspace(-4, 3, 71), np.linspace(0.01, 4.5, 70), np.linspace(-5, 5, 61)
    p = expit(mu[:, None, None] + tau[:, None] * z)
    log_mass = np.add.outer(stats.norm(0, 2.5).logpdf(mu), stats.halfnorm(scale=scale).logpdf(tau))
    for r, size in zip(events, n, strict=True):
        log_mass += np.log((stats.binom(size, p).pmf(r) * stats.norm.pdf(z)).sum(axis=2))
    mass = np.exp(log_mass - log_mass.max())
    mass /= mass.sum()
    exact = mass.sum(axis=1) @ mu, mass.sum(axis=0) @ tau
    spread = np.sqrt(mass.sum(axis=1) @ mu**2 - exact[0] ** 2), np.sqrt(mass.sum(axis=0) @ tau**2 - exact[1] ** 2)
    tau_mean = found.weights @ found.taus
    assert found.mean[0] == pytest.approx(exact[0], abs=0.1 * spread[0])
    assert tau_mean == pytest.approx(exact[1], abs=0.15 * spread[1])
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(spread[0], rel=0.1)
    assert np.sqrt(found.tau_square - tau_mean**2) == pytest.approx(spread[1], rel=0.1)


def test_draws_have_the_moments_of_the_mixture_and_follow_the_seed() -> None:
    found = compute(make_data(make_arms([4, 14, 3], [10, 24, 20], [0, 1, 1]), 2.5, groups=2), 0.7)
    draws, taus = found.draw(100_000, np.random.default_rng(1))
    np.testing.assert_allclose(draws.mean(axis=0), found.mean, atol=0.01)
    np.testing.assert_allclose(np.cov(draws.T), found.covariance, atol=0.01)
    assert (taus**2).mean() == pytest.approx(found.tau_square, rel=0.02)
    assert set(np.unique(taus)) <= set(found.taus)
    np.testing.assert_array_equal(
        found.draw(5, np.random.default_rng(2))[0], found.draw(5, np.random.default_rng(2))[0]
    )


def test_same_seed_same_posterior() -> None:
    data = make_data(make_arms([2, 5], [9, 12], [0, 1]), 2.5, groups=2)
    first, again = compute(data, 0.5), compute(data, 0.5)
    np.testing.assert_array_equal(first.mean, again.mean)
    np.testing.assert_array_equal(first.covariance, again.covariance)


@pytest.mark.parametrize("d", [1, 5, 130])
def test_white_points_are_white(d: int) -> None:
    points = make_white_points(d)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(points.T @ points / len(points), np.eye(d), atol=1e-10)


def test_a_density_without_maximum_is_refused() -> None:
    class Slope:
        """Climbs for ever: a wrong Hessian keeps every step short."""

        def expand(self, psi: np.ndarray, _tau: float) -> tuple[float, np.ndarray, np.ndarray]:
            return float(psi.sum()), np.ones(2), np.eye(2)

    with pytest.raises(ModelError, match=r"no maximum that could be found\. Narrow the priors"):
        _maximise(Slope(), np.zeros(2), 0.0)  # type: ignore[arg-type]


def test_where_no_step_helps_the_search_ends() -> None:
    class Peak:
        """A roof, on whose ridge the gradient does not vanish."""

        def expand(self, psi: np.ndarray, _tau: float) -> tuple[float, np.ndarray, np.ndarray]:
            return -float(np.abs(psi).sum()), -np.where(psi >= 0, 1.0, -1.0), np.eye(1)

    theta, value, _ = _maximise(Peak(), np.zeros(1), 0.0)  # type: ignore[arg-type]
    assert theta[0] == 0.0
    assert value == 0.0


@pytest.mark.parametrize("sampler", ["quick", "fine"])
def test_chains_meet_a_normal_posterior_exactly(sampler: str) -> None:
    data = JointData(
        nobody(columns=2),
        ArmData(np.empty((0, 2)), *(np.empty(0),) * 3, np.empty((0, 1)), 8),
        1, np.array([-1.0, 0.4]), np.array([2.5, 0.3]), np.zeros((2, 2)),
    )  # fmt: skip
    found = compute_posterior(data, find_link("logit"), make_tau_grid(0.5, 9), sampler=sampler, seed=3)
    np.testing.assert_allclose(found.mean, [-1.0, 0.4, 0.0], atol=1e-9)
    np.testing.assert_allclose(found.covariance, np.diag([2.5**2, 0.3**2, found.tau_square]), atol=1e-9)


@pytest.mark.parametrize("sampler", ["quick", "fine"])
@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize(("r", "n"), [(0, 9), (9, 10), (20, 60)])
def test_chains_give_the_moments_of_a_skewed_or_heavy_tailed_posterior(
    r: int, n: int, heavy: bool, sampler: str
) -> None:
    """By integration on a grid; the prior is normal or t with 4 degrees of freedom, the data far from its centre."""
    eta = np.linspace(-40, 40, 80_001)
    prior = stats.t(4) if heavy else stats.norm()
    mass = prior.pdf((eta + 1.0) / 0.5) * stats.binom(n, expit(eta)).pmf(r)
    mass /= mass.sum()
    mean, sd = mass @ eta, np.sqrt(mass @ eta**2 - (mass @ eta) ** 2)
    data = JointData(
        nobody(), make_arms([r], [n], [0]), 1, np.array([-1.0]), np.array([0.5]), np.zeros((1, 1)), heavy_tail=heavy
    )
    found = compute_posterior(data, find_link("logit"), make_tau_grid(0.0, 1), sampler=sampler, seed=1)
    assert found.r_hat < MOST_R_HAT or sampler == "quick"
    assert found.mean[0] == pytest.approx(mean, abs=(0.03 if sampler == "fine" else 0.12) * sd)
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(sd, rel=0.04 if sampler == "fine" else 0.15)


def test_the_weights_of_tau_are_those_of_the_exact_marginal_likelihood() -> None:
    """Four arms that differ: the likelihood of tau by integration over each arm's deviation, and over the mean."""
    events, n = [2.0, 14.0, 5.0, 30.0], [40.0, 40.0, 40.0, 60.0]
    taus, shares = make_tau_grid(1.0, 9)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    mu = np.linspace(-7, 5, 1201)
    exact = []
    for tau in taus:
        per_arm = [
            stats.binom(m, expit(mu[:, None] + tau * nodes)).pmf(r) @ weights for r, m in zip(events, n, strict=True)
        ]
        exact.append((stats.norm(0, 2.5).pdf(mu) * np.prod(per_arm, axis=0)).sum())
    expected = shares * np.array(exact) / (shares @ np.array(exact))
    data = JointData(
        nobody(groups=4), make_arms(events, n, [0, 1, 2, 3]), 4, np.zeros(1), np.array([2.5]), np.zeros((1, 1))
    )
    found = compute_posterior(data, find_link("logit"), (taus, shares), sampler="fine", seed=1)
    np.testing.assert_allclose(found.weights, expected, atol=0.02)
    assert found.weights @ found.taus == pytest.approx(expected @ taus, abs=0.02)
