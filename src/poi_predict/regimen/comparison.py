"""Regimens compared for one woman or many: only the protocol moves, and nothing is called better without support."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.errors import ModelError
from poi_predict.features import origin_of
from poi_predict.regimen.compared import RegimenComparison
from poi_predict.regimen.draws import NO_CENTRE, compute_interval, has_one_order, lacks_centres, split_women
from poi_predict.regimen.placing import derive_own_columns, place_options
from poi_predict.regimen.settings import NO_THERAPY
from poi_predict.regimen.verdicts import (
    LEAST_DRAWS,
    claim_against_reference,
    compare_pairs,
    find_best,
    rank_options,
    write_verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from poi_predict.regimen.draws import ResponseDraws
    from poi_predict.regimen.options import Option, OptionList
    from poi_predict.regimen.settings import RegimenSettings
    from poi_predict.regimen.support import OptionSupport, Support

    FloatArray = NDArray[np.float64]

__all__ = ["RegimenComparison", "compare_regimens"]

LITTLE_KNOWN = 0.5
ONE_ORDER = (
    "This model has no interactions between regimen and woman, so the regimens have the same order for every woman; "
    "only the size of their differences varies."
)


BY_WOMAN = (
    "p", "low", "high", "difference", "difference_low", "difference_high", "better_than_reference", "best",
    "expected_loss", "ranks", "beats", "claims",
)  # fmt: skip


def compare_regimens(
    draws_of: ResponseDraws,
    women: pd.DataFrame,
    options: OptionList,
    settings: RegimenSettings,
    support: Support,
    *,
    favourable: bool = True,
) -> RegimenComparison:
    """Compare regimens for one woman or many.

    Parameters
    ----------
    draws_of : ResponseDraws
        Of `build_draws`.
    women : DataFrame of shape (n_women, n_inputs)
        Canonical predictor columns; missing values are answered, with wider intervals and a flag.
    options : OptionList
    settings : RegimenSettings
        Reference, threshold, smallest difference, least support.
    support : Support
        Of `summarise_support`.
    favourable : bool
        Whether the outcome is one to wish for (``endpoint.favourable``); otherwise the lower probability is better.

    Returns
    -------
    RegimenComparison

    Raises
    ------
    StudyError
        If the reference is not an option.
    ModelError
        If the options hold no cell therapy, and the model knows nothing of it.

    Notes
    -----
    Only what an option sets moves; her baseline is the same in all of them. All options of one woman share the draws,
    so a difference is less uncertain than its two parts. Options without support get their probabilities, but take no
    part in ranks, in the probability of being best, or in the verdict.

    Examples
    --------
    Published arms alone cannot rank what was published, nor tell it from no therapy:

    >>> from poi_predict.cohort import read_codebook
    >>> from poi_predict.evidence.settings import EvidenceSettings
    >>> from poi_predict.features import FeatureSettings
    >>> from poi_predict.modeling.evidence_pipeline import build_evidence_pipeline
    >>> from poi_predict.regimen import Support, build_draws, build_regimen_settings, count_arms, list_options
    >>> codebook, predictors = read_codebook(), ("age", "cell_source")
    >>> pipeline = build_evidence_pipeline(
    ...     codebook, FeatureSettings(predictors), EvidenceSettings("menses"), with_centre=False, random_state=0)
    >>> draws_of = build_draws(pipeline.fit(pd.DataFrame({"age": [], "cell_source": []}), []))
    >>> settings = build_regimen_settings({}, codebook, predictors)
    >>> support = Support(count_arms(settings, codebook, "menses"))
    >>> options = list_options(settings, codebook, support.seen)
    >>> found = compare_regimens(draws_of, pd.DataFrame({"age": [31.0]}), options, settings, support)
    >>> found.verdicts[0].kind, found.options[0].label, found.support[0].arm_women
    ('not distinguishable', 'no cell therapy', 669)
    """
    compared = options.options
    if any(not option.is_therapy for option in compared) and not draws_of.says_no_therapy:
        raise ModelError(
            "No cell therapy can be an option only if some women, or arms, were without it; here all were treated. "
            "List the options with without_therapy=False."
        )
    found = tuple(support.count(option) for option in compared)
    standing = tuple(one.judge(settings.least_women) for one in found)
    reference, notes = _find_reference(options, found, settings)
    judged = draws_of.n_draws >= LEAST_DRAWS
    if has_one_order(draws_of.pipeline, settings.protocol):
        notes = (*notes, ONE_ORDER)
    if lacks_centres(draws_of.pipeline) and not settings.randomised:
        notes = (*notes, NO_CENTRE)
    judge = Judge(standing, reference, settings if judged else None, favourable)
    parts = list(_compute_parts(draws_of, women, compared, judge))
    by_woman = {name: np.concatenate([part[name] for part in parts]) for name in (*BY_WOMAN, "leader")}
    leader = by_woman.pop("leader")
    columns = derive_own_columns(draws_of.pipeline, place_options(women, compared).women)
    alike, alike_with = support.count_alike(columns, compared)
    nobody_had_it = np.array([one.outside or place == "no data" for one, place in zip(found, standing, strict=True)])
    unlike = (alike.n == 0) if support.neighbourhood is not None else np.zeros(len(women), dtype=np.bool_)
    return RegimenComparison(
        options=compared,
        support=found,
        standing=standing,
        reference=reference,
        kind=draws_of.kind,
        favourable=favourable,
        average=_average(parts, by_woman["p"], compared, reference),
        n_draws=draws_of.n_draws,
        rule=settings.rule,
        notes=notes,
        n_alike=alike.n,
        n_alike_with=alike_with,
        extrapolated=nobody_had_it | unlike[:, None],
        flags=_flag(columns, settings, alike.known, unlike),
        verdicts=tuple(
            write_verdict(compared, int(best), chance, beats, claims, reference, None if judged else draws_of.n_draws)
            for best, chance, beats, claims in zip(
                leader, by_woman["best"], by_woman["beats"], by_woman["claims"], strict=True
            )
        ),
        **by_woman,
    )


def _find_reference(
    options: OptionList, found: Sequence[OptionSupport], settings: RegimenSettings
) -> tuple[int, tuple[str, ...]]:
    """Return the position of the reference; without no therapy the commonest option takes its place."""
    if settings.reference == NO_THERAPY and NO_THERAPY not in options.names:
        commonest = max(range(len(found)), key=lambda place: (found[place].n_women, found[place].arm_women, -place))
        note = (
            "The model knows nothing of women without cell therapy, so the options are compared with the commonest, "
            f"{options.options[commonest].label}."
        )
        return commonest, (note,)
    return options.options.index(options.find(settings.reference)), ()


def _compute_parts(
    draws_of: ResponseDraws, women: pd.DataFrame, options: Sequence[Option], judge: Judge
) -> Iterator[dict[str, NDArray[Any]]]:
    """Compare some women at a time, so that memory stays small whatever their number."""
    reference = judge.reference
    for part in split_women(len(women), len(options), draws_of.n_draws):
        p, draws = draws_of.compute(women.iloc[part], options)
        low, high = compute_interval(draws, p)
        difference = p - p[:, [reference]]
        away = draws - draws[:, [reference]]
        difference_low, difference_high = compute_interval(away, difference)
        yield {
            "p": p, "low": low, "high": high,
            "difference": difference, "difference_low": difference_low, "difference_high": difference_high,
            "better_than_reference": ((away > 0) if judge.favourable else (away < 0)).mean(axis=-1),
            "sum_of_draws": draws.sum(axis=0),
            **judge.apply(draws, p),
        }  # fmt: skip


@dataclass(frozen=True)
class Judge:
    """The rule of the verdict with what it needs to know of the options.

    Attributes
    ----------
    standing : sequence of str
    reference : int
    settings : RegimenSettings or None
        None where no verdict may be given.
    favourable : bool
    """

    standing: Sequence[str]
    reference: int
    settings: RegimenSettings | None
    favourable: bool

    def apply(self, draws: FloatArray, p: FloatArray) -> dict[str, NDArray[Any]]:
        """Return ranks, losses and what may be said."""
        supported = np.array([one == "supported" for one in self.standing])
        if not self.favourable:
            draws, p = 1.0 - draws, 1.0 - p
        ranking = rank_options(draws, supported)
        n, k = p.shape
        if self.settings is None:
            leader = np.full(n, -1, dtype=np.intp)
            claims, beats = np.zeros((n, k), dtype=np.int8), np.zeros((n, k, k), dtype=np.bool_)
        else:
            leader = find_best(p, ranking, supported, self.settings)
            claims = claim_against_reference(draws, p, supported, self.reference, self.settings)
            beats = compare_pairs(draws, p, supported, self.settings)
        return {
            "best": ranking.best, "expected_loss": ranking.loss, "ranks": ranking.ranks,
            "beats": beats, "claims": claims, "leader": leader,
        }  # fmt: skip


def _average(
    parts: Sequence[dict[str, NDArray[Any]]], p: FloatArray, options: Sequence[Option], reference: int
) -> pd.DataFrame:
    """Compare the options for these women on average; no row without a woman."""
    columns: dict[str, Any] = {"option": [option.name for option in options] if len(p) else []}
    mean = p.mean(axis=0) if len(p) else np.empty(0)
    draws = np.sum([part["sum_of_draws"] for part in parts], axis=0) / max(len(p), 1)
    draws = draws if len(p) else draws[:0]
    for name, point, drawn in (
        ("p", mean, draws),
        ("difference", mean - mean[[reference]] if len(p) else mean, draws - draws[[reference]] if len(p) else draws),
    ):
        low, high = compute_interval(drawn, point)
        prefix = "" if name == "p" else f"{name}_"
        columns |= {name: point, f"{prefix}low": low, f"{prefix}high": high}
    return pd.DataFrame(columns)


def _flag(
    columns: pd.DataFrame, settings: RegimenSettings, known: FloatArray, unlike: NDArray[np.bool_]
) -> tuple[tuple[str, ...], ...]:
    """Return what to know of each woman before reading her comparison."""
    hers = [str(name) for name in columns.columns if origin_of(str(name)) not in {*settings.protocol, "centre"}]
    gone = columns[hers].isna().to_numpy()
    origins = [origin_of(name) for name in hers]
    variables = list(dict.fromkeys(origins))
    missing = np.array([gone[:, [origin == v for origin in origins]].any(axis=1) for v in variables]).reshape(
        len(variables), len(columns)
    )
    flags = []
    for woman in range(len(columns)):
        said = [f"missing:{variable}" for variable, lacks in zip(variables, missing[:, woman], strict=True) if lacks]
        said += ["little_known"] * bool(known[woman] < LITTLE_KNOWN) + ["nobody_alike"] * bool(unlike[woman])
        flags.append(tuple(said))
    return tuple(flags)
