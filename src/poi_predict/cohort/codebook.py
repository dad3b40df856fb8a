"""The field's variables as data: units, limits, levels, spellings, and when each one is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from poi_predict.cohort.codebook_data import read_codebook_data, unit_family, yes_no_levels
from poi_predict.cohort.variable import Variable
from poi_predict.errors import StudyError
from poi_predict.naming import nearest_name, suggest

__all__ = ["Codebook", "Variable", "nearest_name", "read_codebook"]


class Codebook(Mapping[str, Variable]):
    """Variables by canonical name.

    Examples
    --------
    >>> codebook = read_codebook()
    >>> codebook["fsh"].unit, codebook["fsh"].hard, codebook["fsh"].direction
    ('IU/L', (0.0, 300.0), -1)
    >>> codebook.subset(["fshh"])
    Traceback (most recent call last):
        ...
    poi_predict.errors.StudyError: A variable must be in the codebook; "fshh" is not (did you mean "fsh"?).
    """

    def __init__(self, variables: Iterable[Variable]) -> None:
        self._variables: dict[str, Variable] = {}
        for variable in variables:
            if variable.name in self._variables:
                raise StudyError(f'A codebook must hold each variable once; "{variable.name}" occurs twice.')
            self._variables[variable.name] = variable

    def __getitem__(self, name: str) -> Variable:
        return self._variables[name]

    def __contains__(self, name: object) -> bool:
        return name in self._variables

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __repr__(self) -> str:
        return f"Codebook({len(self)} variables)"

    def extended(self, extra: Iterable[Variable]) -> Codebook:
        """Return a codebook with a study's own variables added.

        Raises
        ------
        StudyError
            If an added variable has the name of an existing one.
        """
        return Codebook((*self._variables.values(), *extra))

    def subset(self, names: Iterable[str]) -> Codebook:
        """Return a codebook of the variables named, in this codebook's order.

        Raises
        ------
        StudyError
            If a name is not a variable.
        """
        wanted = set(names)
        for name in sorted(wanted - set(self)):
            raise StudyError(f'A variable must be in the codebook; "{name}" is not{suggest(name, self)}.')
        return Codebook(variable for name, variable in self._variables.items() if name in wanted)

    def as_dict(self) -> dict[str, Any]:
        """Return the codebook as plain values that JSON can hold."""
        return {name: variable.as_dict() for name, variable in self._variables.items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Codebook:
        """Return the codebook that `as_dict` described.

        Raises
        ------
        StudyError
            If a variable breaks a rule.
        """
        return cls(Variable.from_dict(entry) for entry in stored.values())


@cache
def read_codebook() -> Codebook:
    """Return the shipped codebook of the field.

    >>> len([v for v in read_codebook().values() if v.role == "protocol"])
    9
    """
    variables = read_codebook_data()["variables"]
    return Codebook(_shipped_variable(name, entry) for name, entry in variables.items())


def _shipped_variable(name: str, entry: Mapping[str, Any]) -> Variable:
    values = dict(entry) | {"name": name}
    if "units" in entry:
        values |= unit_family(entry["units"])
    if entry["kind"] == "binary":
        values["levels"] = yes_no_levels(entry.get("levels", {}))
    return Variable.from_dict(values)
