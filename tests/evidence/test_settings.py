from __future__ import annotations

import dataclasses
import tomllib

import pytest

from poi_predict.errors import StudyError
from poi_predict.evidence import EvidenceSettings, PriorOverride, build_evidence_settings

DECLARED = """
outcome = "menses"
exclude = ["A16"]
tail = "t"
tau_scale = 1
[[priors]]
parameter = "fsh__log"
mean = -1
sd = 0.5
source = "our own series, 2025"
[[priors]]
parameter = "treated"
mean = 0.0
sd = 0.7
"""


def test_a_declaration_becomes_settings():
    assert build_evidence_settings(tomllib.loads(DECLARED)) == EvidenceSettings(
        outcome="menses",
        exclude=("A16",),
        tail="t",
        tau_scale=1.0,
        priors=(PriorOverride("fsh__log", -1.0, 0.5, "our own series, 2025"), PriorOverride("treated", 0.0, 0.7)),
    )


def test_settings_are_frozen_and_checked_again_when_replaced():
    settings = EvidenceSettings("pregnancy")
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.tail = "t"
    with pytest.raises(StudyError, match="A16"):
        dataclasses.replace(EvidenceSettings("menses", exclude=("A16",)), outcome="pregnancy")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "evidence must give outcome"),
        ({"outcome": "mense"}, r'evidence.outcome must be one of .* \(did you mean "menses"\?\)'),
        ({"outcome": "menses", "exclude": ["A10"]}, r'"A10" is none of them \(did you mean'),
        ({"outcome": "menses", "exclude": "A16"}, "evidence.exclude must be a list"),
        ({"outcome": "menses", "tail": "heavy"}, "evidence.tail must be 'normal' or 't'"),
        ({"outcome": "menses", "link": "cloglog"}, "evidence.link must be 'logit' or 'probit'"),
        ({"outcome": "menses", "binomial": "beta"}, "evidence.binomial must be 'one_parameter' or"),
        ({"outcome": "menses", "tau_scale": 0}, "evidence.tau_scale must be positive"),
        ({"outcome": "menses", "tau": 1}, 'evidence has the unknown key "tau"'),
        ({"outcome": "menses", "priors": {"treated": 0}}, r"write \[\[evidence.priors\]\] before each"),
        ({"outcome": "menses", "priors": [{"parameter": "treated", "mean": 0}]}, "evidence.priors 1 must give sd"),
        (
            {"outcome": "menses", "priors": [{"parameter": "treated", "mean": 0, "sd": 1, "weight": 2}]},
            'evidence.priors 1 has the unknown key "weight"',
        ),
        ({"outcome": "menses", "priors": [{"parameter": "treated", "mean": 0, "sd": 0}]}, "positive SDs"),
        ({"outcome": "menses", "priors": [{"parameter": "treated", "mean": 0, "sd": 1}] * 2}, '"treated" is repeated'),
    ],
)
def test_a_wrong_declaration_is_refused(raw, message):
    with pytest.raises(StudyError, match=message):
        build_evidence_settings(raw)


def test_choices_are_checked_in_python_too():
    with pytest.raises(StudyError, match=r"evidence\.tail must be one of normal, t"):
        EvidenceSettings("menses", tail="heavy")
