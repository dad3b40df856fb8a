"""What waiting does: through age and time, and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from poi_predict.errors import ModelError
from poi_predict.modeling import predict_response
from poi_predict.regimen import draws as draws_module
from poi_predict.regimen.draws import LinearDraws, PosteriorDraws, build_draws
from poi_predict.regimen.options import list_options
from poi_predict.regimen.seen import count_arms
from poi_predict.regimen.timing import compare_waiting, put_off
from regimen_women import (
    codebook,
    draw_women,
    evidence_model,
    fit_evidence,
    respond,
    ridge_model,
    settings,
)

OPTIONS = list_options(settings(), codebook(), count_arms(settings(), codebook(), "menses")).options


def test_age_and_durations_move_and_nothing_else() -> None:
    women = draw_women(5, 0, missing=0.5).assign(diagnosis_to_treatment_months=[1.0, np.nan, 3.0, 4.0, 5.0])
    later = put_off(women, 6)
    moved = ["age", "amenorrhea_months", "diagnosis_to_treatment_months"]
    np.testing.assert_allclose(later["age"] - women["age"], 0.5)
    np.testing.assert_allclose(later["amenorrhea_months"] - women["amenorrhea_months"], 6.0)
    assert later["diagnosis_to_treatment_months"].isna().tolist() == [False, True, False, False, False]
    pd.testing.assert_frame_equal(later.drop(columns=moved), women.drop(columns=moved))


def test_later_is_what_the_model_says_of_her_later() -> None:
    women, pipeline = draw_women(6, 1, missing=0.3), evidence_model(0.0)
    found = compare_waiting(PosteriorDraws(pipeline), women, OPTIONS[1:2], (6.0, 12.0))
    assert found.months == (0.0, 6.0, 12.0)
    assert found.moved == ("age", "amenorrhea_months")
    later = women.assign(age=women["age"] + 1, amenorrhea_months=women["amenorrhea_months"] + 12)
    protocol = {name: value for name, value in OPTIONS[1].protocol.items() if value is not None}
    np.testing.assert_allclose(found.p[:, 0, 2], predict_response(pipeline, later.assign(**protocol)), rtol=1e-9)
    np.testing.assert_allclose(found.difference[..., 2], found.p[..., 2] - found.p[..., 0])


def test_waiting_lowers_the_chance_where_women_who_waited_fared_worse() -> None:
    women = draw_women(500, 2)
    rng = np.random.default_rng(3)
    y = (rng.random(500) < 1 / (1 + np.exp(0.9 * np.log1p(women["amenorrhea_months"]) - 1.5))).astype(int)
    recent = (
        women.head(8).assign(amenorrhea_months=8.0).drop(columns=["cell_source", "route", "dose_cells", "adjuvant"])
    )
    pipeline = fit_evidence(women, y)
    found = compare_waiting(build_draws(pipeline), recent, OPTIONS[:2])
    assert (found.difference[..., 1:] < 0).all()
    assert (found.difference[..., 2] < found.difference[..., 1]).all()
    assert (found.difference_high[..., 2] < 0).all()
    assert (found.worse[..., 1:] > 0.97).all()
    assert np.isnan(found.worse[..., 0]).all()
    harm = compare_waiting(build_draws(pipeline), recent, OPTIONS[:2], favourable=False)
    np.testing.assert_allclose(harm.worse[..., 1:], 1.0 - found.worse[..., 1:])
    # the same draws now and later: the difference is surer than its two parts
    assert (found.difference_high - found.difference_low < found.high - found.low)[..., 2].all()


def test_a_short_silence_that_ends_is_seen_by_models_with_a_step() -> None:
    women = draw_women(4, 4).assign(amenorrhea_months=11.0)
    found = compare_waiting(LinearDraws(ridge_model(0.0)), women, OPTIONS[1:2], (2.0,))
    later = women.assign(age=women["age"] + 1 / 6, amenorrhea_months=13.0)
    protocol = {name: value for name, value in OPTIONS[1].protocol.items() if value is not None}
    np.testing.assert_allclose(
        found.p[:, 0, 1], predict_response(ridge_model(0.0), later.assign(**protocol)), rtol=1e-9
    )


def test_tables_and_plain_values(monkeypatch: pytest.MonkeyPatch) -> None:
    women = draw_women(7, 5, missing=0.3)
    draws_of = build_draws(evidence_model(0.0))
    found = compare_waiting(draws_of, women, OPTIONS[:3])
    frame = found.frame()
    assert len(frame) == 7 * 3 * 3
    assert frame.loc[frame["months"] == 0, "difference"].eq(0).all()
    stored = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert stored["rows"][0]["worse"] is None
    assert "are not counted" in stored["caveat"]
    monkeypatch.setattr(draws_module, "MOST_NUMBERS_AT_ONCE", 6_000)
    pd.testing.assert_frame_equal(compare_waiting(draws_of, women, OPTIONS[:3]).frame(), frame)


def test_recoveries_while_she_waits_are_counted_where_the_model_knows_of_them() -> None:
    women, draws_of = draw_women(5, 8), build_draws(evidence_model(0.0))
    later = compare_waiting(draws_of, women, OPTIONS[1:3], (6.0,))
    found = compare_waiting(draws_of, women, OPTIONS[1:3], (6.0,), untreated=OPTIONS[0], horizon_months=12)
    alone = draws_of.compute(women, OPTIONS[:1])[0]
    came = 1 - np.sqrt(1 - alone)  # half of the horizon at a constant rate
    np.testing.assert_allclose(found.recovered[..., 1], np.broadcast_to(came, (5, 2)))
    np.testing.assert_allclose(found.p[..., 1], came + (1 - came) * later.p[..., 1])
    np.testing.assert_array_equal(found.p[..., 0], later.p[..., 0])
    assert (found.p[..., 1] > later.p[..., 1]).all()
    assert ((found.low <= found.p) & (found.p <= found.high)).all()
    assert np.isnan(later.recovered[..., 1]).all()
    assert "longer time than treatment now" in found.caveat
    assert "are not counted" in later.caveat


def test_a_model_that_reads_neither_is_refused() -> None:
    women = draw_women(60, 6)
    pipeline = fit_evidence(women, respond(women, 7, 0.0), ("fsh", "cell_source"))
    with pytest.raises(ModelError, match="reads neither"):
        compare_waiting(build_draws(pipeline), women, OPTIONS[:1])
