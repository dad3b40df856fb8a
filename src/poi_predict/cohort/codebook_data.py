"""The shipped codebook file: its text as plain data, its families of units, its spellings of yes and no."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["read_codebook_data", "unit_family", "yes_no_levels"]


@cache
def read_codebook_data() -> dict[str, Any]:
    """Return `codebook.toml` as plain data: units, yes_no, variables."""
    file = resources.files("poi_predict.cohort") / "codebook.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def unit_family(name: str) -> dict[str, Any]:
    """Return the accepted and the refused units of a family, as `Variable` calls them.

    >>> unit_family("years")["units"]["months"]
    0.08333333333333333
    """
    family = read_codebook_data()["units"][name]
    return {"units": family["accepted"], "refused_units": family.get("refused", {})}


def yes_no_levels(own: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Return the spellings of no and yes with a variable's own; another level is kept, for it to be refused.

    >>> "nein" in yes_no_levels({})["no"], "current" in yes_no_levels({"yes": ["current"]})["yes"]
    (True, True)
    """
    usual = read_codebook_data()["yes_no"]
    return {level: (*usual.get(level, ()), *own.get(level, ())) for level in dict.fromkeys(("no", "yes", *own))}
