from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poi_predict.features import LevelFeatures, SeveralLevelFeatures


def frame(**levels: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame(levels)


def fit(builder, table: pd.DataFrame):
    return builder.set_output(transform="pandas").fit(table)


def test_rare_levels_share_one_indicator() -> None:
    table = frame(aetiology=["idiopathic"] * 9 + ["surgical"] * 4 + ["fmr1", "autoimmune"])
    fitted = fit(LevelFeatures(rare_level_below=3), table)
    assert fitted.levels_ == [["surgical", "other"]]
    assert fitted.transform(table).sum().to_dict() == {"aetiology__surgical": 4, "aetiology__other": 2}


def test_a_level_called_other_joins_the_rare_ones() -> None:
    table = frame(karyotype=["46xx"] * 9 + ["other"] * 4 + ["45x"])
    assert fit(LevelFeatures(rare_level_below=3), table).transform(table)["karyotype__other"].sum() == 5


def test_the_reference_is_the_commonest_level_and_ties_go_by_the_alphabet() -> None:
    assert fit(LevelFeatures(2), frame(route=["b", "a", "b", "a", "c", "c"])).reference_ == ["a"]
    assert fit(LevelFeatures(2), frame(route=["b", "b", "b", "a", "a"])).reference_ == ["b"]


def test_pooled_levels_can_be_the_reference() -> None:
    fitted = fit(LevelFeatures(rare_level_below=3), frame(route=["a"] * 3 + ["b", "b", "c", "c"]))
    assert (fitted.reference_, fitted.levels_) == (["other"], [["a"]])
    assert fitted.transform(frame(route=["never seen"])).to_numpy().tolist() == [[0.0]]


def test_an_unseen_level_joins_the_pool_and_is_missing_without_one() -> None:
    pooled = fit(LevelFeatures(2), frame(route=["a", "a", "a", "b", "b", "c"]))
    assert pooled.transform(frame(route=["d"])).loc[0].to_dict() == {"route__b": 0.0, "route__other": 1.0}
    bare = fit(LevelFeatures(2), frame(route=["a", "a", "a", "b", "b"]))
    assert bare.transform(frame(route=["d"])).isna().all(axis=None)


@pytest.mark.parametrize("column", [["a"] * 5, [None] * 5, ["a", "b", "c"]])
def test_a_variable_without_contrast_keeps_one_column_of_zeros(column: list[str | None]) -> None:
    table = frame(route=column)
    derived = fit(LevelFeatures(4), table).transform(table)
    assert list(derived) == ["route__other"]
    assert not derived["route__other"].any() or derived["route__other"].isna().all()


def test_a_missing_level_is_missing_in_every_column() -> None:
    table = frame(route=["a", "a", "b", "b", "c", "c", None])
    assert fit(LevelFeatures(2), table).transform(table).iloc[-1].isna().all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=40), st.integers(1, 8))
def test_indicators_are_independent_and_cover_every_woman_once(levels: list[str], threshold: int) -> None:
    table = frame(route=levels)
    fitted = fit(LevelFeatures(threshold), table)
    derived = fitted.transform(table).to_numpy()
    assert set(derived.sum(axis=1)) <= {0.0, 1.0}
    counts = Counter(levels)
    kept = {level for level in fitted.levels_[0] if level != "other"} | set(fitted.reference_) - {"other"}
    assert kept == {level for level, n in counts.items() if n >= threshold}
    if len(set(map(tuple, derived))) > 1:
        design = np.column_stack([np.ones(len(levels)), derived])
        assert np.linalg.matrix_rank(design) == design.shape[1]


def test_several_levels_at_once() -> None:
    table = frame(adjuvant=["none", "prp", "hrt+prp", "hrt", "g_csf", None])
    derived = fit(SeveralLevelFeatures(2), table).transform(table)
    assert list(derived) == ["adjuvant__hrt", "adjuvant__prp", "adjuvant__other"]
    assert derived.loc[2].tolist() == [1.0, 1.0, 0.0]
    assert derived.loc[5].isna().all()


def test_an_unseen_level_beside_a_known_one() -> None:
    pooled = fit(SeveralLevelFeatures(2), frame(adjuvant=["prp", "prp", "iva"]))
    assert pooled.transform(frame(adjuvant=["prp+scaffold"])).loc[0].tolist() == [1.0, 1.0]
    bare = fit(SeveralLevelFeatures(2), frame(adjuvant=["prp", "prp", "none"]))
    assert bare.transform(frame(adjuvant=["prp+scaffold"])).loc[0].tolist() == [1.0]
