"""What a study decides about the published evidence that its model borrows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from poi_predict.declaration import build_settings, read_tables
from poi_predict.errors import StudyError
from poi_predict.evidence.borrowed import OUTCOMES, list_borrowed_rows
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["EvidenceSettings", "PriorOverride", "build_evidence_settings"]

Tail = Literal["normal", "t"]
Link = Literal["logit", "probit"]
Binomial = Literal["one_parameter", "two_parameter"]
CHOICES = {"outcome": OUTCOMES, "tail": get_args(Tail), "link": get_args(Link), "binomial": get_args(Binomial)}


@dataclass(frozen=True)
class PriorOverride:
    """A prior of the study's own, in place of the shipped one or beside it.

    Attributes
    ----------
    parameter : str
        ``intercept``, ``treated``, a derived column such as ``fsh__log``, or ``definition:<name>``.
    mean, sd : float
        Log odds (ratio) for one unit of the column.
    source : str
        Where it comes from, for the report.

    Raises
    ------
    StudyError
        If it is no distribution.

    Examples
    --------
    >>> PriorOverride("fsh__log", -1.0, 0.5, "our own series, 2025").sd
    0.5
    >>> PriorOverride("fsh__log", -1.0, 0.0)
    Traceback (most recent call last):
    poi_predict.errors.StudyError: evidence.priors must have finite means and positive SDs; that of "fsh__log" has
    not. Correct it.
    """

    parameter: str
    mean: float
    sd: float
    source: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd > 0):
            raise StudyError(
                f'evidence.priors must have finite means and positive SDs; that of "{self.parameter}" has not. '
                "Correct it."
            )


@dataclass(frozen=True)
class EvidenceSettings:
    """Which published evidence a model borrows, and how far it trusts it.

    Attributes
    ----------
    outcome : {"menses", "pregnancy"}
        The outcome whose arms and priors are borrowed.
    exclude : tuple of str
        Arms left out, by row id.
    tail : {"normal", "t"}
        Tails of the priors of effects; "t" gives way sooner to women who contradict them.
    tau_scale : float
        Scale of the half-normal prior of the SD between studies and centres, in log odds.
    link : {"logit", "probit"}
        From the linear predictor to the probability.
    priors : tuple of PriorOverride
        In place of shipped priors, or beside them.
    binomial : {"one_parameter", "two_parameter"}
        Likelihood of an arm.

    Raises
    ------
    StudyError
        If a choice or a row is unknown, or the scale is not positive.

    Examples
    --------
    >>> EvidenceSettings(outcome="menses", exclude=("A16",)).tau_scale
    0.5
    >>> EvidenceSettings(outcome="menses", exclude=("A61",))
    Traceback (most recent call last):
    poi_predict.errors.StudyError: evidence.exclude must name rows that enter for menses (A01, A02, A09, A16, NH02,
    NH03); "A61" is none of them (did you mean "A16"?). Correct or remove it.
    """

    outcome: str
    exclude: tuple[str, ...] = ()
    tail: Tail = "normal"
    tau_scale: float = 0.5
    link: Link = "logit"
    priors: tuple[PriorOverride, ...] = ()
    binomial: Binomial = "one_parameter"

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            _check_choice(name, getattr(self, name), allowed)
        rows = list_borrowed_rows(self.outcome)
        for row in self.exclude:
            if row not in rows:
                raise StudyError(
                    f"evidence.exclude must name rows that enter for {self.outcome} ({', '.join(rows)}); "
                    f'"{row}" is none of them{suggest(row, rows)}. Correct or remove it.'
                )
        if not 0 < self.tau_scale < math.inf:
            raise StudyError(
                f"evidence.tau_scale must be positive; it is {self.tau_scale:g}. With 0.5 a twofold difference of "
                "odds between centres is nothing unusual."
            )
        named = [prior.parameter for prior in self.priors]
        for name in dict.fromkeys(named):
            if named.count(name) > 1:
                raise StudyError(f'evidence.priors must name each parameter once; "{name}" is repeated. Remove one.')


def build_evidence_settings(raw: Mapping[str, Any], where: str = "evidence") -> EvidenceSettings:
    """Build the settings from the section of a declaration, ``[evidence]`` with its ``[[evidence.priors]]``.

    Parameters
    ----------
    raw : mapping
        The section as TOML gives it.
    where : str
        Its name, for messages.

    Raises
    ------
    StudyError
        If a key is unknown, missing or of another kind, also inside a prior.

    Examples
    --------
    >>> raw = {"outcome": "menses", "priors": [{"parameter": "fsh__log", "mean": -1, "sd": 0.5}]}
    >>> build_evidence_settings(raw).priors
    (PriorOverride(parameter='fsh__log', mean=-1.0, sd=0.5, source=''),)
    >>> build_evidence_settings({"outcome": "menses", "priors": [{"parametre": "fsh__log"}]})
    Traceback (most recent call last):
    poi_predict.errors.StudyError: evidence.priors 1 has the unknown key "parametre" (did you mean "parameter"?).
    Correct or remove it.
    """
    section = f"{where}.priors"
    for number, prior in enumerate(read_tables({section: raw.get("priors", [])}, section), start=1):
        build_settings(PriorOverride, prior, f"{section} {number}")
    return build_settings(EvidenceSettings, raw, where)


def _check_choice(name: str, value: str, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise StudyError(
            f'evidence.{name} must be one of {", ".join(allowed)}; "{value}" is not{suggest(value, allowed)}.'
        )
