"""What cannot be done: rules that exclude a protocol, each with its reason."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from poi_predict.cohort.spelling import level_key
from poi_predict.declaration import refuse_unknown
from poi_predict.errors import StudyError
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from poi_predict.cohort import Codebook, Variable

__all__ = ["Condition", "Protocol", "Rule", "Value", "build_rule", "read_shipped_rules", "read_value"]

Value = str | float
Protocol = Mapping[str, Value | None]
"""What was, or would be, done: levels (several joined by "+"), "yes" or "no", and numbers; None if left open."""

JOINER = "+"
OUTSIDE = "outside_limits"


@dataclass(frozen=True)
class Condition:
    """What a rule says about one variable of the protocol.

    Attributes
    ----------
    variable : str
    levels : tuple of str
        One of them is enough; of a variable with several levels at once it need only be among them.
    below, above : float, optional
        Of a number.
    outside_limits : bool
        Whether it holds where a number lies outside the codebook's hard limits.
    """

    variable: str
    levels: tuple[str, ...] = ()
    below: float | None = None
    above: float | None = None
    outside_limits: bool = False

    def holds(self, protocol: Protocol, codebook: Codebook) -> bool:
        """Whether the protocol is as the condition says; False where it leaves the variable open."""
        value = protocol.get(self.variable)
        if value is None:
            return False
        if isinstance(value, str):
            return not set(self.levels).isdisjoint(value.split(JOINER))
        limits = codebook[self.variable].hard if self.outside_limits and self.variable in codebook else None
        low, high = limits or (-math.inf, math.inf)
        below, above = (
            default if limit is None else limit for limit, default in ((self.below, low), (self.above, high))
        )
        return value < below or value > above


@dataclass(frozen=True)
class Rule:
    """Protocols that cannot be given.

    Attributes
    ----------
    conditions : tuple of Condition
        The rule excludes a protocol for which all of them hold.
    reason : str
        In one sentence.
    source : str
        Rows of the evidence tables, or a reference; may be empty.

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> conditions = (Condition("cell_source", ("umbilical_cord",)), Condition("autologous", ("yes",)))
    >>> rule = Rule(conditions, "A woman's own umbilical cord is not at hand.")
    >>> rule.excludes({"cell_source": "umbilical_cord", "autologous": "yes"}, read_codebook())
    True
    >>> rule.excludes({"cell_source": "umbilical_cord"}, read_codebook())
    False
    """

    conditions: tuple[Condition, ...]
    reason: str
    source: str = ""

    def __post_init__(self) -> None:
        if not self.conditions:
            raise StudyError("A rule must say when it holds; this one does not. Give it conditions.")
        if not self.reason.strip():
            raise StudyError("A rule must give its reason; this one does not. Write one sentence.")

    def excludes(self, protocol: Protocol, codebook: Codebook) -> bool:
        """Whether the protocol cannot be given."""
        return all(condition.holds(protocol, codebook) for condition in self.conditions)


def build_rule(raw: Mapping[str, Any], codebook: Codebook, where: str) -> Rule:
    """Build a rule from a table ``{ when = { … }, reason = "…", source = "…" }``.

    Parameters
    ----------
    raw : mapping
    codebook : Codebook
    where : str
        Its name, for messages.

    Raises
    ------
    StudyError
        If a key, variable or level is unknown, or the reason is missing.

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> rule = build_rule({"when": {"route": "IV"}, "reason": "Not offered here."}, read_codebook(), "rule 1")
    >>> rule.conditions[0].levels
    ('intravenous',)
    >>> build_rule({"when": {"rout": "IV"}, "reason": "Not offered here."}, read_codebook(), "rule 1")
    Traceback (most recent call last):
    poi_predict.errors.StudyError: rule 1.when must name protocol variables; "rout" is not one
    (did you mean "route"?).
    """
    refuse_unknown(raw, ("when", "reason", "source"), where)
    when = raw.get("when")
    if not isinstance(when, Mapping) or not when:
        raise StudyError(f'{where}.when must be a table such as {{ route = "intravenous" }}; it is not.')
    conditions = tuple(_build_condition(name, value, codebook, f"{where}.when") for name, value in when.items())
    texts = [raw.get(key, "") for key in ("reason", "source")]
    if not all(isinstance(text, str) for text in texts):
        raise StudyError(f"{where} must give reason and source as text; it does not.")
    return Rule(conditions, *texts)


def read_value(value: Any, variable: Variable, where: str) -> Value:
    """Read what a declaration says of a protocol variable, in any spelling the codebook knows.

    Raises
    ------
    StudyError
        If it is no level of the variable, or no finite number.

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> read_value("AD-MSC", read_codebook()["cell_source"], "option 1"), read_value(
    ...     ["prp", "hrt"], read_codebook()["adjuvant"], "option 1")
    ('adipose', 'hrt+prp')
    >>> read_value("bone marow", read_codebook()["cell_source"], "option 1")
    Traceback (most recent call last):
    poi_predict.errors.StudyError: option 1.cell_source must be a level of the codebook; "bone marow" is not
    (did you mean "bone marrow"?).
    """
    place = f"{where}.{variable.name}"
    if variable.is_numeric:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise StudyError(f"{place} must be a number; it is not.")
        return float(value)
    if variable.kind == "binary" and isinstance(value, bool):
        return "yes" if value else "no"
    parts = value if isinstance(value, list) and variable.kind == "multi" else [value]
    levels = {level for part in parts for level in _read_levels(part, variable, place)}
    if not levels or ("none" in levels and len(levels) > 1):
        raise StudyError(f'{place} must name levels that go together; it does not. "none" stands alone.')
    return JOINER.join(sorted(levels))


def _read_levels(text: Any, variable: Variable, place: str) -> list[str]:
    if not isinstance(text, str):
        raise StudyError(f"{place} must be a level, written as text; it is not.")
    whole = variable.level_of.get(level_key(text))
    if whole is not None:
        return [whole]
    parts = text.split(JOINER) if variable.kind == "multi" else [text]
    found = [variable.level_of.get(level_key(part)) for part in parts]
    if any(level is None for level in found):
        known = [*variable.levels, *(text for texts in variable.levels.values() for text in texts)]
        raise StudyError(f'{place} must be a level of the codebook; "{text}" is not{suggest(text, known)}.')
    return [level for level in found if level is not None]


@cache
def read_shipped_rules() -> tuple[Rule, ...]:
    """Return the rules that come with the software, of ``rules.toml``.

    >>> read_shipped_rules()[0].reason
    'A scaffold is placed in or on the ovary; it cannot be infused into a vein.'
    """
    from poi_predict.cohort import read_codebook  # noqa: PLC0415

    file = resources.files("poi_predict.regimen") / "rules.toml"
    rules = tomllib.loads(file.read_text(encoding="utf-8"))["rules"]
    return tuple(
        build_rule(rule, read_codebook(), f"rules.toml {number}") for number, rule in enumerate(rules, start=1)
    )


def _build_condition(name: str, value: Any, codebook: Codebook, where: str) -> Condition:
    protocol = [entry.name for entry in codebook.values() if entry.role == "protocol"]
    if name not in protocol:
        raise StudyError(f'{where} must name protocol variables; "{name}" is not one{suggest(name, protocol)}.')
    variable = codebook[name]
    if not variable.is_numeric:
        levels = [read_value(level, variable, where) for level in (value if isinstance(value, list) else [value])]
        return Condition(name, tuple(str(level) for level in levels))
    if value == OUTSIDE:
        return Condition(name, outside_limits=True)
    if not isinstance(value, Mapping) or not value:
        raise StudyError(f'{where}.{name} must be {{ below = … }}, {{ above = … }} or "{OUTSIDE}"; it is none of them.')
    refuse_unknown(value, ("below", "above"), f"{where}.{name}")
    limits = {side: float(read_value(limit, variable, where)) for side, limit in value.items()}
    return Condition(name, below=limits.get("below"), above=limits.get("above"))
