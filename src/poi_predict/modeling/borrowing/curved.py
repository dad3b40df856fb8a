"""The log posterior in coordinates in which it is nearly normal.

An arm fixes a *mean* probability. The steeper the effects of covariates, the further its women are apart, and the
further the intercept must lie from 0 to keep that mean: intercept and effects are tied along a curve, which no normal
distribution follows. In place of the intercept stands the log-odds of the mean probability itself,
``alpha = intercept / sqrt(1 + b' A b)``, with A the covariance of the covariates times the square of
``16 sqrt(3) / (15 pi)`` for the logit and 1 for the probit link (Zeger, Liang & Albert 1988, doi 10.2307/2531734).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poi_predict.modeling.borrowing.likelihood import LogPosterior

    FloatArray = NDArray[np.float64]

__all__ = ["CurvedPosterior", "find_slopes", "straighten"]


def straighten(psi: FloatArray, attenuation: FloatArray) -> FloatArray:
    """Return parameters theta from rows psi, whose first entry is the log-odds of the mean probability.

    Parameters
    ----------
    psi : ndarray of shape (n_draws, d)
    attenuation : ndarray of shape (n_coefficients, n_coefficients)
        The matrix A; its first row and column are 0.
    """
    theta = psi.copy()
    theta[:, 0] *= _stretch(psi, attenuation)
    return theta


def find_slopes(psi: FloatArray, attenuation: FloatArray) -> FloatArray:
    """Return the derivative of theta by psi at one psi, shape (d, d)."""
    k = len(attenuation)
    slopes, stretch = np.eye(len(psi)), float(_stretch(psi[None], attenuation)[0])
    slopes[0, :k] = psi[0] * (attenuation @ psi[:k]) / stretch
    slopes[0, 0] = stretch
    return slopes


def _stretch(psi: FloatArray, attenuation: FloatArray) -> FloatArray:
    phi = psi[:, : len(attenuation)]
    return np.asarray(np.sqrt(1.0 + ((phi @ attenuation) * phi).sum(axis=1)), dtype=np.float64)


class CurvedPosterior:
    """A log posterior as a function of psi, with the determinant of the change of variables.

    Parameters
    ----------
    density : LogPosterior
    attenuation : ndarray of shape (n_coefficients, n_coefficients)
    """

    def __init__(self, density: LogPosterior, attenuation: FloatArray) -> None:
        self.density, self.attenuation = density, attenuation

    @property
    def n_rows(self) -> int:
        """Women and points of arms."""
        return self.density.n_rows

    def evaluate(self, psi: FloatArray, tau: float) -> float:
        """Return the log density."""
        return float(self.evaluate_many(psi[None, :], tau)[0])

    def evaluate_many(self, psis: FloatArray, tau: float) -> FloatArray:
        """Return the log density of each row, shape (n_draws,)."""
        value = self.density.evaluate_many(straighten(psis, self.attenuation), tau)
        return np.asarray(value + np.log(_stretch(psis, self.attenuation)), dtype=np.float64)

    def compute_gradients(self, psis: FloatArray, tau: float) -> FloatArray:
        """Return the gradient at each row, shape (n_draws, d)."""
        k = len(self.attenuation)
        gradient = self.density.compute_gradients(straighten(psis, self.attenuation), tau)
        stretch, pull = _stretch(psis, self.attenuation)[:, None], psis[:, :k] @ self.attenuation
        first = gradient[:, [0]]
        gradient[:, :k] += first * psis[:, [0]] * pull / stretch + pull / stretch**2
        gradient[:, [0]] = first * stretch
        return gradient

    def slope_by_tau(self, psis: FloatArray, gradients: FloatArray, tau: float) -> FloatArray:
        """Differentiate the log density of each row by tau, the standardised deviations held; shape (n_draws,).

        Tau and a deviation w enter the likelihood as their product, so that the gradient by w, less that of its
        standard normal prior, says it all.
        """
        if tau == 0:
            return np.zeros(len(psis))
        deviations = psis[:, len(self.attenuation) :]
        of_likelihood = gradients[:, len(self.attenuation) :] + deviations
        return np.asarray((of_likelihood * deviations).sum(axis=1) / tau, dtype=np.float64)

    def expand(self, psi: FloatArray, tau: float) -> tuple[float, FloatArray, FloatArray]:
        """Return the log density, its gradient and its negative Hessian; shapes (d,) and (d, d) of the last two."""
        k, a = len(self.attenuation), self.attenuation
        value, gradient, hessian = self.density.expand(straighten(psi[None, :], a)[0], tau)
        stretch, pull = float(_stretch(psi[None, :], a)[0]), a @ psi[:k]
        jacobian = np.zeros(len(psi))
        jacobian[:k] = psi[0] * pull / stretch
        jacobian[0] = stretch
        bend = np.zeros((k, k))
        bend += psi[0] * (a / stretch - np.outer(pull, pull) / stretch**3)
        bend[0, :] += pull / stretch
        bend[:, 0] += pull / stretch
        log_bend = a / stretch**2 - 2.0 * np.outer(pull, pull) / stretch**4
        row = hessian[0].copy()
        corner, first = row[0], gradient[0]
        row[0] = 0.0
        rest = hessian
        rest[0, :] = rest[:, 0] = 0.0
        rest += np.outer(jacobian, row) + np.outer(row, jacobian) + corner * np.outer(jacobian, jacobian)
        rest[:k, :k] -= first * bend + log_bend
        moved = gradient + first * jacobian
        moved[0] = first * stretch
        moved[:k] += pull / stretch**2
        return value + float(np.log(stretch)), moved, rest
