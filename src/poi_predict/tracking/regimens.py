"""What a tracking store is told of the regimens of a training cohort: counts, contrasts and the value of a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["count_regimens", "tabulate_regimens"]

INTERVAL = ("estimate", "ci_low", "ci_high")
OPTION_COLUMNS = ("name", "label", "n_women", "n_arms", "arm_women", "support")


def count_regimens(regimens: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield name and value of what is a number: options, verdicts on women, the gain of the model's rule.

    Parameters
    ----------
    regimens : mapping
        ``assessment["regimens"]``; may be empty.

    Examples
    --------
    >>> found = {"options": [{"support": "supported"}, {"support": "no data"}],
    ...          "women": {"n": 40, "kinds": {"not distinguishable": 40}}}
    >>> dict(count_regimens(found))["regimens_women_not_distinguishable"]
    40.0
    """
    options = regimens.get("options") or []
    if options:
        yield "regimens_options", float(len(options))
        yield "regimens_options_supported", float(sum(option["support"] == "supported" for option in options))
    for kind, count in (regimens.get("women") or {}).get("kinds", {}).items():
        yield f"regimens_women_{kind.replace(' ', '_')}", float(count)
    gain = (regimens.get("value") or {}).get("gain_over_best") or {}
    for part in INTERVAL:
        if gain.get(part) is not None:
            yield f"regimens_rule_gain_{part}", float(gain[part])


def tabulate_regimens(regimens: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Return options and contrasts as tidy frames, by the name of their table; empty without regimens."""
    tables = {}
    options = regimens.get("options") or []
    if options:
        tables["regimens"] = pd.DataFrame([{name: option.get(name) for name in OPTION_COLUMNS} for option in options])
    contrasts = (regimens.get("effects") or {}).get("contrasts") or []
    if contrasts:
        tables["regimen_contrasts"] = pd.DataFrame([_flatten(contrast) for contrast in contrasts])
    return tables


def _flatten(contrast: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: contrast[name] for name in ("option", "reference", "distinguishable")}
    for kind in ("difference", "simultaneous", "naive"):
        row |= {f"{kind}_{part}": (contrast.get(kind) or {}).get(part) for part in INTERVAL}
    return row
