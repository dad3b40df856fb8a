"""Names, units and levels written differently, compared."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poi_predict.cohort.spelling import (
    header_key,
    level_key,
    plain_text,
    read_header,
    shown_header,
    unit_key,
)

ANY_TEXT = st.text(max_size=40)


@pytest.mark.parametrize(
    "unit", ["ng/mL", "NG/ML", " ng / ml ", "ng ml-1", "ng·mL⁻¹", "ng.mL^-1", "ng per mL", "ｎｇ／ｍＬ"]
)
def test_one_unit_in_many_spellings(unit: str) -> None:
    assert unit_key(unit) == "ng/ml"


@pytest.mark.parametrize("unit", ["mIU/mL", "mUI/mL", "MIU/ml", "mIU ml-1", "mui/ml"])
def test_international_units_in_many_spellings(unit: str) -> None:
    assert unit_key(unit) == "miu/ml"


@pytest.mark.parametrize("unit", ["UI/mL", "µUI/mL", "IU/mL", "IU/L", "UI/L"])
def test_international_units_of_another_size_stay_apart(unit: str) -> None:
    assert unit_key(unit) != "miu/ml"


def test_different_units_stay_different() -> None:
    assert len({unit_key(u) for u in ("ng/mL", "ng/L", "pg/mL", "mIU/mL", "IU/mL", "10^6", "10^7", "m", "mo")}) == 9


@pytest.mark.parametrize(
    ("header", "name", "remarks"),
    [
        ("FSH (mIU/mL)", "FSH", ("mIU/mL",)),
        ("AMH [pmol/L]", "AMH", ("pmol/L",)),
        ("E2, pg/mL", "E2", ("pg/mL",)),
        ("FSH\n(mIU/mL) ", "FSH", ("mIU/mL",)),
        ("年龄（岁）", "年龄", ("岁",)),
        ("AMH (Roche) [ng/mL]", "AMH", ("Roche", "ng/mL")),
        ("fsh_mIU_mL", "fsh", ("mIU mL",)),
        ("FSH IU/L (before)", "FSH", ("before", "IU/L")),
        ("day 3 FSH", "FSH", ("day 3",)),
    ],
)
def test_headers_with_remarks(header: str, name: str, remarks: tuple[str, ...]) -> None:
    assert (name, remarks) in [(reading.name, reading.marked + reading.unmarked) for reading in read_header(header)]


@pytest.mark.parametrize(
    ("cell", "key"), [("1.0", "1"), ("1.50", "1.50"), ("10", "10"), ("46, XX", "46xx"), ("+", "+")]
)
def test_level_keys_keep_numbers_apart(cell: str, key: str) -> None:
    assert level_key(cell) == key


@settings(deadline=None, max_examples=200)
@given(ANY_TEXT)
def test_keys_never_fail_and_do_not_change_when_taken_twice(text: str) -> None:
    for key in (header_key, plain_text):
        assert key(key(text)) == key(text)
    unit_key(text), level_key(text), read_header(text)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=300))
def test_a_shown_header_is_one_short_line(text: str) -> None:
    shown = shown_header(text)
    assert len(shown) <= 60
    assert shown.isprintable()
