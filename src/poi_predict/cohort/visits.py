"""Several rows of one woman that are visits, not treatments: a baseline row, and rows of her follow-up.

What is known before treatment is read from the baseline visit alone, so that a hormone measured at twelve months never
stands in for the one before treatment; the outcome is read from all visits.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort.rules import Breach, column_finding, row_findings
from poi_predict.cohort.spelling import header_key, level_key, plain_text
from poi_predict.cohort.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Collection

    from poi_predict.cohort.codebook import Codebook
    from poi_predict.cohort.findings import Finding
    from poi_predict.cohort.mapping import VisitSettings

__all__ = ["VISIT", "find_divided_women", "find_empty_rows", "find_follow_up_rows", "is_visit_header", "join_visits"]

VISIT = Variable("visit", label="Visit", kind="category", role="centre", known_at="baseline")
"""A column that says which visit a row is of; any name is a level."""

FOLLOW_UP_MONTHS = "follow_up_months"
_HEADERS = frozenset(
    {"redcapeventname", "redcapevent", "eventname", "visit", "visitname", "visittype", "studyvisit", "timepoint"}
)
_BASELINE = re.compile(
    r"(base ?line|screening|enrol\w*|inclusion|intake|initial( visit)?|pre|before|[tvm] ?0|0|基线)\b"
    r"|(visit|month|day|week) 0\b"
)
_TREATMENT = re.compile(r"(treatment|transplant\w*|injection|infusion|procedure|intervention|surgery)\b")
_FOLLOW_UP = re.compile(
    r"follow|fu\b|post|after|outcome|end of study|final|随访|.*\b\d+ ?(d|w|m|y|mo|days?|weeks?|months?|years?|yrs?)\b"
)
_NUMBERED = re.compile(r"(visit|month|day|week|year|[tvm])? ?[1-9]\d*(\.0+)?\b")


def is_visit_header(header: str, declared: VisitSettings | None) -> bool:
    """Say whether a column says which visit a row is of: the declared one, or one whose name says so.

    >>> is_visit_header("redcap_event_name", None), is_visit_header("Visit date", None)
    (True, False)
    """
    if declared is not None:
        return header_key(header) == header_key(declared.column)
    return header_key(header) in _HEADERS


def find_follow_up_rows(data: pd.DataFrame, declared: VisitSettings | None) -> list[Breach]:
    """Find the rows of a follow-up visit, which a model is not asked about; needs no look at other rows."""
    if VISIT.name not in data:
        return []
    parts = _parts(data[VISIT.name], declared)
    late = np.isin(parts, ("follow_up", "treatment"))
    return [Breach(VISIT.name, "follow_up_visit", late, {})]


def find_empty_rows(data: pd.DataFrame, codebook: Codebook, faulty: np.ndarray) -> list[Breach]:
    """Find the rows in which nothing of the woman or the protocol is known; `faulty` ones have a reason of their own.

    >>> from poi_predict.cohort.codebook import read_codebook
    >>> women = pd.DataFrame({"age": [31.0, np.nan], "fsh": [np.nan, np.nan]})
    >>> find_empty_rows(women, read_codebook().subset(["age", "fsh"]), np.zeros(2, dtype=bool))[0].rows.tolist()
    [False, True]
    """
    names = [name for name, variable in codebook.items() if variable.role in ("baseline", "protocol")]
    present = [name for name in names if name in data]
    if not present:
        return []
    empty = data[present].isna().all(axis=1).to_numpy(dtype=bool) & ~faulty
    return [Breach("(row)", "row_without_predictor", empty, {})]


def join_visits(
    data: pd.DataFrame, row_number: np.ndarray, codebook: Codebook, declared: VisitSettings | None
) -> tuple[pd.DataFrame, np.ndarray, list[Finding]]:
    """Make one row of the visits of each woman, where a column says which visit is which.

    Parameters
    ----------
    data : DataFrame
        Canonical columns, and ``visit``.
    row_number : array of int, shape (n,)
        Number of each row in the source.
    codebook : Codebook
        Says which variables are an outcome, and which are known only at treatment.
    declared : VisitSettings or None
        The study's ``[cohort.visits]``; without it, the names of the visits must leave no doubt.

    Returns
    -------
    data : DataFrame
        Without ``visit``; one row a woman where visits were joined, in the order of the baseline rows.
    row_number : array of int
        Of the baseline rows.
    findings : list of Finding

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> visits = pd.DataFrame({
    ...     "patient_id": ["P1", "P1", "P1"], "visit": ["baseline", "month 6", "month 12"],
    ...     "fsh": [80.0, 40.0, 20.0], "menses_resumed": [np.nan, 0.0, 1.0], "follow_up_months": [np.nan, 6.0, 12.0],
    ... })
    >>> joined, row_number, findings = join_visits(visits, np.array([1, 2, 3]), read_codebook(), None)
    >>> joined.values.tolist(), [finding.rule for finding in findings]
    ([['P1', 80.0, 1.0, 12.0]], ['visits_joined'])
    """
    if VISIT.name not in data:
        return data, row_number, []
    visit, plain = data[VISIT.name], data.drop(columns=VISIT.name)
    parts = _parts(visit, declared)
    if not data["patient_id"].duplicated().any() or not _is_sure(visit, parts, declared):
        return plain, row_number, []
    woman = _number_women(data["patient_id"])
    base = parts == "baseline"
    orphan = ~np.isin(woman, woman[base])
    repeated = base & (pd.Series(woman).where(base).duplicated().to_numpy(dtype=bool))
    head = (base & ~repeated) | orphan
    findings = row_findings("several_baseline_visits", VISIT.name, repeated, row_number)
    findings += row_findings("no_baseline_visit", VISIT.name, orphan, row_number)
    joined = plain.copy()
    for name in plain.columns:
        variable = codebook.get(str(name).removesuffix("__below"))
        if variable is None or variable.role not in ("outcome", "protocol"):
            continue
        from_rows = np.ones(len(data), dtype=bool) if variable.role == "outcome" else parts != "follow_up"
        values, clash = _combine(plain[name].mask(~from_rows, _nothing(plain[name])), woman, variable)
        joined[name] = values
        findings += row_findings("visits_disagree", variable.name, clash & head, row_number)
    n_women = len(np.unique(woman[base]))
    facts = {"count": len(data), "women": n_women}
    findings.append(column_finding("visits_joined", VISIT.name, **facts))
    kept = head | repeated
    return joined[kept].reset_index(drop=True), row_number[kept], findings


def find_divided_women(
    data: pd.DataFrame, row_number: np.ndarray, codebook: Codebook, required: Collection[str]
) -> list[Finding]:
    """Find the women whose predictors and outcome stand in different rows, so that no row can teach anything.

    A row of follow-up may repeat a hormone or two: it is one as long as it knows no more than half of what another row
    of hers knows.
    """
    outcome = [name for name in required if name in data and codebook[name].role == "outcome"]
    woman = [name for name in required if name in data and codebook[name].role == "baseline"]
    predictors = woman or [name for name in required if name in data and codebook[name].role == "protocol"]
    if not outcome or not predictors or not data["patient_id"].duplicated().any():
        return []
    n_known = data[predictors].notna().sum(axis=1)
    told = data[outcome].notna().any(axis=1)
    of_whom = _number_women(data["patient_id"])
    most = n_known.groupby(of_whom).transform("max")
    of_her = pd.DataFrame({"told": told, "both": told & (2 * n_known > most)}).groupby(of_whom)
    divided = (most > 0) & of_her["told"].transform("any") & ~of_her["both"].transform("any")
    rows = (divided & told).to_numpy(dtype=bool)
    return row_findings("divided_woman", "(row)", rows, row_number)


def _number_women(ids: pd.Series) -> np.ndarray:
    """Return the woman of each row by number; a row without an identifier is a woman of her own."""
    codes, distinct = pd.factorize(ids)
    return np.where(codes < 0, len(distinct) + np.arange(len(codes)), codes)


def _parts(visit: pd.Series, declared: VisitSettings | None) -> np.ndarray:
    """Return what each row is: baseline, treatment, follow_up, numbered, or nothing known."""
    codes, labels = pd.factorize(visit)
    kinds = np.array([*(_part(str(label), declared) for label in labels), ""], dtype=object)
    return np.asarray(kinds[codes])


def _part(label: str, declared: VisitSettings | None) -> str:
    if declared is not None:
        key = level_key(label)
        if key in {level_key(name) for name in declared.baseline_labels}:
            return "baseline"
        return "treatment" if key in {level_key(name) for name in declared.treatment_labels} else "follow_up"
    text = re.sub(r"[_\-]+", " ", plain_text(label)).strip()
    kinds = {"baseline": _BASELINE, "treatment": _TREATMENT, "follow_up": _FOLLOW_UP, "numbered": _NUMBERED}
    return next((kind for kind, pattern in kinds.items() if pattern.match(text)), "")


def _is_sure(visit: pd.Series, parts: np.ndarray, declared: VisitSettings | None) -> bool:
    """Whether the names of the visits leave no doubt; numbered ones count once another is the baseline."""
    if declared is not None:
        return bool((parts == "baseline").any())
    baseline = visit[parts == "baseline"].map(lambda label: header_key(re.sub(r"arm.*", "", plain_text(label))))
    parts[parts == "numbered"] = "follow_up"
    return len(set(baseline)) == 1 and bool((parts != "").all()) and bool((parts != "baseline").any())


def _nothing(values: pd.Series) -> float | bool:
    return False if values.dtype == bool else np.nan


def _combine(values: pd.Series, woman: np.ndarray, variable: Variable) -> tuple[pd.Series, np.ndarray]:
    """Return one value a woman in each of her rows, and where her visits disagree.

    An event that happened at any visit happened; the longest follow-up is hers. Anything else must be the same in all.
    """
    by_woman = values.groupby(woman)
    if values.dtype == bool or variable.kind == "binary" or variable.name == FOLLOW_UP_MONTHS:
        return by_woman.transform("max"), np.zeros(len(values), dtype=bool)
    clash = (by_woman.transform("nunique") > 1).to_numpy(dtype=bool)
    return by_woman.transform("first").where(~clash), clash
