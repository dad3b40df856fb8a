"""Which regimens are compared: declared or seen, feasible or excluded by name."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort import read_codebook
from poi_predict.errors import StudyError
from poi_predict.regimen.options import OptionList, describe_protocol, list_options
from poi_predict.regimen.seen import count_arms, count_options, join_counts
from poi_predict.regimen.settings import RegimenSettings, build_regimen_settings

PREDICTORS = ("age", "fsh", "cell_source", "route", "dose_cells", "adjuvant")


def build(**raw: object) -> RegimenSettings:
    return build_regimen_settings(raw, read_codebook(), PREDICTORS)


def combinations(*rows: tuple[object, ...]) -> pd.DataFrame:
    names = ["cell_source", "route", "dose_cells", "adjuvant", "n_women", "n_arms", "arm_women"]
    return pd.DataFrame(rows, columns=names)


def find(rows: pd.DataFrame, **settings: object) -> OptionList:
    return list_options(build(**settings), read_codebook(), rows)


def test_no_cell_therapy_comes_first_where_the_model_can_say_it() -> None:
    seen = combinations(("adipose", "intravenous", 1e7, "none", 3, 0, 0))
    assert find(seen).names == ("none", "adipose/intravenous")
    none = find(seen).options[0]
    assert dict(none.protocol) == {"cell_source": "none", "route": "none", "dose_cells": None, "adjuvant": "none"}
    assert not none.is_therapy
    assert list_options(build(), read_codebook(), seen, without_therapy=False).names == ("adipose/intravenous",)


def test_combinations_seen_come_in_order_of_their_women() -> None:
    found = find(
        combinations(
            ("adipose", "intravenous", 1e7, "none", 3, 0, 0),
            ("bone_marrow", "intraovarian_laparoscopic", 3e6, "none", 8, 0, 0),
            ("bone_marrow", "intraovarian_laparoscopic", 1e7, "none", 9, 0, 0),
            ("amniotic_epithelial", "intra_arterial", 6e7, "hrt+prp", 0, 1, 35),
            ("none", None, np.nan, None, 20, 2, 669),
            ("menstrual_blood", "intravenous", np.nan, "none", 0, 0, 0),
        )
    )
    assert found.names == (
        "none",
        "bone_marrow/intraovarian_laparoscopic",
        "adipose/intravenous",
        "amniotic_epithelial/intra_arterial/hrt+prp",
    )
    assert [option.protocol["dose_cells"] for option in found.options] == [None, 1e7, 1e7, 6e7]
    assert found.options[1].label == "bone marrow cells, into the ovary by laparoscopy, 10 million"
    assert found.options[3].label.endswith("60 million, with HRT and PRP")
    assert found.excluded == ()


def test_where_no_dose_is_known_it_is_the_usual_one() -> None:
    found = find(combinations(("adipose", "intravenous", np.nan, "none", 3, 0, 0)))
    assert found.options[1].protocol["dose_cells"] == 1e7


def test_what_cannot_be_done_is_named_with_its_reason() -> None:
    found = find(
        combinations(
            ("adipose", "intravenous", 1e7, "collagen_scaffold", 3, 0, 0),
            ("adipose", "intravenous", 1e7, "none", 3, 0, 0),
            ("adipose", None, 1e7, "none", 3, 0, 0),
        ),
        infeasible=[{"when": {"cell_source": "bone_marrow"}, "reason": "No cell laboratory here.", "source": "2026"}],
    )
    assert found.names == ("none", "adipose/intravenous")
    assert [item.reason for item in found.excluded] == [
        "Not stated: route of administration.",
        "A scaffold is placed in or on the ovary; it cannot be infused into a vein.",
    ]
    assert found.frame()["reason"].tolist()[:2] == ["", ""]
    assert len(found.frame()) == 4


def test_a_rule_of_the_study_excludes_and_is_quoted() -> None:
    with pytest.raises(StudyError, match=r"all 1 are excluded: marrow: No cell laboratory here. \(2026\)"):
        find(
            combinations(),
            options=[{"name": "marrow", "cell_source": "bone_marrow", "route": "IV"}],
            infeasible=[{"when": {"cell_source": "BM"}, "reason": "No cell laboratory here.", "source": "2026"}],
        )


def test_declared_options_win_over_those_seen() -> None:
    seen = combinations(("adipose", "intravenous", 1e7, "none", 3, 0, 0))
    found = find(seen, options=[{"name": "marrow", "cell_source": "BM", "route": "laparoscopy", "dose_cells": 5e6}])
    assert found.names == ("none", "marrow")
    assert found.options[1].declared
    assert found.options[1].label == "marrow"


def test_a_dose_beyond_the_limits_is_excluded() -> None:
    declared = [
        {"name": "marrow", "cell_source": "BM", "route": "IV", "dose_cells": 5e10},
        {"name": "fat", "cell_source": "AD", "route": "IV", "dose_cells": 5e6},
    ]
    declared[1]["cell_source"] = "AD-MSC"
    found = find(combinations(), options=declared)
    assert [item.name for item in found.excluded] == ["marrow"]
    assert "limits of the codebook" in found.excluded[0].reason


def test_a_dose_is_in_total_where_the_model_asks_how_it_is_stated() -> None:
    predictors = ("cell_source", "dose_cells", "dose_basis", "sides")
    settings = build_regimen_settings(
        {"options": [{"name": "fat", "cell_source": "fat", "dose_cells": 1e7}]}, read_codebook(), predictors
    )
    option = list_options(settings, read_codebook()).find("fat")
    assert option.protocol["dose_basis"] == "total"
    assert "sides" not in option.protocol


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(StudyError, match="none is declared, and none was seen"):
        find(combinations())
    with pytest.raises(StudyError, match="reads nothing of it"):
        list_options(build_regimen_settings({}, read_codebook(), ("age",)), read_codebook())


def test_an_unknown_option_is_refused_with_the_nearest() -> None:
    found = find(combinations(("adipose", "intravenous", 1e7, "none", 3, 0, 0)))
    with pytest.raises(StudyError, match='did you mean "adipose/intravenous"'):
        found.find("adipos/intravenous")


def test_published_arms_alone_give_options() -> None:
    settings = build()
    found = list_options(settings, read_codebook(), count_arms(settings, read_codebook(), "menses"))
    assert found.names == (
        "none",
        "amniotic_epithelial/intra_arterial",
        "bone_marrow/intraovarian_laparoscopic",
        "adipose/intraovarian_transvaginal",
        "umbilical_cord/intravenous",
    )


def test_women_and_arms_make_one_list() -> None:
    settings = build()
    women = pd.DataFrame(
        {"cell_source": ["adipose"] * 2, "route": ["intraovarian_transvaginal"] * 2, "dose_cells": [9e6, 1.1e7],
         "adjuvant": ["none"] * 2}
    )  # fmt: skip
    seen = join_counts(
        count_options(women, settings, read_codebook()), count_arms(settings, read_codebook(), "menses", ["A16"])
    )
    found = list_options(settings, read_codebook(), seen)
    assert found.names[1] == "adipose/intraovarian_transvaginal"
    assert "umbilical_cord/intravenous" not in found.names


def test_plain_values_and_words() -> None:
    found = find(combinations(("adipose", "intravenous", 1e7, "collagen_scaffold", 3, 0, 0),
                              ("adipose", "scaffold", 1e9, "iva", 3, 0, 0)))  # fmt: skip
    stored = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert stored["options"][1]["label"] == "adipose cells, on a scaffold, 1 billion, with IVA"
    assert stored["excluded"][0]["source"].startswith("A17")
    assert describe_protocol({"autologous": "yes", "n_treatments": 2.0, "sides": "bilateral"}, read_codebook()) == (
        "her own, Number of treatments: 2, Sides treated: bilateral"
    )
    assert describe_protocol({"route": None}, read_codebook()) == "protocol left open"
