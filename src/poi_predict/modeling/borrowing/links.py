"""Links between a linear predictor and a probability, with the derivatives that an exact Hessian needs.

Both links are symmetric, so the log-likelihood of a woman is ``log F(s * eta)`` with s = 1 for a response and -1
for none, and everything follows from ``log F`` and its first two derivatives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import expit, log_ndtr, ndtr

from poi_predict.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["Link", "LinkName", "find_link"]

LinkName = Literal["logit", "probit"]
ROOT_TWO_PI = np.sqrt(2 * np.pi)
# Nodes of the trapezoid rule in standard deviations: exact to 1e-8 while those are below 2, to 1e-5 below 4.
NODES = np.linspace(-8.0, 8.0, 41)
NODE_WEIGHTS = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()
MIDDLE = len(NODES) // 2
ROWS_AT_ONCE = 4096
"""So few that what is worked out for them stays in the processor's cache."""
WIDEST = 60.0
"""A standard deviation above this would carry the outermost node beyond what a float holds."""


class Link(ABC):
    """A symmetric distribution function F and what follows from it."""

    flattening: float
    """F(m / sqrt(1 + flattening² v)) is nearly the mean of F over a normal eta with mean m and variance v."""

    @abstractmethod
    def probability(self, eta: FloatArray) -> FloatArray:
        """Return F."""

    @abstractmethod
    def density(self, eta: FloatArray) -> FloatArray:
        """First derivative of F."""

    @abstractmethod
    def curves(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """F and its first two derivatives, at the cost of one."""

    @abstractmethod
    def log_probability(self, eta: FloatArray) -> FloatArray:
        """Logarithm of F, exact in the tails."""

    @abstractmethod
    def score(self, eta: FloatArray) -> FloatArray:
        """First derivative of log F."""

    @abstractmethod
    def score_slope(self, eta: FloatArray) -> FloatArray:
        """Second derivative of log F."""

    @abstractmethod
    def average(self, mean: FloatArray, variance: FloatArray) -> FloatArray:
        """Mean of F where eta is normal with this mean and variance."""

    def average_both(self, mean: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean of F and of 1 - F, each exact to its last digits however near to 0."""
        return self.average(mean, variance), self.average(-mean, variance)

    @abstractmethod
    def shrinkage(self, variance: FloatArray) -> FloatArray:
        """Slope of the log-odds of `average` in the mean, to first order at even odds."""


class _Logit(Link):
    flattening = 16.0 * np.sqrt(3.0) / (15.0 * np.pi)

    def probability(self, eta: FloatArray) -> FloatArray:
        # As exact as scipy's expit, and several times as fast, which is what the points of arms ask for.
        with np.errstate(over="ignore"):
            p = np.exp(-eta)
        p += 1.0
        return np.asarray(np.reciprocal(p, out=p), dtype=np.float64)

    def density(self, eta: FloatArray) -> FloatArray:
        return self.probability(eta) * self.probability(-eta)

    def curves(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        p = self.probability(eta)
        density = p * (1.0 - p)
        return p, density, density * (1.0 - 2.0 * p)

    def log_probability(self, eta: FloatArray) -> FloatArray:
        return np.asarray(np.minimum(eta, 0.0) - np.log1p(np.exp(-np.abs(eta))), dtype=np.float64)

    def score(self, eta: FloatArray) -> FloatArray:
        return self.probability(-eta)

    def score_slope(self, eta: FloatArray) -> FloatArray:
        return -self.density(eta)

    def average(self, mean: FloatArray, variance: FloatArray) -> FloatArray:
        return self.average_both(mean, variance)[0]

    def average_both(self, mean: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
        """By the trapezoid rule, which converges geometrically for a smooth integrand."""
        likelier, less = np.empty(len(mean)), np.empty(len(mean))
        for start in range(0, len(mean), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            less[part] = _average_less_likely(np.abs(mean[part]), np.sqrt(variance[part]))
        np.subtract(1.0, less, out=likelier)
        positive = mean >= 0
        return np.where(positive, likelier, less), np.where(positive, less, likelier)

    def shrinkage(self, variance: FloatArray) -> FloatArray:
        # MacKay 1992, doi 10.1162/neco.1992.4.5.720
        return np.asarray(1.0 / np.sqrt(1.0 + np.pi * variance / 8.0), dtype=np.float64)


class _Probit(Link):
    flattening = 1.0

    def probability(self, eta: FloatArray) -> FloatArray:
        return np.asarray(ndtr(eta), dtype=np.float64)

    def density(self, eta: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-0.5 * eta**2) / ROOT_TWO_PI, dtype=np.float64)

    def curves(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        density = self.density(eta)
        return self.probability(eta), density, -eta * density

    def log_probability(self, eta: FloatArray) -> FloatArray:
        return np.asarray(log_ndtr(eta), dtype=np.float64)

    def score(self, eta: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-0.5 * eta**2 - log_ndtr(eta)) / ROOT_TWO_PI, dtype=np.float64)

    def score_slope(self, eta: FloatArray) -> FloatArray:
        score = self.score(eta)
        return -score * (eta + score)

    def average(self, mean: FloatArray, variance: FloatArray) -> FloatArray:
        return np.asarray(ndtr(mean / np.sqrt(1.0 + variance)), dtype=np.float64)

    def shrinkage(self, variance: FloatArray) -> FloatArray:
        # Slope of the log-odds of the normal distribution function at zero.
        return np.asarray((4.0 / ROOT_TWO_PI) / np.sqrt(1.0 + variance), dtype=np.float64)


def _average_less_likely(mean: FloatArray, spread: FloatArray) -> FloatArray:
    """Mean of the logistic function of -eta by the trapezoid rule, eta being normal with a mean that is not negative.

    With a = exp(-mean) two nodes at equal distance share one fraction, (a c + 2 a²) / (1 + a c + a²), in which c is
    twice the hyperbolic cosine of that distance; nodes being evenly spaced, c follows from its two predecessors. So a
    row asks for two exponentials, not for forty-one.
    """
    wide = spread > WIDEST
    if wide.any():
        found = np.empty(len(mean))
        found[wide] = expit(-mean[wide, None] + spread[wide, None] * NODES) @ NODE_WEIGHTS
        found[~wide] = _average_less_likely(mean[~wide], spread[~wide])
        return found
    a = np.exp(-mean)
    square = a * a
    step = np.exp(spread * (NODES[1] - NODES[0]))
    first = step + 1.0 / step
    before, now = np.full(len(mean), 2.0), first.copy()
    total = NODE_WEIGHTS[MIDDLE] * (a / (1.0 + a))
    for weight in NODE_WEIGHTS[MIDDLE + 1 :]:
        part = a * now
        below = part + (1.0 + square)
        part += 2.0 * square
        part /= below
        part *= weight
        total += part
        np.multiply(first, now, out=below)
        below -= before
        before, now = now, below
    return np.asarray(total, dtype=np.float64)


_LINKS: dict[str, Link] = {"logit": _Logit(), "probit": _Probit()}


def find_link(name: str) -> Link:
    """Return a link by name.

    Raises
    ------
    ModelError
        If it is neither logit nor probit.

    Examples
    --------
    >>> float(find_link("logit").probability(np.array([0.0]))[0])
    0.5
    >>> find_link("cloglog")
    Traceback (most recent call last):
    poi_predict.errors.ModelError: link must be "logit" or "probit"; "cloglog" is neither.
    """
    if name not in _LINKS:
        raise ModelError(f'link must be "logit" or "probit"; "{name}" is neither.')
    return _LINKS[name]
