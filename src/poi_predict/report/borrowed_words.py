"""How the evidence model is spoken of: its effects, its brand, and what a woman may expect with and without therapy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poi_predict.report.formatting import format_number, format_signed, is_missing
from poi_predict.report.glossary import describe_level

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poi_predict.cohort import Codebook

__all__ = [
    "GROUPS",
    "NOT_FOR_COUNSELLING",
    "brand_banners",
    "describe_contrast",
    "describe_definition",
    "describe_pareto_k",
    "describe_r_hat",
    "describe_step",
    "keep_together",
    "name_effect",
    "name_effect_group",
    "name_variable",
]

NOT_FOR_COUNSELLING = "from published aggregates; not for counselling"
"""The brand of a model that was made without a single woman of any clinic."""

BRAND_WORDS: Mapping[str, str] = {
    NOT_FOR_COUNSELLING: (
        "This model knows only sums that others published, no woman singly, and was never tried on women. It shows "
        "what the literature amounts to; it must not be used to advise anyone."
    )
}
SYNTHETIC = "SYNTHETIC"
GROUPS: Mapping[str, str] = {
    "protocol": "Therapy and protocol",
    "baseline": "The woman before treatment",
    "definition": "Outcome counted in another way",
}
"""Groups of effects, in the order shown."""

NOT_PROVEN = (
    "The therapy was not randomised: women with it and women without come from different studies, chosen and "
    "followed in different ways. This compares what was published; it does not prove what the therapy does."
)
DEFINITIONS: Mapping[str, str] = {"": "as here", "short_follow_up": "for a shorter time"}
STEPS: Mapping[str, str] = {
    "years": "one year more",
    "kg_m2": "1 kg/m² more",
    "log": "2.7 times as much",
    "log10": "ten times as much",
    "sqrt": "one more on the square-root scale",
    "count": "one more",
}


def brand_banners(brands: Iterable[str]) -> tuple[str, ...]:
    """Return a banner for each brand of a model; ``SYNTHETIC`` has its own and is left out.

    Examples
    --------
    >>> brand_banners(("SYNTHETIC",))
    ()
    >>> brand_banners(("from published aggregates; not for counselling",))[0][:47]
    'From published aggregates; not for counselling.'
    """
    return tuple(
        f"{brand[0].upper()}{brand[1:].rstrip('.')}. {BRAND_WORDS.get(brand, '')}".strip()
        for brand in brands
        if brand and brand != SYNTHETIC
    )


def describe_contrast(contrast: Mapping[str, Any], woman: str = "") -> tuple[str, str]:
    """Say what may be expected with and without the therapy, and what that comparison is not.

    Parameters
    ----------
    contrast : mapping
        ``p_with``, ``with_low``, ``with_high``, the same for ``without``, ``difference``, ``difference_low``,
        ``difference_high`` (probabilities, 0 to 1) and ``distinguishable``.
    woman : str
        Of whom it is said; empty for one woman on her own page.

    Examples
    --------
    >>> hers = {"p_with": 0.33, "with_low": 0.22, "with_high": 0.46, "p_without": 0.25, "without_low": 0.18,
    ...         "without_high": 0.33, "difference": 0.08, "difference_low": -0.09, "difference_high": 0.24,
    ...         "distinguishable": False}
    >>> print(describe_contrast(hers)[0])
    With the therapy, about 33 of 100 women like her would have this outcome (22 to 46); without it, about 25
    (18 to 33). The difference of about 8 (−9 to +24) is compatible with no difference.
    >>> print(describe_contrast({**hers, "p_without": None})[0])
    What to expect with and without the therapy is not estimable.
    """
    names = [name for name in _CONTRAST if is_missing(contrast.get(name))]
    if names:
        return "What to expect with and without the therapy is not estimable.", NOT_PROVEN
    found = {name: 100 * float(contrast[name]) for name in _CONTRAST}
    count = {name: format_number(value, 0) for name, value in found.items()}
    signed = {name: format_signed(value, 0) for name, value in found.items()}
    if not contrast.get("distinguishable"):
        verdict = "is compatible with no difference"
    elif found["difference"] > 0:
        verdict = "is in favour of the therapy, and larger than these figures give by chance"
    else:
        verdict = "speaks against the therapy, and is larger than these figures give by chance"
    who, start = ("women", f"For {woman}: with") if woman else ("women like her", "With")
    text = (
        f"{start} the therapy, about {count['p_with']} of 100 {who} would have this outcome ({count['with_low']} to "
        f"{count['with_high']}); without it, about {count['p_without']} ({count['without_low']} to "
        f"{count['without_high']}). The difference of about {count['difference']} ({signed['difference_low']} to "
        f"{signed['difference_high']}) {verdict}."
    )
    return text, NOT_PROVEN


_CONTRAST = (
    "p_with", "with_low", "with_high", "p_without", "without_low", "without_high",
    "difference", "difference_low", "difference_high",
)  # fmt: skip


def name_effect_group(parameter: str, codebook: Codebook) -> str | None:
    """Return the group of an effect, a key of `GROUPS`; None for what is no effect: a study's or centre's level.

    An effect that differs by the therapy belongs to the therapy.

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> book = read_codebook()
    >>> [name_effect_group(name, book) for name in ("treated", "route__intravenous", "fsh__log", "treated:fsh__log")]
    ['protocol', 'protocol', 'baseline', 'protocol']
    >>> name_effect_group("definition:ovarian_function", book), name_effect_group("study:A09", book)
    ('definition', None)
    """
    kind = parameter.partition(":")[0]
    if kind in ("intercept", "study", "centre", "tau"):
        return None
    if kind == "definition":
        return "definition"
    for part in parameter.split(":"):
        variable = part.partition("__")[0]
        if part == "treated" or (variable in codebook and codebook[variable].role == "protocol"):
            return "protocol"
    return "baseline"


def name_effect(effect: Mapping[str, Any], codebook: Codebook) -> str:
    """Return an effect in the words of the codebook and the glossary; its own label where they do not know it.

    Parameters
    ----------
    effect : mapping
        ``parameter`` and ``label``.
    codebook : Codebook

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> effects = [{"parameter": "fsh__log", "label": "FSH, log"}, {"parameter": "adjuvant__prp", "label": ""},
    ...            {"parameter": "treated:fsh__log", "label": ""}, {"parameter": "treated", "label": "Cells"}]
    >>> [name_effect(effect, read_codebook()) for effect in effects]
    ['FSH', 'Adjuvant: PRP', 'Cell therapy × FSH', 'Cells']
    """
    parts = str(effect["parameter"]).split(":")
    named = [_name_column(part, codebook) for part in parts]
    if parts == ["treated"] or any(name is None for name in named):
        return str(effect["label"])
    return " × ".join(str(name) for name in named)


def _name_column(column: str, codebook: Codebook) -> str | None:
    variable, _, derivation = column.partition("__")
    if column == "treated":
        return "Cell therapy"
    if variable not in codebook or not derivation:
        return None
    label = codebook[variable].label
    return label if derivation in STEPS or derivation == "yes" else f"{label}: {describe_level(derivation)}"


def describe_step(parameter: str) -> str:
    """Return the change that an effect is for, in words; nothing for one that is there or not.

    Examples
    --------
    >>> describe_step("fsh__log"), describe_step("age__years"), describe_step("route__intravenous")
    ('2.7 times as much', 'one year more', '')
    """
    return "" if ":" in parameter else STEPS.get(parameter.partition("__")[2], "")


def name_variable(name: str, codebook: Codebook) -> str:
    """Return the label of a clinical variable, or of the one that a derived column comes from.

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> name_variable("fsh__log", read_codebook()), name_variable("blood_group", read_codebook())
    ('FSH', 'blood group')
    """
    variable = name.partition("__")[0]
    return codebook[variable].label if variable in codebook else variable.replace("_", " ")


def describe_definition(definition: str) -> str:
    """Return how an arm counted the outcome, where it did so otherwise than the model.

    Examples
    --------
    >>> describe_definition("ovarian_function"), describe_definition("")
    ('ovarian function', 'as here')
    """
    return DEFINITIONS.get(definition, definition.replace("_", " "))


def describe_pareto_k(pareto_k: float | None) -> str:
    """Return whether the computation can be trusted, by the shape of its importance weights.

    Limits after Vehtari and others (2024), Journal of Machine Learning Research 25:72.

    Examples
    --------
    >>> describe_pareto_k(0.31), describe_pareto_k(0.62), describe_pareto_k(0.9)
    ('good', 'fair', 'not to be trusted')
    """
    if is_missing(pareto_k) or pareto_k is None:
        return "not checked"
    if pareto_k < 0.5:
        return "good"
    return "fair" if pareto_k <= 0.7 else "not to be trusted"


def describe_r_hat(r_hat: float | None) -> str:
    """Return whether chains agree, by the ratio of their spreads (Gelman & Rubin 1992, doi 10.1214/ss/1177011136).

    Examples
    --------
    >>> describe_r_hat(1.004), describe_r_hat(1.2)
    ('good', 'not to be trusted')
    """
    if is_missing(r_hat) or r_hat is None:
        return "not checked"
    return "good" if r_hat < 1.02 else "not to be trusted"


def keep_together(text: str) -> str:
    """Return text that a narrow column cannot break: no-break spaces, and a word joiner after each dash.

    Examples
    --------
    >>> keep_together("44 % (12–83)") == "44\u00a0%\u00a0(12–\u206083)"
    True
    """
    return text.replace(" ", "\u00a0").replace("–", "–\u2060")
