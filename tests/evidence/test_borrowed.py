from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict import evidence
from poi_predict.errors import EvidenceError
from poi_predict.evidence import (
    check_never_added,
    compute_pooled_proportion,
    read_arm_protocols,
    read_arm_women,
    read_borrowed_arms,
    read_field,
    read_field_correlations,
    read_priors,
    read_vocabulary,
)
from poi_predict.evidence.borrowed_rules import FAMILIES, OUTCOMES
from poi_predict.modeling.borrowing.arms import FAMILIES as MODEL_FAMILIES
from poi_predict.modeling.borrowing.arms import TRANSFORMS

TABLES = Path(evidence.__file__).parent / "tables"
READERS = (read_priors, read_borrowed_arms, read_field, read_field_correlations, read_arm_women, read_arm_protocols)
READER_OF = {
    "arms.csv": read_borrowed_arms,
    "borrowed_arms.csv": read_borrowed_arms,
    "effects.csv": read_priors,
    "priors.csv": read_priors,
    "field.csv": read_field,
    "arm_women.csv": read_arm_women,
    "field_correlations.csv": read_field_correlations,
    "protocols.csv": read_arm_protocols,
}

# How the unit of each borrowed effect becomes one unit of its column, worked out here once more: IU/L at 60 IU/L to
# log units; 8 years; log(91) - log(25) between typical durations of 90 and 24 months; signs turned.
CONVERSIONS = {
    "fsh__log": ("E01+E18", 60.0),
    "age__years": ("E05", -1 / 8),
    "amenorrhea_months__log": ("E06+E07", -1 / (np.log1p(90) - np.log1p(24))),
    "amenorrhea_type__primary": ("E08", -1.0),
    "follicles_visible__yes": ("E09", 1.0),
    "aetiology__chromosomal": ("E16", 1.0),
    "aetiology__chemo_radiotherapy": ("E17", 1.0),
}
# Random effects by hand (DerSimonian & Laird): for FSH Q = 4.36 and tau = 0.0214 per IU/L; for the time since the
# last menses Q = 0.29, so tau = 0 and the mean is that of inverse variances.
POOLED = {"E01+E18": (-0.015907, 0.016845), "E06+E07": (1.529596, 0.471559)}
UNCAPPED = ("age__years", "amenorrhea_months__log")


@pytest.fixture
def alter(tmp_path):
    """Copy the tables, change cells of the rows that match, return the folder."""
    folder = tmp_path / "tables"
    shutil.copytree(TABLES, folder)

    def change(file: str, where: dict[str, str], **cells: str) -> Path:
        frame = pd.read_csv(folder / file, dtype="str", keep_default_na=False)
        chosen = np.logical_and.reduce([frame[column] == value for column, value in where.items()])
        assert chosen.any()
        frame.loc[chosen, list(cells)] = list(cells.values())
        frame.to_csv(folder / file, index=False)
        return folder

    return change


@pytest.mark.parametrize("reader", READERS)
def test_every_table_reads_by_row_id_and_is_the_callers_own(reader):
    frame = reader()
    assert frame.index.name == "row_id"
    assert len(frame)
    frame.iloc[:, 0] = None
    assert reader().iloc[:, 0].notna().any()


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_shipped_prior_of_an_effect_follows_from_the_table_of_effects(outcome):
    effects = pd.read_csv(TABLES / "effects.csv", index_col="row_id")
    priors = read_priors(outcome=outcome).set_index("parameter")
    borrowed = priors[priors["rule"].str.startswith("half")]
    assert set(borrowed.index) == set(CONVERSIONS) - ({"age__years"} if outcome == "menses" else set())
    for parameter, row in borrowed.iterrows():
        named, factor = CONVERSIONS[parameter]
        estimate, se = POOLED.get(named) or effects.loc[named, ["estimate", "se"]].astype(float)
        wide = 2 * se * abs(factor)
        expected = wide if parameter in UNCAPPED else min(wide, 1.5)
        assert set(named.split("+")) <= set(row["source_rows"].split(";"))
        assert row["mean"] == pytest.approx(estimate * factor / 2, rel=0.01), parameter
        assert row["sd"] == pytest.approx(expected, rel=0.01), parameter


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_priors_point_where_the_literature_points(outcome):
    mean = read_priors(outcome=outcome).set_index("parameter")["mean"]
    worse = ["fsh__log", "amenorrhea_months__log", "amenorrhea_type__primary"]
    worse += ["aetiology__chromosomal", "aetiology__chemo_radiotherapy"]
    assert (mean[worse] < 0).all()
    assert mean["follicles_visible__yes"] > 0
    assert mean["amh__log"] == mean["amh__detectable"] == 0
    assert (mean["age__years"] < 0) == (outcome == "pregnancy")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_protocol_and_therapy_are_centred_on_zero_with_the_agreed_spread(outcome):
    priors = read_priors(outcome=outcome).set_index("parameter")
    protocol = ("cell_source", "route", "adjuvant", "autologous", "sides", "dose_basis")
    flags = priors[priors.index.str.split("__").str[0].isin(protocol)]
    assert len(flags) == 8 + 5 + 7 + 1 + 1 + 1
    for rows in (flags, priors.loc[["treated"]], priors.loc[["dose_cells__log10"]]):
        assert (rows["mean"] == 0).all()
        assert rows["sd"].between(0.5, 0.7).all()


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_column_has_one_prior(outcome):
    parameters = read_priors(outcome=outcome)["parameter"]
    assert parameters.is_unique
    assert set(read_vocabulary().transforms) | {"intercept", "treated"} <= set(parameters)


def test_the_intercepts_are_weak_and_near_the_published_rates():
    for outcome, counted, rows in (
        ("menses", "ovarian_function", ["NH02", "NH03"]),
        ("pregnancy", "pregnancy", ["NH03", "NH04"]),
    ):
        prior = read_priors(outcome=outcome).set_index("parameter").loc["intercept"]
        rate = compute_pooled_proportion(rows, counted).proportion
        assert 1 / (1 + np.exp(-prior["mean"])) == pytest.approx(rate, abs=0.01)
        assert prior["sd"] >= 1.5


@pytest.mark.parametrize(
    ("outcome", "treated", "events", "n"),
    [("menses", True, 20, 60), ("menses", False, 165, 669), ("pregnancy", True, 6, 113), ("pregnancy", False, 38, 680)],
)
def test_arms_add_up_to_the_published_rates(outcome, treated, events, n):
    """README of the evidence: 20/60, 165/669, 6/113 and 38/680."""
    arms = read_borrowed_arms(outcome=outcome)
    chosen = arms[arms["treated"] == treated]
    assert (chosen["events"].sum(), chosen["n"].sum()) == (events, n)
    check_never_added(arms.index)


def test_a_definition_marks_whatever_is_not_the_outcome_predicted():
    arms = read_borrowed_arms(outcome="menses")
    assert arms["definition"].to_dict() == {
        "A01": "", "A02": "short_follow_up", "A09": "short_follow_up", "A16": "short_follow_up",
        "NH02": "ovarian_function", "NH03": "ovarian_function",
    }  # fmt: skip
    assert arms["year"].tolist() == ["2021", "2016", "2023", "2025", "2016", "2023"]


def test_families_and_transforms_are_those_of_the_model():
    assert FAMILIES == MODEL_FAMILIES
    assert set(read_vocabulary().transforms.values()) <= set(TRANSFORMS)


def test_the_field_has_what_was_published():
    field = read_field().set_index(["variable", "level"])
    fsh = field.loc[("fsh", "")]
    log_sd = np.sqrt(np.log1p((fsh["sd"] / fsh["mean"]) ** 2))
    above = np.random.default_rng(0).lognormal(np.log(fsh["mean"]) - log_sd**2 / 2, log_sd, 40000) > 40
    assert above.mean() == pytest.approx(0.755, abs=0.04)  # BD17: 75.5 % above 40 IU/L
    assert field.loc[("amenorrhea_type", "primary"), "mean"] == pytest.approx(0.1403, abs=0.005)  # BD02
    assert 0.11 <= field.loc[("amh", "detectable"), "mean"] <= 0.42  # BD40, BD41
    assert 0.2843 <= field.loc[("follicles_visible", ""), "mean"] <= 0.73  # BD03, BD28
    assert field.loc["aetiology", "mean"].sum() == pytest.approx(1)


def test_the_women_of_paris_are_described_by_both_groups_together():
    women = read_arm_women().loc["NH02"].set_index(["variable", "level"])
    n, mean, sd = np.array([324, 67]), np.array([83.0, 79.9]), np.array([37.9, 32.7])  # BD36, BD37
    pooled = n @ mean / n.sum()
    assert women.loc[("fsh", ""), "mean"] == pytest.approx(pooled, abs=0.05)
    assert women.loc[("fsh", ""), "sd"] == pytest.approx(
        np.sqrt(n @ (sd**2 + (mean - pooled) ** 2) / n.sum()), abs=0.05
    )
    assert women.loc[("amenorrhea_type", "primary"), "mean"] == pytest.approx(81 / 391, abs=0.001)
    assert women.loc[("follicles_visible", ""), "mean"] == pytest.approx(191 / 391, abs=0.001)


def test_doses_are_in_total():
    doses = read_arm_protocols()[["dose_low", "dose_high"]]
    assert doses.loc["A02"].tolist() == [6e6, 1e7]
    assert doses.loc["A09"].tolist() == [6e7, 6e7]
    assert doses.loc[["A03", "A08", "A16", "A17"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("file", "where", "cells", "message"),
    [
        ("arms.csv", {"row_id": "A09"}, {"menses_events": "36"}, "Row A09 must have menses_events"),
        ("arms.csv", {"row_id": "A16"}, {"menses_events": "0", "menses_n": "0"}, "Row A16 must have at least one"),
        ("arms.csv", {"row_id": "A16"}, {"menses_events": ""}, "Row A16 does not state events"),
        ("borrowed_arms.csv", {"row_id": "NH02"}, {"definition": ""}, "Row NH02 counts another outcome than menses"),
        ("borrowed_arms.csv", {"row_id": "NH03", "outcome": "menses"}, {"row_id": "NH01"},
         "Rows NH01 and NH02 must never be added together"),
        ("borrowed_arms.csv", {"row_id": "A17"}, {"row_id": "A16"}, "Row A16 does not state"),
        ("borrowed_arms.csv", {"row_id": "A17"}, {"row_id": "A71"}, "Row A71 is not in the tables"),
        ("borrowed_arms.csv", {"row_id": "A08"}, {"discount": "1.5"}, "Row A08 must have a discount"),
        ("borrowed_arms.csv", {"row_id": "A08"}, {"discount": "half"}, "Row A08 must have a number"),
        ("borrowed_arms.csv", {"row_id": "A08"}, {"definition": "new"}, "Row A08 has a definition"),
        ("priors.csv", {"parameter": "fsh__log"}, {"sd": "-1"}, "Row PR04 must have a mean and a positive"),
        ("priors.csv", {"parameter": "fsh__log"}, {"sd": "1.2"}, "Row PR04 is not half of E01 and E18"),
        ("priors.csv", {"parameter": "fsh__log"}, {"mean": "1.101"}, "Row PR04 is not half of E01 and E18"),
        ("effects.csv", {"row_id": "E06"}, {"estimate": "1.46", "ratio": "4.31"}, "Row PR07 is not half"),
        ("priors.csv", {"parameter": "fsh__log"}, {"parameter": "fsh__lgo"},
         r'"fsh__lgo" is not one \(did you mean "fsh__log"\?\)'),
        ("priors.csv", {"parameter": "treated"}, {"mean": "0.4"}, "Row PR03 says that it is centred"),
        ("priors.csv", {"parameter": "treated"}, {"outcome": "mense"}, 'Row PR03 must be for .* "menses"'),
        ("priors.csv", {"parameter": "treated"}, {"rule": "a guess"}, "Row PR03 must follow a known rule"),
        ("priors.csv", {"parameter": "treated"}, {"reasoning": ""}, "Row PR03 must give its reasoning"),
        ("priors.csv", {"parameter": "treated"}, {"source_rows": "E99"}, '"E99" is not one'),
        ("priors.csv", {"parameter": "lh__log"}, {"parameter": "fsh__log"}, "fsh__log has more than one prior for"),
        ("priors.csv", {"parameter": "lh__log"}, {"source_rows": "E02"}, "Rows E01 and E02 must never be added"),
        ("priors.csv", {"parameter": "lh__log"}, {"source_rows": "E01"}, "Row E01 informs two priors"),
        ("priors.csv", {"parameter": "lh__log"},
         {"source_rows": "E13", "rule": "half the estimate, twice the standard error", "conversion": "1"},
         "must name the prognostic effects"),
        ("field.csv", {"variable": "age"}, {"sd": "-6"}, "Row FD01 has a negative standard deviation of age"),
        ("field.csv", {"variable": "age"}, {"sd": ""}, "Row FD01 must state the mean and the spread"),
        ("field.csv", {"variable": "age"}, {"low": "50"}, "Row FD01 has limits of age the wrong way"),
        ("field.csv", {"variable": "age"}, {"variable": "aeg"}, 'unknown covariate, "aeg"'),
        ("field.csv", {"variable": "fsh"}, {"family": "normal"}, "must not let fsh reach below zero"),
        ("field.csv", {"variable": "fsh"}, {"mean": "-66"}, "mean of fsh that its family does not allow"),
        ("field.csv", {"variable": "fsh"}, {"family": "gaussian"}, "Row FD02 must describe fsh by a family"),
        ("field.csv", {"variable": "fsh"}, {"source_rows": "BD99"}, '"BD99" is not one'),
        ("field.csv", {"level": "fmr1"}, {"level": "fmr2"}, r'unknown level, "fmr2" \(did you mean "fmr1"'),
        ("field.csv", {"level": "fmr1"}, {"mean": "0.2"}, "must give shares of aetiology that add to 1"),
        ("field.csv", {"level": "fmr1"}, {"level": "surgical"}, "describes aetiology twice"),
        ("arm_women.csv", {"row_id": "A02"}, {"sd": "-2"}, "Row A02 has a negative standard deviation"),
        ("arm_women.csv", {"row_id": "A02"}, {"row_id": "A05"}, "Row A05 is not a borrowed arm"),
        ("arm_women.csv", {"row_id": "A08"}, {"row_id": "A09"}, "Row A09 states route among the proto"),
        ("field_correlations.csv", {"row_id": "FC01"}, {"rho": "1.2"}, "Row FC01 must have a"),
        ("field_correlations.csv", {"row_id": "FC01"}, {"one": "amh"}, 'covariate, "amh"'),
        ("field_correlations.csv", {"row_id": "FC02"}, {"one": "amh__log", "other": "amh__detectable"}, "pair once"),
        ("protocols.csv", {"row_id": "A09"}, {"cell_source": "amniotic"}, 'unknown level, "amniotic"'),
        ("protocols.csv", {"row_id": "A09"}, {"dose_low": "7e7"}, "Row A09 must have a lower and"),
        ("protocols.csv", {"row_id": "A09"}, {"row_id": "A07"}, "Row A09 was treated and has no"),
    ],
)  # fmt: skip
def test_a_breach_is_refused_and_named(alter, file, where, cells, message):
    folder = alter(file, where, **cells)
    with pytest.raises(EvidenceError, match=message):
        READER_OF[file](folder)


def test_all_breaches_of_a_table_are_named_at_once(alter):
    alter("priors.csv", {"parameter": "fsh__log"}, sd="-1")
    folder = alter("priors.csv", {"parameter": "treated"}, mean="0.4")
    with pytest.raises(EvidenceError, match=r"PR03.*PR04"):
        read_priors(folder)


def test_a_table_without_a_column_is_refused(alter):
    folder = alter("field.csv", {"variable": "age"}, sd="6")
    frame = pd.read_csv(folder / "field.csv", dtype="str").drop(columns="reasoning")
    frame.to_csv(folder / "field.csv", index=False)
    with pytest.raises(EvidenceError, match=r"field must have the columns .*reasoning"):
        read_field(folder)


def test_a_rate_and_an_association_of_the_same_women_may_both_enter():
    sources = set(";".join(read_priors(outcome="menses")["source_rows"]).split(";"))
    assert {"E08", "E09", "PF51", "PF52"} <= sources
    assert "NH02" in read_borrowed_arms(outcome="menses").index
    with pytest.raises(EvidenceError, match="OV04"):
        check_never_added(["PF52", "NH02"])


@pytest.mark.parametrize("reader", [read_priors, read_borrowed_arms])
def test_an_unknown_outcome_is_refused(reader):
    with pytest.raises(EvidenceError, match='"mense" is neither'):
        reader(outcome="mense")


def test_the_effect_of_fsh_in_the_paris_cohort_follows_from_its_means():
    """79.9 ± 32.7 IU/L in 67 women who resumed, 83.0 ± 37.9 in 324 who did not: normal discriminant, by hand."""
    women = pd.read_csv(TABLES / "baseline_distributions.csv", index_col="row_id")
    effect = pd.read_csv(TABLES / "effects.csv", index_col="row_id").loc["E18", ["estimate", "se"]].astype(float)
    resumed, others = women.loc["BD37"], women.loc["BD36"]
    variance = (66 * float(resumed["sd"]) ** 2 + 323 * float(others["sd"]) ** 2) / 389
    assert effect["estimate"] == pytest.approx((float(resumed["value"]) - float(others["value"])) / variance, abs=1e-5)
    assert effect["se"] == pytest.approx((variance * 67 * 324 / 391) ** -0.5, abs=1e-5)
    assert 60 * effect["estimate"] == pytest.approx(-0.13, abs=0.01)
    assert 60 * effect["se"] == pytest.approx(0.22, abs=0.005)
