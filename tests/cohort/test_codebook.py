"""The codebook: complete, free of contradictions, and true to the published units and ranges."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from poi_predict.cohort.codebook import Codebook, read_codebook
from poi_predict.cohort.codebook_data import read_codebook_data
from poi_predict.cohort.spelling import header_key, level_key
from poi_predict.cohort.variable import Variable
from poi_predict.errors import StudyError

BASELINE = [
    "age", "fsh", "amh", "lh", "estradiol", "afc", "inhibin_b", "bmi", "amenorrhea_months",
    "amenorrhea_type", "aetiology", "karyotype", "follicles_visible", "previous_births", "hrt_recent",
]  # fmt: skip
PROTOCOL = [
    "cell_source", "autologous", "route", "dose_cells", "dose_basis", "n_treatments", "sides", "adjuvant",
    "diagnosis_to_treatment_months",
]  # fmt: skip
OUTCOME = [
    "menses_resumed", "months_to_menses", "clinical_pregnancy", "months_to_pregnancy", "live_birth",
    "follow_up_months", "fsh_after", "fsh_after_month", "amh_after", "amh_after_month", "estradiol_after",
    "estradiol_after_month", "adverse_event_grade", "qol_before", "qol_after",
]  # fmt: skip


def declared(**changes: object) -> Variable:
    plain = {"name": "x", "label": "X", "kind": "continuous", "role": "baseline", "known_at": "baseline"}
    return Variable.declared(**plain | changes)


def test_holds_the_variables_of_the_field_and_no_others() -> None:
    expected = {"patient_id", "centre", "data_origin", *BASELINE, *PROTOCOL, *OUTCOME}
    assert set(read_codebook()) == expected


@pytest.mark.parametrize(
    ("names", "role", "known_at"),
    [
        (BASELINE, "baseline", "baseline"),
        (PROTOCOL, "protocol", "treatment"),
        (OUTCOME, "outcome", "follow_up"),
    ],
)
def test_role_and_time_of_knowledge(names: list[str], role: str, known_at: str) -> None:
    codebook = read_codebook()
    assert {codebook[name].role for name in names} == {role}
    early = {"qol_before"}  # an outcome's value before the treatment
    assert {codebook[name].known_at for name in names if name not in early} == {known_at}


@pytest.mark.parametrize(
    ("name", "hard", "unit"),
    [
        ("age", (12, 55), "years"),
        ("fsh", (0, 300), "IU/L"),
        ("amh", (0, 30), "ng/mL"),
        ("afc", (0, 80), "count"),
        ("estradiol", (0, 5000), "pg/mL"),
        ("amenorrhea_months", (0, 420), "months"),
        ("dose_cells", (1e5, 1e9), "cells"),
    ],
)
def test_limits_and_units_are_those_of_the_definitions(name: str, hard: tuple[float, float], unit: str) -> None:
    variable = read_codebook()[name]
    assert (variable.hard, variable.unit) == (hard, unit)


@pytest.mark.parametrize(
    ("name", "one_canonical_unit", "unit"),
    [
        ("amh", 7.14, "pmol/L"),
        ("amh", 1.0, "µg/L"),
        ("amh", 1000.0, "pg/mL"),
        ("amh", 1000.0, "ng/L"),
        ("estradiol", 3.671, "pmol/L"),
        ("estradiol", 1.0, "ng/L"),
        ("fsh", 1.0, "mIU/mL"),
        ("lh", 1.0, "U/L"),
        ("amenorrhea_months", 1 / 12, "years"),
        ("follow_up_months", 30.4375, "days"),
        ("follow_up_months", 30.4375 / 7, "weeks"),
        ("dose_cells", 1e-6, "million cells"),
    ],
)
def test_one_canonical_unit_in_another_unit(name: str, one_canonical_unit: float, unit: str) -> None:
    factor = read_codebook()[name].factor(unit)
    assert factor is not None
    assert one_canonical_unit * factor == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "unit"),
    [("fsh", "IU/mL"), ("fsh", "ng/mL"), ("lh", "ng/mL"), ("amh", "mIU/mL"), ("dose_cells", "cells/kg")],
)
def test_units_that_occur_in_print_but_mean_nothing_are_refused_with_a_reason(name: str, unit: str) -> None:
    variable = read_codebook()[name]
    assert variable.factor(unit) is None
    assert variable.refusal(unit)


def test_no_unit_is_both_accepted_and_refused() -> None:
    for variable in read_codebook().values():
        assert not [unit for unit in variable.refused_units if variable.factor(unit) is not None]


def test_no_header_stands_for_two_variables() -> None:
    keys = Counter(
        key
        for variable in read_codebook().values()
        for key in {header_key(name) for name in (variable.name, *variable.aliases)}
    )
    assert [key for key, count in keys.items() if count > 1] == []


def test_every_family_of_units_is_used() -> None:
    data = read_codebook_data()
    assert {entry["units"] for entry in data["variables"].values() if "units" in entry} == set(data["units"])


def test_typical_range_lies_inside_the_hard_limits() -> None:
    for variable in read_codebook().values():
        if variable.typical is not None:
            assert variable.hard is not None
            assert variable.hard[0] <= variable.typical[0] < variable.typical[1] <= variable.hard[1]


@pytest.mark.parametrize(
    ("name", "spelling", "level"),
    [
        ("cell_source", "ADSC (AD-MSC)", "adipose"),
        ("cell_source", "BM-MSC", "bone_marrow"),
        ("cell_source", "hUC-MSC", "umbilical_cord"),
        ("cell_source", "hAEC", "amniotic_epithelial"),
        ("cell_source", "MenSC", "menstrual_blood"),
        ("karyotype", "46,XX", "46xx"),
        ("karyotype", "45,X / 46,XX", "mosaic_x"),
        ("route", "i.v.", "intravenous"),
        ("aetiology", "fragile X", "fmr1"),
        ("menses_resumed", "是", "yes"),
        ("menses_resumed", "Nein", "no"),
        ("autologous", "allogeneic", "no"),
    ],
)
def test_usual_spellings(name: str, spelling: str, level: str) -> None:
    assert read_codebook()[name].level_of[level_key(spelling)] == level


def test_survives_storage_as_json() -> None:
    codebook = read_codebook().extended([declared(name="smoking", kind="binary")])
    stored = json.loads(json.dumps(codebook.as_dict()))
    assert dict(Codebook.from_dict(stored)) == dict(codebook)


def test_a_declared_duration_takes_the_other_durations() -> None:
    assert declared(unit="months").factor("years") == 12
    assert declared(unit="mmol/L").units == {"mmol/L": 1.0}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "a__b"}, "derived columns"),
        ({"kind": "number"}, "kind among"),
        ({"known_at": "later"}, "known_at among"),
        ({"hard": (5, 5)}, "lower limit below"),
        ({"direction": 2}, "direction"),
        ({"kind": "category"}, "list its levels"),
        ({"kind": "category", "levels": {"a": ("x",), "b": ("X ",)}}, "one stands for two"),
        ({"kind": "category", "levels": {"a+b": ()}}, "without"),
        ({"kind": "binary", "levels": {"maybe": ()}}, "yes and no"),
    ],
)
def test_a_variable_that_contradicts_itself_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(StudyError, match=reason):
        declared(**changes)


def test_a_variable_is_added_only_once() -> None:
    with pytest.raises(StudyError, match='"age" occurs twice'):
        read_codebook().extended([declared(name="age")])


def test_damaged_storage_is_refused() -> None:
    with pytest.raises(StudyError, match="fields of a variable"):
        Codebook.from_dict({"age": {"name": "age", "weight": 3}})
