"""The highest rung of the ladder that a cohort supports; `rungs` says what the rungs need, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .information import InformationContent, compute_information
from .proportions import ProportionMethod, compute_prevalence
from .rungs import MODEL_OF_RUNG, RUNG_OF_CANDIDATE, RUNGS, LadderSettings
from .sample_size import (
    compute_affordable_parameters,
    compute_expected_shrinkage,
    compute_max_r2_cox_snell,
    compute_r2_from_c_statistic,
    compute_sample_size,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .estimate import Estimate
    from .rungs import Rung

__all__ = ["Ladder", "RungSupport", "choose_rung", "compute_prevalence_estimates"]

EVIDENCE_NEEDS = "published evidence on the outcome, named in the section [evidence] of the study; no woman"


@dataclass(frozen=True)
class RungSupport:
    """One rung: what it needs, and whether these women suffice.

    Attributes
    ----------
    rung : str
    supported : bool
    needs : str
        The rule in words.
    n : int or None
        Women it needs at this prevalence and with these weights; None where that cannot be told.
    """

    rung: Rung
    supported: bool
    needs: str
    n: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"rung": self.rung, "supported": self.supported, "needs": self.needs, "n": self.n}


@dataclass(frozen=True)
class Ladder:
    """The highest rung that a cohort supports.

    Attributes
    ----------
    rung : str
    reason : str
        In one sentence.
    next_n : int or None
        Women that the next rung with a model needs at this prevalence; None on the highest, or where no prevalence
        can be told.
    events : float
        Effective women in the smaller outcome group.
    parameters : int
        Columns of the candidate feature set.
    affordable_parameters : int
        Columns that Riley's criteria allow an unpenalised model.
    allowed_parameters : int
        Columns allowed to a prespecified model.
    rungs : tuple of RungSupport
        All of them, lowest first.
    overridden : bool
        Whether the study overrides the ladder; every output must then say so.
    """

    rung: Rung
    reason: str
    next_n: int | None
    events: float
    parameters: int
    affordable_parameters: int
    allowed_parameters: int
    rungs: tuple[RungSupport, ...]
    overridden: bool = False

    def supports(self, candidate: str) -> bool:
        """Whether this model of the catalogue may be the primary one.

        Raises
        ------
        ValueError
            If the ladder has no place for it.
        """
        if candidate not in RUNG_OF_CANDIDATE:
            raise ValueError(f"the ladder knows {', '.join(RUNG_OF_CANDIDATE)}; {candidate} is none of them")
        if candidate == "logistic" and self.parameters > self.affordable_parameters:
            return False
        return RUNGS.index(RUNG_OF_CANDIDATE[candidate]) <= RUNGS.index(self.rung)

    def primary_for(self, declared: str) -> str:
        """Return the declared primary model, or the one that takes its place on this rung."""
        return declared if self.overridden or self.supports(declared) else MODEL_OF_RUNG[self.rung]

    def as_dict(self) -> dict[str, Any]:
        """Return the ladder as it stands in `assessment.json`."""
        return {
            "rung": self.rung,
            "reason": self.reason,
            "next_n": self.next_n,
            "overridden": self.overridden,
            "events": _floor(self.events),
            "parameters": self.parameters,
            "rungs": [support.as_dict() for support in self.rungs],
        }


def choose_rung(
    y_true: ArrayLike,
    weight: ArrayLike | None,
    patient: ArrayLike | None,
    n_parameters: int,
    *,
    settings: LadderSettings | None = None,
    has_evidence: bool = False,
    override: bool = False,
) -> Ladder:
    """Choose the highest rung that the information in a cohort supports.

    Parameters
    ----------
    y_true, weight, patient : arrays of shape (n,)
        Outcome; sampling weights and patient of each row, or None. Women are counted, not rows, and unequal
        weights make them fewer (`compute_information`).
    n_parameters : int
        Columns of the candidate feature set, before any selection or penalty.
    settings : LadderSettings, optional
    has_evidence : bool
        Whether the study borrows published evidence.
    override : bool
        Record that the study overrides the ladder. The rung stays what it is.

    Raises
    ------
    ValueError
        If an array is malformed or there is no parameter.

    Examples
    --------
    Eight of sixty women respond:

    >>> ladder = choose_rung([1] * 8 + [0] * 52, None, None, n_parameters=6)
    >>> ladder.rung, ladder.next_n, ladder.primary_for("ridge")
    ('prevalence', 75, 'prevalence')
    >>> print(ladder.reason)
    8 women in the smaller outcome group are fewer than the 10 that one prespecified column needs.

    Eighty of 240, with 25 candidate columns:

    >>> ladder = choose_rung([1] * 80 + [0] * 160, None, None, n_parameters=25)
    >>> ladder.rung, ladder.supports("ridge"), ladder.supports("random_forest")
    ('penalised', True, False)
    """
    if n_parameters < 1:
        raise ValueError(f"n_parameters must be at least 1; it is {n_parameters}")
    rule = settings or LadderSettings()
    found = compute_information(y_true, weight, patient)
    affordable = 0
    if found.has_both_outcomes:
        affordable = compute_affordable_parameters(int(found.effective), _anticipate_r2(found, rule), found.prevalence)
    supports = _climb(found, n_parameters, rule, has_evidence=has_evidence)
    highest = max(place for place, support in enumerate(supports) if support.supported)
    above = [support for support in supports[highest + 1 :] if support.rung != "evidence"]
    return Ladder(
        rung=supports[highest].rung,
        reason=_give_reason(supports[highest].rung, found, n_parameters, rule),
        next_n=above[0].n if above else None,
        events=found.events,
        parameters=n_parameters,
        affordable_parameters=affordable,
        allowed_parameters=min(rule.most_prespecified, math.floor(found.events / rule.events_per_column + 1e-9)),
        rungs=supports,
        overridden=override,
    )


def _climb(
    found: InformationContent, n_parameters: int, rule: LadderSettings, *, has_evidence: bool
) -> tuple[RungSupport, ...]:
    """Every rung with the women it needs; a rung that needs women is supported only if those below it are."""
    needs = {
        "prespecified": f"{rule.events_per_column:g} women in the smaller outcome group for each of 1 to "
        f"{rule.most_prespecified} columns",
        "penalised": f"{rule.penalised_events:g} women in the smaller outcome group, and an expected shrinkage of at "
        f"least {rule.penalised_shrinkage:g} with {n_parameters} candidate columns",
        "flexible": f"{rule.flexible_events:g} women in the smaller outcome group, {rule.flexible_events_per_column:g} "
        f"for each of {n_parameters} candidate columns, and Riley's criteria for an unpenalised model of them",
    }
    required = _require(found, n_parameters, rule) if found.has_both_outcomes else None
    rungs = [
        RungSupport("prevalence", supported=True, needs="nothing: a share with its interval", n=1),
        RungSupport("evidence", supported=has_evidence, needs=EVIDENCE_NEEDS, n=1 if has_evidence else None),
    ]
    reached = required is not None
    for name in RUNGS[2:]:
        n = None if required is None else required[name]
        reached = reached and n is not None and found.n_women >= n
        rungs.append(RungSupport(name, reached, needs[name], n))
    return tuple(rungs)


def _require(found: InformationContent, n_parameters: int, rule: LadderSettings) -> dict[Rung, int]:
    """Women that each rung needs, if prevalence and weights stay as they are; never fewer than the rung below."""
    r2 = _anticipate_r2(found, rule)
    per_event, per_effective = found.n_women / found.events, found.n_women / found.effective

    def round_up(women: float) -> int:
        return math.ceil(women - 1e-9)

    prespecified = round_up(rule.events_per_column * per_event)
    penalised = max(
        prespecified,
        round_up(rule.penalised_events * per_event),
        round_up(_count_for_shrinkage(rule.penalised_shrinkage, n_parameters, r2) * per_effective),
    )
    flexible = max(
        penalised,
        round_up(max(rule.flexible_events, rule.flexible_events_per_column * n_parameters) * per_event),
        round_up(compute_sample_size(r2, n_parameters, found.prevalence).required * per_effective),
    )
    return {"prespecified": prespecified, "penalised": penalised, "flexible": flexible}


def _anticipate_r2(found: InformationContent, rule: LadderSettings) -> float:
    largest = compute_max_r2_cox_snell(found.prevalence)
    if rule.anticipated_c is None:
        return 0.15 * largest
    return compute_r2_from_c_statistic(rule.anticipated_c, found.prevalence)


def _count_for_shrinkage(shrinkage: float, n_parameters: int, r2: float) -> float:
    """Women for whom Riley's first criterion gives this shrinkage; 0 where R² is so large that any number does."""
    if r2 >= shrinkage:
        return 0.0
    return n_parameters / ((shrinkage - 1.0) * math.log1p(-r2 / shrinkage))


def _floor(women: float) -> float:
    """One decimal, never rounded up to a number that a rule asks for."""
    return math.floor(10.0 * women + 1e-9) / 10.0


def _give_reason(rung: Rung, found: InformationContent, n_parameters: int, rule: LadderSettings) -> str:
    if not found.has_both_outcomes:
        carried = "; published evidence supports one all the same" if rung == "evidence" else ""
        return f"All women have the same outcome, so they support no model that distinguishes them{carried}."
    events = _floor(found.events)
    effective = "" if events.is_integer() else " (effective number)"
    women = f"{events:g} women{effective} in the smaller outcome group"
    too_few = f"{women} are fewer than the {rule.events_per_column:g} that one prespecified column needs"
    if rung == "prevalence":
        return f"{too_few}."
    if rung == "evidence":
        return f"{too_few}; published evidence carries a model all the same."
    shrinkage = compute_expected_shrinkage(max(int(found.effective), 1), n_parameters, _anticipate_r2(found, rule))
    expected = f"an expected shrinkage of {shrinkage:.2f} with {n_parameters} candidate columns"
    if rung == "prespecified":
        return f"{women} and {expected} are too little for a penalised model of all of them."
    if rung == "penalised":
        return f"{women} and {expected} carry a penalised model, and are too few for a flexible one."
    return f"{women} for {n_parameters} candidate columns satisfy the rule for flexible models."


def compute_prevalence_estimates(
    y_true: ArrayLike, weight: ArrayLike | None = None, patient: ArrayLike | None = None, level: float = 0.95
) -> dict[str, Estimate]:
    """Return what can be said on the lowest rung: the share with the event, by Wilson and by Jeffreys.

    Parameters
    ----------
    y_true, weight, patient : arrays of shape (n,)
        As in `compute_prevalence`.
    level : float
        Confidence level.

    Examples
    --------
    >>> for method, share in compute_prevalence_estimates([1] * 3 + [0] * 6).items():
    ...     print(method, share)
    wilson 0.33 (0.12–0.65)
    jeffreys 0.33 (0.10–0.65)
    """
    methods: tuple[ProportionMethod, ...] = ("wilson", "jeffreys")
    return {method: compute_prevalence(y_true, weight, patient, method, level) for method in methods}
