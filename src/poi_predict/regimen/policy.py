"""Whether choosing by the model is worth more than giving everyone the same.

The rule is learnt inside the folds and judged on women it has not seen, by their doubly robust scores; so what is
valued is the way of choosing, not one fitted rule. Its value is set against that of every option given to everyone,
and against what was done. A rule fitted to noise chooses at random and gains nothing; a rule that merely finds the
best single option gains nothing over it. Both are then said not to be supported.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

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
from .doubly_robust import compute_scores, describe_truncation
from .effects import format_points
from .influence import combine_repeats, compute_mean_scores, compute_simultaneous_quantile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike

    from poi_predict.validation.arrays import FloatArray, IntArray

    from .courses import Courses

__all__ = ["Gain", "PolicyValue", "compute_policy_value"]

METHOD = "cross-fitted doubly robust value, influence-function t interval clustered by woman"
GAIN = "gain of the rule, cross-fitted doubly robust, interval that holds together with the other gains"
SMALLEST = "smallest gain over any single option, simultaneous interval (multiplier bootstrap)"
TIE = 1e-9


@dataclass(frozen=True)
class Gain:
    """What treating by the model gains over one other way of treating.

    Attributes
    ----------
    against : str
        The option that everyone gets, or "current practice".
    kind : {"everyone", "practice"}
    value : Estimate
        Probability of the event under it.
    gain : Estimate
        Positive where the rule does better, whether the event is wanted or not; the intervals of all gains hold
        together.
    """

    against: str
    kind: Literal["everyone", "practice"]
    value: Estimate
    gain: Estimate


@dataclass(frozen=True)
class PolicyValue:
    """The value of "treat by the model", and whether it is supported.

    Attributes
    ----------
    value : Estimate
        Probability of the event if every woman were treated by the model.
    gains : tuple of Gain
        Over each option given to everyone, and over current practice.
    best : str
        The best single option.
    gain_over_best : Estimate
        Over the best single option, whichever it is: the interval is that of the smallest gain.
    chosen : dict of str to float
        Share of women for whom the rule chooses each option.
    supported : bool
        The interval of the gain over the best single option lies above 0.
    notes : tuple of str
    """

    value: Estimate
    gains: tuple[Gain, ...]
    best: str
    gain_over_best: Estimate
    chosen: dict[str, float]
    supported: bool
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Whether choosing by the model is supported, in one or two sentences."""
        found = self.gain_over_best
        if found.estimate is None or found.ci_low is None or found.ci_high is None:
            return f"The personalised rule is not supported: {found.reason}."
        said = (
            f"{format_points(found.estimate)} points ({format_points(found.ci_low)} to {format_points(found.ci_high)})"
        )
        if self.supported:
            return f"The personalised rule is supported: it gains {said} over giving everyone {self.best}."
        if len([share for share in self.chosen.values() if share > 0.0]) == 1:
            return f"The personalised rule is not supported: it gives everyone {self.best}."
        return (
            f"The personalised rule is not supported: its gain over giving everyone {self.best} is {said}, and the "
            "interval does not lie above 0."
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """All there is to say, in plain sentences."""
        return (self.verdict, *self.notes)

    def frame(self) -> pd.DataFrame:
        """Return one row a comparison."""
        rows = [
            {
                "against": item.against,
                "kind": item.kind,
                "value": item.value.estimate,
                "value_low": item.value.ci_low,
                "value_high": item.value.ci_high,
                "gain": item.gain.estimate,
                "gain_low": item.gain.ci_low,
                "gain_high": item.gain.ci_high,
                "chosen": self.chosen.get(item.against) if item.kind == "everyone" else None,
            }
            for item in self.gains
        ]
        return pd.DataFrame(rows)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            "value": self.value.as_dict(),
            "gains": [
                {"against": g.against, "kind": g.kind, "value": g.value.as_dict(), "gain": g.gain.as_dict()}
                for g in self.gains
            ],
            "best": self.best,
            "gain_over_best": self.gain_over_best.as_dict(),
            "chosen": dict(self.chosen),
            "supported": self.supported,
            "verdict": self.verdict,
            "notes": list(self.notes),
        }


def compute_policy_value(
    courses: Courses | FoldedCourses,
    *,
    learn: Learn = learn_outcome,
    favourable: bool = True,
    propensity: Mapping[str, float] | ArrayLike | None = None,
    settings: CrossFitSettings | None = None,
    random_state: int = 0,
) -> PolicyValue:
    """Value "treat by the model" against giving everyone the same, and against current practice.

    Athey & Wager (2021), doi:10.3982/ECTA15732, on doubly robust scores as the currency of treatment rules.

    Parameters
    ----------
    courses : Courses or FoldedCourses
        See `check_courses`; folded ones (`fold_courses`) have their propensities, settings and seed already.
    learn : callable
        Learns the model that chooses; refitted in every fold. A woman gets the option with the best probability; of
        equals, the one given most often.
    favourable : bool
        The event is wanted; otherwise the lowest probability is best.
    propensity : mapping of option to probability, or array of shape (n_given, n_options), optional
        Known probabilities, of a randomised trial; estimated if not given.
    settings : CrossFitSettings, optional
    random_state : int
        Same seed, same numbers.

    Raises
    ------
    ModelError
        If fewer than two options were given to enough women.

    Examples
    --------
    In a trial, cells help the 50 women under 35 and harm the 50 others; half of each had them.

    >>> from poi_predict.regimen.courses import check_courses
    >>> young = np.repeat([1.0, 0.0], 50)
    >>> cells = np.tile([1, 0], 50)
    >>> y = np.where(young == cells, np.arange(100) % 5 != 0, np.arange(100) % 5 == 0)
    >>> courses = check_courses(y, np.where(cells, "cells", "none"), young[:, None])
    >>> rule = compute_policy_value(courses, propensity={"cells": 0.5, "none": 0.5})
    >>> rule.supported, rule.chosen
    (True, {'cells': 0.5, 'none': 0.5})
    >>> noise = check_courses(np.arange(100) // 2 % 3 == 0, np.where(cells, "cells", "none"), young[:, None])
    >>> compute_policy_value(noise, propensity={"cells": 0.5, "none": 0.5}).supported
    False
    """
    folded = fold_courses(courses, propensity, settings, random_state)
    kept, chances, rule = folded.courses, folded.chances, folded.rule
    model = folded.predict_outcome(learn)
    choice = _choose(model if favourable else -model, kept)
    scores = compute_scores(kept, chances.truncate(rule.truncate_at), folded.outcome)
    ways = _Ways(kept, _append_ways(scores, choice, kept.y), choice, rule, 1.0 if favourable else -1.0)
    return _conclude(ways, tuple(_note(ways, chances, folded.dropped)), random_state)


@dataclass(frozen=True)
class _Ways:
    """Scores of each way of treating: every option for everyone, what was done, and the rule, in this order."""

    courses: Courses
    scores: FloatArray
    choice: IntArray
    rule: CrossFitSettings
    sign: float

    @property
    def chosen(self) -> dict[str, float]:
        """Weighted share of women for whom the rule chooses each option, over all repeats."""
        weight = np.tile(self.courses.weight, len(self.choice))
        return {
            name: float(np.average(self.choice.ravel() == code, weights=weight))
            for code, name in enumerate(self.courses.options)
        }

    def reason(self, *codes: int) -> str | None:
        """Return why a number that rests on these options has no interval."""
        for first, second in itertools.combinations(codes, 2):
            if not self.courses.share_centre(first, second):
                names = self.courses.options[first], self.courses.options[second]
                return f"no centre used both {names[0]} and {names[1]}, so the centres may be all that differs"
        return self.courses.find_scarcity(codes, self.rule.minimum_events)


def _choose(benefit: FloatArray, courses: Courses) -> IntArray:
    """Best option of each woman in each repeat; of equals the one given most often; (repeats, n)."""
    given = np.average(courses.given, axis=0, weights=courses.weight)
    rank = np.argsort(np.argsort(given, kind="stable"), kind="stable")
    choice: IntArray = np.argmax(benefit + TIE * rank, axis=2)
    return choice


def _append_ways(scores: FloatArray, choice: IntArray, y: FloatArray) -> FloatArray:
    by_rule = np.take_along_axis(scores, choice[:, :, np.newaxis], axis=2)
    done = np.broadcast_to(y[np.newaxis, :, np.newaxis], by_rule.shape)
    return np.concatenate([scores, done, by_rule], axis=2)


def _conclude(ways: _Ways, notes: tuple[str, ...], random_state: int) -> PolicyValue:
    courses, rule = ways.courses, ways.rule
    n_options = len(courses.options)
    value, influence = compute_mean_scores(ways.scores, courses.weight)
    values = combine_repeats(value, influence, courses)
    gains = combine_repeats(
        ways.sign * (value[:, -1:] - value[:, :-1]), ways.sign * (influence[..., -1:] - influence[..., :-1]), courses
    )
    alone = compute_t_quantile(rule.level, max(courses.n_patients - n_options, 1))
    wide = max(alone, compute_simultaneous_quantile(gains.influence, rule.level, rule.draws, random_state))
    used = tuple(int(code) for code in np.unique(ways.choice))
    found = []
    for i in range(n_options + 1):
        rests_on = () if i == n_options else (i,)
        shown = values.build(i, alone, (METHOD, rule.level), (0.0, 1.0), ways.reason(*rests_on))
        gain = gains.build(i, wide, (GAIN, rule.level), reason=ways.reason(*{*rests_on, *used}))
        if i < n_options:
            found.append(Gain(courses.options[i], "everyone", shown, gain))
        else:
            found.append(Gain("current practice", "practice", shown, gain))
    smallest = _find_smallest(found[:n_options], rule.level)
    own = values.build(n_options + 1, alone, (METHOD, rule.level), (0.0, 1.0), ways.reason(*used))
    best = courses.options[int(np.argmin(gains.value[:n_options]))]
    supported = smallest.ci_low is not None and smallest.ci_low > 0.0
    return PolicyValue(own, tuple(found), best, smallest, ways.chosen, supported, notes)


def _find_smallest(gains: list[Gain], level: float) -> Estimate:
    """Gain over the best single option: the smallest of all, between the smallest limits of a simultaneous band."""
    reason = next((item.gain.reason for item in gains if item.gain.reason), None)
    if reason is not None:
        return Estimate.not_estimable(SMALLEST, reason, level)
    estimates, lows, highs = zip(
        *((item.gain.estimate, item.gain.ci_low, item.gain.ci_high) for item in gains), strict=True
    )
    return Estimate(min(estimates), min(lows), min(highs), SMALLEST, level=level)


def _note(ways: _Ways, chances: Propensity, dropped: tuple[str, ...]) -> Iterator[str]:
    courses, at = ways.courses, ways.rule.truncate_at
    if dropped:
        yield f"Not among the choices, because fewer than {ways.rule.minimum_women} women had it: {', '.join(dropped)}."
    chosen = np.take_along_axis(chances.p, ways.choice[:, :, np.newaxis], axis=2)[:, :, 0]
    share = float(np.average(np.mean(chosen < at, axis=0), weights=courses.weight))
    if share > 0.0:
        yield (
            f"For {100 * share:.0f} % of the women the rule chooses an option that women like them had with a "
            f"probability below {at:g}: there its value is extrapolated."
        )
    yield from describe_truncation(courses, chances, at)
