"""How clinics write that nothing was recorded."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from poi_predict.cohort.spelling import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["find_missing", "is_missing", "missing_spellings", "numeric_missing"]

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


@lru_cache(maxsize=256)
def numeric_missing(missing: frozenset[str]) -> tuple[float, ...]:
    """Return the spellings of "missing" that are numbers, such as 999.

    >>> numeric_missing(missing_spellings(["999", "not asked", "5.052E3"]))
    (999.0, 5052.0)
    """
    return tuple(sorted({number for text in missing if (number := _as_number(text)) is not None}))


def find_missing(data: pd.DataFrame, name: str) -> NDArray[np.bool_]:
    """Find the rows in which a variable is not known, though there is something to know.

    A woman with primary amenorrhea has had no menses, so the time since the last ones is not applicable to her.

    >>> import pandas as pd
    >>> women = pd.DataFrame({"amenorrhea_months": [8.0, None, None], "amenorrhea_type": ["primary", "primary", None]})
    >>> find_missing(women, "amenorrhea_months").tolist()
    [False, False, True]
    """
    missing = data[name].isna()
    if name == "amenorrhea_months" and "amenorrhea_type" in data:
        missing &= ~data["amenorrhea_type"].isin(["primary"])
    return missing.to_numpy(dtype=bool)


def is_missing(cell: str, missing: frozenset[str]) -> bool:
    """Whether a cell says "missing"; numbers are compared by value.

    >>> missing = missing_spellings(["5052"])
    >>> is_missing("5052.0", missing), is_missing("5.052E3", missing), is_missing("N/A", missing)
    (True, True, True)
    """
    plain = plain_text(cell)
    if plain in missing:
        return True
    number = _as_number(plain)
    return number is not None and number in numeric_missing(missing)


def _as_number(text: str) -> float | None:
    shaped = text.isascii() and any(c.isdigit() for c in text) and not set(text) - set("0123456789+-.e")
    try:
        return float(text) if shaped else None
    except ValueError:
        return None
