"""One woman's page of regimens, and her explanation with error bars: whole, silent, and no more than is known."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from poi_predict.modeling import predict_response
from poi_predict.regimen.verdicts import Verdict
from poi_predict.report import render_patient_page
from poi_predict.report.borrowed_words import NOT_FOR_COUNSELLING
from poi_predict.report.content import Section
from poi_predict.report.explanation_figures import compute_icon_counts
from poi_predict.report.icon_array import SHADES, plot_hundred
from poi_predict.report.patient import WOMEN, _flags
from poi_predict.report.regimen_content import Chance, Chances, draw_chances
from poi_predict.report.regimen_figures import N_DOTS, plot_chance_dots
from poi_predict.report.regimen_page import build_regimen_content, order_options, render_regimen_page
from poi_predict.report.regimen_words import compute_women_needed, describe_alike
from poi_predict.report.uncertain_factors import build_factor_section, plot_uncertain_factors


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DATA, PAGES = load("regimen_data"), load("test_page")


def make_content(at=0, *, woman=None, comparison=None, **changes):
    settings, found, chances, waiting, _ = DATA.make_parts(at)
    parts = {"chances": chances, "waiting": waiting} | changes
    return build_regimen_content(woman or DATA.make_woman(at), comparison or found, settings, **parts)


@pytest.fixture(scope="module")
def page():
    return render_regimen_page(make_content(woman=DATA.make_woman(brands=(NOT_FOR_COUNSELLING,))))


def render_quickly(content):
    """Without the pictures of the chances, which take their time."""
    return render_regimen_page(dataclasses.replace(content, chances=None))


def text_of(page):
    body = re.sub(r"<svg.*?</svg>|<style>.*?</style>", " ", page[page.index("<body") :], flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_page_is_whole_and_stands_alone(page):
    checker = PAGES.check(page)
    PAGES.assert_self_contained(page)
    assert [tag for tag, _ in checker.elements].count("h1") == 1
    assert not re.search(r"\b(?:nan|NaN|None(?! of her values)|inf)\b", page)
    assert sum(tag == "svg" for tag, _ in checker.elements) == 4
    labelled = [given["aria-label"] for _, given in checker.elements if given.get("class") == "interval"]
    assert len(labelled) == 4
    assert all(re.search(r"chance \d+ % \(\d+ to \d+\)", label) for label in labelled)


def test_same_content_same_bytes(page):
    assert render_regimen_page(make_content(woman=DATA.make_woman(brands=(NOT_FOR_COUNSELLING,)))) == page


def test_no_identifier_but_the_one_given_and_no_row_beyond_her_factors():
    _, pipeline, settings, support, draws, options, women = DATA.make_world()
    planted = {"patient_id": "PLANTED-0042", "centre": "PLANTED-CLINIC", "note": "PLANTED-NOTE"}
    row = women.iloc[[0]].assign(**planted).reset_index(drop=True)
    comparison = DATA.compare_regimens(draws, row, options, settings, support)
    explanation = DATA.explain_with_uncertainty(pipeline, row, n_draws=100)
    score = {"p_response": 0.3, "ci_low": 0.1, "ci_high": 0.6, "flags": ""}
    woman = DATA.build_patient_content(
        "0042-KX", row.iloc[0], score, explanation, DATA.read_codebook(), DATA.make_model()
    )
    chances = draw_chances(draws, row, options.options[0])
    regimens = render_regimen_page(build_regimen_content(woman, comparison, settings, chances=chances))
    for page in (regimens, render_patient_page(woman)):
        assert "PLANTED" not in page
        assert page.count("0042-KX") == 1


def test_brands_are_on_every_page_and_synthetic_only_where_it_is(page):
    assert "From published aggregates; not for counselling." in page
    assert "SYNTHETIC" not in page
    synthetic = render_regimen_page(make_content(woman=DATA.make_woman(synthetic=True, brands=("SYNTHETIC",))))
    assert synthetic.count("SYNTHETIC") >= 4
    assert "not for counselling" not in synthetic


def test_verdict_and_its_rule_are_printed_and_no_regimen_is_named_above_others(page):
    text = text_of(page)
    assert "Can the regimens be distinguished for her? No: they cannot be distinguished with these data." in text
    assert "No regimen is named as the best; the differences between them are compatible with no difference." in text
    assert "Probability best" not in text
    assert "Expected loss" not in text
    assert "the regimens have the same order for every woman" in text
    assert "The rule of the verdict. An option is called better than the others only if" in text
    assert "in at least 95 % of the draws" in text
    above = text[: text.index("The regimens side by side")]
    assert "adipose" not in above


@pytest.mark.parametrize(
    ("kind", "head", "tone"),
    [
        ("better", "Yes: one regimen stands out.", "shown"),
        ("partly", "In part: they cannot be ranked, but some can be distinguished.", "weak"),
        ("too few draws", "No verdict: too few refits or draws.", "none"),
        ("no comparison", "They cannot be compared: too few women had them.", "none"),
    ],
)
def test_every_kind_of_verdict_has_its_words(kind, head, tone):
    sentence = "A is better than B (97%)."
    verdict = Verdict(kind, None, None, (), (), (), sentence)
    comparison = dataclasses.replace(DATA.make_parts()[1], verdicts=(verdict,))
    page = render_quickly(make_content(comparison=comparison))
    assert f"{head} A is better than B (97 %)." in text_of(page)
    assert f'class="verdict {tone}"' in page
    assert ("Probability best" in page) == (kind in ("better", "partly"))


def test_chances_are_counted_drawn_and_told_from_one_another(page):
    chances = DATA.make_parts()[2]
    treated, untreated = round(100 * chances.treated.p), round(100 * chances.untreated.p)
    text = text_of(page)
    assert f"With the therapy about {treated} of 100 women like her would have this outcome" in text
    assert f"without it about {untreated}." in text
    assert "is compatible with no difference" in text
    drawn = [given["aria-label"] for tag, given in PAGES.check(page).elements if tag == "svg"]
    assert drawn[0].startswith(f"A hundred women with the therapy: {treated} expected")
    assert drawn[1].startswith(f"A hundred women without it: {untreated} expected")
    assert "Twenty dots each" in drawn[2]


def test_chances_are_the_models_own_and_their_draws_go_together():
    _, pipeline, _, _, draws, options, women = DATA.make_world()
    row = women.iloc[[0]].reset_index(drop=True)
    found = draw_chances(draws, row, options.options[0])
    assert found.treated.p == pytest.approx(predict_response(pipeline, row)[0], abs=1e-12)
    difference, low, high = found.difference
    assert difference == pytest.approx(found.treated.p - found.untreated.p, abs=1e-12)
    apart = (found.treated.high - found.treated.low) + (found.untreated.high - found.untreated.low)
    assert high - low < 0.8 * apart
    for chance in (found.treated, found.untreated):
        assert len(chance.dots) == N_DOTS
        assert list(chance.dots) == sorted(chance.dots)
        assert chance.low <= chance.p <= chance.high


def test_intervals_that_the_model_states_are_those_of_the_page():
    *_, draws, options, women = DATA.make_world()
    stated = {"without_low": 0.11, "without_high": 0.52, "difference_low": -0.2, "difference_high": 0.3}
    scored = {"ci_low": 0.09, "ci_high": 0.71}
    found = draw_chances(draws, women.iloc[[0]], options.options[0], scored=scored, contrast=stated)
    assert (found.treated.low, found.treated.high) == (0.09, 0.71)
    assert (found.untreated.low, found.untreated.high) == (0.11, 0.52)
    assert found.difference[1:] == (-0.2, 0.3)
    content = make_content(chances=found)
    natural = content.options.loc[content.options["option"] == "none"].iloc[0]
    assert (natural["low"], natural["high"]) == (0.11, 0.52)
    drawn = draw_chances(draws, women.iloc[[0]], options.options[0], scored={"ci_low": None, "ci_high": np.nan})
    assert drawn == draw_chances(draws, women.iloc[[0]], options.options[0])


def test_a_woman_without_cells_so_far_is_shown_the_average_therapy():
    _, pipeline, _, _, draws, options, women = DATA.make_world()
    row = women.iloc[[1]].reset_index(drop=True)
    found = draw_chances(draws, row, options.options[0])
    opened = row.assign(cell_source=np.nan, route=None)
    assert found.treated.p == pytest.approx(predict_response(pipeline, opened)[0], abs=1e-9)
    assert found.treated.p != pytest.approx(found.untreated.p, abs=1e-4)


def test_a_page_is_of_one_woman():
    *_, draws, options, women = DATA.make_world()
    with pytest.raises(ValueError, match="of one woman; there are 2 rows"):
        draw_chances(draws, women, options.options[0])
    settings, comparison, *_ = DATA.make_parts()
    both = dataclasses.replace(comparison, p=np.vstack([comparison.p] * 2))
    with pytest.raises(ValueError, match="of one woman; the comparison is of 2"):
        build_regimen_content(DATA.make_woman(), both, settings)
    with pytest.raises(ValueError, match="with an UncertainExplanation"):
        build_regimen_content(DATA.make_woman(uncertain=False), comparison, settings)


def test_a_model_of_treated_women_only_says_so():
    treated = DATA.make_parts()[2].treated
    page = render_regimen_page(make_content(chances=Chances(treated), waiting=None))
    text = text_of(page)
    assert "What she may expect without it is not known: every woman of this model was treated." in text
    assert "Without it" not in text
    assert "What waiting does" not in text
    assert "Her chance:" not in text_of(render_quickly(make_content()))


def test_regimens_stand_in_order_and_say_who_had_them(page):
    heads = re.findall(r'<th scope="row"><b>(.*?)</b>', page)
    assert heads == ["no cell therapy", "bone marrow", "adipose", "fat"]
    rows = dict(zip(heads, re.findall(r'<tr class="(.*?)">', page), strict=True))
    assert rows == {"no cell therapy": "reference", "bone marrow": "", "adipose": "thin", "fat": "thin extrapolated"}
    text = text_of(page)
    assert "669 in 2 arms" in text
    assert "10 in 1 arm" in text
    assert "nobody" in text
    assert "fat † into a vein" in text
    assert "left out for room" not in text


def test_regimens_that_do_not_fit_are_counted_and_those_with_data_stay():
    frame = DATA.make_parts()[1].frame()
    many = pd.concat([frame, *[frame.iloc[[3]]] * 12], ignore_index=True)
    shown = order_options(many)
    assert list(shown["support"]) == ["supported"] * 2 + ["few"] + ["no data"] * 7
    assert shown.loc[0, "label"] == "no cell therapy"
    content = dataclasses.replace(make_content(), n_left_out=6)
    assert "6 more regimens that few women had, or none, are left out for room." in text_of(render_quickly(content))


def test_claims_are_shown_beside_the_regimen_they_are_of():
    content = make_content()
    options = content.options.assign(verdict=["reference", "better than reference", "few", "no data"])
    page = render_quickly(dataclasses.replace(content, options=options))
    assert page.count('<small class="claim">better than reference</small>') == 1


def test_what_is_not_known_is_gathered_and_would_have_to_be():
    text = text_of(render_quickly(make_content(1)))
    assert "Not known of her, and filled in from the rest: FSH and time since last menses." in text
    assert "so the average one is meant: cell dose and route of administration." in text
    assert "it was filled in from the other variables" not in text
    assert "Of her: FSH and time since last menses. Measured, they would narrow her range." in text
    assert "A randomised trial of the regimens" in text
    assert re.search(
        r"about \d+0 women with a chance like hers, to distinguish two regimens that differ by 10 points", text
    )


def test_women_like_her_and_confounding_are_said():
    details = {"confounded": [{"sentence": f"route_{i} cannot be distinguished from centre."} for i in "abc"]}
    content = make_content(details=details)
    assert content.alike.startswith("Women like her in the data: none, because this model knows no woman singly")
    assert content.confounding[0].startswith("Regimens were not randomised.")
    assert content.confounding[1] == (
        "Route a cannot be distinguished from centre. Route b cannot be distinguished from centre. The report of the "
        "model names 1 more."
    )
    text = text_of(render_quickly(content))
    assert all(sentence in text for sentence in (content.alike, *content.confounding, *content.unknown))
    lots = make_content(details={"randomised": True})
    assert lots.confounding[0].startswith("Regimens were randomised")
    assert not any("A randomised trial" in sentence for sentence in lots.unknown)


def test_little_known_makes_the_number_of_women_alike_say_little():
    assert "Women like her in the data: 0 of 60." in describe_alike(0, 60, ())
    assert describe_alike(0, 60, ("little_known",)).endswith("so this number says little.")


def test_waiting_is_tabulated_with_its_differences(page):
    waiting = DATA.make_parts()[3]
    frame = waiting.frame()
    later = frame[(frame["months"] == 12) & (frame["option"] == "none")].iloc[0]
    text = text_of(page)
    assert "Now In 6 months In 12 months" in text
    assert f"{100 * later['p']:.0f} % ({100 * later['low']:.0f} to {100 * later['high']:.0f})" in text
    assert waiting.caveat in text


def test_women_needed_is_the_textbook_number():
    # Fleiss, Levin & Paik 2003: 7.849 * (0.6 * 0.4 + 0.7 * 0.3) / 0.01 = 353.2
    assert compute_women_needed(0.6, 0.1) == 360
    assert compute_women_needed(0.97, 0.1) == compute_women_needed(0.87, 0.1)


def make_factors():
    return pd.DataFrame(
        {
            "variable": ["fsh", "age", "amh"],
            "label": ["FSH", "Age", "AMH"],
            "value": ["38 IU/L", "29 years", "not known"],
            "log_odds": [0.9, -0.2, 0.05],
            "probability_share": [0.15, -0.04, 0.01],
            "share_low": [0.05, -0.12, -0.1],
            "share_high": [0.26, 0.05, 0.11],
            "stable": [True, False, False],
        }
    )


def test_a_factor_whose_direction_is_not_sure_is_hollow_and_said():
    figure = plot_uncertain_factors(make_factors())
    bars = figure.axes[0].patches
    assert [to_hex(bar.get_facecolor()) != "#ffffff" for bar in bars] == [True, False, False]
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "+15 (+5 to +26)" in texts
    assert "−4 (−12 to +5) ?" in texts
    section = build_factor_section(make_factors(), (0.27, 0.39), None)
    assert section.paragraphs[0] == (
        "The explanation starts from a chance of 27 %, where all values are average, and ends at hers of 39 %. Which "
        "way it is moved is fairly sure for FSH; for 2 "
        "other values it is open."
    )
    assert "Age −4 (−12 to +5), direction not sure" in section.figures[0].alt


def test_no_sure_factor_is_said_too_and_so_is_an_interaction():
    pairs = pd.DataFrame(
        {
            "first": ["cell dose"],
            "second": ["FSH"],
            "probability_share": [-0.02],
            "share_low": [-0.06],
            "share_high": [0.03],
            "stable": [False],
        }
    )
    section = build_factor_section(make_factors().assign(stable=False), (0.27, 0.39), pairs)
    assert "None of her values clearly raises or lowers her chance." in section.paragraphs[0]
    assert "cell dose and FSH work together" in section.paragraphs[1]
    assert "−2 (−6 to +3) points, in a direction that is not sure" in section.paragraphs[1]


def test_her_page_of_explanation_has_error_bars_where_they_are_given():
    page = render_patient_page(DATA.make_woman())
    PAGES.check(page)
    PAGES.assert_self_contained(page)
    assert "Filled: at least 90 of 100 draws agree on the direction." in page
    assert "each bar starts where the last one ended" not in page
    assert "“poi-predict regimens” compares them on a page of its own" in page
    plain = render_patient_page(DATA.make_woman(uncertain=False))
    assert "each bar starts where the last one ended" in plain
    assert "Hollow" not in plain


def test_a_model_of_published_sums_has_no_women_of_training():
    (found,) = _flags("outside_training:age", DATA.read_codebook(), WOMEN[False])
    assert found == "Age lies outside what 95 % of the women in published cohorts had; the model extrapolates."


def test_factors_of_a_page_are_the_explanation_with_its_bars():
    woman, explanation = DATA.make_woman(), DATA.make_parts()[-1]
    frame = explanation.frame().set_index("variable")
    shown = woman.factors.set_index("variable")
    for name in ("log_odds", "low", "high", "same_sign", "share_low", "share_high"):
        np.testing.assert_allclose(shown[name], frame[name])
    assert isinstance(woman.extra_sections[0], Section)
    total = woman.baseline_probability + shown["probability_share"].sum()
    assert total == pytest.approx(woman.p_response, abs=1e-6)


def test_a_hundred_women_are_a_hundred_and_darker_the_surer():
    counts = compute_icon_counts(0.31, 0.18, 0.47)
    figure = plot_hundred(counts, "without")
    drawn = [len(part.get_offsets()) for part in figure.axes[0].collections]
    assert drawn == [18, 13, 16, 53]
    for shades in SHADES.values():
        lightness = [sum(int(face[i : i + 2], 16) for i in (1, 3, 5)) for face, _ in shades.values()]
        assert lightness == sorted(lightness)


def test_twenty_dots_are_drawn_each_at_its_chance():
    dots = tuple(np.linspace(0.05, 0.9, N_DOTS))
    chance = Chance(0.4, 0.05, 0.9, dots)
    frame = pd.DataFrame([{"label": "With", "shade": "with", "p": chance.p, "dots": chance.dots}])
    found = plot_chance_dots(frame).axes[0].collections[0].get_offsets()
    assert len(found) == N_DOTS
    np.testing.assert_allclose(np.sort(found[:, 0]), dots, atol=0.011)
    heaped = frame.assign(dots=[(0.3,) * N_DOTS])
    assert plot_chance_dots(heaped).axes[0].collections[0].get_offsets()[:, 1].max() == pytest.approx(19.55)
