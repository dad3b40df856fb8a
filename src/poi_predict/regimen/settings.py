"""What a study decides about comparing regimens: the options, what cannot be done, when one may be called better."""

from __future__ import annotations

import math
from collections.abc import Mapping  # noqa: TC003 - pydantic looks the types of fields up when settings are read
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from poi_predict.declaration import build_settings, read_tables, refuse_unknown
from poi_predict.errors import StudyError
from poi_predict.naming import suggest
from poi_predict.regimen.rules import Rule, Value, build_rule, read_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poi_predict.cohort import Codebook, Variable

__all__ = ["NO_THERAPY", "DeclaredOption", "RegimenSettings", "build_regimen_settings"]

NO_THERAPY = "none"
"""Name of the option without cell therapy."""

TIMING = "diagnosis_to_treatment_months"
DOSE = "dose_cells"
HOW_A_DOSE_IS_WRITTEN = ("dose_basis",)
MOST_WAITING = 120.0


@dataclass(frozen=True)
class DeclaredOption:
    """A protocol that a study considers.

    Attributes
    ----------
    name : str
        Shown, and used to refer to it.
    protocol : mapping of str to str or float
        What is done, by variable: a level, several joined by "+", "yes" or "no", or a number.
    """

    name: str
    protocol: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class RegimenSettings:
    """The section ``[regimens]`` of a study, checked against its codebook and predictors.

    Attributes
    ----------
    protocol : tuple of str
        Protocol variables that the model reads, how long the diagnosis is past aside: that is no choice.
    vary : tuple of str
        Those of them that make one option differ from another.
    reference : str
        Option that the others are compared with; "none" is no cell therapy.
    smallest_difference : float
        Smallest difference in probability worth having.
    threshold : float
        Posterior probability that a statement must reach, all its parts together.
    least_women : int
        Women, or women of published arms, who must have had an option before anything is said for or against it.
    waiting_months : tuple of float
        How long treatment may be put off.
    randomised : bool
        Whether the options were randomised; their shares are then the probabilities of having them.
    options : tuple of DeclaredOption
        Empty: the combinations seen.
    infeasible : tuple of Rule
        What cannot be done in this study, beside the shipped rules.

    Raises
    ------
    StudyError
        If a number is out of range, or the reference is not an option.

    Examples
    --------
    >>> RegimenSettings(protocol=("cell_source",), vary=("cell_source",)).threshold
    0.95
    >>> RegimenSettings(protocol=(), vary=(), threshold=95)
    Traceback (most recent call last):
    poi_predict.errors.StudyError: regimens.threshold must be at least 0.5 and below 1; it is 95. Use 0.95 for 95 %.
    """

    protocol: tuple[str, ...]
    vary: tuple[str, ...]
    reference: str = NO_THERAPY
    smallest_difference: float = 0.10
    threshold: float = 0.95
    least_women: int = 10
    waiting_months: tuple[float, ...] = (6.0, 12.0)
    randomised: bool = False
    options: tuple[DeclaredOption, ...] = ()
    infeasible: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        if not 0.5 <= self.threshold < 1:
            raise StudyError(
                f"regimens.threshold must be at least 0.5 and below 1; it is {self.threshold:g}. Use 0.95 for 95 %."
            )
        if not 0 <= self.smallest_difference < 1:
            raise StudyError(
                "regimens.smallest_difference must be a difference of two probabilities, at least 0 and below 1; it is "
                f"{self.smallest_difference:g}. Use 0.1 for ten points."
            )
        if self.least_women < 1:
            raise StudyError(f"regimens.least_women must be at least 1; it is {self.least_women}. Use 10.")
        months = self.waiting_months
        if any(not 0 < month <= MOST_WAITING for month in months) or sorted(set(months)) != list(months):
            raise StudyError(
                f"regimens.waiting_months must be positive, at most {MOST_WAITING:g}, in ascending order and each "
                f"once; it is {list(months)}."
            )
        names = [NO_THERAPY, *(option.name for option in self.options)]
        if self.options and self.reference not in names:
            raise StudyError(
                f'regimens.reference must be "{NO_THERAPY}" or the name of an option; "{self.reference}" is neither'
                f"{suggest(self.reference, names)}."
            )

    @property
    def rule(self) -> str:
        """The rule of the verdict, in words."""
        return (
            "An option is called better than the others only if its probability is the best of all options with enough "
            f"support in at least {self.threshold:.0%} of the draws ({(1 + self.threshold) / 2:.1%} if there are two), "
            f"is at least "
            f"{self.smallest_difference * 100:.0f} points better on average than the next, and at least "
            f"{self.least_women} women (or women of published arms) had it. It is called better (or worse) than the "
            "reference, or than one other option, only if the interval of their difference leaves out 0, the "
            "intervals of all such contrasts (with the reference; of all pairs) holding together with a probability of "
            f"{self.threshold:.0%}, with the same smallest difference and support on both sides. Otherwise: not "
            "distinguishable."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; `from_dict` gives the settings back."""
        plain = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Build settings from what `as_dict` gave.

        Raises
        ------
        StudyError
            If a field is missing, unknown or of another kind.
        """
        return build_settings(cls, stored, "regimens")


def build_regimen_settings(raw: Mapping[str, Any], codebook: Codebook, predictors: Sequence[str]) -> RegimenSettings:
    """Build the settings from the section ``[regimens]`` of a declaration.

    Parameters
    ----------
    raw : mapping
        The section as TOML gives it; empty where there is none.
    codebook : Codebook
        With the variables that the study declares.
    predictors : sequence of str
        What the model reads.

    Returns
    -------
    RegimenSettings
        Where `vary` is not given: the protocol variables among the predictors that are categories, and the dose of
        cells; with options declared, those of them that an option states.

    Raises
    ------
    StudyError
        If a key, variable or level is unknown, an option is incomplete or cannot be told from another by the model,
        or the list of options is empty.

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> predictors = ("age", "fsh", "cell_source", "route", "dose_cells")
    >>> build_regimen_settings({"threshold": 0.9}, read_codebook(), predictors).vary
    ('cell_source', 'route', 'dose_cells')
    >>> build_regimen_settings({"options": []}, read_codebook(), predictors)
    Traceback (most recent call last):
    poi_predict.errors.StudyError: regimens.options must list at least one option; it lists none. List one, or leave
    the key out: then the combinations seen are compared.
    """
    refuse_unknown(raw, [name for name in RegimenSettings.__dataclass_fields__ if name != "protocol"], "regimens")
    known = [name for name in predictors if name in codebook]  # reading the study refuses the others
    protocol = tuple(name for name in known if codebook[name].role == "protocol" and name != TIMING)
    if raw.get("options") == []:
        raise StudyError(
            "regimens.options must list at least one option; it lists none. List one, or leave the key out: then the "
            "combinations seen are compared."
        )
    declared = [
        _read_option(entry, codebook, f"regimens.options {number}")
        for number, entry in enumerate(read_tables({"regimens.options": raw.get("options", [])}, "regimens.options"), 1)
    ]
    vary = _read_vary(raw, codebook, protocol, declared)
    rules = read_tables({"regimens.infeasible": raw.get("infeasible", [])}, "regimens.infeasible")
    plain = {name: value for name, value in raw.items() if name not in ("options", "infeasible", "vary")}
    return build_settings(
        RegimenSettings,
        plain
        | {
            "protocol": list(protocol),
            "vary": list(vary),
            "options": [asdict(option) for option in _complete(declared, vary, codebook)],
            "infeasible": [
                asdict(build_rule(rule, codebook, f"regimens.infeasible {number}"))
                for number, rule in enumerate(rules, start=1)
            ],
        },
        "regimens",
    )


def _read_option(raw: Mapping[str, Any], codebook: Codebook, where: str) -> DeclaredOption:
    name = raw.get("name")
    if not isinstance(name, str) or not name.strip():
        raise StudyError(f'{where} must have a name, such as "bone marrow, laparoscopic"; it has none.')
    known = [variable.name for variable in codebook.values() if variable.role == "protocol"]
    protocol = {}
    for key, value in raw.items():
        if key == "name":
            continue
        if key not in known:
            raise StudyError(f'{where} must state protocol variables; "{key}" is not one{suggest(key, known)}.')
        if key == TIMING:
            raise StudyError(f"{where} must not state {TIMING}: when to treat is compared by regimens.waiting_months.")
        protocol[key] = read_value(value, codebook[key], where)
    if not protocol:
        raise StudyError(f'{where} must state what is done, such as cell_source = "bone_marrow"; it states nothing.')
    if name == NO_THERAPY or protocol.get("cell_source") == NO_THERAPY:
        raise StudyError(
            f"{where} must be a therapy with cells; it is none. Remove it: no cell therapy is always shown first where "
            "the model can say what it would bring."
        )
    return DeclaredOption(name, protocol)


def _read_vary(
    raw: Mapping[str, Any], codebook: Codebook, protocol: Sequence[str], declared: Sequence[DeclaredOption]
) -> tuple[str, ...]:
    if "vary" in raw:
        return _check_vary(raw["vary"], codebook, protocol)
    if declared:
        stated = tuple(name for name in protocol if any(name in option.protocol for option in declared))
        if not stated:
            raise StudyError(
                "regimens.options must state protocol variables among predictors.use; they state none. The model would "
                "be deaf to what tells them apart: name it among the predictors."
            )
        return stated
    return tuple(
        name
        for name in protocol
        if name not in HOW_A_DOSE_IS_WRITTEN and (not codebook[name].is_numeric or name == DOSE)
    )


def _check_vary(named: Any, codebook: Codebook, protocol: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(named, list) or not named or len(set(map(str, named))) != len(named):
        raise StudyError('regimens.vary must be a list of variables, each once, such as ["cell_source", "route"].')
    for name in named:
        if name == TIMING:
            raise StudyError(f"regimens.vary must not name {TIMING}: when to treat is compared by waiting_months.")
        if name in codebook and codebook[name].role != "protocol":
            raise StudyError(
                f'regimens.vary must name variables of the protocol; "{name}" belongs to the woman, and what belongs '
                "to her never moves. Remove it."
            )
        if name not in protocol:
            raise StudyError(
                f'regimens.vary must name protocol variables among predictors.use; "{name}" is not one'
                f"{suggest(str(name), protocol)}. The model would be deaf to it."
            )
    return tuple(str(name) for name in named)


def _complete(
    declared: Sequence[DeclaredOption], vary: Sequence[str], codebook: Codebook
) -> tuple[DeclaredOption, ...]:
    """Give every option all that varies, and refuse two that the model could not tell apart."""
    complete: list[DeclaredOption] = []
    seen: dict[tuple[Value, ...], str] = {}
    for option in declared:
        protocol = {name: _complete_value(option, codebook[name]) for name in vary} | dict(option.protocol)
        if option.name in (other.name for other in complete):
            raise StudyError(f'regimens.options must have a name of their own; "{option.name}" is repeated.')
        twin = seen.setdefault(tuple(protocol[name] for name in vary), option.name)
        if twin != option.name:
            raise StudyError(
                f'regimens.options must differ in what the model reads; "{twin}" and "{option.name}" do not '
                f"({', '.join(vary)}). Remove one, or name what tells them apart among predictors.use."
            )
        complete.append(DeclaredOption(option.name, protocol))
    return tuple(complete)


def _complete_value(option: DeclaredOption, variable: Variable) -> Value:
    """Return what an option means where it says nothing: no adjuvant, the typical dose."""
    if variable.name in option.protocol:
        return option.protocol[variable.name]
    if variable.kind == "multi" and "none" in variable.levels:
        return "none"
    if variable.kind == "continuous" and variable.typical is not None:
        return compute_typical_value(variable)
    raise StudyError(
        f'regimens.options must state every variable that varies; "{option.name}" does not state {variable.name}. '
        "Add it, or leave the variable out of regimens.vary."
    )


def compute_typical_value(variable: Variable) -> float:
    """Return the middle of the usual range, of a positive one the geometric middle, to one significant digit.

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> compute_typical_value(read_codebook()["dose_cells"])
    10000000.0
    """
    low, high = variable.typical or variable.hard or (math.nan, math.nan)
    middle = math.sqrt(low * high) if low > 0 and variable.kind == "continuous" else (low + high) / 2
    return float(f"{middle:.0e}")
