"""Options compared in a cohort that was not randomised: the doubly robust second opinion.

For each option the probability of the event if *every* woman of the cohort had had it: what the outcome model
says, corrected by the weighted errors it made in the women who did have it (augmented inverse probability
weighting; Robins, Rotnitzky & Zhao 1994, doi:10.1080/01621459.1994.10476818). It is right if either model is, the one
of the outcome or the one of who gets what, and both are cross-fitted (Chernozhukov et al. 2018,
doi:10.1111/ectj.12097). Neither knows reasons that were not recorded: the E-value beside each contrast says how strong
such a reason would have to be.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from poi_predict.validation import Estimate
from poi_predict.validation.intervals import compute_t_quantile

from .cross_fitting import (
    CrossFitSettings,
    FoldedCourses,
    Learn,
    Propensity,
    fold_courses,
    learn_outcome,
)
from .effects import Contrast, Effects, OptionValue
from .evalue import EValue, compute_evalue
from .influence import Combined, combine_repeats, compute_mean_scores, compute_simultaneous_quantile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike

    from poi_predict.validation.arrays import FloatArray

    from .courses import Courses

__all__ = ["compute_scores", "describe_truncation", "estimate_effects"]

METHOD = "cross-fitted AIPW, influence-function t interval clustered by woman"
RATIO_METHOD = "ratio of cross-fitted AIPW probabilities, log scale, influence-function t interval"
TOGETHER = "cross-fitted AIPW, interval that holds together with all other contrasts (multiplier bootstrap)"
NAIVE_METHOD = "weighted share, not adjusted, interval clustered by woman"
LEAST_RISK = 1e-3


def compute_scores(courses: Courses, propensity: FloatArray, outcome: FloatArray) -> FloatArray:
    """Doubly robust score of each row for each option; its weighted mean is the option's value.

    Parameters
    ----------
    courses : Courses
    propensity, outcome : ndarray of shape (repeats, n, n_options)
        Probability of the option, and of the event with it.

    Returns
    -------
    ndarray of shape (repeats, n, n_options)

    Examples
    --------
    A woman who had option A (chance 0.5) and responded (0.4 predicted): 0.4 + (1 - 0.4) / 0.5 for A, 0.3 for B.

    >>> from poi_predict.regimen.courses import check_courses
    >>> courses = check_courses([1, 0], ["A", "B"], np.zeros((2, 1)))
    >>> compute_scores(courses, np.full((1, 2, 2), 0.5), np.array([[[0.4, 0.3], [0.4, 0.3]]]))[0, 0]
    array([1.6, 0.3])
    """
    error = courses.y[:, np.newaxis] - outcome
    scores: FloatArray = outcome + courses.given / propensity * error
    return scores


def estimate_effects(
    courses: Courses | FoldedCourses,
    *,
    reference: str | None = None,
    propensity: Mapping[str, float] | ArrayLike | None = None,
    learn: Learn = learn_outcome,
    settings: CrossFitSettings | None = None,
    random_state: int = 0,
) -> Effects:
    """Compare options as if every woman of the cohort had had each of them.

    Parameters
    ----------
    courses : Courses or FoldedCourses
        See `check_courses`; folded ones (`fold_courses`) have their propensities, settings and seed already.
    reference : str, optional
        Compare each option with this one; every pair if not given.
    propensity : mapping of option to probability, or array of shape (n_given, n_options), optional
        Known probabilities, of a randomised trial; estimated if not given.
    learn : callable
        Learns the outcome model; see `cross_fitting.Learn`.
    settings : CrossFitSettings, optional
    random_state : int
        Same seed, same numbers.

    Raises
    ------
    ModelError
        If fewer than two options were given to enough women.
    ValueError
        If the reference is not an option, or known probabilities do not fit.

    Examples
    --------
    Lots were drawn; 30 of 50 women respond with cells and 15 of 50 without.

    >>> from poi_predict.regimen.courses import check_courses
    >>> y, option = [1] * 30 + [0] * 20 + [1] * 15 + [0] * 35, ["cells"] * 50 + ["none"] * 50
    >>> courses = check_courses(y, option, np.tile([[0.0], [1.0]], (50, 1)))
    >>> effects = estimate_effects(courses, reference="none", propensity={"cells": 0.5, "none": 0.5})
    >>> print(effects.contrasts[0].sentence)
    cells against none: +29.8 points (+10.7 to +48.9), they differ; +30.0 before adjusting.
    >>> estimate_effects(courses, reference="placebo")
    Traceback (most recent call last):
    ValueError: reference must be one of the options compared: cells, none
    """
    folded = fold_courses(courses, propensity, settings, random_state)
    kept, chances, rule = folded.courses, folded.chances, folded.rule
    pairs = _list_pairs(kept.options, reference)
    scores = compute_scores(kept, chances.truncate(rule.truncate_at), folded.predict_outcome(learn))
    found = _Found(kept, *compute_mean_scores(scores, kept.weight), rule)
    contrasts = tuple(_contrast(found, pairs, random_state))
    return Effects(_value(found), contrasts, tuple(_note(found, folded.dropped, chances)))


def describe_truncation(courses: Courses, chances: Propensity, at: float) -> Iterator[str]:
    """Say how options came about and how many probabilities were truncated."""
    if chances.known:
        yield "Options were randomised with known probabilities; these were used as they are."
    else:
        yield (
            "Options were chosen, not randomised. The contrasts are adjusted for the covariates given and for "
            "nothing else; where the reason for an option was not recorded, the women may still differ (confounding "
            "by indication)."
        )
    own = np.take_along_axis(chances.p, courses.option[np.newaxis, :, np.newaxis], axis=2)[:, :, 0]
    low = np.mean(own < at, axis=0) > 0.5
    n_low = int(np.unique(courses.patient[low]).size)
    if n_low:
        yield (
            f"{n_low} of {courses.n_patients} women had an option with a probability below {at:g}; it was truncated "
            "there, which bounds their influence at the price of some bias."
        )


def _list_pairs(options: tuple[str, ...], reference: str | None) -> list[tuple[int, int]]:
    if reference is None:
        return [(b, a) for a, b in itertools.combinations(range(len(options)), 2)]
    if reference not in options:
        raise ValueError(f"reference must be one of the options compared: {', '.join(options)}")
    code = options.index(reference)
    return [(a, code) for a in range(len(options)) if a != code]


@dataclass(frozen=True)
class _Found:
    """What the scores say in each repeat, and what stands in the way of an interval."""

    courses: Courses
    value: FloatArray
    influence: FloatArray
    rule: CrossFitSettings

    @property
    def quantile(self) -> float:
        return compute_t_quantile(self.rule.level, max(self.courses.n_patients - len(self.courses.options), 1))

    def reason(self, *codes: int) -> str | None:
        """Return why a quantity that rests on these options has no interval."""
        return self.courses.find_scarcity(codes, self.rule.minimum_events)

    def differences(self, pairs: list[tuple[int, int]]) -> Combined:
        first, second = np.array(pairs).T
        return combine_repeats(
            self.value[:, first] - self.value[:, second],
            self.influence[..., first] - self.influence[..., second],
            self.courses,
        )


def _combine_naive(courses: Courses, pairs: list[tuple[int, int]] | None = None) -> Combined:
    """Plain weighted shares of each option, or their differences."""
    given = courses.given * courses.weight[:, np.newaxis]
    share = (given * courses.y[:, np.newaxis]).sum(axis=0) / given.sum(axis=0)
    influence = given / given.sum(axis=0) * (courses.y[:, np.newaxis] - share)
    if pairs is not None:
        first, second = np.array(pairs).T
        share, influence = share[first] - share[second], influence[:, first] - influence[:, second]
    return combine_repeats(share[np.newaxis], influence[np.newaxis], courses)


def _value(found: _Found) -> tuple[OptionValue, ...]:
    courses, level, unit = found.courses, found.rule.level, (0.0, 1.0)
    adjusted, plain = combine_repeats(found.value, found.influence, courses), _combine_naive(courses)
    return tuple(
        OptionValue(
            name,
            courses.count_women(code),
            adjusted.build(code, found.quantile, (METHOD, level), unit, found.reason(code)),
            plain.build(code, found.quantile, (NAIVE_METHOD, level), unit, found.reason(code)),
        )
        for code, name in enumerate(courses.options)
    )


def _contrast(found: _Found, pairs: list[tuple[int, int]], random_state: int) -> Iterator[Contrast]:
    courses, rule, alone = found.courses, found.rule, found.quantile
    adjusted, plain = found.differences(pairs), _combine_naive(courses, pairs)
    comparable = np.array([courses.share_centre(*pair) for pair in pairs])
    wide = compute_simultaneous_quantile(adjusted.influence[:, comparable], rule.level, rule.draws, random_state)
    for i, pair in enumerate(pairs):
        names, reason = (courses.options[pair[0]], courses.options[pair[1]]), found.reason(*pair)
        naive = plain.build(i, alone, (NAIVE_METHOD, rule.level), reason=reason)
        if comparable[i]:
            difference = adjusted.build(i, alone, (METHOD, rule.level), reason=reason)
            together = adjusted.build(i, max(wide, alone), (TOGETHER, rule.level), reason=reason)
            yield Contrast(*names, difference, together, naive, *_compute_ratio(found, pair, reason))
        else:
            why = f"no centre used both {names[0]} and {names[1]}, so the centres may be all that differs"
            blank = Estimate.not_estimable(METHOD, why, rule.level)
            yield Contrast(*names, blank, blank, naive, blank, None)


def _compute_ratio(found: _Found, pair: tuple[int, int], reason: str | None) -> tuple[Estimate, EValue | None]:
    """Risk ratio by the delta method on the log scale, and its E-value."""
    level, risks = found.rule.level, found.value[:, list(pair)]
    if reason is not None:
        return Estimate.not_estimable(RATIO_METHOD, reason, level), None
    if (risks < LEAST_RISK).any():
        return Estimate.not_estimable(RATIO_METHOD, f"a probability is below {LEAST_RISK}", level), None
    relative, logs = found.influence[..., list(pair)] / risks[:, np.newaxis, :], np.log(risks)
    combined = combine_repeats(logs[:, :1] - logs[:, 1:], relative[..., :1] - relative[..., 1:], found.courses)
    ratio = float(np.exp(combined.value[0]))
    spread = float(np.exp(found.quantile * combined.standard_error[0]))
    estimate = Estimate(ratio, ratio / spread, ratio * spread, RATIO_METHOD, level=level)
    return estimate, compute_evalue(ratio, estimate.ci_low, estimate.ci_high)


def _note(found: _Found, dropped: tuple[str, ...], chances: Propensity) -> Iterator[str]:
    rule = found.rule
    if dropped:
        yield (
            f"Left out, with the women who had them, because fewer than {rule.minimum_women} women did: "
            f"{', '.join(dropped)}."
        )
    yield from describe_truncation(found.courses, chances, rule.truncate_at)
    yield (
        f"{rule.folds} folds of women in {rule.repeats} repeats, combined by the median; women who count for "
        "several courses count once in every interval."
    )
