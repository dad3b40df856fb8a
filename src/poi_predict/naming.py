"""The nearest valid name, for messages about a name that is not known."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["nearest_name", "suggest"]


def nearest_name(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name closest to `name`, or None if none is near.

    >>> nearest_name("horizont", ["horizon", "event"])
    'horizon'
    >>> nearest_name("xyz", ["horizon", "event"]) is None
    True
    """
    folded = {candidate.casefold(): candidate for candidate in valid}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.55)
    return folded[found[0]] if found else None


def suggest(name: str, valid: Iterable[str]) -> str:
    """Return ' (did you mean "…"?)', or an empty text if nothing is near."""
    near = nearest_name(name, valid)
    return f' (did you mean "{near}"?)' if near else ""
