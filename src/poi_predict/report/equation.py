"""A linear model as an equation that a person can compute by hand, and a machine can read.

TRIPOD+AI asks for the full model (item 22: Collins and others 2024, doi:10.1136/bmj-2023-078378). The equation
stands on the derived columns' own scale, without standardisation; it holds for a woman whose values are all known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.report.content import Section, SectionTable
from poi_predict.report.derivations import (
    MISSING,
    Derivation,
    apply_derivation,
    describe_derivations,
    describe_missing_flag,
)
from poi_predict.report.formatting import format_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poi_predict.cohort import Codebook
    from poi_predict.features import FeatureAssembly
    from poi_predict.modeling import LinearTerms

__all__ = ["Equation", "EquationTerm", "build_equation", "build_equation_section"]

LINK = "logit"
LINK_WORDS = "chance = 1 / (1 + exp(−log-odds))"
DIGITS = 4
SMALL = 1e-6


@dataclass(frozen=True)
class EquationTerm:
    """One addend: what to compute from her values, and by what to multiply it.

    Attributes
    ----------
    derivation : Derivation
        The column.
    coefficient : float
        Log odds ratio of one unit of the column.
    weight : float
        Log odds ratio of one standard deviation of the column in training.
    """

    derivation: Derivation
    coefficient: float
    weight: float

    @property
    def is_used(self) -> bool:
        """Whether the term moves a prediction: selecting and strongly penalised models leave some without weight."""
        return abs(self.weight) > SMALL


@dataclass(frozen=True)
class Equation:
    """The model as an equation in the derived columns.

    Attributes
    ----------
    study, endpoint : str
        What is predicted: the study's name, and what counts as a response, in words.
    model : str
        The model in words.
    intercept : float
        Log-odds where every column is zero.
    terms : tuple of EquationTerm
        In the model's order.
    synthetic : bool
        Whether the women it was learned from are made up.
    """

    study: str
    endpoint: str
    model: str
    intercept: float
    terms: tuple[EquationTerm, ...]
    synthetic: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the equation as plain values for JSON, in full precision.

        ``terms`` holds for each column: ``column``, ``origin`` (clinical variable), ``label``, ``unit``,
        ``coefficient``, ``standardised_coefficient``, ``expression`` and ``transformation`` (words), and ``rule``
        (for a machine).
        """
        return {
            "study": self.study,
            "endpoint": self.endpoint,
            "model": self.model,
            "synthetic": self.synthetic,
            "link": LINK,
            "link_in_words": LINK_WORDS,
            "intercept": self.intercept,
            "terms": [
                {
                    "column": term.derivation.column,
                    "origin": term.derivation.origin,
                    "label": term.derivation.label,
                    "unit": term.derivation.unit,
                    "coefficient": term.coefficient,
                    "standardised_coefficient": term.weight,
                    "expression": term.derivation.expression,
                    "transformation": term.derivation.words,
                    "rule": dict(term.derivation.rule),
                }
                for term in self.terms
            ],
            "holds_for": "women whose values are all known; the bundle fills in what is missing",
        }

    def text(self) -> str:
        """Return the equation as plain text, rounded for a calculator; `as_dict` has every digit."""
        used = [term for term in self.terms if term.is_used]
        lines = ["SYNTHETIC: learned from made-up women. Not for any patient.", ""] if self.synthetic else []
        lines += [self.model, f"Predicts: {self.endpoint} (study {self.study})", ""]
        lines += [f"log-odds = {_round(self.intercept)}"]
        lines += [f"  {_signed(term.coefficient)} × {term.derivation.expression}" for term in used]
        lines += ["", LINK_WORDS, "", "where"]
        lines += [f"  {term.derivation.expression}: {term.derivation.words}" for term in used]
        unused = len(self.terms) - len(used)
        if unused:
            lines += ["", f"{unused} columns have no weight and are left out here."]
        lines += ["", f"[…] is 1 or 0. Rounded to {DIGITS} digits; equation.json has them all."]
        lines += ["Holds for women whose values are all known; the bundle fills in what is missing."]
        return "\n".join(lines) + "\n"

    def compute_log_odds(self, woman: Mapping[str, Any]) -> float:
        """Work the equation out for one woman, from her clinical values in canonical units.

        Parameters
        ----------
        woman : mapping
            Variable to value; ``<variable>__below`` is True where a value is a limit that she lies below.

        Raises
        ------
        ModelError
            If a value is not known.
        """
        return self.intercept + math.fsum(
            term.coefficient * apply_derivation(term.derivation.rule, woman) for term in self.terms
        )

    def compute_response(self, woman: Mapping[str, Any]) -> float:
        """Return her chance of a response; see `compute_log_odds`."""
        return 1.0 / (1.0 + math.exp(-self.compute_log_odds(woman)))


def build_equation(
    linear_terms: LinearTerms,
    features: FeatureAssembly,
    codebook: Codebook,
    *,
    study: str,
    endpoint: str,
    model: str = "Logistic regression",
    synthetic: bool = False,
) -> Equation:
    """Write a fitted linear model as an equation.

    Parameters
    ----------
    linear_terms : LinearTerms
        From `poi_predict.modeling.linear_terms` of the fitted pipeline.
    features : FeatureAssembly
        The pipeline's fitted first step: ``pipeline.named_steps["features"]``.
    codebook : Codebook
        Labels and units of the variables.
    study, endpoint, model : str
        Name of the study; what counts as a response, and the model, in words.
    synthetic : bool
        Whether the women are made up.

    Raises
    ------
    ModelError
        If a column's derivation is not known.

    Examples
    --------
    >>> import pandas as pd
    >>> from poi_predict.cohort import read_codebook
    >>> from poi_predict.features import FeatureSettings, build_features
    >>> from poi_predict.modeling import build_pipeline, fit_model, linear_terms
    >>> codebook = read_codebook()
    >>> features = build_features(codebook, FeatureSettings(predictors=("age",)))
    >>> women = pd.DataFrame({"age": [28.0, 30.0, 33.0, 35.0, 38.0, 41.0]})
    >>> fitted = fit_model(build_pipeline("logistic", features, monotone={}, random_state=0), women, [1, 1, 0, 1, 0, 0])
    >>> equation = build_equation(
    ...     linear_terms(fitted), fitted.named_steps["features"], codebook, study="demo", endpoint="Menses resumed"
    ... )
    >>> print(equation.text().splitlines()[4].strip())
    − 0.5307 × (Age in years)
    >>> bool(abs(equation.compute_response({"age": 30.0}) - fitted.predict_proba(women)[1, 1]) < 1e-9)
    True
    """
    known = describe_derivations(features, codebook)
    for name in linear_terms.names:
        if name not in known and name.rsplit("__", 1)[-1] == MISSING:
            known[name] = describe_missing_flag(name, codebook)
    terms = tuple(
        EquationTerm(known[name], float(coefficient), float(weight))
        for name, coefficient, weight in zip(
            linear_terms.names, linear_terms.raw_coefficients, linear_terms.coefficients, strict=True
        )
    )
    return Equation(study, endpoint, model, float(linear_terms.raw_intercept), terms, synthetic)


def build_equation_section(equation: Equation) -> Section:
    """Return the equation as a part of the report."""
    rows = [
        {
            "Add": f"{_signed(term.coefficient)} × {term.derivation.expression}",
            "Odds ratio, one unit": format_number(math.exp(term.coefficient), 2) if abs(term.coefficient) < 7 else "—",
            "What it is": term.derivation.words,
        }
        for term in equation.terms
        if term.is_used
    ]
    frame = pd.DataFrame(
        [{"Add": _round(equation.intercept), "Odds ratio, one unit": "", "What it is": "intercept"}, *rows]
    )
    text = (
        f"{equation.model} as an equation that can be worked out by hand. Add the lines below to get a woman's "
        f"log-odds; then {LINK_WORDS}. Terms in square brackets are 1 or 0."
    )
    note = (
        f"Rounded to {DIGITS} digits; equation.json beside this report has them all. It holds for women whose values "
        "are all known. A coefficient is part of a prediction, not the effect of changing a variable."
    )
    table = SectionTable(f"Log-odds of: {equation.endpoint}", frame, note)
    return Section("The model as an equation", (text,), (table,), after="explanation")


def _round(value: float) -> str:
    """Return four significant digits, without an exponent."""
    if value == 0:
        return "0"
    digits = max(0, DIGITS - 1 - math.floor(math.log10(abs(value))))
    return format_number(value, digits)


def _signed(value: float) -> str:
    text = _round(value)
    return f"− {text[1:]}" if text.startswith("−") else f"+ {text}"
