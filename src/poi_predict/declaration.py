"""From tables of a TOML file to settings: known keys only, each of its kind, in plain words if not."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar

from poi_predict.errors import StudyError
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["build_settings", "check_ranges", "read_range", "read_table", "read_tables", "refuse_unknown"]

T = TypeVar("T")

KIND_WORDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "mapping_type": "a table",
    "dict_type": "a table",
}


def build_settings(kind: type[T], raw: Mapping[str, Any], where: str, renamed: Mapping[str, str] | None = None) -> T:
    """Build a room's settings from a TOML table.

    Parameters
    ----------
    kind : type
        A dataclass that checks itself.
    raw : mapping
        The table.
    where : str
        Its name, for messages.
    renamed : mapping of str to str, optional
        Field to the key that the file uses for it.

    Raises
    ------
    StudyError
        If a key is unknown, missing or of another kind.

    Examples
    --------
    >>> from poi_predict.validation import ValidationSettings
    >>> build_settings(ValidationSettings, {"folds": 5}, "validation").folds
    5
    >>> build_settings(ValidationSettings, {"folds": 2.5}, "validation")
    Traceback (most recent call last):
    poi_predict.errors.StudyError: validation.folds must be a whole number; it is not.
    """
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    shown = {field.name: (renamed or {}).get(field.name, field.name) for field in fields(kind)}  # type: ignore[arg-type]
    refuse_unknown(raw, {*shown.values(), *shown}, where)
    missing = [
        shown[field.name]
        for field in fields(kind)  # type: ignore[arg-type]
        if field.default is MISSING and field.default_factory is MISSING and field.name not in raw
    ]
    if missing:
        raise StudyError(f"{where} must give {', '.join(missing)}; it does not. Add it.")
    try:
        return TypeAdapter(kind).validate_json(json.dumps(raw, default=str), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name, *inner = (str(part) for part in first["loc"] if not str(part).startswith(("function-", "is-instance")))
        place = ".".join((where, shown.get(name, name), *inner))
        expected = KIND_WORDS.get(first["type"]) or first["msg"].removeprefix("Input should be ")
        raise StudyError(f"{place} must be {expected}; it is not.") from None


def check_ranges(settings: object, where: str, ranges: Iterable[tuple[str, float, float]]) -> None:
    """Refuse a field outside its range; one that is None is left aside.

    Parameters
    ----------
    settings : object
        Its fields are looked at by name.
    where : str
        Section of the declaration, for messages.
    ranges : iterable of (str, float, float)
        Field, lowest and highest value.

    Raises
    ------
    StudyError
    """
    for name, low, high in ranges:
        value = getattr(settings, name)
        if value is not None and not low <= value <= high:
            raise StudyError(f"{where}.{name} must be between {low} and {high}; it is {value}.")


def refuse_unknown(raw: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Refuse keys that are not known, with the nearest that is."""
    for key in raw:
        if key not in known:
            raise StudyError(f'{where} has the unknown key "{key}"{suggest(key, known)}. Correct or remove it.')


def read_range(raw: Any, where: str) -> tuple[float, float] | None:
    """Return a range written as [lowest, highest], or None where there is none."""
    if raw is None:
        return None
    if not (isinstance(raw, list) and len(raw) == 2 and all(isinstance(v, int | float) for v in raw)):
        raise StudyError(f"{where} must be two numbers [lowest, highest]; it is not.")
    try:
        return float(raw[0]), float(raw[1])
    except OverflowError:
        raise StudyError(f"{where} must be numbers that a computer can hold; one is too large. Correct it.") from None


def read_table(raw: Mapping[str, Any], section: str) -> dict[str, Any]:
    """Return a section that is a table, empty where it is left out."""
    value = raw.get(section, {})
    if not isinstance(value, dict):
        raise StudyError(f"{section} must be a table; write [{section}].")
    return value


def read_tables(raw: Mapping[str, Any], section: str) -> list[dict[str, Any]]:
    """Return a section that is a list of tables, empty where it is left out."""
    value = raw.get(section, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise StudyError(f"{section} must be a list of rules; write [[{section}]] before each.")
    return value
