"""The ladder: what so few women can carry."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poi_predict.errors import StudyError
from poi_predict.modeling.catalog import CATALOG
from poi_predict.validation import (
    MODEL_OF_RUNG,
    RUNG_OF_CANDIDATE,
    RUNGS,
    LadderSettings,
    choose_rung,
    compute_expected_shrinkage,
    compute_information,
    compute_max_r2_cox_snell,
    compute_prevalence_estimates,
    compute_sample_size,
)


def outcomes(events: int, n: int) -> np.ndarray:
    return np.repeat([1.0, 0.0], [events, n - events])


def climb(events: int, n: int, parameters: int = 6, **keywords):
    return choose_rung(outcomes(events, n), None, None, parameters, **keywords)


@pytest.mark.parametrize(
    ("events", "n", "parameters", "rung"),
    [
        (0, 30, 6, "prevalence"),
        (30, 30, 6, "prevalence"),
        (1, 60, 6, "prevalence"),
        (8, 60, 6, "prevalence"),  # the noise cohort on which others report 0.907
        (52, 60, 6, "prevalence"),
        (9, 300, 2, "prevalence"),
        (10, 60, 6, "prespecified"),
        (29, 120, 6, "prespecified"),
        (60, 200, 6, "penalised"),
        (71, 167, 26, "penalised"),
        (40, 100, 40, "prespecified"),
        (900, 2400, 8, "flexible"),
    ],
)
def test_rungs(events, n, parameters, rung):
    assert climb(events, n, parameters).rung == rung


@settings(max_examples=60, deadline=None)
@given(events=st.integers(1, 150), others=st.integers(1, 300), parameters=st.integers(1, 40))
def test_next_rung_is_reached_at_the_number_given(events, others, parameters):
    ladder = climb(events, events + others, parameters)
    supported = [rung for rung in ladder.rungs if rung.supported]
    assert all(rung.n <= events + others for rung in supported)
    assert [rung.rung for rung in ladder.rungs] == list(RUNGS)
    assert supported[-1].rung == ladder.rung
    if ladder.next_n is None:
        assert ladder.rung == "flexible"
        return
    assert ladder.next_n > events + others
    # The same prevalence and more women: the next rung is reached, and not much earlier than said.
    times = -(-ladder.next_n // (events + others))
    taller = climb(events * times, (events + others) * times, parameters)
    assert RUNGS.index(taller.rung) > RUNGS.index(ladder.rung)


def test_what_a_rung_needs_is_rileys():
    ladder = climb(80, 240, 25)
    r2 = 0.15 * compute_max_r2_cox_snell(1 / 3)
    n = {rung.rung: rung.n for rung in ladder.rungs}
    assert (
        compute_expected_shrinkage(n["penalised"], 25, r2)
        >= 0.4
        > compute_expected_shrinkage(n["penalised"] - 1, 25, r2)
    )
    assert n["flexible"] == max(compute_sample_size(r2, 25, 1 / 3).required, 1500)
    assert ladder.next_n == n["flexible"]


def test_published_evidence_carries_a_model_where_women_are_too_few():
    without, with_evidence = climb(8, 60), climb(8, 60, has_evidence=True)
    assert (without.rung, without.primary_for("evidence")) == ("prevalence", "prevalence")
    assert (with_evidence.rung, with_evidence.primary_for("ridge")) == ("evidence", "evidence")
    assert with_evidence.next_n == without.next_n == 75
    assert "published evidence" in with_evidence.reason
    assert with_evidence.rungs[1].as_dict()["supported"]


def test_more_women_never_take_the_evidence_away():
    for events, n in ((12, 60), (80, 240), (900, 2400)):
        ladder = climb(events, n, has_evidence=True)
        assert ladder.rung == climb(events, n).rung
        assert ladder.primary_for("evidence") == "evidence"


def test_without_published_evidence_its_rung_is_not_supported():
    evidence = climb(900, 2400).rungs[1]
    assert (evidence.rung, evidence.supported, evidence.n) == ("evidence", False, None)


def test_women_are_counted_not_courses():
    once = outcomes(8, 60)
    thrice = choose_rung(np.repeat(once, 3), None, np.repeat(np.arange(60), 3), 6)
    assert (thrice.rung, thrice.events, thrice.next_n) == ("prevalence", 8.0, 75)


def test_unequal_weights_make_fewer_women():
    y = outcomes(12, 60)
    weight = np.where(np.arange(60) < 2, 6.0, 1.0)
    assert choose_rung(y, None, None, 6).rung == "prespecified"
    weighted = choose_rung(y, weight, None, 6)
    assert weighted.rung == "prevalence"
    assert weighted.events == pytest.approx(22**2 / 82)
    assert compute_information(y, 7.0 * weight).events == pytest.approx(weighted.events)
    none_lost = choose_rung(np.append(y, [1.0] * 9), np.append(np.ones(60), np.zeros(9)), None, 6)
    assert none_lost.events == 12.0


def test_prespecified_columns_grow_with_events():
    assert [climb(events, 200).allowed_parameters for events in (9, 10, 19, 20, 30, 90)] == [0, 1, 1, 2, 3, 3]


def test_optimistic_anticipation_lowers_the_demand():
    assert climb(71, 167, 60).rung == "prespecified"
    assert climb(71, 167, 60, settings=LadderSettings(anticipated_c=0.85)).rung == "penalised"


def test_a_primary_model_too_high_is_replaced():
    ladder = climb(60, 200)
    assert ladder.primary_for("elastic_net") == "elastic_net"
    assert ladder.primary_for("gradient_boosting") == "ridge"
    assert ladder.primary_for("logistic") == "ridge"  # Riley allows two of the six columns
    assert climb(1200, 4000).primary_for("logistic") == "logistic"
    assert climb(8, 60).primary_for("ridge") == "prevalence"
    assert climb(20, 60).primary_for("ridge") == "prespecified"
    overridden = climb(8, 60, override=True)
    assert overridden.primary_for("ridge") == "ridge"
    assert overridden.as_dict()["overridden"] is True
    assert overridden.rung == "prevalence"


def test_every_model_of_the_catalogue_has_a_rung():
    assert set(CATALOG) <= set(RUNG_OF_CANDIDATE)
    assert all(RUNG_OF_CANDIDATE[model] in RUNGS[: RUNGS.index(rung) + 1] for rung, model in MODEL_OF_RUNG.items())
    with pytest.raises(ValueError, match="ladder knows"):
        climb(60, 200).supports("oracle")


@pytest.mark.parametrize(("events", "n"), [(0, 30), (8, 60), (60, 200), (900, 2400)])
def test_dict_is_json(events, n):
    plain = json.loads(json.dumps(climb(events, n).as_dict(), allow_nan=False))
    assert set(plain) == {"rung", "reason", "next_n", "overridden", "events", "parameters", "rungs"}
    assert all(set(rung) == {"rung", "supported", "needs", "n"} for rung in plain["rungs"])
    assert plain["reason"].endswith(".")


def test_prevalence_by_wilson_and_jeffreys():
    found = compute_prevalence_estimates(outcomes(3, 9))
    assert [found["wilson"].ci_low, found["wilson"].ci_high] == pytest.approx([0.1205838, 0.6457979], abs=1e-7)
    assert [found["jeffreys"].ci_low, found["jeffreys"].ci_high] == pytest.approx([0.1042132, 0.6522082], abs=1e-7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"events_per_column": 2},
        {"most_prespecified": 9},
        {"anticipated_c": 0.5},
        {"penalised_shrinkage": 0.0},
        {"penalised_events": 400},
    ],
)
def test_unsound_settings_are_refused(wrong):
    with pytest.raises(StudyError, match="ladder"):
        LadderSettings(**wrong)


def test_no_parameter_is_refused():
    with pytest.raises(ValueError, match="n_parameters"):
        climb(10, 60, 0)
