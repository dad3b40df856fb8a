"""The regimens that are compared: those a study declares, or those that were given, less what cannot be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.errors import StudyError
from poi_predict.naming import suggest
from poi_predict.regimen.rules import JOINER, Protocol, Rule, Value, read_shipped_rules
from poi_predict.regimen.settings import (
    DOSE,
    HOW_A_DOSE_IS_WRITTEN,
    NO_THERAPY,
    RegimenSettings,
    compute_typical_value,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from poi_predict.cohort import Codebook, Variable

__all__ = ["Excluded", "Option", "OptionList", "describe_protocol", "list_options"]

SOURCE, ROUTE, ADJUVANT = "cell_source", "route", "adjuvant"
ROUTE_WORDS = {
    "intraovarian_laparoscopic": "into the ovary by laparoscopy",
    "intraovarian_transvaginal": "into the ovary through the vagina",
    "intra_arterial": "into the ovarian artery",
    "intravenous": "into a vein",
    "scaffold": "on a scaffold",
}
ADJUVANT_WORDS = {"prp": "PRP", "hrt": "HRT", "g_csf": "G-CSF", "iva": "IVA"}
COUNTS = ("n_women", "arm_women")
MILLION, BILLION = 1e6, 1e9


@dataclass(frozen=True)
class Option:
    """One regimen.

    Attributes
    ----------
    name : str
        How it is referred to; "none" is no cell therapy.
    label : str
        For people.
    protocol : mapping of str to str, float or None
        The protocol variables it sets; None leaves one open. Nothing else of a woman's row is touched.
    declared : bool
        Whether the study names it.
    """

    name: str
    label: str
    protocol: Protocol
    declared: bool = False

    @property
    def is_therapy(self) -> bool:
        """Whether cells are given."""
        return self.name != NO_THERAPY

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            "name": self.name, "label": self.label, "protocol": dict(self.protocol), "declared": self.declared
        }  # fmt: skip


@dataclass(frozen=True)
class Excluded:
    """A regimen that is not compared, and why."""

    name: str
    label: str
    reason: str
    source: str = ""

    @property
    def sentence(self) -> str:
        """What is left out, and why."""
        return f"{self.label}: {self.reason}" + (f" ({self.source})" if self.source else "")

    def as_dict(self) -> dict[str, str]:
        """Return plain values that JSON can hold."""
        return {"name": self.name, "label": self.label, "reason": self.reason, "source": self.source}


@dataclass(frozen=True)
class OptionList:
    """The regimens to compare, no cell therapy first where a model can say what it would bring.

    Attributes
    ----------
    options : tuple of Option
    excluded : tuple of Excluded
        Each with the rule that excludes it.
    """

    options: tuple[Option, ...]
    excluded: tuple[Excluded, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the options, in order."""
        return tuple(option.name for option in self.options)

    def find(self, name: str) -> Option:
        """Return an option by name.

        Raises
        ------
        StudyError
            If there is none of that name.
        """
        for option in self.options:
            if option.name == name:
                return option
        raise StudyError(
            f'An option must be one of those compared; "{name}" is not{suggest(name, self.names)}. They are '
            f"{'; '.join(self.names)}."
        )

    def frame(self) -> pd.DataFrame:
        """Return one row an option, included or not: name, label, reason (empty if included), source."""
        rows = [
            {"name": option.name, "label": option.label, "reason": "", "source": ""} for option in self.options
        ]  # fmt: skip
        return pd.DataFrame(rows + [item.as_dict() for item in self.excluded])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            "options": [option.as_dict() for option in self.options],
            "excluded": [item.as_dict() for item in self.excluded],
        }


def list_options(
    settings: RegimenSettings, codebook: Codebook, seen: pd.DataFrame | None = None, *, without_therapy: bool = True
) -> OptionList:
    """List the regimens that are compared.

    Parameters
    ----------
    settings : RegimenSettings
        Its options, or, if it declares none, the combinations of `seen`.
    codebook : Codebook
        May be the slice that a stored model keeps.
    seen : DataFrame, optional
        Combinations that women or published arms had, from `count_options` or `count_arms`: one column a variable of
        ``settings.vary``, ``n_women`` and ``arm_women``. Women first, then arms, most first; the dose is the usual
        one of each combination.
    without_therapy : bool
        Whether the model can say what no cell therapy would bring (`ResponseDraws.says_no_therapy`).

    Raises
    ------
    StudyError
        If nothing is left to compare.

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> from poi_predict.regimen.settings import build_regimen_settings
    >>> declared = [{"name": "drip", "cell_source": "AD-MSC", "route": "IV", "adjuvant": "collagen scaffold"},
    ...             {"name": "injection", "cell_source": "AD-MSC", "route": "laparoscopy", "dose_cells": 1e7}]
    >>> settings = build_regimen_settings(
    ...     {"options": declared}, read_codebook(), ("age", "cell_source", "route", "dose_cells", "adjuvant"))
    >>> found = list_options(settings, read_codebook())
    >>> found.names, found.excluded[0].reason
    (('none', 'injection'), 'A scaffold is placed in or on the ovary; it cannot be infused into a vein.')
    >>> list_options(build_regimen_settings({}, read_codebook(), ("age", "fsh")), read_codebook())
    Traceback (most recent call last):
    poi_predict.errors.StudyError: Regimens are compared by what the model reads of the protocol; it reads nothing of
    it. Name protocol variables among predictors.use.
    """
    if not settings.vary:
        raise StudyError(
            "Regimens are compared by what the model reads of the protocol; it reads nothing of it. Name protocol "
            "variables among predictors.use."
        )
    excluded: list[Excluded] = []
    candidates = [Option(o.name, o.name, _finish(o.protocol, settings), declared=True) for o in settings.options]
    if not candidates:
        candidates, excluded = _combine_seen(settings, codebook, seen)
    options, rules = [], (*settings.infeasible, *read_shipped_rules())
    for option in candidates:
        broken = _find_rule(option.protocol, rules, codebook)
        if broken is None:
            options.append(option)
        else:
            excluded.append(Excluded(option.name, option.label, broken.reason, broken.source))
    if not options:
        raise StudyError(_say_nothing_left(excluded))
    first = (_build_no_therapy(settings, codebook),) if without_therapy else ()
    return OptionList((*first, *options), tuple(excluded))


def describe_protocol(protocol: Protocol, codebook: Codebook) -> str:
    """Return a protocol in words.

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> describe_protocol({"cell_source": "bone_marrow", "route": "intraovarian_laparoscopic", "dose_cells": 1e7,
    ...     "adjuvant": "hrt+prp"}, read_codebook())
    'bone marrow cells, into the ovary by laparoscopy, 10 million, with HRT and PRP'
    """
    said = [
        _describe_value(name, value, codebook)
        for name, value in protocol.items()
        if value is not None and name not in HOW_A_DOSE_IS_WRITTEN
    ]
    return ", ".join(text for text in said if text) or "protocol left open"


def _describe_value(name: str, value: Value, codebook: Codebook) -> str:
    if isinstance(value, float):
        return _describe_number(name, value, codebook)
    levels = [ADJUVANT_WORDS.get(level, level.replace("_", " ")) for level in value.split(JOINER)]
    if name == SOURCE:
        return "no cells" if value == "none" else f"{levels[0]} cells"
    if name == ROUTE:
        return "" if value == "none" else ROUTE_WORDS.get(value, levels[0])
    if name == ADJUVANT:
        return "" if value == "none" else f"with {' and '.join(levels)}"
    if name == "autologous":
        return "her own" if value == "yes" else "a donor's"
    label = codebook[name].label if name in codebook else name
    return f"{label}: {' and '.join(levels)}"


def _describe_number(name: str, value: float, codebook: Codebook) -> str:
    if name == DOSE:
        scale, word = (BILLION, "billion") if value >= BILLION else (MILLION, "million")
        return f"{value / scale:.3g} {word}"
    variable = codebook.get(name)
    unit = "" if variable is None or variable.unit in (None, "count") else f" {variable.unit}"
    return f"{name if variable is None else variable.label}: {value:g}{unit}"


def _finish(protocol: Protocol, settings: RegimenSettings) -> dict[str, Value | None]:
    """Add that a dose is in total, where the model asks how it is stated."""
    written = {name: "total" for name in HOW_A_DOSE_IS_WRITTEN if name in settings.protocol and DOSE in protocol}
    return written | dict(protocol)


def _combine_seen(
    settings: RegimenSettings, codebook: Codebook, seen: pd.DataFrame | None
) -> tuple[list[Option], list[Excluded]]:
    """Make one option of each combination of levels that was seen; one that is not wholly stated is excluded."""
    if seen is None or seen.empty:
        return [], []
    levels = [name for name in settings.vary if codebook[name].kind != "continuous"]
    had = seen[seen[list(COUNTS)].sum(axis=1) > 0]
    if SOURCE in had:
        had = had[had[SOURCE] != "none"]
    options, excluded, weight = [], [], []
    keys = [tuple(None if pd.isna(v) else v for v in row) for row in had[levels].itertuples(index=False, name=None)]
    for key in sorted(set(keys), key=repr):
        rows = had[[other == key for other in keys]]
        known: dict[str, Value | None] = dict(zip(levels, key, strict=True))
        protocol = {name: known[name] if name in known else _find_usual(rows, codebook[name]) for name in settings.vary}
        name, label = _name(known), describe_protocol(protocol, codebook)
        silent = [codebook[name].label.lower() for name in levels if known[name] is None]
        if silent:
            excluded.append(Excluded(name, label, f"Not stated: {', '.join(silent)}."))
            continue
        options.append(Option(name, label, _finish(protocol, settings)))
        weight.append((-rows["n_women"].sum(), -rows["arm_women"].sum(), name))
    order = sorted(range(len(options)), key=lambda position: weight[position])
    return [options[position] for position in order], excluded


def _find_usual(rows: pd.DataFrame, variable: Variable) -> float:
    """Return the median class of a number among the women, else among the arms; else the middle of the usual range."""
    known = rows[rows[variable.name].notna()].sort_values(variable.name)
    for count in COUNTS:
        total = known[count].cumsum()
        if len(total) and total.iloc[-1] > 0:
            return float(known[variable.name].to_numpy(dtype=float)[(total >= total.iloc[-1] / 2).to_numpy().argmax()])
    return compute_typical_value(variable)


def _name(stated: dict[str, Value | None]) -> str:
    parts = []
    for name, value in stated.items():
        if value is None:
            parts.append(f"{name} not stated")
        elif isinstance(value, float):
            parts.append(f"{name}={value:g}")
        elif value in ("yes", "no") or (value == "none" and len(stated) == 1):
            parts.append(f"{name}={value}")
        elif not (name == ADJUVANT and value == "none"):
            parts.append(value)
    return "/".join(parts) or "usual dose"


def _build_no_therapy(settings: RegimenSettings, codebook: Codebook) -> Option:
    protocol: dict[str, Value | None] = {
        name: "none" if name in codebook and "none" in codebook[name].levels else None for name in settings.protocol
    }
    return Option(NO_THERAPY, "no cell therapy", protocol)


def _find_rule(protocol: Protocol, rules: Iterable[Rule], codebook: Codebook) -> Rule | None:
    return next((rule for rule in rules if rule.excludes(protocol, codebook)), None)


def _say_nothing_left(excluded: Sequence[Excluded]) -> str:
    if not excluded:
        return (
            "A comparison needs at least one regimen; none is declared, and none was seen. List one under "
            "[[regimens.options]]."
        )
    return (
        f"A comparison needs at least one regimen that can be given; all {len(excluded)} are excluded: "
        f"{' '.join(item.sentence for item in excluded[:3])} Declare another under [[regimens.options]]."
    )
