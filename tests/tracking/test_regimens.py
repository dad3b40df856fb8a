from __future__ import annotations

from poi_predict.tracking.regimens import count_regimens, tabulate_regimens

ESTIMATE = {"estimate": 0.02, "ci_low": -0.1, "ci_high": 0.14}
REGIMENS = {
    "options": [
        {
            "name": "none",
            "label": "no cell therapy",
            "n_women": 0,
            "n_arms": 2,
            "arm_women": 669,
            "support": "supported",
        },
        {"name": "a", "label": "adipose cells", "n_women": 3, "n_arms": 1, "arm_women": 9, "support": "few"},
    ],
    "women": {"n": 40, "kinds": {"not distinguishable": 39, "better": 1}},
    "effects": {
        "contrasts": [
            {
                "option": "a",
                "reference": "b",
                "distinguishable": False,
                "difference": ESTIMATE,
                "simultaneous": ESTIMATE,
                "naive": {"estimate": None},
            }
        ]
    },
    "value": {"gain_over_best": ESTIMATE | {"ci_low": None}},
}


def test_counts_are_numbers_and_what_is_not_estimable_is_left_out():
    found = dict(count_regimens(REGIMENS))
    assert found["regimens_options"] == 2
    assert found["regimens_options_supported"] == 1
    assert found["regimens_women_better"] == 1
    assert found["regimens_rule_gain_estimate"] == 0.02
    assert "regimens_rule_gain_ci_low" not in found


def test_tables_hold_options_and_contrasts_only():
    tables = tabulate_regimens(REGIMENS)
    assert list(tables) == ["regimens", "regimen_contrasts"]
    assert tables["regimens"]["support"].tolist() == ["supported", "few"]
    assert tables["regimen_contrasts"]["difference_ci_high"].tolist() == [0.14]


def test_a_training_without_regimens_says_nothing_of_them():
    assert dict(count_regimens({})) == {}
    assert tabulate_regimens({"overlap": {"reason": "one option"}}) == {}
