"""How clinics write that nothing was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poi_predict.cohort.spelling import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["missing_spellings"]

_USUAL = (
    *("", "na", "n/a", "n.a.", "#n/a", "<na>", "nan", "nat", "null"),
    *("-", "--", "---", "–", "—", "−", ".", "..", "?", "/"),
    *("missing", "unknown", "unk", "not known", "not available", "not done", "not measured", "not recorded"),
    *("not tested", "no data", "k.a.", "k. a.", "fehlt", "fehlend", "unbekannt", "nicht gemessen"),
    *("manquant", "inconnu", "non fait", "desconocido"),
    *("缺失", "不详", "未知", "未测", "未查", "不明", "欠測"),
)


def missing_spellings(own: Iterable[str] = ()) -> frozenset[str]:
    """Return the usual spellings of "missing" and a study's own, as `plain_text` gives them.

    "ND" is none of them: for a hormone it says that the value is below the detection limit.

    >>> "n/a" in missing_spellings(), "nd" in missing_spellings(), "999" in missing_spellings(["999"])
    (True, False, True)
    """
    return frozenset(plain_text(spelling) for spelling in (*_USUAL, *own))
