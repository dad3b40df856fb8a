"""Categories as clinics spell them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.level_values import parse_levels
from poi_predict.cohort.missing import missing_spellings

CODEBOOK = read_codebook()


def levels(name: str, *cells: str | None, **own: str) -> list[object]:
    parsed = parse_levels(pd.Series(list(cells), dtype="str"), CODEBOOK[name], spellings=own)
    return parsed.values.tolist()


def broken(name: str, *cells: str) -> dict[str, list[bool]]:
    parsed = parse_levels(pd.Series(list(cells), dtype="str"), CODEBOOK[name])
    return {rule: rows.tolist() for rule, rows in parsed.faults.items() if rows.any()}


def test_every_spelling_of_the_codebook_is_read() -> None:
    for variable in CODEBOOK.values():
        if variable.kind in ("category", "multi"):
            for level, spellings in variable.levels.items():
                assert set(levels(variable.name, level, *spellings)) <= {level}
                assert set(levels(variable.name, *(s.upper() + " " for s in spellings))) <= {level}


@pytest.mark.parametrize("cell", ["yes", "Y", "1", "1.0", "TRUE", "ja", "Oui", "是", " sí "])
def test_yes(cell: str) -> None:
    assert levels("live_birth", cell) == [1.0]


@pytest.mark.parametrize("cell", ["no", "N", "0", "0.0", "False", "nein", "NON", "否"])
def test_no(cell: str) -> None:
    assert levels("live_birth", cell) == [0.0]


@pytest.mark.parametrize("name", ["live_birth", "route", "adjuvant", "centre"])
def test_missing_is_missing(name: str) -> None:
    assert pd.isna(levels(name, "", "NA", "n/a", "-", "unknown", None)).all()
    assert broken(name, "", "NA") == {}


def test_unknown_levels_are_found_and_missing() -> None:
    assert broken("live_birth", "yes", "perhaps", "2") == {"unknown_level": [False, True, True]}
    assert broken("route", "orally") == {"unknown_level": [True]}


SIGNED = (
    *("-1", "(-1)", "<1", ">1", "1?", "1*", "~1", "(1)", "1)", "+1", "≈1", "1-", "±1", "0/1", "1/0", "1/1", "1.000"),
    *("+/-", "no?", "yes?", "yes!", "yes/no", "y/n", "n/o", "n.o.", "s.i.", "n o", "non-", "-no", "not yes", "ø", "∅"),
    *(
        "(yes)",
        "yes (?)",
        "no (-)",
        "≠no",
        "!yes",
        "%",
        "no*",
        "да?",
        "نعم؟",
        "是？",
        "有(-)",
        "-نعم",
        "(はい)",
        "−1",
        "－１",
    ),
)


@pytest.mark.parametrize("name", ["live_birth", "follicles_visible", "menses_resumed", "hrt_recent"])
def test_a_sign_or_mark_never_makes_a_yes_or_no(name: str) -> None:
    assert all(broken(name, cell) == {"unknown_level": [True]} for cell in SIGNED)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        (
            "adjuvant",
            ("PRP (-)", "PRP-", "-PRP", "PRP?", "not PRP", "w/o PRP", "without PRP", "no PRP", "PRP +/-", "PRP (+/-)"),
        ),
        ("adjuvant", ("PRP and/or HRT", "PRP y/o HRT", "PRP, no HRT", "PRP + -", "PRP/-", "PRP*", "non-PRP", "±PRP")),
        ("adjuvant", ("PRP + HRT?", "PRP (none)", "(-)", "+", "PRP or HRT", "~PRP", "<PRP", "PRP neg", "!PRP")),
        ("aetiology", ("FMR1 (-)", "FMR1-", "FMR1 (neg)", "FMR1?", "not surgical", "non-surgical", "-idiopathic")),
        ("karyotype", ("46,XX?", "46,X,-X", "not 46,XX", "46,XX (-)", "46,XX*", "45,X-")),
        ("cell_source", ("CD133-", "AD-MSC (-)", "AD-MSC-", "no?", "AD-MSC/UC-MSC", "n.o.", "-BM", "BM?")),
        ("sides", ("-1", "1/2", "<2", "2?", "1,2", "1-2", "(2)", "not left")),
        ("route", ("IV?", "-IV", "IV (-)", "no?", "n/o", "not IV")),
    ],
)
def test_a_sign_or_mark_never_makes_a_level(name: str, cells: tuple[str, ...]) -> None:
    assert {cell: broken(name, cell) for cell in cells} == {cell: {"unknown_level": [True]} for cell in cells}


@pytest.mark.parametrize(
    ("name", "cell", "level"),
    [
        ("karyotype", "46, XX", "46xx"),
        ("karyotype", "46 , XX.", "46xx"),
        ("karyotype", "45,X / 46,XX", "mosaic_x"),
        ("cell_source", "AD-MSC", "adipose"),
        ("cell_source", "AD – MSC", "adipose"),
        ("cell_source", "ad_msc", "adipose"),
        ("cell_source", "CD133+", "peripheral_blood"),
        ("cell_source", "Wharton’s jelly", "umbilical_cord"),
        ("route", "i.v.", "intravenous"),
        ("route", "Intraovarian (laparoscopic)", "intraovarian_laparoscopic"),
        ("adjuvant", "PRP + HRT", "hrt+prp"),
        ("adjuvant", "PRP ve HRT", "hrt+prp"),
        ("adjuvant", "PRP،HRT", "hrt+prp"),
        ("sides", "２", "bilateral"),
        ("sides", "۲", "bilateral"),
    ],
)
def test_punctuation_between_words_carries_no_meaning(name: str, cell: str, level: str) -> None:
    assert levels(name, cell) == [level]


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("Evet", "HAYIR"),
        ("var", "yok"),
        ("نعم", "لا"),
        ("بله", "خیر"),
        ("예", "아니오"),
        ("はい", "いいえ"),
        ("Да", "Нет"),
        ("sí", "no"),
        ("Sim", "Não"),
        ("sì", "no"),
        ("Ja", "Nein"),
        ("Oui", "Non"),
        ("是", "否"),
        ("۱", "۰"),
        ("１", "０"),
        ("بله\u200f", "خیر\u200c"),
    ],
)
def test_yes_and_no_in_other_languages(yes: str, no: str) -> None:
    assert levels("live_birth", yes, no) == [1.0, 0.0]


def test_several_levels_at_once() -> None:
    cells = (
        "PRP",
        "PRP + HRT",
        "hrt/PRP",
        "G-CSF; IVA",
        "PRP and growth hormone",
        "PRP、HRT",
        "none",
        "PRP,PRP",
    )
    assert levels("adjuvant", *cells) == [
        "prp", "hrt+prp", "hrt+prp", "g_csf+iva", "growth_hormone+prp", "hrt+prp", "none", "prp",
    ]  # fmt: skip


def test_none_beside_another_level_contradicts_itself() -> None:
    assert broken("adjuvant", "none + PRP", "PRP + vitamins") == {
        "contradicting_levels": [True, False],
        "unknown_level": [False, True],
    }


def test_a_clinics_own_spelling_comes_first() -> None:
    assert levels("live_birth", "2", "1", **{"1": "no", "2": "yes"}) == [1.0, 0.0]
    assert levels("live_birth", "-", "+", **{"-": "no", "+": "yes"}) == [0.0, 1.0]


def test_numbers_of_the_file_are_levels() -> None:
    parsed = parse_levels(pd.Series([1.0, 2.0, np.nan]), CODEBOOK["sides"])
    assert parsed.values.tolist()[:2] == ["unilateral", "bilateral"]
    assert pd.isna(parsed.values[2])


def test_a_centre_may_have_any_name() -> None:
    assert levels("centre", " Cairo ", "Tehran", "3") == ["Cairo", "Tehran", "3"]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(max_size=20), max_size=5))
def test_any_text_is_a_level_missing_or_a_fault(cells: list[str]) -> None:
    for name in ("live_birth", "cell_source", "adjuvant", "centre"):
        parsed = parse_levels(pd.Series(cells, dtype="str"), CODEBOOK[name], missing=missing_spellings())
        for rows in parsed.faults.values():
            assert parsed.values[rows].isna().all()


def test_a_minus_is_missing_only_where_a_plus_means_nothing() -> None:
    cells = pd.Series(["+", "-", "−", ""], dtype="str")
    variable = CODEBOOK["follicles_visible"]
    assert np.flatnonzero(parse_levels(cells, variable).faults["unknown_level"]).tolist() == [0]
    plus = parse_levels(cells, variable, spellings={"+": "yes"})
    assert np.flatnonzero(plus.faults["unknown_level"]).tolist() == [1, 2]
    both = parse_levels(cells, variable, spellings={"+": "yes", "-": "no"})
    assert both.values.tolist()[:2] == [1.0, 0.0]
