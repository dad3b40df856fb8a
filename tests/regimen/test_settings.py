"""The section [regimens]: defaults, refusals, and what a bundle keeps of it."""

from __future__ import annotations

import json
import math
import tomllib
from typing import Any

import pytest

from poi_predict.cohort import Variable, read_codebook
from poi_predict.errors import StudyError
from poi_predict.regimen.rules import build_rule, read_shipped_rules
from poi_predict.regimen.settings import RegimenSettings, build_regimen_settings

DEAF = """
[[options]]
name = "a"
cell_source = "UC"
autologous = "no"
[[options]]
name = "b"
cell_source = "UC"
autologous = "yes"
"""
PREDICTORS = ("age", "fsh", "cell_source", "route", "dose_cells", "adjuvant", "n_treatments", "dose_basis")


def build(text: str = "", predictors: tuple[str, ...] = PREDICTORS) -> RegimenSettings:
    return build_regimen_settings(tomllib.loads(text), read_codebook(), predictors)


def test_categories_of_the_protocol_and_the_dose_vary_by_default() -> None:
    settings = build()
    assert settings.vary == ("cell_source", "route", "dose_cells", "adjuvant")
    assert settings.protocol == ("cell_source", "route", "dose_cells", "adjuvant", "n_treatments", "dose_basis")
    assert (settings.smallest_difference, settings.threshold, settings.least_women) == (0.10, 0.95, 10)
    assert settings.waiting_months == (6.0, 12.0)


def test_time_since_diagnosis_is_no_choice() -> None:
    assert build(predictors=("age", "cell_source", "diagnosis_to_treatment_months")).protocol == ("cell_source",)
    with pytest.raises(StudyError, match="compared by waiting_months"):
        build('vary = ["diagnosis_to_treatment_months"]')


def test_declared_options_say_what_varies_and_are_read_in_any_spelling() -> None:
    settings = build(
        """
        [[options]]
        name = "marrow"
        cell_source = "BM-MSC"
        route = "laparoscopic"
        adjuvant = ["HRT", "PRP"]
        [[options]]
        name = "fat"
        cell_source = "AD-MSC"
        route = "IV"
        dose_cells = 2e7
        """
    )
    assert settings.vary == ("cell_source", "route", "dose_cells", "adjuvant")
    assert dict(settings.options[0].protocol) == {
        "cell_source": "bone_marrow", "route": "intraovarian_laparoscopic", "dose_cells": 1e7, "adjuvant": "hrt+prp"
    }  # fmt: skip
    assert settings.options[1].protocol["adjuvant"] == "none"


def test_what_the_model_does_not_read_may_be_stated_for_the_rules() -> None:
    settings = build('[[options]]\nname = "cord"\ncell_source = "UC"\nautologous = "yes"')
    assert settings.vary == ("cell_source",)
    assert settings.options[0].protocol["autologous"] == "yes"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threshhold = 0.9", 'unknown key "threshhold" .did you mean "threshold"'),
        ("threshold = 1.0", "at least 0.5 and below 1; it is 1"),
        ("threshold = 0.2", "at least 0.5"),
        ('threshold = "high"', "regimens.threshold must be a number"),
        ("smallest_difference = 10", "below 1; it is 10"),
        ("least_women = 0", "at least 1"),
        ("waiting_months = [12, 6]", "ascending order"),
        ("waiting_months = [0]", "positive"),
        ("vary = []", "must be a list of variables"),
        ('vary = ["age"]', "belongs to the woman, and what belongs to her never moves"),
        ('vary = ["sides"]', 'predictors.use; "sides" is not one'),
        ('vary = ["rout"]', 'did you mean "route"'),
        ("options = []", "must list at least one option; it lists none"),
        ('[[options]]\ncell_source = "UC"', "options 1 must have a name"),
        ('[[options]]\nname = "a"', "must state what is done"),
        ('[[options]]\nname = "a"\nsides = "both"', "they state none"),
        ('[[options]]\nname = "a"\ncell_sauce = "UC"', 'did you mean "cell_source"'),
        ('[[options]]\nname = "a"\nage = 30', '"age" is not one'),
        ('[[options]]\nname = "a"\ncell_source = "bone marow"', 'did you mean "bone marrow"'),
        ('[[options]]\nname = "a"\ncell_source = 3', "must be a level, written as text"),
        ('[[options]]\nname = "a"\ndose_cells = "many"', "dose_cells must be a number"),
        ('[[options]]\nname = "a"\ndose_cells = nan', "dose_cells must be a number"),
        ('[[options]]\nname = "a"\nadjuvant = "none+prp"', '"none" stands alone'),
        ('[[options]]\nname = "a"\ncell_source = "none"', "must be a therapy with cells"),
        ('[[options]]\nname = "none"\ncell_source = "UC"', "must be a therapy with cells"),
        ('[[options]]\nname = "a"\ndiagnosis_to_treatment_months = 3', "waiting_months"),
        ('[[options]]\nname = "a"\ncell_source = "UC"\n[[options]]\nname = "a"\ncell_source = "fat"', "is repeated"),
        (DEAF, '"a" and "b" do not'),
        ('[[options]]\nname = "a"\ncell_source = "UC"\n[[options]]\nname = "b"\nroute = "IV"', "does not state route"),
        ('reference = "fat"\n[[options]]\nname = "fatty"\ncell_source = "fat"', 'did you mean "fatty"'),
        ('[[infeasible]]\nwhen = { route = "IV" }', "must give its reason"),
        ('[[infeasible]]\nreason = "no"', "infeasible 1.when must be a table"),
        ('[[infeasible]]\nwhen = { rout = "IV" }\nreason = "no"', 'did you mean "route"'),
        ('[[infeasible]]\nwhen = { dose_cells = "large" }\nreason = "no"', "it is none of them"),
        ('[[infeasible]]\nwhen = { dose_cells = { over = 1 } }\nreason = "no"', 'unknown key "over"'),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        build(text)


def test_settings_survive_a_bundle() -> None:
    settings = build(
        """
        reference = "fat"
        waiting_months = [3]
        [[options]]
        name = "fat"
        cell_source = "AD-MSC"
        dose_cells = 2e7
        [[infeasible]]
        when = { dose_cells = { above = 5e7 }, route = ["IV", "IA"] }
        reason = "Not offered here."
        """
    )
    stored: dict[str, Any] = json.loads(json.dumps(settings.as_dict(), allow_nan=False))
    assert RegimenSettings.from_dict(stored) == settings
    with pytest.raises(StudyError, match="unknown key"):
        RegimenSettings.from_dict(stored | {"least": 3})


def test_a_study_of_its_own_protocol() -> None:
    arm = Variable.declared(name="arm", label="Arm", kind="category", role="protocol", known_at="treatment",
                            levels={"placebo": (), "drug": ("verum",)})  # fmt: skip
    codebook = read_codebook().extended([arm])
    settings = build_regimen_settings(
        {"options": [{"name": "placebo", "arm": "placebo"}, {"name": "drug", "arm": "verum"}], "reference": "placebo"},
        codebook,
        ("age", "arm"),
    )
    assert settings.options[1].protocol["arm"] == "drug"


def test_the_rule_names_its_numbers() -> None:
    rule = build("threshold = 0.9\nsmallest_difference = 0.15\nleast_women = 20").rule
    assert all(said in rule for said in ("90%", "15 points", "20 women", "not distinguishable"))


def test_shipped_rules_say_why() -> None:
    rules = read_shipped_rules()
    codebook = read_codebook()
    assert len(rules) >= 9
    excluded = [
        {"route": "intravenous", "adjuvant": "collagen_scaffold+prp"},
        {"route": "intra_arterial", "adjuvant": "collagen_scaffold"},
        {"cell_source": "umbilical_cord", "autologous": "yes"},
        {"cell_source": "amniotic_msc", "autologous": "yes"},
        {"cell_source": "embryonic_derived", "autologous": "yes"},
        {"cell_source": "adipose", "route": "none"},
        {"cell_source": "none", "route": "intravenous"},
        {"cell_source": "adipose", "n_treatments": 0.0},
        {"dose_cells": 9.9e4},
        {"dose_cells": 1.1e9},
    ]
    for protocol in excluded:
        assert any(rule.excludes(protocol, codebook) for rule in rules), protocol
    possible = {"cell_source": "umbilical_cord", "autologous": "no", "route": "intravenous", "dose_cells": 1e9}
    assert not any(rule.excludes(possible, codebook) for rule in rules)
    assert not any(rule.excludes(dict.fromkeys(possible), codebook) for rule in rules)


def test_a_number_below_or_above() -> None:
    rule = build_rule({"when": {"dose_cells": {"below": 1e6, "above": 1e8}}, "reason": "No."}, read_codebook(), "rule")
    found = [rule.excludes({"dose_cells": dose}, read_codebook()) for dose in (9e5, 1e6, 1e8, 2e8)]
    assert found == [True, False, False, True]
    assert not rule.excludes({"dose_cells": math.nan}, read_codebook())
