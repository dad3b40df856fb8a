"""One clinical variable: what it means, how it may be written, what it may be, when it is known."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

from poi_predict.cohort.codebook_data import unit_family, yes_no_levels
from poi_predict.cohort.spelling import header_key, level_key, unit_key
from poi_predict.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Kind", "KnownAt", "Role", "Variable"]

Kind = Literal["continuous", "count", "binary", "category", "multi", "id"]
Role = Literal["id", "centre", "baseline", "protocol", "outcome", "provenance"]
Transform = Literal["log", "sqrt", "none"]
KnownAt = Literal["baseline", "treatment", "follow_up"]
_DURATIONS = ("months", "years")


@dataclass(frozen=True)
class Variable:
    """One clinical variable: what it means, how it may be written, what it may be.

    Attributes
    ----------
    name : str
        Canonical name; holds no "__", which is kept for derived columns.
    label : str
        Name for people.
    kind : {"continuous", "count", "binary", "category", "multi", "id"}
        `multi` allows several levels at once, such as PRP and HRT.
    role : {"id", "centre", "baseline", "protocol", "outcome", "provenance"}
        Part it plays in a cohort.
    known_at : {"baseline", "treatment", "follow_up"}
        When it is known; what is known at follow-up is no predictor.
    domain : str
        Family of features it belongs to.
    unit : str or None
        Canonical unit.
    units : mapping of str to float
        Accepted spellings of units and the factor into the canonical one (itself included).
    refused_units : mapping of str to str
        Units that are refused, and why.
    hard : (float, float) or None
        Limits outside of which a value is an error.
    typical : (float, float) or None
        Limits outside of which a value is a warning.
    levels : mapping of str to tuple of str
        Canonical levels and their spellings. A centre has none: any name is a level.
    censorable : bool
        Whether "<0.02" and "undetectable" are results of the measurement.
    direction : {-1, 0, 1}
        The field's monotone direction of effect on a good outcome; 0 if it has none.
    aliases : tuple of str
        Usual column names.
    transform : {"log", "sqrt", "none"} or None
        Scale on which a number that a study declares predicts; None where nothing was decided.

    Raises
    ------
    StudyError
        If the variable contradicts itself.
    """

    name: str
    label: str
    kind: Kind
    role: Role
    known_at: KnownAt
    domain: str = "none"
    unit: str | None = None
    units: Mapping[str, float] = field(default_factory=dict)
    refused_units: Mapping[str, str] = field(default_factory=dict)
    hard: tuple[float, float] | None = None
    typical: tuple[float, float] | None = None
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    censorable: bool = False
    direction: Literal[-1, 0, 1] = 0
    aliases: tuple[str, ...] = ()
    transform: Transform | None = None

    def __post_init__(self) -> None:
        where = f'The variable "{self.name}"'
        if not header_key(self.name) or "__" in self.name:
            raise StudyError(f'{where} must have a name without "__", which marks derived columns. Rename it.')
        for attribute, choices in (("kind", Kind), ("role", Role), ("known_at", KnownAt)):
            if getattr(self, attribute) not in get_args(choices):
                raise StudyError(f"{where} must have a {attribute} among {', '.join(get_args(choices))}; it has not.")
        if self.direction not in (-1, 0, 1):
            raise StudyError(f"{where} must have the direction -1, 0 or 1; it has not.")
        for limits in (self.hard, self.typical):
            if limits is not None and not limits[0] < limits[1]:
                raise StudyError(f"{where} must have its lower limit below its upper limit; it has not.")
        if self.unit is not None and self.factor(self.unit) != 1.0:
            raise StudyError(f"{where} must count its own unit among the accepted ones, with factor 1.")
        self._check_transform(where)
        self._check_levels(where)

    def _check_transform(self, where: str) -> None:
        if self.transform is None:
            return
        if self.transform not in get_args(Transform):
            raise StudyError(f'{where} must have the transform "log", "sqrt" or "none"; it has not.')
        if self.transform == "none":
            return
        if not self.is_numeric:
            raise StudyError(f"{where} must be a number to have a transform; it is {self.kind}. Leave transform out.")
        if self.hard is None or self.hard[0] < 0:
            raise StudyError(
                f"{where} must have limits from 0 or above to be transformed; it has not. State hard = [0, …]."
            )

    def _check_levels(self, where: str) -> None:
        if self.kind == "binary" and set(self.levels) != {"no", "yes"}:
            raise StudyError(f"{where} is binary, so its levels must be yes and no; they are not.")
        if self.kind in ("category", "multi") and self.role != "centre" and not self.levels:
            raise StudyError(f"{where} must list its levels; it has none. Add levels.")
        if any("__" in level or "+" in level for level in self.levels):
            raise StudyError(f'{where} must have levels without "__" and "+". Rename them.')
        meaning: dict[str, str] = {}
        for level, spellings in self.levels.items():
            for spelling in (level, *spellings):
                if meaning.setdefault(level_key(spelling), level) != level:
                    raise StudyError(f"{where} must give each spelling one level; one stands for two.")

    @property
    def is_numeric(self) -> bool:
        """Whether its cells are numbers (with or without a unit)."""
        return self.kind in ("continuous", "count")

    def factor(self, unit: str) -> float | None:
        """Return the factor from `unit` to the canonical unit, or None if the unit is not accepted.

        >>> from poi_predict.cohort.codebook import read_codebook
        >>> round(read_codebook()["amh"].factor("pmol/L"), 4)
        0.1401
        """
        return self._factors.get(unit_key(unit))

    def refusal(self, unit: str) -> str | None:
        """Return why `unit` is refused, or None if nothing is said about it.

        >>> from poi_predict.cohort.codebook import read_codebook
        >>> read_codebook()["fsh"].refusal("ng/mL")
        'a mass unit has no agreed factor to IU/L'
        """
        return self._refusals.get(unit_key(unit))

    def knows_unit(self, unit: str) -> bool:
        """Whether `unit` is accepted or refused, so that it surely is a unit."""
        return unit_key(unit) in self._factors or unit_key(unit) in self._refusals

    @property
    def has_rival_units(self) -> bool:
        """Whether accepted units differ in size, so that a number without a unit may mean two things."""
        return len(set(self.units.values())) > 1

    @cached_property
    def level_of(self) -> Mapping[str, str]:
        """The canonical level of every known spelling, by `level_key`."""
        return {level_key(text): level for level, texts in self.levels.items() for text in (level, *texts)}

    @cached_property
    def _factors(self) -> Mapping[str, float]:
        return {unit_key(spelling): factor for spelling, factor in self.units.items()}

    @cached_property
    def _refusals(self) -> Mapping[str, str]:
        return {unit_key(spelling): reason for spelling, reason in self.refused_units.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return the variable as plain values that JSON can hold."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        for name in ("hard", "typical", "aliases"):
            plain[name] = None if plain[name] is None else list(plain[name])
        plain["levels"] = {level: list(texts) for level, texts in self.levels.items()}
        if self.transform is None:
            del plain["transform"]  # as bundles of earlier versions have it
        return plain | {"units": dict(self.units), "refused_units": dict(self.refused_units)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Variable:
        """Return the variable that `as_dict` described.

        Raises
        ------
        StudyError
            If a field is unknown, missing or breaks a rule.
        """
        values: dict[str, Any] = {}
        try:
            values |= dict(stored)
            for name in ("hard", "typical"):
                limits = values.get(name)
                values[name] = None if limits is None else (float(limits[0]), float(limits[1]))
            values["levels"] = {level: tuple(texts) for level, texts in values.get("levels", {}).items()}
            values["units"] = {unit: float(factor) for unit, factor in values.get("units", {}).items()}
            values["aliases"] = tuple(_as_text(alias) for alias in values.get("aliases", ()))
            return cls(**values)
        except (TypeError, ValueError, AttributeError, LookupError):
            name = values.get("name", "?")
            raise StudyError(f'The variable "{name}" must hold the fields of a variable; it does not.') from None

    @classmethod
    def declared(cls, **declaration: Any) -> Variable:
        """Return a variable that a study declares beside the codebook's.

        A duration in months or years takes the other durations as units, and a binary variable the usual
        spellings of yes and no beside its own.

        Examples
        --------
        >>> smoking = Variable.declared(
        ...     name="smoking", label="Smoking", kind="binary", role="baseline", known_at="baseline",
        ...     levels={"yes": ("current",)},
        ... )
        >>> smoking.level_of["current"], smoking.level_of["nein"]
        ('yes', 'no')
        """
        values = dict(declaration)
        domains = {"protocol": "protocol", "outcome": "outcome"}
        values.setdefault("domain", domains.get(values["role"], "patient"))
        unit = values.get("unit")
        if unit is not None:
            values |= unit_family(unit) if unit in _DURATIONS else {"units": {unit: 1.0}}
        if values["kind"] == "binary":
            values["levels"] = yes_no_levels(values.get("levels", {}))
        return cls(**values)


def _as_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
