"""What a study decides about its predictors."""

from __future__ import annotations

from dataclasses import dataclass

from poi_predict.errors import StudyError
from poi_predict.features.origin import SEPARATOR

__all__ = ["FeatureSettings"]


@dataclass(frozen=True)
class FeatureSettings:
    """The predictors of a study and the few choices in deriving columns from them.

    Attributes
    ----------
    predictors : tuple of str
        Clinical variables, by their names in the codebook.
    rare_level_below : int
        A level of a category seen in fewer women than this joins the pooled level ``other``.
    prespecified : tuple of str
        Predictors of the smallest model, the most important first: about one for each ten events is used. The
        first of `predictors` if none is named.
    early_amenorrhea_months : tuple of float
        "Early" is a time since the last menses below each of these, in months. Most natural recovery falls
        within a year, and live birth is likelier below four years.
    reviewed : tuple of str
        Predictors that rank suspiciously well alone, and that a person has found to be known before treatment.
    planned : tuple of str
        Predictors that hold what was planned before the first treatment, though the field's tables often hold what
        followed it: how many treatments there were, and adjuvants added later.

    Raises
    ------
    StudyError
        If a choice breaks a rule.

    Examples
    --------
    >>> FeatureSettings(predictors=("age", "fsh")).rare_level_below
    8
    >>> FeatureSettings(predictors=("age", "age"))
    Traceback (most recent call last):
    poi_predict.errors.StudyError: predictors.use must name each variable once; "age" is repeated. Remove it.
    """

    predictors: tuple[str, ...]
    rare_level_below: int = 8
    prespecified: tuple[str, ...] = ()
    early_amenorrhea_months: tuple[float, ...] = (12.0, 48.0)
    reviewed: tuple[str, ...] = ()
    planned: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.predictors:
            raise StudyError("predictors.use must name at least one variable; it names none. Add one.")
        for i, name in enumerate(self.predictors):
            if SEPARATOR in name:
                raise StudyError(
                    f'predictors.use must name clinical variables; "{name}" contains "{SEPARATOR}", '
                    "which is kept for derived columns. Name the variable itself."
                )
            if name in self.predictors[:i]:
                raise StudyError(f'predictors.use must name each variable once; "{name}" is repeated. Remove it.')
        self._check_choices()
        if self.rare_level_below < 1:
            raise StudyError(
                f"predictors.rare_level_below must be at least 1; it is {self.rare_level_below}. "
                "1 keeps every level apart."
            )
        months = self.early_amenorrhea_months
        if any(not 0 < month < float("inf") for month in months) or sorted(set(months)) != list(months):
            raise StudyError(
                "predictors.early_amenorrhea_months must be positive months in ascending order, each once; "
                f"it is {list(months)}."
            )

    def _check_choices(self) -> None:
        for i, name in enumerate(self.prespecified):
            if name not in self.predictors or name in self.prespecified[:i]:
                raise StudyError(
                    f'predictors.prespecified must name variables of predictors.use, each once; "{name}" breaks '
                    "this. Correct the list."
                )
        if left := set(self.reviewed) - set(self.predictors):
            raise StudyError(
                f'predictors.reviewed must name variables of predictors.use; "{min(left)}" is not one. '
                "Correct the list."
            )
