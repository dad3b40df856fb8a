"""Both links against their definitions, and their averages against adaptive quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit, logit

from poi_predict.errors import ModelError
from poi_predict.modeling.borrowing import links
from poi_predict.modeling.borrowing.links import find_link

NAMES = ("logit", "probit")
DISTRIBUTIONS = {"logit": stats.logistic, "probit": stats.norm}
ETA = np.linspace(-12.0, 12.0, 97)


@pytest.mark.parametrize("name", NAMES)
def test_probability_and_density_are_those_of_the_distribution(name: str) -> None:
    link, truth = find_link(name), DISTRIBUTIONS[name]
    np.testing.assert_allclose(link.probability(ETA), truth.cdf(ETA), rtol=1e-13)
    np.testing.assert_allclose(link.density(ETA), truth.pdf(ETA), rtol=1e-12)
    np.testing.assert_allclose(link.log_probability(ETA), truth.logcdf(ETA), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_finite_differences(name: str) -> None:
    link, h = find_link(name), 1e-5
    p, density, slope = link.curves(ETA)
    np.testing.assert_array_equal(p, link.probability(ETA))
    np.testing.assert_allclose(density, link.density(ETA), rtol=1e-9)
    np.testing.assert_allclose(
        density, (link.probability(ETA + h) - link.probability(ETA - h)) / (2 * h), rtol=1e-4, atol=1e-10
    )
    np.testing.assert_allclose(slope, (link.density(ETA + h) - link.density(ETA - h)) / (2 * h), atol=1e-10)
    of_log = (link.log_probability(ETA + h) - link.log_probability(ETA - h)) / (2 * h)
    np.testing.assert_allclose(link.score(ETA), of_log, rtol=1e-6, atol=1e-9)
    of_score = (link.score(ETA + h) - link.score(ETA - h)) / (2 * h)
    np.testing.assert_allclose(link.score_slope(ETA), of_score, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_both_tails_are_exact_and_finite(name: str) -> None:
    link, far = find_link(name), np.array([-800.0, -37.0, 37.0, 800.0])
    with np.errstate(all="raise", under="ignore"):
        found = [link.log_probability(far), link.score(far), link.score_slope(far), *link.curves(far)]
    assert np.isfinite(found).all()
    assert (link.log_probability(far)[:2] < -36).all()
    # Mills' ratio: a probit's score goes as -eta and its slope to -1; a logit's score to 1 and its slope to 0.
    np.testing.assert_allclose(link.score(far)[0], {"logit": 1.0, "probit": 800.0}[name], rtol=1e-4)
    np.testing.assert_allclose(link.score_slope(far)[1], {"logit": 0.0, "probit": -1.0}[name], atol=2e-3)
    assert (link.score_slope(far) <= 0).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mean", [-9.0, -2.0, 0.0, 0.3, 4.0])
@pytest.mark.parametrize("sd", [0.0, 0.1, 0.7, 2.0])
def test_average_over_a_normal_predictor(name: str, mean: float, sd: float) -> None:
    link = find_link(name)

    def integrand(z: float) -> float:
        return float(link.probability(np.array([mean + sd * z]))[0]) * float(np.exp(-0.5 * z * z))

    expected = integrate.quad(integrand, -10, 10, epsabs=1e-12, epsrel=1e-12, limit=200)[0] / np.sqrt(2 * np.pi)
    found = link.average(np.array([mean]), np.array([sd**2]))
    assert found[0] == pytest.approx(expected, abs=1e-7)
    assert found[0] + link.average(np.array([-mean]), np.array([sd**2]))[0] == pytest.approx(1.0, abs=1e-12)


def test_average_of_many_women_is_that_of_each() -> None:
    link, mean = find_link("logit"), np.linspace(-3, 3, 50_003)
    variance = np.full(len(mean), 1.3)
    some = [0, 49_999, 50_000, 50_002]
    # A matrix product sums in an order of its own, whose rounding is all that may differ.
    np.testing.assert_allclose(link.average(mean, variance)[some], link.average(mean[some], variance[some]), rtol=1e-13)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variance", [0.0, 0.25, 1.0])
def test_shrinkage_is_the_slope_of_the_average_at_even_odds(name: str, variance: float) -> None:
    link, at = find_link(name), np.array([-1e-4, 1e-4])
    slope = np.diff(logit(link.average(at, np.full(2, variance))))[0] / 2e-4
    assert link.shrinkage(np.array([variance]))[0] == pytest.approx(slope, rel=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_flattening_gives_the_average_without_integration(name: str) -> None:
    link, mean = find_link(name), np.linspace(-4, 4, 17)
    for variance in (0.2, 1.0, 4.0):
        flat = link.probability(mean / np.sqrt(1 + link.flattening**2 * variance))
        np.testing.assert_allclose(flat, link.average(mean, np.full(17, variance)), atol=0.012)


def test_unknown_link_is_refused() -> None:
    with pytest.raises(ModelError, match=r'link must be "logit" or "probit"; "cauchit" is neither\.'):
        find_link("cauchit")


@pytest.mark.parametrize("name", NAMES)
def test_both_averages_are_exact_however_near_to_nought(name: str) -> None:
    link = find_link(name)
    mean, variance = np.array([-25.0, -3.0, 0.0, 0.2, 25.0]), np.array([0.5, 4.0, 0.0, 1.0, 0.5])
    likelier, less = link.average_both(mean, variance)
    np.testing.assert_allclose(likelier + less, 1.0, rtol=1e-14)
    np.testing.assert_allclose(less, link.average(-mean, variance), rtol=1e-12)
    assert 0 < less[-1] < 1e-9
    assert 0 < likelier[0] < 1e-9


def test_the_logit_average_is_the_plain_sum_over_its_nodes() -> None:
    rng = np.random.default_rng(0)
    n = links.ROWS_AT_ONCE + 50
    mean, variance = rng.normal(0, 6, n), rng.exponential(2.0, n)
    mean[:40], variance[20:60] = rng.normal(0, 300, 40), rng.uniform(0, 1e5, 40)  # far out, and wider than is quick
    plain = expit(mean[:, None] + np.sqrt(variance)[:, None] * links.NODES) @ links.NODE_WEIGHTS
    np.testing.assert_allclose(find_link("logit").average(mean, variance), plain, rtol=1e-12)
