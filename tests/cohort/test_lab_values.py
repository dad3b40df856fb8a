"""Numbers as laboratories write them: read back to the same canonical value, or refused; never guessed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.lab_values import LabValues, parse_lab_values
from poi_predict.cohort.missing import missing_spellings

AMH = read_codebook()["amh"]
FSH = read_codebook()["fsh"]
DOSE = read_codebook()["dose_cells"]


def parse(*cells: object, variable: object = AMH, **settings_: object) -> LabValues:
    numbers = all(isinstance(cell, float) for cell in cells)
    return parse_lab_values(pd.Series(list(cells), dtype="float64" if numbers else "str"), variable, **settings_)


def faults(parsed: LabValues) -> dict[str, list[bool]]:
    return {rule: rows.tolist() for rule, rows in parsed.faults.items() if rows.any()}


@pytest.mark.parametrize(
    "cell",
    [
        "<0.02", "< 0.02", "<0,02", "<0.02 ng/mL", "<0.02ng/ml", "＜0.02", "&lt;0.02", "&lt; 0.02 ng/mL",
        "≤0.02", "<= 0.02", "=<0.02", "<.02", "<2e-2", "less than 0.02", "below 0.02", "unter 0,02",
        "小于0.02", "<0.02 µg/L", "<20 pg/mL", "<0.02 (ND)", "ND (<0.02)", "undetectable, <0.02 ng/mL",
        "Undetectable (<20 ng/L)", "  <0.02\t",
    ],
)  # fmt: skip
def test_every_way_to_write_a_limit_is_left_censored_at_it(cell: str) -> None:
    parsed = parse(cell)
    assert parsed.below.tolist() == [True]
    assert parsed.values == pytest.approx([0.02], rel=1e-12)
    assert faults(parsed) == {}


@pytest.mark.parametrize(
    "cell",
    [
        "ND", "nd", "N.D.", "n/d", "undetectable", "Undetectable ", "not detected", "non-detectable",
        "below detection", "below detection limit", "below the limit of detection", "< LOD", "<LOQ",
        "BDL", "nicht nachweisbar", "n.n.", "indétectable", "未检出", "低于检测限", "<detection limit",
    ],
)  # fmt: skip
def test_undetectable_takes_the_declared_limit_in_the_columns_unit(cell: str) -> None:
    parsed = parse(cell, "0.7", factor=AMH.factor("pmol/L"), detection_limit=0.14)
    assert parsed.below.tolist() == [True, False]
    assert parsed.values == pytest.approx([0.14 / 7.14, 0.7 / 7.14])
    assert not parsed.borrowed.any()


def test_undetectable_borrows_the_smallest_limit_of_the_column() -> None:
    parsed = parse("ND", "<0.1", "<0.02", "0.5")
    assert parsed.values.tolist() == [0.02, 0.1, 0.02, 0.5]
    assert parsed.below.tolist() == [True, True, True, False]
    assert parsed.borrowed.tolist() == [True, False, False, False]


def test_undetectable_without_any_limit_is_a_fault_not_a_guess() -> None:
    parsed = parse("ND", "0.5", "0")
    assert faults(parsed) == {"no_detection_limit": [True, False, True]}
    assert np.isnan(parsed.values[[0, 2]]).all()


@pytest.mark.parametrize("zero", ["0", "0.0", "0,00", "0 ng/mL"])
def test_a_zero_is_below_the_limit(zero: str) -> None:
    parsed = parse(zero, detection_limit=0.01)
    assert (parsed.values.tolist(), parsed.below.tolist(), parsed.zero.tolist()) == ([0.01], [True], [True])


def test_zero_is_a_number_where_nothing_is_censored() -> None:
    parsed = parse("0", variable=FSH)
    assert parsed.values.tolist() == [0.0]
    assert faults(parsed) == {}


def test_a_limit_is_a_fault_where_nothing_can_be_censored() -> None:
    assert faults(parse("<5", "ND", "50", variable=FSH)) == {"not_censorable": [True, True, False]}


def test_above_a_limit_is_the_limit() -> None:
    parsed = parse(">150", "> 200 IU/L", "≥150", "more than 150", variable=FSH)
    assert parsed.values.tolist() == [150, 200, 150, 150]
    assert parsed.above.all()
    assert not parsed.below.any()


@pytest.mark.parametrize("cell", ["", " ", "NA", "n/a", "-", ".", "missing", "not done", "NaN", "null", "缺失", None])
def test_missing_is_missing(cell: str | None) -> None:
    parsed = parse(cell, "1.5")
    assert np.isnan(parsed.values[0])
    assert not parsed.below[0]
    assert faults(parsed) == {}


def test_a_studys_own_spelling_of_missing_may_be_a_number() -> None:
    missing = missing_spellings(["999", "not asked"])
    for parsed in (
        parse("999", "not asked", "12", variable=FSH, missing=missing),
        parse(999.0, math.nan, 12.0, variable=FSH, missing=missing),
    ):
        assert np.isnan(parsed.values).tolist() == [True, True, False]
        assert faults(parsed) == {}


@pytest.mark.parametrize(
    "cell",
    [
        "high", "12-15", "5±2", "1/2", "2021-03-01", "12:30", "~5", "5?", "1,2,3", "1.2.3", "--5", "1e",
        "inf", "1e999", "<0", "<", "0x1F", "1_0", "½", "=A1", "#DIV/0!", "1e" + "9" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_number_is_a_fault(cell: str) -> None:
    parsed = parse(cell, "0.5")
    assert list(faults(parsed)) in (["not_a_number"], ["unknown_cell_unit"])
    assert np.isnan(parsed.values[0])


def test_an_infinite_number_of_the_file_is_a_fault() -> None:
    assert faults(parse(math.inf, 1.0)) == {"not_a_number": [True, False]}


def test_units_inside_cells() -> None:
    parsed = parse("7.14 pmol/L", "1 µg/L", "500 pg/mL", "0.5 (ng/mL)", "3 mg/L", "2 IU/L", factor=0.5)
    assert parsed.values[:4] == pytest.approx([1.0, 1.0, 0.5, 0.5])
    assert faults(parsed) == {
        "unknown_cell_unit": [False] * 4 + [True, False],
        "refused_cell_unit": [False] * 5 + [True],
    }


@pytest.mark.parametrize(
    "cell",
    [
        "5000000", "5e6", "5E+06", "5 x 10^6", "5×10⁶", "5*10^6", "5 million", "5 million cells",
        "5,000,000", "5.000.000", "5 000 000", "5'000'000", "5 mio", "500万", "5e6 cells", "5×10⁶ cells",
    ],
)  # fmt: skip
def test_one_dose_in_many_spellings(cell: str) -> None:
    parsed = parse(cell, variable=DOSE)
    assert parsed.values == pytest.approx([5e6])


def test_ten_to_a_power() -> None:
    assert parse("10^7", "10⁷", variable=DOSE).values.tolist() == [1e7, 1e7]
    assert faults(parse("5^7", variable=DOSE)) == {"not_a_number": [True]}


@pytest.mark.parametrize(
    ("cells", "decimal", "values"),
    [
        (["1,234", "0,5"], "auto", [1.234, 0.5]),
        (["1,234", "0.5"], "auto", [1234.0, 0.5]),
        (["1.234,5", "12"], "auto", [1234.5, 12]),
        (["1,234.5", "1,234"], "auto", [1234.5, 1234]),
        (["1.234", "2.5"], "auto", [1.234, 2.5]),
        (["1.234", "1,5"], ",", [1234.0, 1.5]),
        (["1,234", "1.5"], ".", [1234.0, 1.5]),
        (["1,5", "1.5"], "auto", [1.5, 1.5]),
        (["0,125", "0,250"], "auto", [0.125, 0.25]),
    ],
)
def test_decimal_marks_are_taken_from_what_the_column_shows(
    cells: list[str], decimal: str, values: list[float]
) -> None:
    parsed = parse(*cells, variable=DOSE, decimal=decimal)
    assert parsed.values == pytest.approx(values)
    assert faults(parsed) == {}


@pytest.mark.parametrize(
    ("cells", "doubtful"),
    [
        (["1,234"], [True]),
        (["1,234", "7"], [True, False]),
        (["1,234", "0.5", "0,5"], [True, False, False]),
        (["1.234", "0,5"], [True, False]),
    ],
)
def test_a_number_that_can_be_read_in_two_ways_is_a_fault(cells: list[str], doubtful: list[bool]) -> None:
    parsed = parse(*cells, variable=DOSE)
    assert faults(parsed) == {"ambiguous_decimal": doubtful}
    assert np.isnan(parsed.values).tolist() == doubtful


@pytest.mark.parametrize(("cell", "decimal"), [("1.5", ","), ("1,5", ".")])
def test_a_mark_against_the_declared_one_is_a_fault(cell: str, decimal: str) -> None:
    assert faults(parse(cell, decimal=decimal)) == {"not_a_number": [True]}


def write(number: float, style: str) -> str:
    plain = f"{number:.4f}"
    styles = {
        "plain": plain,
        "comma": plain.replace(".", ","),
        "grouped": f"{number:,.4f}",
        "german": f"{number:,.4f}".translate(str.maketrans(",.", ".,")),
        "spaced": f"{number:,.4f}".replace(",", " "),
        "swiss": f"{number:,.4f}".replace(",", "’"),
        "scientific": f"{number:.10e}",
        "wide": plain.translate(str.maketrans("0123456789.", "０１２３４５６７８９．")),
    }
    return styles[style]


STYLES = ("plain", "comma", "grouped", "german", "spaced", "swiss", "scientific", "wide")


@settings(deadline=None, max_examples=150)
@given(
    number=st.floats(min_value=0.0001, max_value=99_999, allow_nan=False),
    style=st.sampled_from(STYLES),
    unit=st.sampled_from([None, *AMH.units]),
    column_unit=st.sampled_from(list(AMH.units)),
    sign=st.sampled_from(["", "<", "< ", ">"]),
)
def test_a_number_in_any_spelling_and_unit_reads_back(
    number: float, style: str, unit: str | None, column_unit: str, sign: str
) -> None:
    number = max(round(number, 4), 0.0001)
    cell = sign + write(number, style) + ("" if unit is None else f" {unit}")
    parsed = parse(cell, factor=AMH.units[column_unit])
    assert faults(parsed) == {}
    assert parsed.values == pytest.approx([number * AMH.units[unit or column_unit]], rel=1e-9)
    assert parsed.below.tolist() == [sign.startswith("<")]
    assert parsed.above.tolist() == [sign == ">"]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text(max_size=25) | st.from_regex(r"[<>]?[0-9 .,eE^x-]{0,12}(ng/mL)?", fullmatch=True), max_size=6))
def test_any_text_is_a_value_missing_or_a_fault(cells: list[str]) -> None:
    parsed = parse_lab_values(pd.Series(cells, dtype="str"), AMH)
    unusable = np.zeros(len(cells), dtype=bool)
    for rows in parsed.faults.values():
        assert not (unusable & rows).any()  # one fault a cell
        unusable |= rows
    assert np.isnan(parsed.values[unusable]).all()
    assert (parsed.values[parsed.below] > 0).all()  # never zero, never missing
    assert not np.isinf(parsed.values).any()


def test_an_empty_column_is_read() -> None:
    assert len(parse_lab_values(pd.Series([], dtype="str"), AMH).values) == 0


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("۰٫۰۸", 0.08),
        ("٠٫٠٨", 0.08),
        ("０．０８", 0.08),
        ("۱٬۲۳۴٫۵", 1234.5),
        ("1\u00a0234.5", 1234.5),
        ("1\u202f234,5", 1234.5),
        ("36\u200f", 36.0),
        ("۳۶ IU/L", 36.0),
        ("36 mUI/mL", 36.0),
        ("36 мМЕ/мл", 36.0),
        (">۱۵۰", 150.0),
    ],
)
def test_numbers_of_other_scripts(cell: str, value: float) -> None:
    parsed = parse(cell, variable=FSH)
    assert (parsed.values.tolist(), faults(parsed)) == ([value], {})


@pytest.mark.parametrize(
    ("cell", "value"), [("−۳", -3.0), ("－３", -3.0), ("۳ ماه", 3.0), ("2 yıl", 24.0), ("3개월", 3.0)]
)
def test_months_of_other_scripts(cell: str, value: float) -> None:
    assert parse(cell, variable=read_codebook()["months_to_menses"]).values.tolist() == [value]
