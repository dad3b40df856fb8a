"""A study without a therapy, or of randomised treatment, is told nothing about chosen protocols."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from poi_predict.cohort import read_codebook
from poi_predict.regimen import RegimenSettings
from poi_predict.report import patient, training
from poi_predict.run_pages import _describe_treatment
from poi_predict.study import read_study

BOOK = read_codebook()
ABOUT = ("therapy", "protocol", "treated", "treatment")


def limits(columns: list[str], **details: Any) -> tuple[str, ...]:
    """What a training's report says is not known of the therapy."""
    cohort = SimpleNamespace(codebook=BOOK, data=pd.DataFrame({name: ["adipose"] for name in columns}))
    return training._limits_of_therapy(SimpleNamespace(details=details), cohort)  # type: ignore[arg-type]


def test_a_report_speaks_of_therapy_only_where_there_is_one() -> None:
    assert limits(["age", "fsh"]) == ()
    assert limits(["age", "cell_source"]) == (training.ALONE, training.CHOSEN)
    assert limits(["age", "cell_source"], evidence={"arms": []})[0] == training.COMPARED
    assert limits(["age", "cell_source"], regimens={"randomised": True}) == ()
    assert not any("lot" in sentence for sentence in limits(["cell_source"], regimens={"randomised": False}))


def test_her_page_speaks_of_therapy_only_where_there_is_one() -> None:
    without, with_protocol = BOOK.subset(("age", "fsh")), BOOK.subset(("age", "cell_source"))
    assert patient._limits_of_therapy({}, without, None) == ()
    assert not any(word in sentence for sentence in patient.LIMITS for word in ABOUT)
    assert patient._limits_of_therapy({}, with_protocol, None) == (patient.ALONE, patient.PROTOCOLS)
    randomised = patient._limits_of_therapy({"regimens": {"randomised": True}}, with_protocol, None)
    assert randomised == (patient.PROTOCOLS,)


@pytest.mark.parametrize(
    ("predictors", "evidence", "randomised", "said"),
    [
        (("age", "fsh"), False, False, None),
        (("age", "cell_source"), False, False, "cannot say what would have happened without the therapy"),
        (("age", "cell_source"), False, True, "was randomised"),
        (("age", "cell_source"), True, False, "with the therapy and without it"),
    ],
)
def test_item_6c_says_what_the_model_can_answer(
    predictors: tuple[str, ...], evidence: bool, randomised: bool, said: str | None
) -> None:
    study = read_study("menses_12m")
    regimens = dataclasses.replace(study.regimens, randomised=randomised)
    assert isinstance(regimens, RegimenSettings)
    assessment = SimpleNamespace(details={"evidence": {"arms": []}} if evidence else {})
    found = _describe_treatment(dataclasses.replace(study, regimens=regimens), assessment, predictors)  # type: ignore[arg-type]
    assert found is None if said is None else said in str(found)
