"""The evidence of a training: rung, test against shuffled outcomes, centres, leakage, resumption."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict.batch_scoring import score
from poi_predict.errors import CohortError
from poi_predict.modeling import Checkpoint, ModelingSettings, appraise, assess_development
from poi_predict.modeling.checkpoint import Stage
from poi_predict.progress import Listener
from poi_predict.report.skill_sections import describe_skill
from poi_predict.scoring import read_bundle
from poi_predict.study import Study, read_study
from poi_predict.workflow import check, develop, train
from support import CREATED


@pytest.fixture(scope="module")
def tested(quick_study: Study) -> Study:
    """The quick study with enough permutations to judge skill."""
    return dataclasses.replace(
        quick_study, validation=dataclasses.replace(quick_study.validation, permutations=99, repeats=1)
    )


def test_every_answer_is_in_the_assessment(demo_cohort: Path, quick_study: Study) -> None:
    found = develop(quick_study, demo_cohort, n_jobs=1).assessment.as_dict()
    assert found["ladder"]["rung"] in ("prespecified", "penalised")
    assert set(found["ladder"]) >= {"rung", "reason", "next_n"}
    assert found["skill"] == "not_assessed"  # 3 permutations
    assert found["skill_test"]["rule"]
    assert found["null"]["c_statistic"]["p_value"] is not None
    assert found["instability"]["n_refits"] == 20
    assert found["brier_632_plus"]["estimate"] > 0
    assert set(found["calibration_errors"]) == {"ici", "e50", "e90", "emax"}
    assert found["sample_size"]["required"] > found["n_patients"]
    assert {group["variable"] for group in found["subgroups"]} == {"age", "aetiology", "amenorrhea_months", "centre"}
    suppressed = [group for group in found["subgroups"] if group["suppressed"]]
    assert suppressed
    assert all(group["c_statistic"]["estimate"] is None for group in suppressed)
    assert len(found["internal_external"]["centres"]) == 6
    json.dumps(found, allow_nan=False)


def test_the_leakage_ledger_is_counted_and_clear(demo_cohort: Path, quick_study: Study) -> None:
    training = develop(quick_study, demo_cohort, n_jobs=1)
    answers = {q["question"]: q for q in training.assessment.details["leakage"]["questions"]}
    on_both = answers["Is the same woman on both sides of a split?"]
    assert on_both["answer"] == "no"
    counted = training.development.cross_validated.step_fits["ridge"]
    n_fits = training.development.plan.folds.n_folds * training.development.plan.folds.n_repeats
    assert counted == dict.fromkeys(("features", "impute", "scale", "model"), (n_fits, n_fits))


def test_a_step_that_is_not_refitted_is_noticed(demo_cohort: Path, quick_study: Study) -> None:
    """A pipeline that arrives with something learnt is not fitted anew, whatever clone does later."""
    from poi_predict.modeling.evaluation import _is_fitted_anew  # noqa: PLC0415

    training = develop(quick_study, demo_cohort, n_jobs=1)
    fitted = training.development.primary
    assert not _is_fitted_anew(fitted, fitted, "scale")
    assert _is_fitted_anew(training.development.plan.candidates["ridge"], fitted, "scale")


def test_shuffled_outcomes_give_no_verdict_of_skill(demo_cohort: Path, tested: Study, tmp_path: Path) -> None:
    table = pd.read_csv(demo_cohort, dtype=str)
    outcome = ["Menses resumed", "Months to menses", "Follow-up (months)"]
    table[outcome] = table[outcome].sample(frac=1, random_state=12).to_numpy()
    table.to_csv(tmp_path / "shuffled.csv", index=False)
    assessment = develop(tested, tmp_path / "shuffled.csv", n_jobs=1).assessment
    assert assessment.details["skill"] == "none"
    assert assessment.champion is None


def own_study(folder: Path, extra: str = "", permutations: int = 3, folds: int = 5) -> Study:
    (folder / "study.toml").write_text(
        """
[study]
name = "own"
[columns]
patient_id = "id"
[variables.x]
kind = "continuous"
[variables.z]
kind = "continuous"
[variables.done]
kind = "binary"
role = "outcome"
[endpoint]
event = "done"
[predictors]
use = ["x", "z"]
[models]
candidates = ["prevalence", "ridge", "firth"]
primary = "ridge"
"""
        + extra
        + """
[validation]
repeats = 1
bootstrap = 20
"""
        + f"permutations = {permutations}\nfolds = {folds}\n",
        encoding="utf-8",
    )
    return read_study(folder / "study.toml")


def own_cohort(folder: Path, n: int, events: int, signal: float, **columns: object) -> Path:
    rng = np.random.default_rng(8)
    done = np.zeros(n, dtype=int)
    done[rng.choice(n, events, replace=False)] = 1
    table = {"id": np.arange(n), "x": (rng.normal(0, 1, n) + signal * done).round(4), "z": rng.normal(0, 1, n).round(4)}
    pd.DataFrame({**table, "done": done, **columns}).to_csv(folder / "own.csv", index=False)
    return folder / "own.csv"


def test_a_strong_signal_is_shown(tmp_path: Path) -> None:
    study = own_study(tmp_path, permutations=99, folds=3)
    assessment = develop(study, own_cohort(tmp_path, 150, 50, 0.9), n_jobs=1).assessment
    assert assessment.details["skill"] == "shown"
    assert assessment.champion == "ridge"


def test_a_predictor_that_is_the_outcome_by_another_name_makes_no_champion(tmp_path: Path) -> None:
    cohort = own_cohort(tmp_path, 150, 50, 4.0)
    study = own_study(tmp_path, permutations=99, folds=3)
    training = develop(study, cohort, n_jobs=1)
    found = training.assessment
    assert found.details["skill"] == "shown"
    assert found.details["leakage"]["to_review"] == ["x"]
    assert found.champion is None
    assert any("A person has to look at x" in warning for warning in found.warnings)
    looked = dataclasses.replace(study, features=dataclasses.replace(study.features, reviewed=("x",)))
    details = appraise(training.development, [], looked.suspect_predictors, looked.privacy.least)
    assert assess_development(training.development, "own", synthetic=False, details=details).champion == "ridge"


def test_eight_events_give_the_prevalence_and_nothing_else(tmp_path: Path) -> None:
    study = own_study(tmp_path)
    run = train(study, own_cohort(tmp_path, 60, 8, 1.5), tmp_path / "out", n_jobs=1, track=False, created=CREATED)
    assessment = run.training.assessment
    assert assessment.details["ladder"]["rung"] == "prevalence"
    assert (assessment.primary, assessment.champion, assessment.details["skill"]) == ("prevalence", None, "none")
    assert assessment.details["sample_size"]["prevalence_interval"]["wilson"]["ci_low"] is not None


@pytest.mark.usefixtures("quick_chains")
@pytest.mark.parametrize(
    "events", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(24, marks=pytest.mark.slow)]
)
def test_published_evidence_carries_a_model_of_women_without_events_or_with_nothing_else(
    events: int, tmp_path: Path
) -> None:
    study, cohort = own_study(tmp_path, '[evidence]\noutcome = "pregnancy"\n'), own_cohort(tmp_path, 24, events, 0.0)
    with pytest.raises(CohortError, match=r'primary = "evidence" in \[models\]'):
        develop(study, cohort, n_jobs=1)
    refused = check(study, cohort)
    assert not refused.usable
    models = dataclasses.replace(study.models, candidates=("prevalence", "evidence", "ridge"), primary="evidence")
    study = dataclasses.replace(study, models=models)
    checked = check(study, cohort)
    assert checked.usable
    assert any("nothing can be judged" in line for line in checked.lines())
    run = train(study, cohort, tmp_path / "out", n_jobs=1, track=False, created=CREATED)
    found = run.training.assessment
    assert (found.primary, found.champion, found.details["skill"]) == ("evidence", None, "not_assessed")
    assert [candidate.name for candidate in found.candidates] == ["evidence"]
    assert all(each.estimate is None for each in found.candidates[0].metrics.values())
    assert "nothing can be judged" in found.warnings[0]
    assert found.details["leakage"]["to_review"] == []
    curve = found.details["evidence"]["learning_curve"]
    learnt = np.diff([each["p_with"] for each in curve[:-1]])  # the last is the kept model, whose noise is larger
    assert len(learnt) == 2
    assert (np.sign(learnt) == (1 if events == 24 else -1)).all()
    assert "nothing can be judged" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    scored = score(str(tmp_path / "out" / "bundle"), cohort, tmp_path / "scores.csv")
    assert scored.n_scored == 24
    assert len(read_bundle(tmp_path / "out" / "bundle").assessment["candidates"]) == 1


@pytest.mark.usefixtures("quick_chains")
@pytest.mark.parametrize(
    ("signal", "said"), [(2.5, "better than the published evidence alone"), (0.0, "compatible with no difference")]
)
def test_an_evidence_model_says_what_its_women_add_to_the_published_evidence(
    signal: float, said: str, tmp_path: Path
) -> None:
    study = own_study(tmp_path, '[evidence]\noutcome = "menses"\n')
    study = dataclasses.replace(study, models=ModelingSettings(("prevalence", "evidence"), "evidence"))
    found = develop(study, own_cohort(tmp_path, 60, 18, signal), n_jobs=1).assessment
    gains = found.details["beyond_published"]
    ranks = gains["c_statistic"]
    assert ranks["ci_low"] < ranks["estimate"] < ranks["ci_high"]
    assert (gains["log_loss"]["ci_low"] > 0) == (signal > 0)
    test = {"p_value": 0.02, "n_permutations": 199}
    sentence = describe_skill({**found.as_dict(), "skill": "weak", "skill_test": test}, "Evidence")
    assert said in sentence


def test_overriding_the_ladder_brands_everything(tmp_path: Path) -> None:
    study = own_study(tmp_path, "override_ladder = true\n")
    run = train(study, own_cohort(tmp_path, 60, 8, 0.0), tmp_path / "out", n_jobs=1, track=False, created=CREATED)
    assert run.training.assessment.primary == "ridge"
    assert "LADDER OVERRIDDEN" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8").upper()
    assert "LADDER OVERRIDDEN" in (tmp_path / "out" / "bundle" / "MODEL_CARD.md").read_text(encoding="utf-8").upper()
    assert any("LADDER OVERRIDDEN" in warning for warning in run.training.assessment.warnings)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"centre": "A"}, "one centre only"),
        ({"centre": ["A"] * 90 + ["B"] * 10}, None),
        ({}, "does not say"),
    ],
)
def test_centres_that_cannot_be_left_out_are_said_so(
    columns: dict[str, object], said: str | None, tmp_path: Path
) -> None:
    cohort = own_cohort(tmp_path, 100, 40, 1.0, **columns)
    table = pd.read_csv(cohort)
    if said is None:  # the second centre has no event at all
        table = table.sort_values("done", ascending=False)
        table["centre"] = columns["centre"]
        table.to_csv(cohort, index=False)
    found = develop(own_study(tmp_path), cohort, n_jobs=1).assessment.details["internal_external"]
    if said is not None:
        assert said in found["reason"]
        return
    second = found["centres"][1]
    assert second["events"] == 0
    assert second["c_statistic"]["estimate"] is None
    assert second["c_statistic"]["reason"]


@pytest.mark.parametrize("kind", ["constant", "separated"])
def test_degenerate_predictors_end_in_words_not_in_a_traceback(kind: str, tmp_path: Path) -> None:
    cohort = own_cohort(tmp_path, 80, 40, 0.0)
    table = pd.read_csv(cohort)
    table["x"] = 1.0 if kind == "constant" else table["done"] * 10.0
    table.to_csv(cohort, index=False)
    found = train(own_study(tmp_path), cohort, tmp_path / "out", n_jobs=1, track=False, created=CREATED)
    text = json.dumps(found.training.assessment.as_dict(), allow_nan=False)
    assert "NaN" not in text
    c = found.training.assessment.candidate("ridge").metrics["c_statistic"].estimate
    assert c > 0.99 if kind == "separated" else c < 0.7


def test_several_imputations_explain_and_store_like_any_model(
    demo_cohort: Path, quick_study: Study, tmp_path: Path
) -> None:
    study = dataclasses.replace(quick_study, models=dataclasses.replace(quick_study.models, imputations=3))
    run = train(study, demo_cohort, tmp_path / "out", n_jobs=1, track=False, created=CREATED)
    explanation = run.training.explanation
    p = run.training.development.p_apparent[run.training.assessment.primary]
    np.testing.assert_allclose(explanation.probability, p, atol=1e-6)
    coefficients = pd.read_csv(tmp_path / "out" / "coefficients.csv")
    assert {"column", "log_odds", "std_error", "fraction_missing"} <= set(coefficients)
    assert coefficients["fraction_missing"].dropna().between(0, 1).all()


def test_an_interrupted_training_goes_on_where_it_stopped(
    demo_cohort: Path, quick_study: Study, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def interrupt(stage: str, done: int, _total: int) -> None:
        if stage == "Bootstrap refits" and done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(quick_study, demo_cohort, out, n_jobs=1, track=False, created=CREATED, listener=Listener(interrupt))
    assert not out.exists()
    said: list[str] = []
    stages: list[tuple[str, int]] = []
    train(
        quick_study,
        demo_cohort,
        out,
        n_jobs=1,
        track=False,
        created=CREATED,
        listener=Listener(lambda stage, done, _total: stages.append((stage, done)), said.append),
    )
    assert any("Going on" in line for line in said)
    assert next(done for stage, done in stages if stage == "Bootstrap refits") == 8
    assert "Cross-validation" not in {stage for stage, _ in stages}
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["out"]  # what was kept is cleared away
    for name in ("assessment.json", "bundle/pipeline.skops", "predictions.parquet", "report.html"):
        assert (out / name).read_bytes() == (trained / name).read_bytes()


def test_a_damaged_or_foreign_result_is_not_taken_up(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    stage.save(0, np.array([0.2, 0.4]))
    np.testing.assert_array_equal(stage.load(0), [0.2, 0.4])
    (tmp_path / "stage" / "000000.npy").write_bytes(b"\x93NUMPY")
    assert stage.load(0) is None
    assert stage.load(1) is None
    one, other = (Checkpoint.beside(tmp_path / "out", {"data": text}) for text in ("a", "b"))
    assert one.folder != other.folder
    shutil.rmtree(tmp_path / "stage")


def test_a_small_model_asks_for_few_variables(tmp_path: Path) -> None:
    run = train(own_study(tmp_path), own_cohort(tmp_path, 60, 14, 1.0), tmp_path / "out", n_jobs=1, track=False)
    assert run.training.assessment.primary == "prespecified"
    table = pd.read_csv(tmp_path / "own.csv").drop(columns=["z", "done"])
    table.to_csv(tmp_path / "new.csv", index=False)
    scored = score(str(tmp_path / "out" / "bundle"), tmp_path / "new.csv", tmp_path / "scores.csv")
    assert scored.n_scored == 60
