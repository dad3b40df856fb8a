from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict import evidence
from poi_predict.cohort.codebook import Codebook, Variable, read_codebook
from poi_predict.errors import EvidenceError, StudyError
from poi_predict.evidence import EvidenceSettings, PriorOverride, read_arms, read_natural_history
from poi_predict.features import CENTRE_CODE, THERAPY, FeatureSettings, list_fixed_columns
from poi_predict.modeling.borrowing.arms import Arm, Marginal
from poi_predict.modeling.borrowing.specification import EvidenceSpecification, build_evidence

OUTCOMES = ("menses", "pregnancy")
TABLES = Path(evidence.__file__).parent / "tables"


@pytest.fixture(scope="module")
def codebook() -> Codebook:
    return read_codebook()


@pytest.fixture(scope="module")
def columns(codebook: Codebook) -> list[str]:
    named = tuple(name for name, variable in codebook.items() if variable.role in ("baseline", "protocol"))
    return list_fixed_columns(codebook, FeatureSettings(named), with_centre=True)


@pytest.fixture(scope="module")
def found(codebook: Codebook, columns: list[str]) -> dict[str, EvidenceSpecification]:
    return {outcome: build_evidence(codebook, columns, EvidenceSettings(outcome)) for outcome in OUTCOMES}


def marginal_of(arm: Arm, column: str) -> Marginal:
    return next(marginal for marginal in arm.marginals if column in marginal.columns)


def arm_of(specification: EvidenceSpecification, row_id: str) -> Arm:
    return next(arm for arm in specification.arms if arm.row_id == row_id)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_column_has_a_prior_but_those_with_a_part_of_their_own(found, columns, outcome):
    parameters = {prior.parameter for prior in found[outcome].priors}
    definitions = {f"definition:{arm.definition}" for arm in found[outcome].arms if arm.definition}
    assert parameters == {"intercept", "treated", *columns, *definitions} - {THERAPY, CENTRE_CODE}


def test_arms_have_the_counts_of_their_rows(found):
    counts = {arm.row_id: (arm.events, arm.n) for arm in found["menses"].arms}
    published, untreated = read_arms(), read_natural_history()
    for row in ("A01", "A02", "A09", "A16"):
        assert counts.pop(row) == tuple(published.loc[row, ["menses_events", "menses_n"]])
    for row in ("NH02", "NH03"):
        assert counts.pop(row) == tuple(untreated.loc[row, ["ovarian_function_events", "ovarian_function_n"]])
    assert not counts
    assert [arm.treated for arm in found["menses"].arms] == [True] * 4 + [False] * 2


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_baseline_column_of_an_arm_is_described_once(found, codebook, columns, outcome):
    baseline = {name for name in columns if codebook[name.split("__")[0]].role == "baseline"}
    for arm in found[outcome].arms:
        filled = [column for marginal in arm.marginals for column in marginal.columns]
        assert len(filled) == len(set(filled))
        assert baseline <= set(filled)
        assert arm.treated or set(filled) == baseline


def test_an_arm_speaks_for_itself_and_the_field_where_it_is_silent(found):
    weng = arm_of(found["menses"], "A09")
    fsh = marginal_of(weng, "fsh__log")
    assert (fsh.family, fsh.low, fsh.transform, fsh.from_table) == ("truncated_normal", 40.0, "log", False)
    assert marginal_of(weng, "amenorrhea_months__log").from_table
    assert {m.columns[0] for m in weng.marginals if not m.from_table} & {"amh__log", "afc__sqrt"} == set()
    paris = arm_of(found["menses"], "NH02")
    assert marginal_of(paris, "follicles_visible__yes").mean == pytest.approx(191 / 391, abs=0.001)
    assert marginal_of(paris, "amenorrhea_type__primary").shares == (0.207,)


def test_a_category_is_one_distribution_over_its_levels(found):
    for row, share in (("A01", 0.0), ("A09", None)):
        marginal = marginal_of(arm_of(found["menses"], row), "aetiology__fmr1")
        assert (marginal.family, len(marginal.columns)) == ("categorical", 6)
        assert marginal.from_table == (share is None)
        assert sum(marginal.shares) == pytest.approx(0.3 if share is None else share)


def test_a_protocol_is_the_same_for_all_women_of_an_arm(found):
    weng = arm_of(found["menses"], "A09")
    source = marginal_of(weng, "cell_source__amniotic_epithelial")
    assert dict(zip(source.columns, source.shares, strict=True))["cell_source__amniotic_epithelial"] == 1.0
    assert sum(source.shares) == 1.0
    dose = marginal_of(weng, "dose_cells__log10")
    assert (dose.family, dose.mean, dose.transform) == ("fixed", 6e7, "log10")
    assert marginal_of(weng, "autologous__yes") == Marginal(("autologous__yes",), "fixed", mean=0.0)
    nanjing = arm_of(found["pregnancy"], "A17")
    assert marginal_of(nanjing, "adjuvant__collagen_scaffold").mean == 1.0
    assert marginal_of(nanjing, "adjuvant__prp").mean == 0.0


def test_a_range_is_spread_and_a_dose_per_ovary_on_both_sides_is_doubled(found):
    dose = marginal_of(arm_of(found["menses"], "A02"), "dose_cells__log10")
    assert (dose.family, dose.mean, dose.low, dose.high) == ("truncated_normal", 8e6, 6e6, 1e7)
    repeats = marginal_of(arm_of(found["pregnancy"], "A17"), "n_treatments__count")
    assert (repeats.family, repeats.low, repeats.high) == ("truncated_normal", 1.0, 3.0)


def test_what_a_protocol_does_not_state_is_not_made_up(found):
    for row in ("A03", "A08", "A17"):
        filled = {column for marginal in arm_of(found["pregnancy"], row).marginals for column in marginal.columns}
        assert "dose_cells__log10" not in filled
    banu = marginal_of(arm_of(found["pregnancy"], "A08"), "route__intravenous")
    shares = dict(zip(banu.columns, banu.shares, strict=True))
    assert shares["route__intraovarian_laparoscopic"] == shares["route__intraovarian_transvaginal"] == 0.5
    assert sum(shares.values()) == 1.0


def test_protocol_acts_in_treated_women_only(found, codebook, columns):
    specification = found["menses"]
    assert specification.treated == THERAPY
    assert THERAPY not in specification.treatment
    assert set(specification.treatment) == {
        name for name in columns if codebook[name.split("__")[0]].role == "protocol" and name != THERAPY
    }
    assert "diagnosis_to_treatment_months__log" in specification.treatment


def test_correlations_are_of_columns_in_use_and_hold_together(found, codebook):
    pairs = {(one, other): rho for one, other, rho in found["menses"].correlations}
    assert pairs["amh__log", "amh__detectable"] == 0.8
    assert 0 not in pairs.values()
    names = sorted({name for pair in pairs for name in pair})
    matrix = np.eye(len(names))
    for (one, other), rho in pairs.items():
        at = names.index(one), names.index(other)
        matrix[at] = matrix[at[::-1]] = rho
    assert np.linalg.eigvalsh(matrix).min() > 0
    assert build_evidence(codebook, ["amh__log", "fsh__log"], EvidenceSettings("menses")).correlations == ()


def test_only_columns_in_use_are_described(codebook):
    few = ["age__years", "aetiology__fmr1"]
    specification = build_evidence(codebook, few, EvidenceSettings("menses"))
    assert specification.treated is None
    assert specification.treatment == ()
    for arm in specification.arms:
        assert {column for marginal in arm.marginals for column in marginal.columns} == set(few)
    assert [m.columns for m in specification.population] == [("age__years",), ("aetiology__fmr1",)]


def test_rows_may_be_left_out(codebook):
    excluded = EvidenceSettings("menses", exclude=("NH02", "NH03"))
    specification = build_evidence(codebook, ["fsh__log"], excluded)
    assert [arm.row_id for arm in specification.arms] == ["A01", "A02", "A09", "A16"]
    assert "definition:ovarian_function" not in {prior.parameter for prior in specification.priors}


def test_own_priors_replace_and_add(codebook):
    smoking = Variable.declared(name="smoking", label="Smoking", kind="binary", role="baseline", known_at="baseline")
    own = (PriorOverride("fsh__log", -1.0, 0.5, "our own series, 2025"), PriorOverride("smoking__yes", -0.2, 0.4))
    used, settings = ["fsh__log", "smoking__yes"], EvidenceSettings("menses", priors=own)
    priors = {p.parameter: p for p in build_evidence(codebook.extended([smoking]), used, settings).priors}
    assert (priors["fsh__log"].mean, priors["fsh__log"].sd) == (-1.0, 0.5)
    assert priors["fsh__log"].source == "our own series, 2025"
    assert (priors["smoking__yes"].mean, priors["smoking__yes"].sd) == (-0.2, 0.4)
    plain = build_evidence(codebook.extended([smoking]), used, EvidenceSettings("menses"))
    assert "smoking__yes" not in {prior.parameter for prior in plain.priors}
    assert {p.parameter: p.source for p in plain.priors}["fsh__log"] == "PR04: E01, E18, PF21"


@pytest.mark.parametrize(
    ("parameter", "near"), [("amh__log", ""), ("fsh_log", "fsh__log"), ("treatment", "treated"), (THERAPY, "")]
)
def test_a_prior_of_nothing_in_the_model_is_refused(codebook, parameter, near):
    settings = EvidenceSettings("menses", priors=(PriorOverride(parameter, 0.0, 1.0),))
    with pytest.raises(StudyError, match=f'"{parameter}" is not one.*{near}'):
        build_evidence(codebook, ["fsh__log", THERAPY], settings)


def test_a_breach_of_another_folder_is_refused(codebook, tmp_path):
    folder = tmp_path / "tables"
    shutil.copytree(TABLES, folder)
    frame = pd.read_csv(folder / "arm_women.csv", dtype=str, keep_default_na=False)
    frame.loc[frame["variable"] == "fsh", "sd"] = "-1"
    frame.to_csv(folder / "arm_women.csv", index=False)
    with pytest.raises(EvidenceError, match=r"Row A09 .*Row A16 .*Row NH02 has a negative standard deviation of fsh"):
        build_evidence(codebook, ["fsh__log"], EvidenceSettings("menses"), folder)


def test_the_field_has_room_above_its_limits(found):
    age = next(m for m in found["menses"].population if m.columns == ("age__years",))
    assert (age.low, age.high, age.from_table) == (18.0, 40.0, False)
    fsh = next(m for m in found["menses"].population if m.columns == ("fsh__log",))
    assert (fsh.low, fsh.high) == (-math.inf, math.inf)
