"""The ladder: which kind of model so few women can carry.

Skill that these data cannot support is not estimated badly, it is *invented*; so the information content decides
the highest rung, before any model is fitted.

=============  =====================================================  ==========================================
rung           what may be the primary model                          it needs
=============  =====================================================  ==========================================
prevalence     the share of responders with its interval, no model    nothing
evidence       a model informed by published evidence                 published evidence on the outcome
prespecified   1–3 columns chosen beforehand, one a ten events        10 women in the smaller outcome group
penalised      ridge, elastic net, Firth on every candidate column    30 women in it, expected shrinkage ≥ 0.4
flexible       forests and boosting                                   200 women in it, 20 a column, Riley's criteria
=============  =====================================================  ==========================================

Why these numbers
-----------------
*Evidence.* Published arms and prognostic effects bring their own women, so this model needs none of the cohort's; each
of them sharpens it. It is held to the same test against shuffled outcomes as every other.

*Ten events a column* is Peduzzi et al. (1996, doi:10.1016/S0895-4356(96)00236-3). It is too few where columns are
*selected*, but here they are named beforehand and fitted with Firth's penalty.

*Penalised.* A penalty is no rescue where it cannot itself be estimated (Riley et al. 2021,
doi:10.1016/j.jclinepi.2020.12.005; Van Calster et al. 2020, doi:10.1177/0962280220921415). How much of it would be
needed is known beforehand: the shrinkage expected of an unpenalised fit, from Riley's first criterion. We measured
our ridge on 26 columns that share a signal of c about 0.70, 35 % events, 60 cohorts a setting: where that shrinkage
is 0.24 (20 events) it predicts new women worse than no model in 22–30 % of cohorts, at 0.31 in 13–18 %, at 0.39 in
7–10 %, at 0.49 in 0–3 %; and from 0.4 to 0.5 on it overtakes three columns that hold half of the signal. With three
columns that hold most of it, these stay better: whoever knows such columns should name them.

*Flexible.* van der Ploeg et al. (2014, doi:10.1186/1471-2288-14-137) found forests still too optimistic at 200 events
a variable, ten times what logistic regression needs: out of reach here. Ours are held back (few splits, leaves of ten
women, monotone), so we ask what they found for a regression, 20 events a column, in a cohort where Riley's
criteria would allow even an *unpenalised* model of these columns. Below, they are fitted for comparison only.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from poi_predict.declaration import check_ranges
from poi_predict.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MODEL_OF_RUNG", "RUNGS", "RUNG_OF_CANDIDATE", "LadderSettings", "Rung"]

Rung = Literal["prevalence", "evidence", "prespecified", "penalised", "flexible"]

RUNGS: tuple[Rung, ...] = ("prevalence", "evidence", "prespecified", "penalised", "flexible")
"""From the lowest to the highest."""

RUNG_OF_CANDIDATE: Mapping[str, Rung] = MappingProxyType(
    {
        "prevalence": "prevalence",
        "evidence": "evidence",
        "prespecified": "prespecified",
        "logistic": "penalised",
        "firth": "penalised",
        "ridge": "penalised",
        "elastic_net": "penalised",
        "random_forest": "flexible",
        "gradient_boosting": "flexible",
    }
)
"""Rung that a model of the catalogue needs. Plain logistic regression also needs Riley's criteria for its columns."""

MODEL_OF_RUNG: Mapping[Rung, str] = MappingProxyType(
    {
        "prevalence": "prevalence",
        "evidence": "evidence",
        "prespecified": "prespecified",
        "penalised": "ridge",
        "flexible": "ridge",
    }
)
"""Model that takes the place of a primary model too high for the cohort."""


@dataclass(frozen=True)
class LadderSettings:
    """Where the rungs are; the module says why.

    Attributes
    ----------
    events_per_column : float
        Women in the smaller outcome group for each prespecified column; fewer than that means no model.
    most_prespecified : int
        Columns of a prespecified model at most.
    penalised_events, penalised_shrinkage : float
        Women in the smaller outcome group, and expected shrinkage, that a penalised model needs.
    flexible_events, flexible_events_per_column : float
        Women in the smaller outcome group that a flexible model needs, in all and for each candidate column.
    anticipated_c : float or None
        c-statistic expected of a model, from other studies, never from this cohort. None anticipates 15 % of the
        largest possible R², as Riley et al. (2019, doi:10.1002/sim.7992) advise when nothing is known; near one
        event in three that is a c-statistic of about 0.69.

    Examples
    --------
    >>> LadderSettings(anticipated_c=0.4)
    Traceback (most recent call last):
    poi_predict.errors.StudyError: ladder.anticipated_c must be between 0.55 and 0.95; it is 0.4.
    """

    events_per_column: float = 10.0
    most_prespecified: int = 3
    penalised_events: float = 30.0
    penalised_shrinkage: float = 0.4
    flexible_events: float = 200.0
    flexible_events_per_column: float = 20.0
    anticipated_c: float | None = None

    def __post_init__(self) -> None:
        ranges = (
            ("events_per_column", 5, 100),
            ("most_prespecified", 1, 3),
            ("penalised_events", 10, 1_000),
            ("penalised_shrinkage", 0.2, 0.95),
            ("flexible_events", 50, 100_000),
            ("flexible_events_per_column", 5, 1_000),
            ("anticipated_c", 0.55, 0.95),
        )
        check_ranges(self, "ladder", ranges)
        if not self.events_per_column <= self.penalised_events <= self.flexible_events:
            raise StudyError(
                "ladder.events_per_column, penalised_events and flexible_events must not decrease; they are "
                f"{self.events_per_column:g}, {self.penalised_events:g} and {self.flexible_events:g}."
            )
