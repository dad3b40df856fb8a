"""What a model borrows: priors, arms, who their women were, and who the women of the field are.

Each reader returns a new DataFrame whose blank words are empty and whose blank numbers are NaN, and refuses a
table that breaks a rule with one `EvidenceError` that names every row at fault.

Rows that share women are never added. That rule holds among arms, and among the sources of priors. It does not
hold *between* them: a rate says how many women of a cohort recovered and moves the intercept; an association
says which of them did, whatever their number, and moves one coefficient. So the rate of the Paris cohort (NH02)
and its odds ratio for visible follicles (E09) are two pieces of information, although both come from the same
women, and a description of those women (how high their FSH was) is a third. What remains shared, the chance
that made this cohort unlike others, is one reason why a borrowed effect is halved and its standard error doubled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from poi_predict.errors import EvidenceError
from poi_predict.evidence.borrowed_files import (
    raise_if_any,
    read_numbers,
    read_row_ids,
    read_text,
    read_vocabulary,
)
from poi_predict.evidence.borrowed_rules import (
    OUTCOMES,
    THERAPY_TAU,
    find_arm_breaches,
    find_correlation_breaches,
    find_description_breaches,
    find_prior_breaches,
    find_protocol_breaches,
)
from poi_predict.evidence.published import (
    read_arms,
    read_natural_history,
    read_overlaps,
    read_prognostic_effects,
    read_protocols,
)
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "OUTCOMES",
    "THERAPY_TAU",
    "list_borrowed_rows",
    "read_arm_protocols",
    "read_arm_women",
    "read_borrowed_arms",
    "read_field",
    "read_field_correlations",
    "read_priors",
    "read_vocabulary",
]

_SOURCES = ("arms", "natural_history", "prognostic_factors", "effects", "baseline_distributions")


def read_priors(folder: Path | None = None, *, outcome: str | None = None) -> pd.DataFrame:
    """Read what is believed of each coefficient before a clinic's women are seen.

    Parameters
    ----------
    folder
        Another folder with the same tables; the shipped ones when omitted.
    outcome
        Only the rows of this outcome, ``menses`` or ``pregnancy``; a row may serve both.

    Returns
    -------
    DataFrame
        Indexed by ``row_id`` (PR01 …): ``outcome``, ``parameter``, ``mean`` and ``sd`` (log odds for one unit of
        the derived column), ``source_rows``, ``rule``, ``conversion`` (from the unit of the effect to that of
        the column), ``reasoning``.

    Raises
    ------
    EvidenceError
        When an SD is not positive, a parameter, source or rule is unknown, a parameter occurs twice, a figure
        does not follow from its rule, or sources share their women.

    Examples
    --------
    FSH: half of what two cohorts say by random effects, -0.0159 per IU/L, for a log unit of about 60 IU/L:

    >>> row = read_priors(outcome="menses").set_index("parameter").loc["fsh__log"]
    >>> f"{row['mean']:.2f} ± {row['sd']:.2f} from {row['source_rows']}"
    '-0.48 ± 1.50 from E01;E18;PF21'
    """
    frame = read_numbers("priors", folder)
    vocabulary = read_vocabulary(folder)
    definitions = read_text("borrowed_arms", folder)[["outcome", "definition"]]
    used = {(of, f"definition:{name}") for of, name in definitions.to_numpy(dtype=object) if name}
    effects, sources = read_prognostic_effects(folder), set(read_row_ids(_SOURCES, folder))
    found = find_prior_breaches(frame, vocabulary, used, effects, sources, read_overlaps(folder))
    raise_if_any("priors", found)
    return _take_outcome(frame, outcome)


def read_borrowed_arms(folder: Path | None = None, *, outcome: str | None = None) -> pd.DataFrame:
    """Read which published rows enter the likelihood, with their counts.

    Parameters
    ----------
    folder
        Another folder with the same tables; the shipped ones when omitted.
    outcome
        Only the rows of this outcome, ``menses`` or ``pregnancy``.

    Returns
    -------
    DataFrame
        Indexed by ``row_id`` (A01 …, NH02 …), which is unique within an outcome: ``outcome``, ``study`` and
        ``year`` (without doubt marks), ``label``, ``treated``, ``counted`` (the outcome that was counted),
        ``events``, ``n``, ``definition`` (empty if it is the outcome predicted), ``discount``, ``reasoning``.

    Raises
    ------
    EvidenceError
        When a row is unknown, states no counts or no woman, has a discount outside 0 to 1, counts another
        outcome without naming its definition, or shares women with another row.

    Examples
    --------
    >>> arms = read_borrowed_arms(outcome="menses")
    >>> print(arms[["treated", "events", "n", "definition"]])
            treated  events    n        definition
    row_id
    A01        True       4    9
    A02        True       2   10   short_follow_up
    A09        True      13   35   short_follow_up
    A16        True       1    6   short_follow_up
    NH02      False     117  507  ovarian_function
    NH03      False      48  162  ovarian_function
    """
    frame = read_numbers("borrowed_arms", folder)
    arms, untreated = read_arms(folder), read_natural_history(folder)
    counted = pd.concat([arms.assign(treated=True), untreated.assign(treated=False)])
    priors = read_text("priors", folder)[["outcome", "parameter"]].to_numpy(dtype=object)
    believed = {(outcome, parameter) for outcomes, parameter in priors for outcome in outcomes.split(";")}
    raise_if_any("borrowed_arms", find_arm_breaches(frame, counted, believed, read_overlaps(folder)))
    return _take_outcome(_add_counts(frame, counted), outcome)


def list_borrowed_rows(outcome: str, folder: Path | None = None) -> list[str]:
    """Return the ids of the rows that enter for an outcome, unchecked.

    Examples
    --------
    >>> list_borrowed_rows("pregnancy")
    ['A02', 'A03', 'A08', 'A17', 'NH03', 'NH04']
    """
    frame = read_text("borrowed_arms", folder)
    return frame.loc[frame["outcome"] == outcome, "row_id"].tolist()


def read_field(folder: Path | None = None) -> pd.DataFrame:
    """Read who women with POI are: a distribution for each baseline variable, and of published doses.

    Returns
    -------
    DataFrame
        Indexed by ``row_id`` (FD01 …): ``variable``, ``level`` (of a category, whose shares add to 1; or
        ``detectable``), ``family``, ``mean`` (a share for ``bernoulli`` and ``categorical``), ``sd``, ``low``,
        ``high``, ``source_rows`` (none where nothing is published), ``reasoning``. The unit is the codebook's.

    Raises
    ------
    EvidenceError
        When a variable, level, family or source is unknown, an SD is negative or missing, or shares do not add
        to 1.

    Examples
    --------
    >>> row = read_field().loc["FD01"]
    >>> f"{row.variable}: {row['mean']:.0f} (SD {row.sd:.0f})"
    'age: 32 (SD 6)'
    """
    frame = read_numbers("field", folder)
    found = find_description_breaches(frame, read_vocabulary(folder), set(read_row_ids(_SOURCES, folder)))
    raise_if_any("field", found)
    return frame.set_index("row_id")


def read_field_correlations(folder: Path | None = None) -> pd.DataFrame:
    """Read correlations between derived columns, of the normal scores that underlie them; raises as `read_field`.

    A correlation of zero that was published is kept, since it says more than silence.

    Examples
    --------
    >>> row = read_field_correlations().loc["FC06"]
    >>> row.one, row.other, float(row.rho)
    ('fsh__log', 'amh__log', 0.0)
    """
    frame, vocabulary = read_numbers("field_correlations", folder), read_vocabulary(folder)
    described = read_text("field", folder)
    columns = {vocabulary.column(*pair) for pair in described[["variable", "level"]].to_numpy(dtype=object)}
    raise_if_any("field_correlations", find_correlation_breaches(frame, columns, set(read_row_ids(_SOURCES, folder))))
    return frame.set_index("row_id")


def read_arm_women(folder: Path | None = None) -> pd.DataFrame:
    """Read what each borrowed arm says about its women; raises as `read_field`.

    A variable on which an arm is silent is not in the table. Its protocol is in `read_arm_protocols`; what that
    leaves open (a route into the ovaries, by whichever way) may be described here by shares.

    Examples
    --------
    Primary amenorrhea was excluded from A16:

    >>> women = read_arm_women().loc["A16"]
    >>> women.loc[women["variable"] == "amenorrhea_type", ["level", "mean"]].values.tolist()
    [['secondary', 1.0]]
    """
    frame, borrowed = read_numbers("arm_women", folder), read_text("borrowed_arms", folder)
    vocabulary, protocols = read_vocabulary(folder), read_protocols(folder)
    stated = {(str(row), str(name)) for row, cells in protocols.iterrows() for name in cells.index[cells.notna()]}
    found = find_description_breaches(frame, vocabulary, None, arms=set(borrowed["row_id"]), stated=stated)
    raise_if_any("arm_women", found)
    return frame.set_index("row_id")


def read_arm_protocols(folder: Path | None = None) -> pd.DataFrame:
    """Read the protocols of the borrowed arms that were treated; blank where not stated.

    Returns
    -------
    DataFrame
        As `read_protocols`, with words that the vocabulary holds, and ``dose_low`` and ``dose_high`` in total:
        a dose per ovary given to both sides is doubled.

    Raises
    ------
    EvidenceError
        When a level is not in the vocabulary, or a treated arm has no protocol.

    Examples
    --------
    Three to five million cells into each of both ovaries:

    >>> row = read_arm_protocols().loc["A02"]
    >>> f"{row.dose_low:.0e} to {row.dose_high:.0e}"
    '6e+06 to 1e+07'
    """
    arms = read_row_ids(["arms"], folder)
    treated = [row for row in dict.fromkeys(read_row_ids(["borrowed_arms"], folder)) if row in arms]
    frame = read_protocols(folder)
    raise_if_any("protocols", find_protocol_breaches(frame, read_vocabulary(folder), treated))
    frame = frame.loc[treated].copy()
    doubled = 1.0 + ((frame["dose_basis"] == "per_ovary") & (frame["sides"] == "bilateral"))
    return frame.assign(dose_low=frame["dose_low"] * doubled, dose_high=frame["dose_high"] * doubled)


def _add_counts(frame: pd.DataFrame, counted: pd.DataFrame) -> pd.DataFrame:
    rows = counted.loc[frame["row_id"]]
    numbers = [
        (int(row[f"{name}_events"]), int(row[f"{name}_n"]))
        for name, (_, row) in zip(frame["counted"], rows.iterrows(), strict=True)
    ]
    label = rows["arm_label"].fillna(rows["intervention"])
    return frame.assign(
        year=rows["year"].fillna("").str.rstrip("?").to_numpy(),
        label=label.to_numpy(),
        treated=rows["treated"].to_numpy(dtype=bool),
        events=[events for events, _ in numbers],
        n=[n for _, n in numbers],
    )


def _take_outcome(frame: pd.DataFrame, outcome: str | None) -> pd.DataFrame:
    if outcome is not None:
        if outcome not in OUTCOMES:
            raise EvidenceError(
                f'Evidence is held for {" and ".join(OUTCOMES)}; "{outcome}" is neither{suggest(outcome, OUTCOMES)}.'
            )
        serves = [outcome in named.split(";") for named in frame["outcome"]]
        frame = frame.loc[serves].assign(outcome=outcome)
    return frame.set_index("row_id")
