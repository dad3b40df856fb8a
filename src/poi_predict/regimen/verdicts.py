"""When one regimen may be called better: a rule about all options at once.

Whoever compares many options two by two finds a best one in noise. So a statement must hold together with all that
could have been made: an option is best if it has the highest probability of *all* supported options in enough draws
of the posterior, and it is better than the reference if the intervals of *all* contrasts, held together, say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import logit

from poi_predict.modeling.recalibrated import PROBABILITY_FLOOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poi_predict.regimen.options import Option
    from poi_predict.regimen.settings import RegimenSettings

    FloatArray = NDArray[np.float64]
    BoolArray = NDArray[np.bool_]

__all__ = [
    "LEAST_DRAWS",
    "Ranking",
    "Verdict",
    "claim_against_reference",
    "compare_pairs",
    "find_best",
    "rank_options",
    "write_verdict",
]

LEAST_DRAWS = 100
"""Fewer draws show no share of 95 %."""

LEAST_SPREAD = 1e-9
ROUNDING = 1e-9
"""A difference of ten points is one of ten points whatever the last bit says."""


@dataclass(frozen=True)
class Ranking:
    """Supported options against one another; NaN for the others.

    Attributes
    ----------
    best : ndarray of shape (n_women, n_options)
        Share of draws in which an option has the highest probability; a tie is shared.
    alone : ndarray of shape (n_women, n_options)
        The same, a tie counting for nobody.
    ranks : ndarray of shape (n_women, n_options, n_options)
        Share of draws in which it has rank 1, 2, …; a tie is spread evenly.
    loss : ndarray of shape (n_women, n_options)
        Mean of the best option's probability less this one's: what choosing it is expected to cost.
    """

    best: FloatArray
    alone: FloatArray
    ranks: FloatArray
    loss: FloatArray


@dataclass(frozen=True)
class Verdict:
    """What may be said of one woman's options.

    Attributes
    ----------
    kind : {"better", "partly", "not distinguishable", "too few draws", "no comparison"}
        One option is better than all others; something may be said of some; nothing; nothing is judged, since so few
        draws show no share of 95 %; or too few options have support.
    best : str or None
        The option that is better than all others.
    likeliest : str or None
        The option that is likeliest to be best; None where nothing can be distinguished.
    beaten : tuple of str
        Options that the likeliest one is better than, all pairs of options taken together.
    better, worse : tuple of str
        Options that are better, or worse, than the reference.
    sentence : str
    """

    kind: Literal["better", "partly", "not distinguishable", "too few draws", "no comparison"]
    best: str | None
    likeliest: str | None
    beaten: tuple[str, ...]
    better: tuple[str, ...]
    worse: tuple[str, ...]
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            "kind": self.kind,
            "best": self.best,
            "likeliest": self.likeliest,
            "beaten": list(self.beaten),
            "better": list(self.better),
            "worse": list(self.worse),
            "sentence": self.sentence,
        }


def rank_options(draws: FloatArray, supported: BoolArray) -> Ranking:
    """Rank the supported options in every draw.

    Parameters
    ----------
    draws : ndarray of shape (n_women, n_options, n_draws)
        Probabilities.
    supported : ndarray of bool, shape (n_options,)

    Examples
    --------
    Two options, four draws:

    >>> ranking = rank_options(np.array([[[0.5, 0.6, 0.4, 0.7], [0.3, 0.3, 0.5, 0.3]]]), np.array([True, True]))
    >>> ranking.best.tolist(), ranking.loss.round(3).tolist()
    ([[0.75, 0.25]], [[0.025, 0.225]])
    """
    n, k, d = draws.shape
    chosen = np.flatnonzero(supported)
    best, alone, loss = (np.full((n, k), np.nan) for _ in range(3))
    ranks = np.full((n, k, k), np.nan)
    if len(chosen):
        some = draws[:, chosen]
        above, level = _count_rivals(some)
        first = above == 0
        best[:, chosen] = np.where(first, 1.0 / (level + 1.0), 0.0).mean(axis=-1)
        alone[:, chosen] = (first & (level == 0)).mean(axis=-1)
        loss[:, chosen] = (some.max(axis=1, keepdims=True) - some).mean(axis=-1)
        ranks[:, chosen] = 0.0
        ranks[:, chosen, : len(chosen)] = _spread_ranks(above, level, len(chosen)) / d
    return Ranking(best, alone, ranks, loss)


def claim_against_reference(
    draws: FloatArray, p: FloatArray, supported: BoolArray, reference: int, settings: RegimenSettings
) -> NDArray[np.int8]:
    """Return which options are better (1) or worse (-1) than the reference, all contrasts together.

    The intervals of all contrasts with the reference, in log-odds, are widened by one factor until all of them hold in
    a share `threshold` of the draws (sup-t band: Montiel Olea & Plagborg-Møller 2019, doi 10.1002/jae.2656). What
    leaves out no difference, and is large enough, is claimed. Picking the surest of several contrasts by its own
    posterior probability would claim too much: of five sources that do not differ from a sixth, one often passes 95 %.

    Parameters
    ----------
    draws : ndarray of shape (n_women, n_options, n_draws)
    p : ndarray of shape (n_women, n_options)
    supported : ndarray of bool, shape (n_options,)
    reference : int
        Position of the reference.
    settings : RegimenSettings

    Returns
    -------
    ndarray of int, shape (n_women, n_options)

    Examples
    --------
    >>> from poi_predict.regimen.settings import RegimenSettings
    >>> rng = np.random.default_rng(0)
    >>> draws = np.array([0.30, 0.33, 0.55])[None, :, None] + 0.04 * rng.standard_normal((1, 3, 500))
    >>> settings = RegimenSettings(protocol=("route",), vary=("route",))
    >>> claim_against_reference(draws, draws.mean(axis=-1), np.ones(3, dtype=bool), 0, settings)
    array([[0, 0, 1]], dtype=int8)
    """
    claims = np.zeros(p.shape, dtype=np.int8)
    others = np.flatnonzero(supported & (np.arange(p.shape[1]) != reference))
    if not (supported[reference] and len(others)):
        return claims
    away = _log_odds(draws[:, others]) - _log_odds(draws[:, [reference]])
    centre, spread, furthest = _measure(away)
    width = np.quantile(furthest.max(axis=1), settings.threshold, axis=-1)
    gap = p[:, others] - p[:, [reference]]
    claims[:, others] = np.where(_leaves_out_none(centre, spread, width[:, None], gap, settings), np.sign(gap), 0.0)
    return claims


def compare_pairs(draws: FloatArray, p: FloatArray, supported: BoolArray, settings: RegimenSettings) -> BoolArray:
    """Return which option is better than which, all pairs of supported options together.

    As `claim_against_reference`, with the intervals of all pairs widened by one factor until all of them hold.

    Returns
    -------
    ndarray of bool, shape (n_women, n_options, n_options)
        Whether the first is better than the second.
    """
    n, k = p.shape
    better = np.zeros((n, k, k), dtype=np.bool_)
    chosen = np.flatnonzero(supported)
    pairs = [(a, b) for place, a in enumerate(chosen) for b in chosen[place + 1 :]]
    if not pairs:
        return better
    first, second = np.array(pairs).T
    log_odds = _log_odds(draws)
    level = log_odds.mean(axis=-1)
    log_odds -= level[..., None]
    covariance = log_odds @ np.swapaxes(log_odds, 1, 2) / draws.shape[-1]
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    centre = level[:, first] - level[:, second]
    square = variance[:, first] + variance[:, second] - 2.0 * covariance[:, first, second]
    spread = np.sqrt(np.maximum(square, LEAST_SPREAD**2))
    furthest, away = np.zeros(draws[:, 0].shape), np.empty(draws[:, 0].shape)
    for place, (a, b) in enumerate(pairs):  # in one buffer: there may be hundreds of pairs
        np.subtract(log_odds[:, a], log_odds[:, b], out=away)
        away /= spread[:, [place]]
        np.abs(away, out=away)
        np.maximum(furthest, away, out=furthest)
    width = np.quantile(furthest, settings.threshold, axis=-1)[:, None]
    gap = p[:, first] - p[:, second]
    stands = _leaves_out_none(centre, spread, width, gap, settings)
    better[:, first, second] = stands & (gap > 0)
    better[:, second, first] = stands & (gap < 0)
    return better


def find_best(p: FloatArray, ranking: Ranking, supported: BoolArray, settings: RegimenSettings) -> NDArray[np.intp]:
    """Return the position of each woman's option that is better than all others, -1 where there is none.

    Of two options that do not differ, one or the other reaches a share of 95 % in one cohort of ten; of three, in one
    of forty. So the share that is allowed for error is split between the two sides where there are two.
    """
    chosen = np.flatnonzero(supported)
    found = np.full(len(p), -1, dtype=np.intp)
    if len(chosen) < 2:
        return found
    likeliest = chosen[np.argmax(ranking.alone[:, chosen], axis=1)]
    rows = np.arange(len(p))
    rivals = np.where(supported, p, -np.inf)
    own = p[rows, likeliest]
    rivals[rows, likeliest] = -np.inf
    lead = own - rivals.max(axis=1)
    threshold = settings.threshold if len(chosen) > 2 else (1.0 + settings.threshold) / 2.0
    sure = ranking.alone[rows, likeliest] >= threshold
    stands = sure & (lead >= settings.smallest_difference - ROUNDING)
    return np.where(stands, likeliest, found)


def write_verdict(
    options: Sequence[Option],
    best: int,
    probability_best: FloatArray,
    beats: BoolArray,
    claims: NDArray[np.int8],
    reference: int,
    too_few: int | None = None,
) -> Verdict:
    """Put one woman's verdict in words; no leader is named where nothing can be distinguished.

    Parameters
    ----------
    options : sequence of Option
    best : int
        Of `find_best`.
    probability_best : ndarray of shape (n_options,)
    beats : ndarray of bool, shape (n_options, n_options)
        Of `compare_pairs`.
    claims : ndarray of int, shape (n_options,)
        Of `claim_against_reference`.
    reference : int
    too_few : int, optional
        How many draws there are, where they are too few for a verdict.

    Examples
    --------
    >>> from poi_predict.regimen.options import Option
    >>> options = [Option("none", "no cell therapy", {}), Option("vein", "cells into a vein", {})]
    >>> nothing = np.zeros((2, 2), dtype=bool), np.zeros(2, dtype=np.int8)
    >>> verdict = write_verdict(options, -1, np.array([0.48, 0.52]), *nothing, 0)
    >>> verdict.sentence, verdict.likeliest
    ('Not distinguishable: these options cannot be distinguished with these data.', None)
    >>> write_verdict(options, -1, np.array([0.48, 0.52]), *nothing, 0, too_few=20).sentence
    'Too few refits or draws for a verdict: there are 20, and 100 are needed.'
    """
    known = np.flatnonzero(~np.isnan(probability_best))
    if len(known) < 2:
        said = "Fewer than two options have enough support, so none can be compared."
        return Verdict("no comparison", None, None, (), (), (), said)
    if too_few is not None:
        said = f"Too few refits or draws for a verdict: there are {too_few}, and {LEAST_DRAWS} are needed."
        return Verdict("too few draws", None, None, (), (), (), said)
    likeliest = best if best >= 0 else int(known[np.argmax(probability_best[known])])
    beaten, better, worse = (np.flatnonzero(which).tolist() for which in (beats[likeliest], claims > 0, claims < 0))
    if not (best >= 0 or beaten or better or worse):
        said = "Not distinguishable: these options cannot be distinguished with these data."
        return Verdict("not distinguishable", None, None, (), (), (), said)
    label = options[likeliest].label
    if best >= 0:
        chance = f"{probability_best[likeliest]:.0%}"
        sentences = [f"{label} is better than every other supported option (probability best: {chance})."]
    else:
        sentences = ["No option is better than all others."]
        sentences += [f"{label} is better than {_list(options, beaten)}."] * bool(beaten)
    for side, places in (("Better", better), ("Worse", worse)):
        sentences += [f"{side} than {options[reference].label}: {_list(options, places)}."] * bool(places)
    return Verdict(
        kind="better" if best >= 0 else "partly",
        best=options[best].name if best >= 0 else None,
        likeliest=options[likeliest].name if best >= 0 or beaten else None,
        beaten=tuple(options[place].name for place in beaten),
        better=tuple(options[place].name for place in better),
        worse=tuple(options[place].name for place in worse),
        sentence=" ".join(sentences),
    )


def _log_odds(p: FloatArray) -> FloatArray:
    return np.asarray(logit(np.clip(p, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)), dtype=np.float64)


def _measure(away: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean and SD of draws (last axis), and how many SDs each lies from the mean."""
    centre, spread = away.mean(axis=-1), np.maximum(away.std(axis=-1), LEAST_SPREAD)
    return centre, spread, np.abs(away - centre[..., None]) / spread[..., None]


def _leaves_out_none(
    centre: FloatArray, spread: FloatArray, width: FloatArray, gap: FloatArray, settings: RegimenSettings
) -> BoolArray:
    """Whether an interval leaves out no difference, and the difference in probability is large enough."""
    sure = (np.abs(centre) > width * spread) & (np.sign(gap) == np.sign(centre))
    return np.asarray(sure & (np.abs(gap) >= settings.smallest_difference - ROUNDING))


def _count_rivals(draws: FloatArray) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Count in every draw the options above each one, and the others level with it."""
    k = draws.shape[1]
    above, level = np.zeros(draws.shape, dtype=np.int16), np.zeros(draws.shape, dtype=np.int16)
    for other in range(k):
        above += draws[:, other : other + 1] > draws
    if (above.sum(axis=1) < k * (k - 1) // 2).any():  # without ties the counts are 0, 1, …, k - 1
        for other in range(k):
            level += draws[:, other : other + 1] == draws
        level -= 1  # itself
    return above, level


def _list(options: Sequence[Option], places: Sequence[int]) -> str:
    return "; ".join(options[place].label for place in places)


def _spread_ranks(above: NDArray[np.int16], level: NDArray[np.int16], k: int) -> FloatArray:
    """Count the draws of each rank, shape (n, k, k)."""
    n = len(above)
    cells = np.arange(n * k).reshape(n, k, 1) * k
    counts = np.zeros(n * k * k)
    for offset in range(int(level.max(initial=0)) + 1):
        tied = level >= offset
        at = (cells + above + offset)[tied]
        counts += np.bincount(at, weights=1.0 / (level[tied] + 1.0), minlength=n * k * k)
    return counts.reshape(n, k, k)
