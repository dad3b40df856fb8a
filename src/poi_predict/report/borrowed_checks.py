"""Whether the evidence model can be believed: do the women contradict it, and was it computed well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.cohort import read_codebook
from poi_predict.report.borrowed_words import describe_pareto_k, describe_r_hat, keep_together, name_effect
from poi_predict.report.content import Section, SectionTable
from poi_predict.report.formatting import format_number, format_p_value, is_missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poi_predict.cohort import Codebook

    Plain = Mapping[str, Any]

__all__ = ["build_computation_section", "build_conflict_section", "computation_banner", "conflict_banner"]

CONFLICT_LEVEL = 0.05
MOST_CONFLICTS = 10
ADVICE = (
    'State heavier-tailed priors in study.toml ([evidence] tail = "t"): they give way where women contradict them. '
    "Until then, read every prediction with care, and look for a reason: other women, another outcome, another unit."
)
ALREADY = (
    "The priors already have heavier tails. Read every prediction with care, and look for a reason: other women, "
    "another outcome, another unit."
)


def conflict_banner(details: Plain, codebook: Codebook | None = None) -> tuple[str, ...]:
    """Return the banner of women, or arms, that contradict the evidence; none where they do not.

    Parameters
    ----------
    details : mapping
        ``assessment.details``; the evidence model's part is under ``evidence``.
    codebook : Codebook, optional
        Names of the effects; the shipped one by default.

    Examples
    --------
    >>> found = {"p_patients": 0.004, "p_arms": 0.6, "flagged": [], "tail": "normal"}
    >>> conflict_banner({"evidence": {"conflict": found}})[0].partition(":")[0]
    'THE WOMEN CONTRADICT THE EVIDENCE'
    >>> conflict_banner({})
    ()
    """
    evidence = details.get("evidence") or {}
    conflict = evidence.get("conflict") or {}
    book, has_women, said = codebook or read_codebook(), _has_women(evidence), []
    if has_women and (conflict.get("flagged") or _is_small(conflict.get("p_patients"))):
        said.append(
            f"THE WOMEN CONTRADICT THE EVIDENCE: {_name_conflict(evidence, 'p_patients', book)} {_advice(conflict)}"
        )
    if (not has_women and conflict.get("flagged")) or _is_small(conflict.get("p_arms")):
        said.append(
            f"THE PUBLISHED ARMS CONTRADICT THE PRIORS: {_name_conflict(evidence, 'p_arms', book)} {_advice(conflict)}"
        )
    return tuple(said)


def _has_women(evidence: Plain) -> bool:
    """Return whether a woman was added: without one, arms against priors is all that there is to ask."""
    counts = [int(each["n"]) for each in evidence.get("learning_curve") or ()]
    return max(counts, default=0) > 0 or not is_missing((evidence.get("conflict") or {}).get("p_patients"))


def computation_banner(details: Plain) -> tuple[str, ...]:
    """Return the banner of an evidence model whose computation cannot be trusted; none otherwise."""
    found = (details.get("evidence") or {}).get("diagnostics") or {}
    k, r_hat = found.get("pareto_k"), found.get("r_hat")
    if describe_pareto_k(k) == "not to be trusted":
        found_wrong = f"Pareto k {format_number(k)}, above 0.7"
    elif describe_r_hat(r_hat) == "not to be trusted":
        found_wrong = f"R-hat {format_number(r_hat)}, above 1.02"
    else:
        return ()
    text = (
        f"NOT TO BE TRUSTED: the approximation behind the evidence model could not be checked ({found_wrong}). "
        "Its intervals may be too narrow or too wide."
    )
    return (text,)


def _is_small(p: float | None) -> bool:
    return not is_missing(p) and p is not None and p < CONFLICT_LEVEL


def _advice(conflict: Plain) -> str:
    return ALREADY if conflict.get("tail") == "t" else ADVICE


def _name_conflict(evidence: Plain, p: str, codebook: Codebook) -> str:
    """Say who contradicts what: the effects flagged if these are the ones compared, and the overall p."""
    conflict = evidence.get("conflict") or {}
    overall = keep_together(format_p_value(conflict.get(p)))
    is_theirs = p == "p_patients" or not _has_women(evidence)
    who = "happened to them" if p == "p_patients" else "they report"
    flagged = [name for name in conflict.get("flagged") or () if is_theirs]
    if not flagged:
        return f"what {who} is unlikely if what was believed before holds ({overall})."
    labels = {str(each["parameter"]): name_effect(each, codebook) for each in evidence.get("effects") or ()}
    names = ", ".join(labels.get(str(name), str(name)) for name in flagged)
    known = "" if is_missing(conflict.get(p)) else f", overall {overall}"
    return f"what {who} does not fit what was believed ({names}){known}."


def build_conflict_section(evidence: Plain, codebook: Codebook) -> Section | None:
    """Return whether the women contradict the evidence: overall, and the effects where they differ most.

    Where no woman was added, the same is asked of the published arms and the priors.

    Parameters
    ----------
    evidence : mapping
        ``conflict`` with ``p_patients``, ``p_arms``, ``flagged``, ``tail`` and ``verdict``; ``effects`` with their
        ``conflict_p``.
    codebook : Codebook
        Names of the effects.
    """
    conflict = evidence.get("conflict") or {}
    if not conflict:
        return None
    title, text, overall = _ask_women(conflict) if _has_women(evidence) else _ask_arms(conflict)
    banners = conflict_banner({"evidence": evidence}, codebook)
    table = _tabulate_conflicts(evidence, set(conflict.get("flagged") or ()), codebook)
    verdict = (str(conflict["verdict"]),) if conflict.get("verdict") else ()
    return Section(title, (*verdict, overall, *banners, text), table, after="explanation")


def _ask_women(conflict: Plain) -> tuple[str, str, str]:
    patients, arms = (keep_together(format_p_value(conflict.get(name))) for name in ("p_patients", "p_arms"))
    text = (
        "Suppose the published evidence held for these women: how often would women at least as surprising as these "
        f"come up? {_MEANING} A small p says that the women and the evidence contradict each other, not which of them "
        "is right."
    )
    overall = f"Overall: these women against the evidence, {patients}; the published arms against the priors, {arms}."
    return "Do the women contradict the evidence?", text, overall


def _ask_arms(conflict: Plain) -> tuple[str, str, str]:
    text = (
        "Suppose the priors held: how often would arms at least as surprising as the published ones come up? "
        f"{_MEANING} No woman was added, so nothing else can be asked."
    )
    arms = keep_together(format_p_value(conflict.get("p_arms")))
    return "Do the published arms fit the priors?", text, f"Overall: the published arms against the priors, {arms}."


_MEANING = "That share is p (Evans and Moshonov 2006, doi:10.1214/06-BA129)."


def _tabulate_conflicts(evidence: Plain, flagged: set[Any], codebook: Codebook) -> tuple[SectionTable, ...]:
    """Return the effects of the smallest p, and every flagged one."""
    effects = [each for each in evidence.get("effects") or () if not is_missing(each.get("conflict_p"))]
    ordered = sorted(effects, key=lambda each: float(each["conflict_p"]))
    shown = [each for place, each in enumerate(ordered) if place < MOST_CONFLICTS or each["parameter"] in flagged]
    rows = [
        {
            "Effect": name_effect(each, codebook),
            "p": format_p_value(each["conflict_p"]).removeprefix("p ").removeprefix("= "),
            "Contradicts": "yes" if each["parameter"] in flagged else "no",
        }
        for each in shown
    ]
    left = len(effects) - len(shown)
    note = (
        f"{len(effects)} effects were looked at. One contradicts if its p stays below 0.025 when that is allowed for "
        "(Holm 1979); the overall p allows for all of them."
        + (f" {left} effects with a larger p are not shown." if left else "")
    )
    return (SectionTable("Where they differ most", pd.DataFrame(rows), note),) if rows else ()


def build_computation_section(evidence: Plain) -> Section | None:
    """Return whether the approximation behind the evidence model holds, by the weights of its draws.

    Parameters
    ----------
    evidence : mapping
        ``diagnostics`` with ``pareto_k``, ``effective_draws`` and ``corrected``.
    """
    found = evidence.get("diagnostics") or {}
    if not found:
        return None
    by_chains = not is_missing(found.get("r_hat"))
    word = describe_r_hat(found.get("r_hat")) if by_chains else describe_pareto_k(found.get("pareto_k"))
    if by_chains:
        how = "Laplace approximation, corrected by Hamiltonian chains."
        check = {"Check": "R-hat of the chains", "Found": format_number(found["r_hat"], 3), "Meaning": word}
        note = "R-hat below 1.02: groups of chains agree (Gelman and Rubin 1992, doi:10.1214/ss/1177011136)."
    else:
        how = "Laplace approximation" + (", corrected by importance sampling." if found.get("corrected") else ".")
        check = {
            "Check": "Pareto k of the draws' weights", "Found": format_number(found.get("pareto_k")), "Meaning": word,
        }  # fmt: skip
        note = (
            "Pareto k below 0.5 is good, 0.5 to 0.7 fair, above 0.7 not to be trusted (Vehtari and others 2024, "
            "Journal of Machine Learning Research 25:72)."
        )
    rows = [
        check,
        {
            "Check": "Draws that count",
            "Found": format_number(found.get("effective_draws"), 0),
            "Meaning": "all draws together are worth this many independent ones",
        },
    ]
    text = f"The chances are averages over all effects that are compatible with the data. {how}"
    said = (*computation_banner({"evidence": evidence}), text)
    table = SectionTable("How well the evidence model was computed", pd.DataFrame(rows), note)
    return Section("Was the evidence model computed well?", said, (table,), after="end")
