"""What a comparison says in a sentence, and what so many rows could have shown at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poi_predict.validation.drift import find_rows_for_shift, find_smallest_share, find_smallest_shift

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["describe_power", "say_drift"]

HALF_SD, FIFTH_SD = 0.5, 0.2
MOST_NAMED = 3


def describe_power(n_rows: int, n_training: int, level: float) -> dict[str, Any]:
    """Say what so many rows could have shown, with a chance of 80 %, beside so many women of training.

    Parameters
    ----------
    n_rows, n_training : int
        Rows scored; women of training.
    level : float
        Confidence level of each interval.

    Examples
    --------
    >>> print(describe_power(40, 160, level=0.99)["message"])  # doctest: +NORMALIZE_WHITESPACE
    40 rows cannot show a shift below 0.62 standard deviations; 29 more could show one of 0.5. No number of
    rows can show one of 0.2: 160 women of training are too few.
    """
    smallest = find_smallest_shift(n_training, n_rows, level)
    half, fifth = (find_rows_for_shift(shift, n_training, level) for shift in (HALF_SD, FIFTH_SD))
    share = find_smallest_share(n_training, n_rows, level)
    return {
        "smallest_shift_sd": smallest,
        "smallest_share": share,
        "rows_for_half_sd": half,
        "rows_for_fifth_sd": fifth,
        "message": _say_power(n_rows, n_training, smallest, {HALF_SD: half, FIFTH_SD: fifth}),
    }


def _number(count: int) -> str:
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _say_power(n_rows: int, n_training: int, smallest: float, needed: Mapping[float, int | None]) -> str:
    said = f"{_number(n_rows)} rows cannot show a shift below {smallest:.2f} standard deviations"
    reachable = [(shift, n) for shift, n in needed.items() if n is not None and n > n_rows]
    if reachable:
        said += "; " + ", ".join(f"{_number(n - n_rows)} more could show one of {shift}" for shift, n in reachable)
    never = [shift for shift, n in needed.items() if n is None]
    if never:
        said += f". No number of rows can show one of {max(never)}: {_number(n_training)} women of training are too few"
    return f"{said}."


def say_drift(found: Mapping[str, Any], *, is_reference: bool) -> str:
    """Return the one sentence that a clinician reads first.

    Parameters
    ----------
    found : mapping
        What was compared, with its ``status``.
    is_reference : bool
        Whether the model was made from published evidence alone.
    """
    n_rows, n_training, status = found["n_rows"], found["n_training"], found["status"]
    rows = _number(n_rows)
    if status == "no women of training":
        if is_reference:
            return "This model was made from published aggregates, without a woman to compare these rows with."
        return "The model keeps no summary of its women of training, so these rows can be compared with no one."
    if status == "too few rows":
        return f"{rows} rows are too few to compare with the {_number(n_training)} women of training."
    if status == "no drift shown":
        smallest = found["power"]["smallest_shift_sd"]
        return (
            f"These {rows} rows show no difference from the {_number(n_training)} women of training; a shift below "
            f"{smallest:.2f} standard deviations would probably not have been seen."
        )
    shown = [aspect for aspect in found["aspects"] if aspect["shown"]]
    if not shown:
        return (
            f"These {rows} rows differ from the {_number(n_training)} women of training as a whole, though no single "
            "characteristic shows it: read their predictions with that in mind."
        )
    return (
        f"These {rows} rows differ from the {_number(n_training)} women of training in {len(shown)} of "
        f"{len(found['aspects'])} comparisons, most of all in {_name_most(shown)}: read their predictions with that "
        "in mind."
    )


def _name_most(shown: list[dict[str, Any]]) -> str:
    def size(aspect: Mapping[str, Any]) -> float:
        return abs(float(aspect["sd_units"] if aspect["sd_units"] is not None else 2.0 * aspect["difference"]))

    names = list(dict.fromkeys(str(aspect["label"]) for aspect in sorted(shown, key=size, reverse=True)))[:MOST_NAMED]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
