"""Women and arms brought into one likelihood, and what is kept of the fit."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import ThreadpoolController

from poi_predict.errors import EvidenceError, ModelError
from poi_predict.modeling.borrowing.curved import find_slopes
from poi_predict.modeling.borrowing.design import TREATED, Design, build_design
from poi_predict.modeling.borrowing.likelihood import ArmData, JointData, Women
from poi_predict.modeling.borrowing.links import find_link
from poi_predict.modeling.borrowing.posterior import Posterior, compute_posterior, make_tau_grid
from poi_predict.modeling.borrowing.predictive import NEW_CENTRE, WomanRows, compute_linear_moments
from poi_predict.modeling.borrowing.reasons import attribute_log_odds, compute_gap_variance
from poi_predict.modeling.borrowing.women import (
    Moments,
    build_copula,
    compute_women,
    fill_gaps,
    list_marginals,
    silence_few,
)
from poi_predict.naming import suggest
from poi_predict.privacy import blur_posterior, find_blur

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from poi_predict.modeling.borrowing.arms import Arm, Marginal, Prior
    from poi_predict.modeling.borrowing.links import Link

    FloatArray = NDArray[np.float64]

__all__ = [
    "Evidence",
    "JointFit",
    "add_information",
    "blur_joint",
    "complete_arms",
    "fit_evidence_alone",
    "fit_joint",
    "place_arms",
    "subtract_information",
]

INTERCEPT_SD = 2.5
STUDY, CENTRE, THERAPY = "study:", "centre:", "therapy:"
LEAST_VARIANCE = 1e-12
BINOMIALS = ("one_parameter", "two_parameter")
TAILS = ("normal", "t")
SAMPLERS = ("importance", "quick", "fine")
FINE_POINTS = 1024
"""Points of an arm in a model that is kept: with 64 their choice alone moves a woman's probability by two points."""


@dataclass(frozen=True)
class Evidence:
    """The estimator's parameters, checked; `EvidenceLogisticRegression` says what they mean."""

    link: str
    priors: tuple[Prior, ...]
    arms: tuple[Arm, ...]
    population: tuple[Marginal, ...]
    correlations: tuple[tuple[str, str, float], ...]
    treatment: tuple[str, ...]
    treated: str | None
    interactions: tuple[tuple[str, str], ...]
    centre: str | None
    tau_scale: float
    tau_points: int
    default_sd: float
    points: int
    binomial: str
    tail: str
    correction: bool
    sampler: str
    seed: int
    least: int = 0
    therapy_tau_scale: float = 0.0

    def __post_init__(self) -> None:
        find_link(self.link)
        for name, allowed in (("binomial", BINOMIALS), ("tail", TAILS), ("sampler", SAMPLERS)):
            if getattr(self, name) not in allowed:
                raise ModelError(f'{name} must be one of {", ".join(allowed)}; "{getattr(self, name)}" is not.')
        if not (min(self.tau_scale, self.therapy_tau_scale) >= 0 and self.default_sd > 0 and self.tau_points >= 1):
            raise ModelError(
                "tau_scale must not be negative, nor therapy_tau_scale; default_sd and tau_points must be positive."
            )
        for kind, names in (
            ("A row", [arm.row_id for arm in self.arms]),
            ("A prior", [prior.parameter for prior in self.priors]),
        ):
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise EvidenceError(f"{kind} must be given once; {', '.join(repeated)} is repeated. Remove one.")


@dataclass(frozen=True)
class JointFit:
    """What a fit leaves: sums and parameters, no woman.

    Attributes
    ----------
    design : Design
    groups : tuple of str
        Names of the deviations, in order: ``study:…``, ``therapy:study:…``, ``therapy:centre:…``, ``centre:…``.
    centre_codes : ndarray of int, shape (n_centres,)
        Codes of the centres that were seen; their groups are the last ones, in this order.
    posterior : Posterior
    mean, covariance : ndarray of shape (d,) and (d, d)
        Of the whole mixture.
    centring : ndarray of shape (n_columns,)
    moments : Moments
        Of the women, to fill gaps from.
    fillable : ndarray of bool, shape (n_columns,)
    prior_mean, prior_sd : ndarray of shape (n_coefficients,)
    twin : Posterior or None
        The same with normal tails, where the priors have heavier ones: conflict is judged there.
    therapy_spread : float
        SD between studies of the effect of therapy, in units of tau.
    blur : float
        Noise that was put on what the women taught; see `blur_joint`.
    """

    design: Design
    groups: tuple[str, ...]
    centre_codes: NDArray[np.int64]
    posterior: Posterior
    mean: FloatArray
    covariance: FloatArray
    centring: FloatArray
    moments: Moments
    fillable: NDArray[np.bool_]
    prior_mean: FloatArray
    prior_sd: FloatArray
    twin: Posterior | None = None
    therapy_spread: float = 0.0  # of models stored before therapies could differ
    blur: float = 0.0

    @property
    def n_study_groups(self) -> int:
        """Deviations of studies, which come first."""
        return sum(not name.removeprefix(THERAPY).startswith(CENTRE) for name in self.groups)

    @property
    def own_group(self) -> int:
        """Group of a woman whose table has no centre column."""
        one_centre = self.design.centre is None and len(self.centre_codes) == 1
        return len(self.groups) - 1 if one_centre else NEW_CENTRE

    def place(self, values: FloatArray, therapy: float | None = None) -> WomanRows:
        """Turn columns, with gaps, into rows of the design; `therapy` overrules what was given."""
        filled, spread = fill_gaps(self._centre_protocol(values), self.moments, self.fillable)
        given = self.design.therapy(values) if therapy is None else np.full(len(values), therapy)
        deviations = filled - self.centring
        acting = self.design.act(deviations, given)
        variance = compute_gap_variance(self.design, acting, spread, self.mean, self.covariance)
        known, new_centre = self.find_shares(self.find_groups(values), given)
        return WomanRows(np.hstack([self.design.rows(deviations, given), known]), new_centre, variance, given)

    def find_shares(self, group: NDArray[np.intp], therapy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how much of each deviation, and of a new centre's two, rows have; shapes (n, n_groups) and (n, 2).

        Parameters
        ----------
        group : ndarray of int, shape (n,)
            Position of each row's study or centre among the deviations; `NEW_CENTRE` where it is not known.
        therapy : ndarray of shape (n,)
        """
        place = {name: position for position, name in enumerate(self.groups)}
        of_therapy = np.array([*(place.get(f"{THERAPY}{name}", NEW_CENTRE) for name in self.groups), NEW_CENTRE])[group]
        shares = np.zeros((len(group), len(self.groups) + 1))  # the last column takes what is not known
        at = np.arange(len(group))
        shares[at, of_therapy] = self.therapy_spread * therapy
        new_therapy = shares[:, NEW_CENTRE].copy()
        shares[at, group] = 1.0
        return shares[:, :NEW_CENTRE], np.column_stack([group == NEW_CENTRE, new_therapy]).astype(np.float64)

    def base(self, therapy: float = 1.0) -> WomanRows:
        """Return the row of a woman at the centre of every column, of no known centre if any is known."""
        group, given = np.array([NEW_CENTRE if self.design.centre is not None else self.own_group]), np.array([therapy])
        known, new_centre = self.find_shares(group, given)
        at_centre = self.design.rows(np.zeros((1, len(self.design.columns))), given)
        return WomanRows(np.hstack([at_centre, known]), new_centre, np.zeros(1), given)

    def shares(self) -> FloatArray:
        """Return how each parameter's term is shared among columns, shape (d, n_columns)."""
        deviations = np.zeros((len(self.groups), len(self.design.columns)))
        column = self.design.treated if self.design.centre is None else self.design.centre
        if column is not None:
            deviations[:, column] = 1.0
        return np.vstack([self.design.shares(), deviations])

    def linear_moments(self, women: WomanRows) -> tuple[FloatArray, FloatArray]:
        """Return mean and variance of the linear predictor."""
        return compute_linear_moments(women, self.mean, self.covariance, self.posterior.tau_square)

    def share_elsewhere(self, therapy: FloatArray) -> FloatArray:
        """Return how much of another clinic's two deviations intervals add to rows of these therapies, shape (n, 2).

        A model without a centre column predicts for the clinic it was trained in, whoever asks it: it cannot know
        whether a woman is of its own clinic.
        """
        if self.own_group == NEW_CENTRE:
            return np.zeros((len(therapy), 2))
        return np.column_stack([np.ones(len(therapy)), self.therapy_spread * therapy])

    def vary_elsewhere(self, therapy: FloatArray, other: FloatArray | None = None) -> FloatArray:
        """Return the variance that intervals add for another clinic; see `share_elsewhere`.

        Parameters
        ----------
        therapy, other : ndarray of shape (n,)
            With `other`, the covariance between a woman treated as `therapy` says and the same treated otherwise.
        """
        shares = self.share_elsewhere(therapy)
        both = shares * (shares if other is None else self.share_elsewhere(other))
        return np.asarray(self.posterior.tau_square * both.sum(axis=1), dtype=np.float64)

    def attribute(self, women: WomanRows, values: FloatArray, link: Link) -> tuple[FloatArray, float]:
        """Attribute log-odds to columns; see `EvidenceLogisticRegression.compute_attributions`."""
        return attribute_log_odds(self, women, self.base(), np.isnan(values), link)

    def _centre_protocol(self, values: FloatArray) -> FloatArray:
        return np.where(np.isnan(values) & ~self.fillable, self.centring, values)

    def find_groups(self, values: FloatArray) -> NDArray[np.intp]:
        """Return each woman's position among the deviations; `NEW_CENTRE` where her centre is not known."""
        if self.design.centre is None:
            return np.full(len(values), self.own_group, dtype=np.intp)
        first = len(self.groups) - len(self.centre_codes)
        codes = np.nan_to_num(values[:, self.design.centre]).astype(np.int64)
        place = np.searchsorted(self.centre_codes, codes)
        found = np.isin(codes, self.centre_codes[self.centre_codes != 0])
        return np.where(found, first + place, NEW_CENTRE).astype(np.intp)


@cache
def _find_libraries() -> ThreadpoolController:
    # Finding the loaded libraries takes milliseconds, limiting them microseconds.
    return ThreadpoolController()


def fit_joint(
    evidence: Evidence, columns: Sequence[str], values: FloatArray, response: FloatArray, weight: FloatArray
) -> JointFit:
    """Compute the joint posterior.

    Parameters
    ----------
    evidence : Evidence
    columns : sequence of str
    values : ndarray of shape (n_women, n_columns)
        NaN where missing.
    response : ndarray of shape (n_women,)
        1 for a response, 0 for none.
    weight : ndarray of shape (n_women,)
        Positive.
    """
    column = {name: place for place, name in enumerate(columns)}
    if evidence.least:
        keep = _has_common_therapy(values, column.get(evidence.treated or ""), evidence.least)
        values, response, weight = values[keep], response[keep], weight[keep]
    values, spoken = silence_few(values, evidence.least)
    design = _build(evidence, columns, values)
    field, blended = compute_women(
        np.where(spoken, values, np.nan), weight, evidence.population, evidence.correlations, column, evidence.seed,
        evidence.least,
    )  # fmt: skip
    fillable = np.isin(np.arange(len(columns)), design.baseline)
    centring = np.where(fillable | _is_measured(evidence.population, column), field.mean, 0.0)
    prior_mean, prior_sd = _resolve_priors(evidence, design, values, field)
    codes, therapy = _read_codes(design, values), design.therapy(values)
    known = np.unique(codes)
    differs = design.has_effect and evidence.tau_scale > 0 and evidence.therapy_tau_scale > 0
    label = {code: "own" if design.centre is None else str(code) for code in known.tolist()}
    centres = {f"{CENTRE}{name}": bool((therapy[codes == code] > 0).any()) for code, name in label.items()}
    groups = _name_groups(evidence.arms, centres, differs=differs)
    fit = JointFit(
        design, groups, known, _no_posterior(), np.zeros(0), np.zeros((0, 0)), centring, blended, fillable,
        prior_mean, prior_sd, therapy_spread=evidence.therapy_tau_scale / evidence.tau_scale if differs else 0.0,
    )  # fmt: skip
    filled, _ = fill_gaps(fit._centre_protocol(values), blended, fillable)  # noqa: SLF001
    group = len(groups) - len(known) + np.searchsorted(known, codes)
    women = Women(
        design.rows(filled - centring, therapy), 2.0 * response - 1.0, weight, fit.find_shares(group, therapy)[0]
    )
    # Threads cost more than they gain on matrices this small, and their sums may differ in the last bit.
    with _find_libraries().limit(limits=1):
        posterior = _compute(evidence, fit, women, len(groups))
        mean, covariance = posterior.collapse()
        twin = _compute(_with_normal_tails(evidence), fit, women, len(groups)) if evidence.tail == "t" else None
    return dataclasses.replace(fit, posterior=posterior, mean=mean, covariance=covariance, twin=twin)


def blur_joint(
    fit: JointFit, n: int, least: int, rng: np.random.Generator, find_information: Callable[[Posterior], FloatArray]
) -> JointFit:
    """Return a fit as it may be stored: what the women taught is blurred, what was published is not.

    The components of tau share one distribution of the parameters, as the difference between two of them would be as
    good as one that was not blurred.

    Parameters
    ----------
    fit : JointFit
    n : int
        Women that it was fitted to.
    least : int
    rng : Generator
        From `poi_predict.privacy.seed_noise`.
    find_information : callable
        What the women said of the parameters of a posterior: `add_information` or `subtract_information`.
    """
    blur = find_blur(n, least)

    def move(posterior: Posterior) -> Posterior:
        mean, covariance = posterior.collapse_deviations()
        moved, wider = blur_posterior(covariance, find_information(posterior), n, blur, rng)
        weights = posterior.weights * np.exp(blur * rng.normal(size=len(posterior.weights)))
        found = posterior.replace_parameters(mean + moved, wider, weights / weights.sum())
        rounded = {name: round(getattr(found, name), 3) for name in ("pareto_k", "effective_draws", "r_hat")}
        return dataclasses.replace(found, **rounded)

    posterior, twin = move(fit.posterior), None if fit.twin is None else move(fit.twin)
    mean, covariance = posterior.collapse()
    return dataclasses.replace(fit, posterior=posterior, mean=mean, covariance=covariance, twin=twin, blur=blur)


def add_information(posterior: Posterior, women: WomanRows, link: Link) -> FloatArray:
    """Return the information of women on the parameters, from their rows."""
    eta = women.rows @ posterior.mean
    p = link.probability(eta)
    precision = link.density(eta) ** 2 / np.maximum(p * (1 - p), LEAST_VARIANCE)
    slopes = women.rows @ find_slopes(posterior.collapse_deviations()[0], posterior.attenuation)
    return np.asarray((slopes.T * precision) @ slopes)


def subtract_information(posterior: Posterior, alone: Posterior) -> FloatArray:
    """Return the information of women on the parameters, from the posteriors with and without them."""
    precision = np.linalg.pinv(posterior.collapse_deviations()[1])
    before = np.linalg.pinv(alone.collapse_deviations()[1])
    centres = np.arange(len(before), len(precision))
    precision[: len(before), : len(before)] -= before
    precision[centres, centres] -= 1.0 / max(alone.tau_square, LEAST_VARIANCE)
    return np.asarray(precision)


def _has_common_therapy(values: FloatArray, treated: int | None, least: int) -> NDArray[np.bool_]:
    """Leave out the few women who alone had the therapy, or alone had none: the effect would be their outcomes."""
    if treated is None or silence_few(values[:, [treated]], least)[1][0]:
        return np.ones(len(values), dtype=np.bool_)
    common = silence_few(values[:, [treated]], least)[0][:, 0]
    return np.asarray((values[:, treated] == common) | np.isnan(values[:, treated]))


def fit_evidence_alone(fit: JointFit, evidence: Evidence, *, as_twin: bool = False) -> Posterior:
    """Compute the posterior of arms and priors as a fit had them, without its women; `as_twin` with normal tails."""
    if as_twin and fit.twin is not None:
        evidence = _with_normal_tails(evidence)
    if not len(fit.centre_codes):
        return fit.posterior if fit.twin is None or not as_twin else fit.twin
    k, n_groups = len(fit.design.coefficients), fit.n_study_groups
    nobody = Women(np.empty((0, k)), np.empty(0), np.empty(0), np.empty((0, n_groups)))
    with _find_libraries().limit(limits=1):
        return _compute(evidence, fit, nobody, n_groups)


def _with_normal_tails(evidence: Evidence) -> Evidence:
    return dataclasses.replace(evidence, tail="normal")


def complete_arms(evidence: Evidence, design: Design) -> list[list[Marginal]]:
    """Return every arm's marginals, those of the field put in where it is silent on a baseline column."""
    baseline = {design.columns[place] for place in design.baseline}
    field = [dataclasses.replace(m, from_table=True) for m in evidence.population if baseline.issuperset(m.columns)]
    completed = []
    for arm in evidence.arms:
        said = {name for marginal in arm.marginals for name in marginal.columns}
        completed.append([*arm.marginals, *(m for m in field if said.isdisjoint(m.columns))])
    return completed


def _build(evidence: Evidence, columns: Sequence[str], values: FloatArray) -> Design:
    for arm in evidence.arms:
        for name in (name for marginal in arm.marginals for name in marginal.columns):
            if name not in columns:
                raise EvidenceError(
                    f"Row {arm.row_id}: an arm must be described by columns of the model; {name} is not one"
                    f"{suggest(name, columns)}. Leave it out or name it among the predictors."
                )
    design = build_design(
        columns,
        treated=evidence.treated,
        protocol=evidence.treatment,
        centre=evidence.centre,
        interactions=evidence.interactions,
        has_effect=False,
        definitions=list(dict.fromkeys(arm.definition for arm in evidence.arms if arm.definition)),
    )
    therapy = {float(arm.treated) for arm in evidence.arms} | set(np.unique(design.therapy(values)).tolist())
    return dataclasses.replace(design, has_effect=len(therapy) > 1)


def _compute(evidence: Evidence, fit: JointFit, women: Women, n_groups: int) -> Posterior:
    link = find_link(evidence.link)

    def build(points: int) -> JointData:
        arms = place_arms(dataclasses.replace(evidence, points=points), fit)
        arms = dataclasses.replace(arms, groups=arms.groups[:, :n_groups])
        return JointData(
            women,
            arms,
            n_groups,
            fit.prior_mean,
            fit.prior_sd,
            _attenuate(link, arms),
            heavy_tail=evidence.tail == "t",
            two_parameter=evidence.binomial == "two_parameter",
        )

    fine = evidence.sampler == "fine" and evidence.points < FINE_POINTS and len(evidence.arms) > 0
    return compute_posterior(
        build(FINE_POINTS if fine else evidence.points),
        link,
        make_tau_grid(evidence.tau_scale, evidence.tau_points),
        sampler=_choose_sampler(evidence),
        seed=evidence.seed,
        coarse=build(evidence.points) if fine else None,
    )


def _choose_sampler(evidence: Evidence) -> str:
    """Return what corrects the normal approximation: chains where tails are heavy, since importance draws fail."""
    if not evidence.correction:
        return "none"
    return "quick" if evidence.tail == "t" and evidence.sampler == "importance" else evidence.sampler


def _attenuate(link: Link, arms: ArmData) -> FloatArray:
    """How the spread of an arm's women flattens its mean probability, the larger arms counting for more."""
    points = arms.design.reshape(len(arms.n), arms.n_points, arms.design.shape[1])
    weight = np.repeat(arms.n * arms.discount, arms.n_points)
    flat = (points - points.mean(axis=1, keepdims=True)).reshape(arms.design.shape)
    return np.asarray(link.flattening**2 * (flat.T * weight) @ flat / max(weight.sum(), 1.0), dtype=np.float64)


def place_arms(evidence: Evidence, fit: JointFit) -> ArmData:
    """Represent every arm by points of the design."""
    design, arms = fit.design, evidence.arms
    column = {name: place for place, name in enumerate(design.columns)}
    copula = build_copula(
        list_marginals(arms, evidence.population), evidence.correlations, evidence.points, evidence.seed
    )
    blocks = []
    for arm, marginals in zip(arms, complete_arms(evidence, design), strict=True):
        points = copula.place(marginals, column)
        deviations = np.where(np.isnan(points), 0.0, points - fit.centring)
        definition = design.definitions.index(arm.definition) if arm.definition else None
        blocks.append(design.rows(deviations, np.full(len(points), float(arm.treated)), definition))
    study = np.array([fit.groups.index(f"{STUDY}{arm.study}") for arm in arms], dtype=np.intp)
    return ArmData(
        np.vstack([np.empty((0, len(design.coefficients))), *blocks]),
        np.array([arm.events for arm in arms], dtype=np.float64),
        np.array([arm.n for arm in arms], dtype=np.float64),
        np.array([arm.discount for arm in arms], dtype=np.float64),
        fit.find_shares(study, np.array([float(arm.treated) for arm in arms]))[0],
        evidence.points,
    )


def _is_measured(population: tuple[Marginal, ...], column: dict[str, int]) -> NDArray[np.bool_]:
    """Whether a column is a measured number: then its mean is its centre, even if it belongs to the protocol."""
    measured = np.zeros(len(column), dtype=bool)
    for marginal in population:
        if marginal.family not in ("bernoulli", "categorical") and marginal.columns[0] in column:
            measured[column[marginal.columns[0]]] = True
    return measured


def _resolve_priors(
    evidence: Evidence, design: Design, values: FloatArray, field: Moments
) -> tuple[FloatArray, FloatArray]:
    """Return prior means and SDs of the coefficients; a 0/1 column counts as having an SD of 1."""
    declared = {prior.parameter: prior for prior in evidence.priors}
    for name in declared:
        if name not in design.coefficients and name != TREATED:
            raise EvidenceError(
                f"A prior must be of a parameter of the model; {name} is not one{suggest(name, design.coefficients)}."
            )
    spread = dict(zip(design.columns, _find_spread(evidence.population, design.columns, values, field), strict=True))
    mean, sd = [], []
    for name in design.coefficients:
        prior = declared.get(name)
        factors = [spread[part] for part in name.split(":") if part in spread]
        default = INTERCEPT_SD if name == "intercept" else evidence.default_sd / float(np.prod(factors))
        mean.append(0.0 if prior is None else prior.mean)
        sd.append(default if prior is None else prior.sd)
    return np.array(mean), np.array(sd)


def _find_spread(
    population: tuple[Marginal, ...], columns: Sequence[str], values: FloatArray, field: Moments
) -> FloatArray:
    """SDs of the columns, 1 for those of 0 and 1; the table of the field says so, so that no prior waits for women."""
    flags = {name for m in population if m.family in ("bernoulli", "categorical") for name in m.columns}
    seen = [bool(np.isin(c[~np.isnan(c)], (0.0, 1.0)).all()) for c in values.T] if len(values) else []
    is_flag = np.isin(columns, sorted(flags)) | np.array(seen or [False] * len(columns))
    return np.where(is_flag, np.maximum(field.sd, 1.0), field.sd)


def _name_groups(arms: Sequence[Arm], centres: Mapping[str, bool], *, differs: bool) -> tuple[str, ...]:
    """Name the deviations of studies and centres and, if therapies differ, those of its effect where it was given."""
    studies: dict[str, bool] = {}
    for arm in arms:
        name = f"{STUDY}{arm.study}"
        studies[name] = studies.get(name, False) or arm.treated
    of_therapy = [
        [f"{THERAPY}{name}" for name, treated in places.items() if treated and differs] for places in (studies, centres)
    ]
    return (*studies, *of_therapy[0], *of_therapy[1], *centres)


def _read_codes(design: Design, values: FloatArray) -> NDArray[np.int64]:
    if design.centre is None:
        return np.zeros(len(values), dtype=np.int64)
    return np.nan_to_num(values[:, design.centre]).astype(np.int64)


def _no_posterior() -> Posterior:
    nothing = np.zeros(0)
    return Posterior(nothing, nothing, nothing, nothing, nothing, float("nan"), float("nan"), corrected=False)
