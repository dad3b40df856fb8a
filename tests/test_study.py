"""A study declaration is read whole, or refused with the key and the nearest valid name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from poi_predict.errors import StudyError
from poi_predict.study import read_study, shipped_studies

MINIMAL = """
[study]
name = "mini"
[endpoint]
event = "menses_resumed"
[predictors]
use = ["age", "fsh"]
"""
OWN = (
    MINIMAL.replace('"fsh"', '"lead"')
    + """
[variables.lead]
label = "Blood lead"
{}
"""
)


def write(folder: Path, text: str) -> Path:
    file = folder / "study.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_minimal_study_gets_documented_defaults(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, MINIMAL))
    assert study.features.predictors == ("age", "fsh")
    assert study.models.primary in study.models.candidates
    assert study.endpoint.horizon_months is None
    assert study.required_variables == ("age", "fsh", "menses_resumed")


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_shipped_studies_are_valid(name: str) -> None:
    study = read_study(name)
    assert study.name == name
    assert study.endpoint.horizon_months == 12
    assert "prevalence" in study.models.candidates


@pytest.mark.parametrize("folder", ["ovarian_response", "indomethacin_trial"])
def test_studies_of_real_data_are_valid(folder: str) -> None:
    root = Path(__file__).parents[1]
    study = read_study(root / "pipelines" / folder)
    assert not study.endpoint.favourable


def test_a_hyphen_names_the_same_study() -> None:
    assert read_study("menses-12m").name == "menses_12m"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MINIMAL + "[modells]\n", 'unknown key "modells" (did you mean "models"?)'),
        (MINIMAL + '[models]\nprimry = "ridge"\n', 'unknown key "primry" (did you mean "primary"?)'),
        (MINIMAL + '[models]\nprimary = "rigde"\n', 'did you mean "ridge"'),
        (MINIMAL + "[validation]\nfolds = 1\n", "validation.folds must be between 2 and 50"),
        (MINIMAL + '[validation]\nfolds = "ten"\n', "validation.folds"),
        (MINIMAL + "[validation]\nfolds = 2.5\n", "validation.folds"),
        (MINIMAL + "[validation]\nfolds = true\n", "validation.folds"),
        (MINIMAL.replace('"fsh"', '"fhs"'), 'did you mean "fsh"'),
        (MINIMAL.replace('"fsh"', '"fsh_after"'), "known only after it"),
        (MINIMAL.replace('"fsh"', '"menses_resumed"'), "must not define the outcome"),
        (MINIMAL.replace('"fsh"', '"patient_id"'), "must describe the woman or the protocol"),
        (MINIMAL.replace('event = "menses_resumed"', ""), "must give event"),
        (MINIMAL.replace("[predictors]", "[predictor]"), "predictor"),
        (MINIMAL.replace('name = "mini"', 'name = "../x"'), "A name must be made of"),
        (MINIMAL + '[columns]\nfshh = "FSH"\n', 'did you mean "fsh"'),
        (MINIMAL + '[variables.own]\nkind = "continuous"\nrole = "predictor"\n', "role must be one of"),
        (MINIMAL + '[variables.own]\nkind = "continuous"\nhard = [1]\n', "must be two numbers"),
        (MINIMAL + '[variables.age]\nkind = "continuous"\n', "age"),
        (MINIMAL + "[inclusion]\nage = 1\n", "list of rules"),
        (MINIMAL + '[[inclusion]]\nvariable = "aetiology"\nlevels = ["idiopatic"]\n', 'did you mean "idiopathic"'),
        (MINIMAL + '[[inclusion]]\nvariable = "aetiology"\nmin = 1\n', "the variable holds categories"),
        (MINIMAL + '[[inclusion]]\nvariable = "age"\nlevels = ["30"]\n', "the variable is a number"),
        (MINIMAL + '[[inclusion]]\nvariable = "age"\nmax = 40\nunknown = "lose"\n', 'must be "keep" or "drop"'),
        (MINIMAL.replace('"fsh"', '"n_treatments"'), "name it in predictors.planned"),
        (MINIMAL.replace('"fsh"', '"adjuvant"'), "name it in predictors.planned"),
        (MINIMAL + 'planned = ["adjuvant"]\n', "planned must name variables of predictors.use"),
        (OWN.format('transform = "cube"\nhard = [0, 9]'), 'the transform "log", "sqrt" or "none"'),
        (OWN.format('transform = "log"'), "State hard"),
        (OWN.format('transform = "log"\nhard = [-1, 9]'), "State hard"),
        (MINIMAL + '[cohort.visits]\ncolumn = "visit"\n', "cohort.visits must give baseline"),
        (MINIMAL + '[cohort.visits]\ncolum = "visit"\nbaseline = "0"\n', 'did you mean "column"'),
        ("[study\n", "must be valid TOML"),
        ("", "must have a section [study]"),
    ],
)
def test_what_breaks_a_rule_is_refused_in_one_message(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(StudyError) as caught:
        read_study(write(tmp_path, text))
    assert expected in str(caught.value)


def test_a_post_treatment_column_is_refused_under_the_clinics_own_name_too(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    text = (root / "pipelines" / "ovarian_response" / "study.toml").read_text(encoding="utf-8")
    leaking = text.replace('"fsh", "estradiol"]', '"fsh", "estradiol", "MaxE2"]')
    assert leaking != text
    with pytest.raises(StudyError, match="known only after it"):
        read_study(write(tmp_path, leaking))


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_bytes(b"\xff\x00[study]")
    with pytest.raises(StudyError, match="UTF-8"):
        read_study(file)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_changes_nothing(tmp_path: Path, encoding: str) -> None:
    source = resources.files("poi_predict.studies") / "menses_12m.toml"
    file = tmp_path / "study.toml"
    file.write_bytes(source.read_text(encoding="utf-8").encode(encoding))
    assert read_study(file).endpoint == read_study("menses_12m").endpoint


def test_what_follows_treatment_predicts_only_where_it_was_planned(tmp_path: Path) -> None:
    text = MINIMAL.replace('"fsh"]', '"fsh", "n_treatments"]\nplanned = ["n_treatments"]')
    assert read_study(write(tmp_path, text)).features.planned == ("n_treatments",)
    assert read_study("menses_12m").features.planned == ("adjuvant",)


@pytest.mark.parametrize(("unknown", "missing"), [("keep", "include"), ("drop", "exclude")])
def test_rows_without_the_variable_of_a_rule_are_kept_or_dropped_as_declared(tmp_path, unknown, missing) -> None:
    rule = f'[[inclusion]]\nvariable = "aetiology"\nlevels = ["fmr1"]\nunknown = "{unknown}"\n'
    assert read_study(write(tmp_path, MINIMAL + rule)).inclusion[0].missing == missing


def test_own_variables_say_their_scale_and_their_role(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, OWN.format('transform = "log"\nhard = [0, 900]')))
    assert (study.declared, study.without_role) == (("lead",), ("lead",))
    assert study.codebook["lead"].transform == "log"
    told = read_study(write(tmp_path, OWN.format('role = "baseline"')))
    assert told.without_role == ()
    assert "transform" not in told.codebook["lead"].as_dict()


def test_visits_are_declared_in_the_study(tmp_path: Path) -> None:
    text = MINIMAL + '[cohort.visits]\ncolumn = "when"\nbaseline = ["t0", "start"]\n'
    visits = read_study(write(tmp_path, text)).reading.visits
    assert visits is not None
    assert visits.baseline_labels == ("t0", "start")
