"""The joint log posterior against a plain loop over women and arms, and its derivatives against finite differences."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import gammaln

from poi_predict.modeling.borrowing.curved import CurvedPosterior, straighten
from poi_predict.modeling.borrowing.likelihood import ArmData, JointData, LogPosterior, Women
from poi_predict.modeling.borrowing.links import find_link

COLUMNS, GROUPS, POINTS = 4, 3, 16
SETTINGS = list(itertools.product(("logit", "probit"), (False, True), (False, True)))


def shares(group: np.ndarray) -> np.ndarray:
    """A deviation of its own for each group, and half of the last one as well for every second row."""
    found = np.eye(GROUPS)[group]
    found[::2, -1] += 0.5
    return found


def make_data(n_women: int = 30, n_arms: int = 4, *, heavy: bool = False, two: bool = False) -> JointData:
    rng = np.random.default_rng(n_women + n_arms)
    design = np.column_stack([np.ones(n_women), rng.normal(size=(n_women, COLUMNS - 1))])
    sign = np.where(rng.random(n_women) < 0.4, 1.0, -1.0)
    women = Women(design, sign, rng.uniform(0.5, 2.0, n_women), shares(rng.integers(0, GROUPS, n_women)))
    rows = np.column_stack([np.ones(n_arms * POINTS), rng.normal(0.3, 1.0, size=(n_arms * POINTS, COLUMNS - 1))])
    n = rng.integers(8, 40, n_arms).astype(float)
    events = np.array([np.floor(0.35 * size) for size in n])
    arms = ArmData(rows, events, n, rng.uniform(0.3, 1.0, n_arms), shares(np.arange(n_arms) % GROUPS), POINTS)
    bent = np.zeros((COLUMNS, COLUMNS))
    spread = rng.normal(size=(6, COLUMNS - 1))
    bent[1:, 1:] = 0.346 * spread.T @ spread / 6
    return JointData(
        women, arms, GROUPS, rng.normal(0, 0.3, COLUMNS), rng.uniform(0.4, 1.5, COLUMNS), bent,
        heavy_tail=heavy, two_parameter=two,
    )  # fmt: skip


def count(data: JointData, theta: np.ndarray, tau: float, link: str) -> float:
    """The log posterior, written down without a matrix."""
    truth = {"logit": stats.logistic, "probit": stats.norm}[link]
    phi, u = theta[:COLUMNS], tau * theta[COLUMNS:]
    total = stats.norm.logpdf(theta[COLUMNS:]).sum()
    z = (phi - data.prior_mean) / data.prior_sd
    total += (stats.t(4).logpdf(z) if data.heavy_tail else stats.norm.logpdf(z)).sum()
    for i, group in enumerate(data.women.groups):
        eta = sum(data.women.design[i, c] * phi[c] for c in range(COLUMNS)) + group @ u
        total += data.women.weight[i] * truth.logcdf(data.women.sign[i] * eta)
    for j, (r, n) in enumerate(zip(data.arms.events, data.arms.n, strict=True)):
        points = data.arms.design[j * POINTS : (j + 1) * POINTS]
        p = [truth.cdf(row @ phi + data.arms.groups[j] @ u) for row in points]
        share, size = np.mean(p), n
        if data.two_parameter:
            size, share = n * np.mean(p) ** 2 / np.mean(np.square(p)), np.mean(np.square(p)) / np.mean(p)
        ways = gammaln(size + 1) - gammaln(size - r + 1)
        total += data.arms.discount[j] * (ways + r * np.log(share) + (size - r) * np.log1p(-share))
    return float(total)


@pytest.mark.parametrize(("link", "heavy", "two"), SETTINGS)
@pytest.mark.parametrize("tau", [0.0, 0.4])
def test_density_is_that_of_a_plain_loop(link: str, heavy: bool, two: bool, tau: float) -> None:
    data = make_data(heavy=heavy, two=two)
    density = LogPosterior(data, find_link(link))
    thetas = np.random.default_rng(1).normal(0, 0.6, (3, COLUMNS + GROUPS))
    found = density.evaluate_many(thetas, tau)
    expected = [count(data, theta, tau, link) for theta in thetas]
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-9)  # it is known up to a constant
    assert density.evaluate(thetas[1], tau) == pytest.approx(found[1], rel=1e-12)


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize(("link", "heavy", "two"), SETTINGS)
def test_gradient_and_hessian_are_those_of_finite_differences(link: str, heavy: bool, two: bool, curved: bool) -> None:
    data = make_data(heavy=heavy, two=two)
    plain = LogPosterior(data, find_link(link))
    density = CurvedPosterior(plain, data.attenuation) if curved else plain
    theta, tau = np.random.default_rng(2).normal(0, 0.7, COLUMNS + GROUPS), 0.6
    value, gradient, hessian = density.expand(theta, tau)
    assert value == pytest.approx(density.evaluate(theta, tau), rel=1e-12)
    by_difference = optimize.approx_fprime(theta, lambda t: density.evaluate(t, tau), 1e-6)
    np.testing.assert_allclose(gradient, by_difference, rtol=1e-4, atol=2e-4)
    h, d = 1e-5, len(theta)
    steps = h * np.eye(d)
    curvature = [density.expand(theta - e, tau)[1] - density.expand(theta + e, tau)[1] for e in steps]
    np.testing.assert_allclose(hessian, np.array(curvature) / (2 * h), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    np.testing.assert_allclose(
        density.compute_gradients(theta[None] + steps, tau)[0], density.expand(theta + steps[0], tau)[1]
    )


def test_curved_coordinates_keep_probability_mass() -> None:
    data = make_data(0, 1)
    data = dataclasses.replace(data, prior_mean=data.prior_mean[:2], prior_sd=np.array([0.5, 0.8]), n_groups=1)
    data = dataclasses.replace(data, women=Women(np.empty((0, 2)), *(np.empty(0),) * 2, np.empty((0, 1))))
    data = dataclasses.replace(
        data, arms=dataclasses.replace(data.arms, design=data.arms.design[:, :2], groups=np.ones((1, 1)))
    )
    bent = np.array([[0.0, 0.0], [0.0, 0.9]])
    plain, grid = LogPosterior(data, find_link("logit")), np.linspace(-5, 5, 161)
    rows = np.array([(a, b, 0.0) for a in grid for b in grid])
    mass = {
        "theta": np.exp(plain.evaluate_many(rows, 0.0)).sum(),
        "psi": np.exp(CurvedPosterior(plain, bent).evaluate_many(rows, 0.0)).sum(),
    }
    assert mass["psi"] == pytest.approx(mass["theta"], rel=1e-6)
    placed = straighten(np.array([[0.5, 2.0, 0.0]]), bent)
    np.testing.assert_allclose(placed, [[0.5 * np.sqrt(1 + 0.9 * 4), 2.0, 0.0]])


@pytest.mark.parametrize("events", [0.0, 1.0])
@pytest.mark.parametrize("two", [False, True])
def test_arms_of_no_and_of_all_responses_have_finite_derivatives(events: float, two: bool) -> None:
    data = make_data(two=two)
    arms = dataclasses.replace(data.arms, events=events * data.arms.n)
    density = LogPosterior(dataclasses.replace(data, arms=arms), find_link("logit"))
    for size in (0.1, 3.0, 40.0):
        theta = np.full(COLUMNS + GROUPS, size)
        assert all(np.isfinite(part).all() for part in density.expand(theta, 0.5))


def test_a_womans_weight_and_an_arms_discount_are_powers() -> None:
    data, link = make_data(), find_link("probit")
    theta = np.random.default_rng(4).normal(0, 0.5, COLUMNS + GROUPS)
    women, arms = data.women, data.arms
    nobody = Women(np.empty((0, COLUMNS)), np.empty(0), np.empty(0), np.empty((0, GROUPS)))
    none = ArmData(np.empty((0, COLUMNS)), *(np.empty(0),) * 3, np.empty((0, GROUPS)), POINTS)

    def log_likelihood(**parts: object) -> float:
        prior = dataclasses.replace(data, women=nobody, arms=none)
        whole = dataclasses.replace(prior, **parts)
        return LogPosterior(whole, link).evaluate(theta, 0.3) - LogPosterior(prior, link).evaluate(theta, 0.3)

    doubled = dataclasses.replace(women, weight=2 * women.weight)
    assert log_likelihood(women=doubled) == pytest.approx(2 * log_likelihood(women=women), rel=1e-12)
    twice = Women(*(np.concatenate([part, part]) for part in (women.design, women.sign, women.weight, women.groups)))
    assert log_likelihood(women=twice) == pytest.approx(2 * log_likelihood(women=women), rel=1e-12)
    # Half the discount is half the women: the power prior of a binomial is a binomial of d r out of d n.
    half = dataclasses.replace(arms, discount=0.5 * arms.discount)
    fewer = dataclasses.replace(arms, events=0.5 * arms.events, n=0.5 * arms.n)
    assert log_likelihood(arms=half) == pytest.approx(log_likelihood(arms=fewer), rel=1e-12)


def one_arm(p: np.ndarray, events: float, n: float, *, two: bool) -> float:
    """Log likelihood of one arm whose women have these probabilities."""
    rows = np.zeros((len(p), COLUMNS))
    rows[:, 0] = np.log(p / (1 - p))
    arm = ArmData(rows, np.array([events]), np.array([n]), np.ones(1), np.eye(GROUPS)[:1], len(p))
    data = dataclasses.replace(make_data(0, 2, two=two), arms=arm)
    theta = np.r_[1.0, np.zeros(COLUMNS - 1 + GROUPS)]
    silent = dataclasses.replace(data, arms=dataclasses.replace(arm, discount=np.zeros(1)))
    value, prior = (LogPosterior(part, find_link("logit")).evaluate(theta, 0.0) for part in (data, silent))
    return value - prior


def test_two_parameters_give_mean_and_variance_of_a_sum_of_unequal_women() -> None:
    n = 20
    p = 1 / (1 + np.exp(-np.random.default_rng(5).normal(-0.5, 1.0, n)))
    mass = np.exp([one_arm(p, r, n, two=True) for r in range(16)])
    mean = mass @ np.arange(16) / mass.sum()
    assert mass.sum() == pytest.approx(1.0, abs=0.01)
    assert mean == pytest.approx(p.sum(), abs=0.05)
    assert mass @ np.arange(16) ** 2 - mean**2 == pytest.approx((p * (1 - p)).sum(), rel=0.03)
    equal = np.full(n, 0.3)
    for r in (2, 9):
        ways = gammaln(n + 1) - gammaln(n - r + 1) - gammaln(r + 1)
        assert one_arm(equal, r, n, two=True) == pytest.approx(one_arm(equal, r, n, two=False) + ways, abs=1e-6)


def test_two_parameters_do_not_reward_women_who_cannot_have_responded() -> None:
    # Women all but certain either way make the sum of their outcomes certain; 13 responses where 2 of 40 women are
    # expected must stay unlikely, however unequal they are.
    certain = np.where(np.arange(40) < 2, 1 - 1e-9, 1e-9)
    assert one_arm(certain, 13.0, 40.0, two=True) < -15
    assert one_arm(np.where(np.arange(40) < 13, 1 - 1e-9, 1e-9), 13.0, 40.0, two=True) == pytest.approx(0.0, abs=0.01)
