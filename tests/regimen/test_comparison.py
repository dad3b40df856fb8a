"""Regimens compared: what moves, what is said, and when nothing may be said."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from poi_predict.errors import ModelError, StudyError
from poi_predict.features import origin_of
from poi_predict.modeling import predict_response, recalibrate_pipeline
from poi_predict.regimen import comparison as comparison_module
from poi_predict.regimen import draws as draws_module
from poi_predict.regimen.compared import RegimenComparison
from poi_predict.regimen.comparison import compare_regimens
from poi_predict.regimen.draws import LinearDraws, PosteriorDraws, ResponseDraws, build_draws
from poi_predict.regimen.options import Option, OptionList, list_options
from poi_predict.regimen.placing import place_options
from poi_predict.regimen.seen import count_arms
from poi_predict.regimen.settings import RegimenSettings
from poi_predict.regimen.support import Support, summarise_support
from poi_predict.regimen.verdicts import claim_against_reference, compare_pairs, find_best, rank_options
from regimen_women import (
    BETTER,
    PREDICTORS,
    codebook,
    draw_women,
    evidence_model,
    fit_evidence,
    reference_model,
    respond,
    ridge_model,
    settings,
)

PROTOCOL = {"cell_source", "route", "dose_cells", "adjuvant"}
SETTINGS = settings()


def compare(
    draws_of: ResponseDraws, women: pd.DataFrame, trained: pd.DataFrame, chosen: RegimenSettings = SETTINGS
) -> RegimenComparison:
    """Compare what the women of training and the published arms had."""
    arms = count_arms(chosen, codebook(), "menses") if draws_of.kind == "posterior" else None
    support = summarise_support(draws_of.pipeline, trained, chosen, codebook(), arms=arms)
    options = list_options(chosen, codebook(), support.seen, without_therapy=draws_of.says_no_therapy)
    return compare_regimens(draws_of, women, options, chosen, support)


def without_protocol(women: pd.DataFrame) -> pd.DataFrame:
    return women.drop(columns=sorted(PROTOCOL))


@pytest.fixture(scope="module")
def trained() -> pd.DataFrame:
    return draw_women(600, 1, missing=0.1)


@pytest.fixture(scope="module")
def found(trained: pd.DataFrame) -> RegimenComparison:
    """Bone marrow helps a great deal; 600 women had it or another source, 60 more were in published arms."""
    return compare(build_draws(evidence_model(1.5)), without_protocol(draw_women(12, 20, missing=0.3)), trained)


def of_sources(women: pd.DataFrame, trained: pd.DataFrame, gain: float) -> RegimenComparison:
    """The three sources alone."""
    draws_of = build_draws(evidence_model(gain))
    support = summarise_support(draws_of.pipeline, trained, SETTINGS, codebook())
    options = list_options(SETTINGS, codebook(), support.seen, without_therapy=False)
    return compare_regimens(draws_of, women, options, replace(SETTINGS, reference=options.names[0]), support)


@pytest.mark.parametrize("model", [evidence_model, ridge_model])
def test_only_the_protocol_moves(model) -> None:
    pipeline, women = model(0.0), draw_women(15, 21, missing=0.4)
    options = [
        Option("none", "none", dict.fromkeys(PROTOCOL)),
        Option("a", "a", {"cell_source": "adipose", "route": "intravenous", "dose_cells": 1e6, "adjuvant": "prp"}),
        Option(
            "b", "b", {"cell_source": "bone_marrow", "route": "intra_arterial", "dose_cells": 1e8, "adjuvant": "hrt"}
        ),
    ]
    before = women.copy()
    placed = place_options(women, options).derive(pipeline)
    pd.testing.assert_frame_equal(women, before)
    own = pipeline[:-1].transform(women)
    hers = [name for name in own.columns if origin_of(name) not in PROTOCOL]
    assert len(hers) >= 5
    for name in hers:
        np.testing.assert_array_equal(placed[name].to_numpy().reshape(15, 3), own[[name]].to_numpy().repeat(3, axis=1))
    moved = [name for name in own.columns if origin_of(name) in PROTOCOL]
    assert (
        placed[moved].to_numpy().reshape(15, 3, -1)[:, 1] != placed[moved].to_numpy().reshape(15, 3, -1)[:, 2]
    ).any()


def test_an_option_that_sets_one_variable_leaves_the_rest_of_her_protocol() -> None:
    women = draw_women(9, 22)
    option = Option("a", "a", {"adjuvant": "prp"})
    p, _ = PosteriorDraws(evidence_model(0.0), 10).compute(women, [option])
    expected = predict_response(evidence_model(0.0), women.assign(adjuvant="prp"))
    np.testing.assert_allclose(p[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("model", [evidence_model, ridge_model])
def test_probabilities_are_those_of_the_score(model) -> None:
    women = draw_women(20, 23)
    protocol = {"cell_source": "umbilical_cord", "route": "intravenous", "dose_cells": 3e6, "adjuvant": "none"}
    pipeline = model(0.0)
    draws_of = PosteriorDraws(pipeline) if model is evidence_model else LinearDraws(pipeline)
    p, _ = draws_of.compute(without_protocol(women), [Option("x", "x", protocol)])
    np.testing.assert_allclose(p[:, 0], predict_response(pipeline, women.assign(**protocol)), rtol=1e-12)


def test_no_therapy_is_what_the_model_says_of_it() -> None:
    pipeline, women = evidence_model(0.0), draw_women(20, 24, missing=0.3)
    options = list_options(SETTINGS, codebook(), count_arms(SETTINGS, codebook(), "menses")).options
    p, draws = PosteriorDraws(pipeline, 4000).compute(women, options[:1])
    contrast = pipeline[-1].predict_contrast(pipeline[:-1].transform(women))
    np.testing.assert_allclose(p[:, 0], contrast["p_without"], rtol=1e-9)
    np.testing.assert_allclose(draws[:, 0].mean(axis=-1), p[:, 0], atol=0.01)
    np.testing.assert_allclose(np.quantile(draws[:, 0], 0.025, axis=-1), contrast["without_low"], atol=0.02)


def test_options_of_one_woman_share_the_draws() -> None:
    women = draw_women(10, 25, missing=0.3)
    protocol = {"cell_source": "adipose", "route": "intravenous", "dose_cells": 1e7, "adjuvant": "none"}
    twins = [Option("a", "a", protocol), Option("b", "b", dict(protocol))]
    for draws_of in (PosteriorDraws(evidence_model(0.0)), LinearDraws(ridge_model(2.5), 20)):
        _, draws = draws_of.compute(women, twins)
        np.testing.assert_array_equal(draws[:, 0], draws[:, 1])
        assert (draws[:, 0].std(axis=-1) > 0).all()
    one_by_one = [PosteriorDraws(evidence_model(0.0)).compute(women.iloc[[i]], twins)[1] for i in range(10)]
    _, together = PosteriorDraws(evidence_model(0.0)).compute(women, twins)
    np.testing.assert_allclose(np.concatenate(one_by_one), together, rtol=1e-9)


def test_a_source_that_is_better_is_found(trained: pd.DataFrame) -> None:
    found = of_sources(without_protocol(draw_women(12, 20, missing=0.3)), trained, 1.5)
    assert {verdict.kind for verdict in found.verdicts} == {"better"}
    assert {verdict.best for verdict in found.verdicts} == {BETTER}
    frame = found.frame().set_index("option")
    assert (frame.loc[BETTER, "verdict"] == "better than all others").all()
    assert (frame.loc[BETTER, "best"] > 0.95).all()
    assert (frame.loc[BETTER, "expected_loss"] < 0.01).all()
    assert (frame.loc[BETTER, "difference_low"] > 0).all()
    assert "better than every other supported option" in found.verdicts[0].sentence


def test_better_than_those_it_was_compared_with_but_not_than_all(found: RegimenComparison) -> None:
    """An arm of 35 women with another source and route leaves open whether that is better still."""
    verdict = found.verdicts[0]
    assert verdict.kind == "partly"
    assert verdict.best is None
    assert verdict.likeliest == BETTER
    assert {"adipose/intraovarian_laparoscopic", "umbilical_cord/intraovarian_laparoscopic"} <= set(verdict.beaten)
    assert "amniotic_epithelial/intra_arterial" not in verdict.beaten
    assert "No option is better than all others" in verdict.sentence
    assert not found.beats[:, :, 0].all()
    assert not (found.beats & np.swapaxes(found.beats, 1, 2)).any()


def test_where_nothing_differs_nothing_is_said(trained: pd.DataFrame) -> None:
    women = fit = trained.head(240)
    pipeline = fit_evidence(fit, respond(fit, 30, 0.0))
    found = compare(build_draws(pipeline), without_protocol(draw_women(40, 31)), women)
    assert {verdict.kind for verdict in found.verdicts} == {"not distinguishable"}
    said = set(found.frame()["verdict"])
    assert {"reference", "not distinguishable"} <= said <= {"reference", "not distinguishable", "few", "no data"}
    assert found.verdicts[0].sentence.startswith("Not distinguishable: these options cannot be distinguished")


def test_published_evidence_alone_calls_nothing_better_for_anyone() -> None:
    women = draw_women(300, 32, missing=0.3)
    women.loc[:9, ["fsh", "amh"]] = np.nan
    found = compare(build_draws(reference_model()), without_protocol(women), women.iloc[:0])
    assert {verdict.kind for verdict in found.verdicts} == {"not distinguishable"}
    assert not found.claims.any()
    # natural recovery is not told apart from any therapy either
    assert (found.difference_low[:, 1:] < 0).all()
    assert (found.difference_high[:, 1:] > 0).all()
    assert found.options[found.reference].name == "none"
    assert found.standing[0] == "supported"
    assert not found.n_alike.any()


def test_a_woman_missing_every_hormone_is_answered_with_wider_intervals_and_a_flag(trained: pd.DataFrame) -> None:
    known = without_protocol(draw_women(30, 33))
    unknown = known.assign(fsh=np.nan, amh=np.nan)
    nothing = known.assign(**dict.fromkeys(("age", "fsh", "amh", "amenorrhea_months"), np.nan))
    draws_of = build_draws(evidence_model(0.0))
    of_known, of_unknown, of_nothing = (compare(draws_of, women, trained) for women in (known, unknown, nothing))
    width = [(found.high - found.low).mean() for found in (of_known, of_unknown, of_nothing)]
    assert width[0] < width[1] < width[2]
    assert not np.isnan(of_nothing.p).any()
    assert set(of_unknown.flags[0]) >= {"missing:fsh", "missing:amh"}
    assert "little_known" in of_unknown.flags[0]
    assert {"missing:age", "little_known", "nobody_alike"} <= set(of_nothing.flags[0])
    assert of_nothing.extrapolated.all()
    assert not any(flag.startswith("missing") for flag in of_known.flags[0])
    assert of_known.n_alike.mean() > 5


def test_ranks_and_probabilities_add_up(found: RegimenComparison) -> None:
    supported = [standing == "supported" for standing in found.standing]
    np.testing.assert_allclose(found.best[:, supported].sum(axis=1), 1.0)
    np.testing.assert_allclose(found.ranks[:, supported].sum(axis=2), 1.0)
    np.testing.assert_allclose(found.ranks[:, supported][:, :, : sum(supported)].sum(axis=1), 1.0)
    np.testing.assert_allclose(found.ranks[:, supported][:, :, 0], found.best[:, supported])
    assert (found.expected_loss[:, supported] >= 0).all()
    assert np.isnan(found.best[:, [not one for one in supported]]).all()
    assert (found.low <= found.p).all()
    assert (found.p <= found.high).all()
    assert (found.difference[:, found.reference] == 0).all()


def test_tables_and_plain_values(found: RegimenComparison) -> None:
    frame = found.frame()
    assert len(frame) == 12 * len(found.options)
    assert frame["woman"].tolist() == np.repeat(np.arange(12), len(found.options)).tolist()
    assert len(found.verdict_frame()) == 12
    m = sum(standing == "supported" for standing in found.standing)
    ranks = found.rank_frame()
    assert len(ranks) == 12 * m * m
    assert ranks.groupby(["woman", "option"])["probability"].sum().tolist() == pytest.approx([1.0] * 12 * m)
    stored = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert stored["women"][3]["options"][1]["option"] == found.options[1].name
    assert stored["rule"] == SETTINGS.rule
    assert "patient" not in json.dumps(stored)


def test_the_number_of_women_at_a_time_changes_nothing(
    found: RegimenComparison, trained: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draws_module, "MOST_NUMBERS_AT_ONCE", 12_000)
    women = without_protocol(draw_women(12, 20, missing=0.3))
    again = compare(build_draws(evidence_model(1.5)), women, trained)
    pd.testing.assert_frame_equal(again.frame(), found.frame())


def test_no_woman_no_row(trained: pd.DataFrame) -> None:
    found = compare(build_draws(evidence_model(0.0)), without_protocol(draw_women(3, 0)).iloc[:0], trained)
    assert len(found) == 0
    assert found.frame().empty
    assert found.average.empty
    assert json.loads(json.dumps(found.as_dict()))["women"] == []


def test_a_harm_is_better_the_rarer_it_is(trained: pd.DataFrame) -> None:
    women = without_protocol(draw_women(5, 48))
    draws_of = build_draws(evidence_model(1.5))
    support = summarise_support(draws_of.pipeline, trained, SETTINGS, codebook())
    options = list_options(SETTINGS, codebook(), support.seen, without_therapy=False)
    chosen = replace(SETTINGS, reference=BETTER)
    wish, harm = (
        compare_regimens(draws_of, women, options, chosen, support, favourable=favourable)
        for favourable in (True, False)
    )
    np.testing.assert_array_equal(wish.p, harm.p)
    np.testing.assert_array_equal(wish.difference_low, harm.difference_low)
    np.testing.assert_array_equal(wish.claims, -harm.claims)
    np.testing.assert_array_equal(wish.beats, np.swapaxes(harm.beats, 1, 2))
    assert {verdict.best for verdict in wish.verdicts} == {BETTER}
    assert {verdict.best for verdict in harm.verdicts} == {None}
    np.testing.assert_allclose(wish.mean_rank, 4.0 - harm.mean_rank)


def test_the_average_woman(found: RegimenComparison) -> None:
    average = found.average.set_index("option")
    np.testing.assert_allclose(average["p"], found.p.mean(axis=0))
    np.testing.assert_allclose(average["difference"], found.difference.mean(axis=0))
    assert ((average["low"] < average["p"]) & (average["p"] < average["high"])).all()
    assert average.loc["none", ["difference", "difference_low", "difference_high"]].tolist() == [0.0, 0.0, 0.0]


def test_too_few_draws_give_no_verdict(trained: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    women, draws_of = without_protocol(draw_women(6, 40)), LinearDraws(ridge_model(2.5), 40)
    few = compare(draws_of, women, trained)
    assert {verdict.kind for verdict in few.verdicts} == {"too few draws"}
    assert "there are 40, and 100 are needed" in few.verdicts[0].sentence
    assert set(few.frame()["verdict"]) & {"not distinguishable", "better than reference"} == set()
    monkeypatch.setattr(comparison_module, "LEAST_DRAWS", 40)
    found = compare(draws_of, women, trained)
    assert found.kind == "posterior"
    assert {verdict.best for verdict in found.verdicts} == {BETTER}
    assert found.options[found.reference].name == found.options[0].name
    assert "knows nothing of women without cell therapy" in found.notes[0]
    np.testing.assert_array_equal(found.p, few.p)


def test_a_model_that_knows_nothing_of_no_therapy_is_not_asked(trained: pd.DataFrame) -> None:
    draws_of = LinearDraws(ridge_model(0.0))
    assert not draws_of.says_no_therapy
    support = summarise_support(ridge_model(0.0), trained, SETTINGS, codebook())
    options = list_options(SETTINGS, codebook(), support.seen)
    with pytest.raises(ModelError, match="here all were treated"):
        compare_regimens(draws_of, trained.head(2), options, SETTINGS, support)
    earlier = copy.deepcopy(ridge_model(0.0))
    del earlier[-1].covariance_
    with pytest.raises(ModelError, match="this model has none"):
        build_draws(earlier)


def test_women_without_cells_teach_a_model_without_evidence_about_no_therapy() -> None:
    women = draw_women(90, 41)
    untreated = women.head(30).assign(cell_source="none", route="none", dose_cells=np.nan)
    women = pd.concat([untreated, women.iloc[30:]], ignore_index=True)
    pipeline = ridge_model(0.0).__sklearn_clone__()
    pipeline.fit(women, respond(women, 42, 0.0))
    draws_of = LinearDraws(pipeline, 2)
    assert draws_of.says_no_therapy
    found = compare(draws_of, without_protocol(women.head(4)), women)
    assert found.options[0].name == "none"
    assert found.support[0].n_women == 30
    np.testing.assert_allclose(found.p[:, 0], predict_response(pipeline, women.head(4)), rtol=1e-12)


def test_an_unknown_reference_is_refused_with_the_nearest(trained: pd.DataFrame) -> None:
    wrong = replace(SETTINGS, reference="bone_marow/intraovarian_laparoscopic")
    with pytest.raises(StudyError, match=f'did you mean "{BETTER}"'):
        compare(build_draws(evidence_model(0.0)), trained.head(2), trained, wrong)


def test_another_reference(trained: pd.DataFrame) -> None:
    chosen = replace(SETTINGS, reference=BETTER)
    found = compare(build_draws(evidence_model(1.5)), without_protocol(draw_women(5, 43)), trained, chosen)
    worse = found.frame().query("verdict == 'worse than reference'")["option"]
    assert {"adipose/intraovarian_laparoscopic", "umbilical_cord/intraovarian_laparoscopic"} <= set(worse)


def test_an_option_with_few_women_is_never_called_best(trained: pd.DataFrame) -> None:
    is_marrow = trained["cell_source"] == "bone_marrow"
    keep = trained[~is_marrow | (is_marrow.cumsum() <= 8)]
    found = of_sources(without_protocol(draw_women(4, 44)), keep, 1.5)
    frame = found.frame().set_index("option")
    assert set(frame.loc[BETTER, "support"]) == {"few"}
    assert set(frame.loc[BETTER, "verdict"]) == {"few"}
    assert frame.loc[BETTER, "best"].isna().all()
    assert {verdict.best for verdict in found.verdicts} == {None}
    assert not found.beats.any()


def test_an_option_nobody_had_is_marked(trained: pd.DataFrame) -> None:
    declared = [
        {"name": "marrow", "cell_source": "BM", "route": "laparoscopy"},
        {"name": "menstrual", "cell_source": "MenSC", "route": "IV"},
    ]
    chosen = settings(options=declared)
    women = without_protocol(draw_women(3, 45)).assign(dose_cells=np.nan, adjuvant="none")
    found = compare(build_draws(evidence_model(0.0)), women, trained, chosen)
    assert found.standing == ("supported", "supported", "no data")
    assert found.extrapolated[:, 2].all()
    assert not found.extrapolated[found.n_alike > 0][:, 1].any()
    strict = replace(chosen, least_women=100_000)
    alone = compare(build_draws(evidence_model(0.0)), women, trained, strict)
    assert {verdict.kind for verdict in alone.verdicts} == {"no comparison"}
    assert np.isnan(alone.best).all()
    assert not np.isnan(alone.p).any()


def test_a_recalibrated_model_is_compared_recalibrated(trained: pd.DataFrame) -> None:
    women = without_protocol(draw_women(5, 46))
    moved = recalibrate_pipeline(evidence_model(0.0), -1.0, 0.8)
    plain, lower = (compare(build_draws(model), women, trained) for model in (evidence_model(0.0), moved))
    assert [option.name for option in lower.options] == [option.name for option in plain.options[1:]]  # not "none"
    assert (lower.high < plain.high[:, 1:]).all()
    assert ((lower.low <= lower.p) & (lower.p <= lower.high)).all()
    own = women.assign(cell_source="adipose", route="intraovarian_laparoscopic", dose_cells=1e7, adjuvant="none")
    place = [option.name for option in lower.options].index("adipose/intraovarian_laparoscopic")
    np.testing.assert_allclose(lower.p[:, place], predict_response(moved, own), rtol=1e-12)


def normal_draws(means: list[float], sd: float, correlation: float = 0.0, n: int = 4000) -> np.ndarray:
    """Probabilities around 1/2, shape (1, n_options, n)."""
    rng = np.random.default_rng(50)
    shared = rng.standard_normal(n)
    own = rng.standard_normal((len(means), n))
    return 0.5 + np.array(means)[:, None] + sd * (np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)[None]


def test_best_of_two_is_not_best_of_six() -> None:
    # Against each single rival the first passes 97.5 %, against all of them together it does not.
    draws = normal_draws([0.145, 0.0, 0.0, 0.0, 0.0, 0.0], 0.05)
    p, supported = draws.mean(axis=-1), np.ones(6, dtype=bool)
    assert min((draws[0, 0] > draws[0, k]).mean() for k in range(1, 6)) > 0.975
    ranking = rank_options(draws, supported)
    assert 0.8 < ranking.best[0, 0] < 0.95
    assert find_best(p, ranking, supported, SETTINGS)[0] == -1
    two = np.arange(6) < 2
    assert find_best(p, rank_options(draws, two), two, SETTINGS)[0] == 0


def test_of_two_options_that_do_not_differ_neither_is_best_in_more_than_one_cohort_of_twenty() -> None:
    """Of two equal options, known to 0.08 each, one or the other has a share of 95 % in a tenth of cohorts."""
    rng, supported = np.random.default_rng(7), np.ones(2, dtype=bool)
    noise = 0.08 * rng.standard_normal((2, 2000))
    draws = np.clip(0.5 + 0.08 * rng.standard_normal((1500, 2, 1)) + noise, 0.001, 0.999)
    found = find_best(draws.mean(axis=-1), rank_options(draws, supported), supported, SETTINGS)
    assert 0.02 < (found >= 0).mean() < 0.065


@pytest.mark.parametrize(("lead", "best"), [(0.099, -1), (0.101, 0)])
def test_a_difference_that_is_too_small_is_none(lead: float, best: int) -> None:
    draws = normal_draws([lead, 0.0, 0.0], 0.005)
    p, supported = 0.5 + np.array([[lead, 0.0, 0.0]]), np.ones(3, dtype=bool)
    assert find_best(p, rank_options(draws, supported), supported, SETTINGS)[0] == best
    claims = claim_against_reference(draws, p, supported, 2, SETTINGS)
    assert claims.tolist() == [[int(best == 0), 0, 0]]


def test_contrasts_with_the_reference_hold_together() -> None:
    means = [0.0, 0.145] + [0.0] * 8
    draws = normal_draws(means, 0.05)
    p = draws.mean(axis=-1)
    two, all_ten = np.arange(10) < 2, np.ones(10, dtype=bool)
    assert (draws[0, 1] > draws[0, 0]).mean() > 0.97
    assert claim_against_reference(draws, p, two, 0, SETTINGS)[0, 1] == 1
    assert not claim_against_reference(draws, p, all_ten, 0, SETTINGS).any()
    clear = normal_draws([0.0, 0.25, -0.25, 0.0], 0.05)
    claims = claim_against_reference(clear, clear.mean(axis=-1), np.ones(4, dtype=bool), 0, SETTINGS)
    assert claims.tolist() == [[0, 1, -1, 0]]
    unsupported = np.array([False, True, True, True])
    assert not claim_against_reference(clear, clear.mean(axis=-1), unsupported, 0, SETTINGS).any()


def test_pairs_hold_together() -> None:
    clear = normal_draws([0.0, 0.25, -0.25, 0.1], 0.05)
    p, supported = clear.mean(axis=-1), np.array([True, True, True, True])
    better = compare_pairs(clear, p, supported, SETTINGS)[0]
    assert np.argwhere(better).tolist() == [[0, 2], [1, 0], [1, 2], [3, 2]]
    assert not compare_pairs(clear, p, np.array([True, False, False, True]), SETTINGS).any()
    # of 45 pairs without a difference the surest one is not enough, however sure it looks alone
    equal = normal_draws([0.0] * 9 + [0.12], 0.045)
    assert (equal[0, 9] > equal[0, 0]).mean() > 0.95
    assert not compare_pairs(equal, equal.mean(axis=-1), np.ones(10, dtype=bool), SETTINGS).any()


def test_ties_are_shared() -> None:
    draws = np.full((1, 3, 10), 0.4)
    ranking = rank_options(draws, np.ones(3, dtype=bool))
    np.testing.assert_allclose(ranking.best, 1 / 3)
    np.testing.assert_allclose(ranking.ranks, 1 / 3)
    assert not ranking.alone.any()
    assert not ranking.loss.any()


def test_what_options_do_not_say_is_not_invented() -> None:
    only = OptionList((Option("a", "a", {"cell_source": "adipose"}), Option("b", "b", {"cell_source": "bone_marrow"})))
    women = without_protocol(draw_women(3, 47)).assign(route=np.nan, dose_cells=np.nan, adjuvant="none")
    support = Support(
        pd.DataFrame({"cell_source": ["adipose", "bone_marrow"], "n_women": 12, "n_arms": 0, "arm_women": 0})
    )
    found = compare_regimens(build_draws(evidence_model(0.0)), women, only, SETTINGS, support)
    assert found.standing == ("supported", "supported")
    expected = predict_response(evidence_model(0.0), women.assign(cell_source="adipose")[list(PREDICTORS)])
    np.testing.assert_allclose(found.p[:, 0], expected, rtol=1e-9)
