"""What one woman's page says of the flags on her row."""

from __future__ import annotations

import pytest

from poi_predict.cohort import read_codebook
from poi_predict.report.patient import FLAG_WORDS, WOMEN, _flags
from poi_predict.scoring.applicability import list_applicability_flags


@pytest.mark.parametrize("kind", list_applicability_flags())
def test_every_flag_that_puts_her_outside_the_model_has_its_sentence(kind: str) -> None:
    flag = f"{kind}:fsh" if "{label}" in FLAG_WORDS[kind] else kind
    (said,) = _flags(f"synthetic_model;{flag}", read_codebook(), WOMEN[True])
    assert said.endswith(".")
    assert "{" not in said
