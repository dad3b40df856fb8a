"""Which models a study compares, and which one it stands by."""

from __future__ import annotations

from dataclasses import dataclass

from poi_predict.errors import StudyError
from poi_predict.naming import suggest

__all__ = ["EVIDENCE", "ModelingSettings"]

MOST_IMPUTATIONS = 100
EVIDENCE = "evidence"
CANDIDATES = ("prevalence", "evidence", "firth", "ridge", "elastic_net", "random_forest", "gradient_boosting")


@dataclass(frozen=True)
class ModelingSettings:
    """The candidate models and the pre-specified primary one.

    Attributes
    ----------
    candidates : tuple of str
        Catalogue names. "prevalence" is always among them: it is what every model must beat.
    primary : str
        The model that is explained, kept and used for scoring. Named before the data are seen, so that
        no optimism comes from picking the best of several. A cohort too small for it gets a smaller one
        (`poi_predict.validation.ladder`). Not one of trees, whose thresholds are those of single women.
    override_ladder : bool
        Keep the primary model whatever the cohort supports; every output is then marked.
    imputations : int
        Completed tables that a linear model is fitted to; 1 imputes conditional means once.

    Examples
    --------
    >>> ModelingSettings(candidates=("ridge",), primary="ridge").candidates
    ('prevalence', 'ridge')
    >>> ModelingSettings(primary="rigde")
    Traceback (most recent call last):
    poi_predict.errors.StudyError: models.primary must be one of the candidates; "rigde" is not (did you mean "ridge"?).
    """

    candidates: tuple[str, ...] = CANDIDATES
    primary: str = EVIDENCE
    override_ladder: bool = False
    imputations: int = 1

    @classmethod
    def without_evidence(cls) -> ModelingSettings:
        """Return what is meant where a study says nothing and borrows no evidence: ridge, among the same others."""
        return cls(candidates=tuple(name for name in CANDIDATES if name != EVIDENCE), primary="ridge")

    @property
    def needs_evidence(self) -> bool:
        """Whether a candidate is informed by published evidence."""
        return EVIDENCE in self.candidates

    def __post_init__(self) -> None:
        from poi_predict.modeling.catalog import CATALOG  # noqa: PLC0415

        for name in self.candidates:
            if name not in CATALOG:
                raise StudyError(
                    f'models.candidates must name models of the catalogue; "{name}" is not one{suggest(name, CATALOG)}.'
                )
        if len(set(self.candidates)) != len(self.candidates):
            raise StudyError("models.candidates must name each model once; remove the repeated name.")
        if not 1 <= self.imputations <= MOST_IMPUTATIONS:
            raise StudyError(
                f"models.imputations must be between 1 and {MOST_IMPUTATIONS}; it is {self.imputations}. "
                "20 are plenty for most cohorts."
            )
        if "prevalence" not in self.candidates:
            object.__setattr__(self, "candidates", ("prevalence", *self.candidates))
        if self.primary not in self.candidates:
            raise StudyError(
                f'models.primary must be one of the candidates; "{self.primary}" is not'
                f"{suggest(self.primary, self.candidates)}."
            )
        if not CATALOG[self.primary].is_kept:
            raise StudyError(
                f'models.primary must be a model that may be kept; "{self.primary}" is not: its thresholds and leaves '
                "are those of single women, who could be reconstructed from the stored model. Name evidence, ridge, "
                f'elastic_net or firth; "{self.primary}" may stay among models.candidates, and is compared.'
            )
