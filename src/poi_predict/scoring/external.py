"""A cohort whose outcomes are known, read by the contract of a stored model: the door of external validation.

The table is read as for scoring, and its outcome as in training. No row is lost in silence: it is rejected
with the rule it breaks, left out by an inclusion rule or for want of an outcome (attrition), or analysed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.cohort import (
    EQUAL_ROWS_READ,
    AnalysisSet,
    Codebook,
    Cohort,
    EndpointSettings,
    InclusionRule,
    build_analysis_set,
    read_cohort,
    reading_from_dict,
)
from poi_predict.cohort.endpoint import classify_outcome
from poi_predict.errors import BundleError, CohortError
from poi_predict.scoring.output import REJECTED_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from poi_predict.scoring.bundle import Bundle
    from poi_predict.scoring.contract import Contract

__all__ = ["LabelledCohort", "read_labelled_cohort"]

FEWEST_PER_CLASS = 2
CONTRADICTING_MONTHS = "months consistent"
"""The attrition step of rows whose months contradict each other."""


@dataclass(frozen=True, eq=False)
class LabelledCohort:
    """A cohort read for an external validation.

    Attributes
    ----------
    cohort : Cohort
        As read, without the rejected rows.
    analysis : AnalysisSet
        The rows analysed, their outcomes and weights, and how the others were lost.
    rejected : DataFrame
        row (1-based), column, rule, message; one row for each breach of each rejected row.
    n_rows, n_rejected : int
        Rows of the table; rows that break the contract.
    """

    cohort: Cohort
    analysis: AnalysisSet
    rejected: pd.DataFrame
    n_rows: int
    n_rejected: int

    @property
    def n_contradicting(self) -> int:
        """Rows left out because their months contradict each other."""
        steps = self.analysis.attrition
        return int(steps.loc[steps["step"] == CONTRADICTING_MONTHS, "excluded_rows"].sum())

    @property
    def attrition(self) -> pd.DataFrame:
        """From the rows of the table to those analysed, the rejected ones among the losses."""
        steps = self.analysis.attrition
        if not self.n_rejected:
            return steps
        first = steps.iloc[[0]].assign(
            step="in the table, contract kept",
            excluded_rows=self.n_rejected,
            note=f"of {self.n_rows} rows; rejected.csv names each rejected row and its rule",
        )
        return pd.concat([first, steps.iloc[1:]], ignore_index=True)

    def rejected_frame(self) -> pd.DataFrame:
        """Rejected rows by column and rule: column, rule, rows, message."""
        counted = self.rejected.groupby(["column", "rule", "message"], sort=True)["row"].nunique().reset_index()
        return counted.rename(columns={"row": "rows"})[["column", "rule", "rows", "message"]]


def read_labelled_cohort(bundle: Bundle, path: Path, *, allow_synthetic: bool = False) -> LabelledCohort:
    """Read a table whose outcomes are known, by the contract that training wrote.

    Parameters
    ----------
    bundle : Bundle
        A stored model.
    path : Path
        The table: predictors as for scoring, the outcome and the variables of the inclusion rules.
    allow_synthetic : bool
        Let a model made from synthetic women be judged on real ones.

    Raises
    ------
    CohortError
        If the table as a whole cannot be used: unreadable, a column is missing, or fewer than two women with the
        event or without it are left.
    BundleError
        If the contract says nothing of the outcome; or if the model was made from synthetic women, the table is
        not synthetic, and that is not allowed.
    """
    contract = bundle.contract
    endpoint, rules = _read_terms(contract)
    codebook = Codebook.from_dict({**contract.codebook, **contract.outcome_codebook})
    reading = reading_from_dict(
        {**contract.reading, "columns": [*contract.reading.get("columns", ()), *contract.outcome_columns]}
    )
    required = (*contract.predictors, *endpoint.defining_variables, *(rule.variable for rule in rules))
    cohort = read_cohort(path, codebook, reading, required=tuple(dict.fromkeys(required)), permit_row_errors=True)
    if contract.synthetic and not cohort.synthetic and not allow_synthetic:
        raise BundleError(
            "A model made from SYNTHETIC women must not be judged on real ones; this one was and this cohort is not "
            "synthetic. Train a model on real women, or pass --allow-synthetic-model to try the software out."
        )
    errors = cohort.findings.rows_frame()  # a copy must not count its woman twice
    errors = errors[(errors["severity"] == "error") | (errors["rule"] == EQUAL_ROWS_READ)]
    broken = np.isin(cohort.row_number, errors["row"].to_numpy(dtype=np.int64))
    kept = replace(cohort, data=cohort.data.loc[~broken].reset_index(drop=True), row_number=cohort.row_number[~broken])
    _check_classes(kept, rules, endpoint)
    return LabelledCohort(
        cohort=kept,
        analysis=build_analysis_set(kept, rules, endpoint),
        rejected=errors[REJECTED_SCHEMA.names].reset_index(drop=True),
        n_rows=len(cohort.data),
        n_rejected=int(broken.sum()),
    )


def _read_terms(contract: Contract) -> tuple[EndpointSettings, tuple[InclusionRule, ...]]:
    """Return the study's endpoint and inclusion rules.

    Months that contradict each other cost their row here, whatever the study says: nobody can correct the table of
    another clinic by refusing it, and the rows are counted.
    """
    known = {each.name for each in fields(EndpointSettings)}
    plain: dict[str, Any] = {name: value for name, value in contract.endpoint.items() if name in known}
    try:
        endpoint = EndpointSettings(**plain)
        rules = tuple(_rule(stored) for stored in contract.inclusion)
    except TypeError as error:
        raise _no_terms() from error
    defined = {**contract.codebook, **contract.outcome_codebook}
    if not all(name in defined for name in (*endpoint.defining_variables, *(rule.variable for rule in rules))):
        raise _no_terms()
    return replace(endpoint, inconsistent="exclude"), rules


def _rule(stored: Mapping[str, Any]) -> InclusionRule:
    return InclusionRule(**{**stored, "levels": tuple(stored.get("levels", ()))})


def _no_terms() -> BundleError:
    return BundleError(
        "A model to be validated must say in its contract how its outcome is read; this one does not. "
        "Train the model again with this version."
    )


def _check_classes(cohort: Cohort, rules: tuple[InclusionRule, ...], endpoint: EndpointSettings) -> None:
    data = cohort.data
    included = np.ones(len(data), dtype=bool)
    for rule in rules:
        included &= rule.keeps(data)
    status = classify_outcome(data[included], endpoint)
    woman = data.loc[included, "patient_id"]
    women = [woman[status == name].nunique() for name in ("event", "no_event")]
    if min(women) < FEWEST_PER_CLASS:
        raise CohortError(
            f"A table to judge a model by must hold at least {FEWEST_PER_CLASS} women with the event and "
            f"{FEWEST_PER_CLASS} without it, whose outcome is known; after the inclusion rules {women[0]} with and "
            f"{women[1]} without are left. Bring more women, or follow them longer."
        )
