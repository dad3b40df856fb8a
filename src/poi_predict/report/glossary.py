"""The words of the report: what each metric is called, how it is read, and a short glossary.

The estimators themselves live in `poi_predict.validation`; here is only how they are spoken of.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GLOSSARY", "METRICS", "MetricWords", "describe_level", "describe_metric"]


@dataclass(frozen=True)
class MetricWords:
    """How one metric is named, read and drawn.

    Parameters
    ----------
    name, label
        Machine name and the words of a heading.
    reading
        What a good value is, in a few words.
    reference
        The value drawn as a dashed line: no discrimination, or perfect calibration; None for none.
    limits
        The widest range drawn; an interval beyond it ends in an arrow.
    digits
        Decimals shown.
    """

    name: str
    label: str
    reading: str
    reference: float | None = None
    limits: tuple[float, float] = (0.0, 1.0)
    digits: int = 2


_KNOWN = (
    MetricWords("c_statistic", "c-statistic", "0.5 chance, 1 perfect", 0.5, (0.2, 1.0)),
    MetricWords("brier", "Brier score", "lower is better", None, (0.0, 0.5), 3),
    MetricWords("scaled_brier", "Scaled Brier score", "0 no gain, 1 perfect", 0.0, (-0.5, 1.0)),
    MetricWords("log_loss", "Log loss", "lower is better", None, (0.0, 1.5), 3),
    MetricWords("calibration_in_the_large", "Calibration-in-the-large", "0 is ideal", 0.0, (-2.0, 2.0)),
    MetricWords("calibration_intercept", "Calibration intercept", "0 is ideal", 0.0, (-2.0, 2.0)),
    MetricWords("calibration_slope", "Calibration slope", "1 is ideal", 1.0, (-1.0, 3.0)),
    MetricWords("observed_expected", "Observed : expected", "1 is ideal", 1.0, (0.0, 3.0)),
    MetricWords("o_e_ratio", "Observed : expected", "1 is ideal", 1.0, (0.0, 3.0)),
    MetricWords("ici", "Integrated calibration index", "0 is ideal", 0.0, (0.0, 0.5), 3),
    MetricWords("e50", "Median calibration error", "0 is ideal", 0.0, (0.0, 0.5), 3),
    MetricWords("e90", "90th-centile calibration error", "0 is ideal", 0.0, (0.0, 0.5), 3),
    MetricWords("emax", "Largest calibration error", "0 is ideal", 0.0, (0.0, 1.0), 3),
    MetricWords("net_benefit", "Net benefit", "above treat-all and treat-none", 0.0, (-0.5, 1.0), 3),
)
METRICS: dict[str, MetricWords] = {words.name: words for words in _KNOWN}
"""Known metrics in the order of a table."""


def describe_metric(name: str) -> MetricWords:
    """Return the words for a metric; an unknown one is named after itself.

    Examples
    --------
    >>> describe_metric("c_statistic").label
    'c-statistic'
    >>> describe_metric("mean_prediction_error").label
    'Mean prediction error'
    """
    return METRICS.get(name) or MetricWords(name, name.replace("_", " ").capitalize(), "", None, (-1e9, 1e9))


LEVEL_WORDS: dict[str, str] = {
    "45x": "45,X",
    "46xx": "46,XX",
    "amniotic_msc": "amniotic MSC",
    "chemo_radiotherapy": "chemo- or radiotherapy",
    "fmr1": "FMR1 premutation",
    "g_csf": "G-CSF",
    "hrt": "HRT",
    "intra_arterial": "intra-arterial",
    "intraovarian_laparoscopic": "intraovarian, laparoscopic",
    "intraovarian_transvaginal": "intraovarian, transvaginal",
    "iva": "IVA",
    "mosaic_x": "X mosaicism",
    "prp": "PRP",
    "x_structural": "structural X anomaly",
}
"""Levels whose name alone does not read well."""


def describe_level(level: str) -> str:
    """Return the words for a level of a category.

    Examples
    --------
    >>> describe_level("g_csf"), describe_level("bone_marrow")
    ('G-CSF', 'bone marrow')
    """
    return LEVEL_WORDS.get(level.replace(" ", "_"), level.replace("_", " "))


_TERMS = """
Apparent: Measured on the very women the model learned from. It flatters; shown only for comparison.
Attribution: The part of one prediction that comes from one clinical variable (SHAP value), in log-odds.
 It explains the model, not the biology: it is not the effect of changing that variable.
Baseline value: The prediction for a woman about whom nothing is known; attributions start from it.
Brier score: The mean squared distance between the predicted chance and what happened.
 Only a comparison with “no model” gives it a meaning.
Calibration: Whether 30 of 100 women respond when the model says 30 %. In-the-large: on average.
 A slope below 1: the predictions are too extreme.
Candidate: One of the models that were declared before the outcomes were looked at.
Censored: Followed for less than the horizon without the event. Not counted as a non-responder.
Champion: The candidate registered for use. There is none unless it beats “no model”.
Cross-validation: Every woman is predicted by a model that saw neither her nor another course of hers.
c-statistic: The chance that a woman who responded was given a higher prediction than one who did not.
 0.5 is the toss of a coin.
Horizon: The time after treatment within which the event counts.
Interval: The values that the data are compatible with (95 % unless stated). A wide one means: not known.
Log-odds: The scale on which contributions add up. +0.7 roughly doubles the odds, −0.7 halves them.
Not estimable: The data cannot give this number; the reason stands beside it.
Optimism: How much better a model looks on its own women than on new ones; estimated and subtracted.
Responder: A woman in whom the event happened within the horizon.
"""


def _read_terms() -> tuple[tuple[str, str], ...]:
    lines = _TERMS.strip().replace("\n ", " ").splitlines()
    pairs = [line.split(": ", 1) for line in lines]
    return tuple((term, meaning) for term, meaning in pairs)


GLOSSARY: tuple[tuple[str, str], ...] = _read_terms()
"""Term and meaning, in alphabetical order."""
