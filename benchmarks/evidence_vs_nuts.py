"""Is the evidence model's posterior the right one? Its mixture of normals against full MCMC, on the same likelihood.

`EvidenceLogisticRegression` maximises and corrects; NumPyro's NUTS walks. Both get the same rows, the same points
for every published arm and the same priors; NUTS has the SD between studies as a continuous half-normal parameter.
So only the inference differs. All data are SYNTHETIC.

Data sets: a clinic with six arms; three classes of cells under a probit link, a covariate interacting with each
class; a sparse clinic of 25 women under wide priors; heavy tails, priors in conflict, three centres and the
two-parameter binomial. And the two shipped reference models, which have no woman. Each is fitted as a model that is
kept (`sampler = "fine"`); `--sampler` shows what refits in resamples do, `--tail t` gives every case heavy tails.

Asked of every coefficient, of every deviation of a study or centre and of the SD between them: posterior means within
0.10 SD, SDs within 6 %, which is near what 2000 effective draws of NUTS can tell. Exit code 1 if one is not.
Needs NumPyro, which the project does not: pip install numpyro (the dependency group "mcmc").
Run: python benchmarks/evidence_vs_nuts.py [--draws 2500] [--seed 1] [--only sparse] [--tail t] [--verbose]
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from jax.scipy.special import gammaln, log_ndtr, ndtr
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
from numpyro.infer import MCMC, NUTS
from scipy.special import expit
from scipy.special import ndtr as normal_share
from sklearn.base import clone

from poi_predict.features import input_columns
from poi_predict.modeling.borrowing import Arm, Marginal, Prior
from poi_predict.modeling.borrowing.joint import FINE_POINTS, place_arms
from poi_predict.modeling.borrowing.likelihood import DEGREES_OF_FREEDOM
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.evidence_pipeline import build_evidence_pipeline
from poi_predict.study import read_study

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_SHIFT, MOST_SPREAD = 0.10, 0.06
CHAINS, WARM_UP, MOST_R_HAT, LEAST_ESS = 4, 500, 1.01, 1000
FIELD = {"age__years": (34.0, 5.0), "fsh__log": (3.9, 0.6), "amh__log": (-2.0, 1.0), "bmi__kg_m2": (24.0, 3.5)}


@dataclass(frozen=True)
class Case:
    """Women, their outcomes, and a model to be fitted to them."""

    name: str
    model: EvidenceLogisticRegression
    X: pd.DataFrame
    y: np.ndarray


@dataclass(frozen=True)
class Verdict:
    """The largest disagreements of a case."""

    shift: float
    spread: float
    r_hat: float
    ess: float

    @property
    def holds(self) -> bool:
        """Whether the estimator is within its limits, and the chains fit to judge it."""
        mixed = self.r_hat < MOST_R_HAT and self.ess > LEAST_ESS
        return mixed and self.shift <= MOST_SHIFT and self.spread <= MOST_SPREAD


def draw_women(n: int, rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame({name: rng.normal(mean, sd, n) for name, (mean, sd) in FIELD.items()})


def describe_field() -> tuple[Marginal, ...]:
    return tuple(Marginal((name,), "normal", mean, sd) for name, (mean, sd) in FIELD.items())


def draw_arms(
    sizes: list[tuple[int, bool]], rate: Callable[[bool, float], float], rng: np.random.Generator,
    marginals: Callable[[int], tuple[Marginal, ...]] = lambda _: (),
) -> tuple[Arm, ...]:  # fmt: skip
    """Arms of studies that differ (SD 0.4) and whose women differ in age."""
    arms = []
    for i, (n, treated) in enumerate(sizes):
        age = rng.normal(34.0, 2.0)
        who = (Marginal(("age__years",), "normal", age, 4.0), *marginals(i))
        events = int(rng.binomial(n, rate(treated, -0.04 * (age - 34.0) + rng.normal(0, 0.4))))
        arms.append(Arm(f"A{i + 1:02d}", f"study {i}", events, n, treated=treated, marginals=who))
    return tuple(arms)


def make_clinic(rng: np.random.Generator) -> Case:
    X = draw_women(60, rng).assign(treated__yes=(rng.random(60) < 0.7).astype(float))
    eta = -0.9 + 0.4 * X.treated__yes - 0.06 * (X.age__years - 34) - 0.7 * (X.fsh__log - 3.9)
    sizes = [(24, True), (9, True), (60, True), (31, True), (358, False), (507, False)]
    arms = draw_arms(sizes, lambda treated, u: float(expit(-1.0 + 0.4 * treated + u)), rng)
    priors = (Prior("age__years", -0.04, 0.03), Prior("fsh__log", -0.6, 0.4), Prior("treated", 0.0, 0.6))
    model = EvidenceLogisticRegression(arms=arms, priors=priors, population=describe_field(), treated="treated__yes")
    return Case("clinic and six arms", model, X, (rng.random(60) < expit(eta)).astype(int))


def make_classes(rng: np.random.Generator) -> Case:
    classes = ("source__bone_marrow", "source__menstrual", "source__cord")
    n, given = 90, rng.integers(0, 4, 90)  # 0: no therapy
    X = draw_women(n, rng).assign(treated__yes=(given > 0).astype(float))
    for k, name in enumerate(classes):
        X[name] = (given == k + 1).astype(float)
    effects, slopes = np.array([0.0, 0.3, 0.6, -0.2]), np.array([-0.02, -0.08, -0.02, 0.04])
    eta = -0.6 + effects[given] + slopes[given] * (X.age__years - 34) - 0.4 * (X.fsh__log - 3.9)

    def source(i: int) -> tuple[Marginal, ...]:
        return tuple(Marginal((name,), "fixed", float(i % 4 == k)) for k, name in enumerate(classes))

    sizes = [(int(rng.integers(12, 90)), i % 4 != 3) for i in range(12)]
    arms = draw_arms(sizes, lambda treated, u: float(normal_share(-0.6 + 0.3 * treated + u)), rng, source)
    model = EvidenceLogisticRegression(
        link="probit", arms=arms, population=describe_field(), treated="treated__yes", treatment=classes,
        interactions=tuple(("age__years", name) for name in classes),
        correlations=(("fsh__log", "amh__log", -0.5),), tau_scale=0.3,
    )  # fmt: skip
    return Case("three classes, probit", model, X, (rng.random(n) < normal_share(eta)).astype(int))


def make_sparse(rng: np.random.Generator) -> Case:
    X = draw_women(25, rng)
    y = np.zeros(25, dtype=int)
    y[np.argsort(X.fsh__log + rng.normal(0, 0.5, 25))[:4]] = 1
    arms = (Arm("A01", "one", 2, 9, treated=True), Arm("A02", "two", 5, 12, treated=True))
    model = EvidenceLogisticRegression(arms=arms, population=describe_field(), default_sd=2.0, tau_scale=1.0)
    return Case("sparse clinic", model, X, y)


def make_conflict(rng: np.random.Generator) -> Case:
    X = draw_women(120, rng).assign(centre__code=rng.integers(1, 4, 120).astype(float))
    eta = -0.4 + np.array([0.0, -0.5, 0.0, 0.6])[X.centre__code.astype(int)] + 0.8 * (X.fsh__log - 3.9)
    sizes = [(40, True), (25, True), (80, False)]
    arms = draw_arms(sizes, lambda treated, u: float(expit(-0.8 + 0.3 * treated + u)), rng)
    model = EvidenceLogisticRegression(
        arms=arms, population=describe_field(), priors=(Prior("fsh__log", -0.3, 0.3),), centre="centre__code",
        tail="t", binomial="two_parameter",
    )  # fmt: skip
    return Case("heavy tails, conflict", model, X, (rng.random(120) < expit(eta)).astype(int))


def make_reference(study_name: str) -> Case:
    """Build the shipped reference model of a study: all columns, all arms, nobody."""
    study = read_study(study_name)
    pipeline = build_evidence_pipeline(
        study.codebook, study.features, study.evidence, with_centre=False, random_state=study.validation.seed
    )
    columns = input_columns(study.codebook, study.features.predictors)
    nobody = pd.DataFrame({name: pd.Series(dtype=object) for name in columns})
    X = clone(pipeline["features"]).fit(nobody, np.empty(0)).transform(nobody)
    return Case(f"reference, {study_name}", pipeline["model"], X, np.empty(0, dtype=int))


CASES = {
    "clinic": make_clinic,
    "classes": make_classes,
    "sparse": make_sparse,
    "conflict": make_conflict,
    "reference-menses": lambda _: make_reference("menses_12m"),
    "reference-pregnancy": lambda _: make_reference("pregnancy_12m"),
}


def build_density(case: Case) -> Callable[[], None]:
    """Write the model anew from its formulas, for NumPyro."""
    model, fit = case.model, case.model.fit_
    evidence = model._evidence()  # noqa: SLF001
    points = FINE_POINTS if model.sampler == "fine" else evidence.points
    rows, arms = fit.place(case.X.to_numpy(dtype=float)), place_arms(replace(evidence, points=points), fit)
    design, own = np.split(rows.rows, [len(fit.design.coefficients)], axis=1)
    sign = jnp.asarray(2.0 * case.y - 1.0)
    shape = (len(arms.n), arms.n_points)
    log_share, share = (jax.nn.log_sigmoid, jax.nn.sigmoid) if model.link == "logit" else (log_ndtr, ndtr)
    effect = dist.Normal if model.tail == "normal" else lambda m, s: dist.StudentT(DEGREES_OF_FREEDOM, m, s)

    def density() -> None:
        phi = numpyro.sample("phi", effect(jnp.asarray(fit.prior_mean), jnp.asarray(fit.prior_sd)).to_event(1))
        w = numpyro.sample("w", dist.Normal(jnp.zeros(len(fit.groups)), 1.0).to_event(1))
        tau = numpyro.sample("tau", dist.HalfNormal(model.tau_scale))
        u = numpyro.deterministic("u", tau * w)
        numpyro.factor("women", log_share(sign * (design @ phi + own @ u)).sum())
        p = share((arms.design @ phi).reshape(shape) + (arms.groups @ u)[:, None])
        a, b = p.mean(axis=1), (p**2).mean(axis=1)
        size = arms.n if model.binomial == "one_parameter" else jnp.maximum(arms.n * a**2 / b, arms.events + 1e-12)
        per = arms.n * a / size
        ways = gammaln(size + 1) - gammaln(size - arms.events + 1)
        of_arms = ways + arms.events * jnp.log(per) + (size - arms.events) * jnp.log1p(-per)
        numpyro.factor("arms", (arms.discount * of_arms).sum())

    return density


def walk(case: Case, draws: int, seed: int) -> dict[str, np.ndarray]:
    """Draws of NUTS, shape (chains, draws, …)."""
    kernel = NUTS(build_density(case), target_accept_prob=0.95)
    sampler = MCMC(
        kernel, num_warmup=WARM_UP, num_samples=draws, num_chains=CHAINS, chain_method="vectorized", progress_bar=False
    )
    sampler.run(jax.random.PRNGKey(seed))
    return {name: np.asarray(found) for name, found in sampler.get_samples(group_by_chain=True).items()}


def compare(case: Case, draws: int, seed: int, *, verbose: bool) -> Verdict:
    start = time.perf_counter()
    case.model.fit(case.X, case.y)
    own = time.perf_counter() - start
    start = time.perf_counter()
    found = walk(case, draws, seed)
    by_nuts = time.perf_counter() - start
    every = np.concatenate([found["phi"], found["u"], found["tau"][..., None]], axis=2)
    flat = every.reshape(-1, every.shape[2])
    mean, sd = flat.mean(axis=0), flat.std(axis=0)
    table = case.model.posterior_.set_index("parameter")[["mean", "sd"]]
    table = table.assign(nuts_mean=mean, nuts_sd=sd, shift=(table["mean"] - mean) / sd, spread=table["sd"] / sd - 1)
    coefficients = table.iloc[: len(case.model.fit_.design.coefficients)]
    r_hat, ess = split_gelman_rubin(every).max(), effective_sample_size(every).min()
    verdict = Verdict(table["shift"].abs().max(), table["spread"].abs().max(), float(r_hat), float(ess))
    diagnostics: dict[str, Any] = case.model.diagnostics_
    print(f"\n{case.name}: {len(case.y)} women, {case.y.sum()} responses, {len(case.model.arms)} arms")
    print(f"  fit {1e3 * own:.0f} ms, NUTS {by_nuts:.0f} s, r-hat {r_hat:.3f}, ESS {ess:.0f}")
    print(f"  Pareto k {diagnostics['pareto_k']:.2f}, R-hat {diagnostics['r_hat']:.3f}")
    print((table if verbose else coefficients).round(3).to_string())
    return verdict


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2500, help="of each of four chains")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=CASES, action="append")
    parser.add_argument("--sampler", choices=["importance", "quick", "fine"], default="fine")
    parser.add_argument("--tail", choices=["normal", "t"], help="of the priors, in place of each case's own")
    parser.add_argument("--verbose", action="store_true", help="deviations of studies and tau as well")
    wanted = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    verdicts = {}
    for name in wanted.only or CASES:
        case = CASES[name](np.random.default_rng(wanted.seed))
        case.model.set_params(sampler=wanted.sampler, tail=wanted.tail or case.model.tail)
        verdicts[case.name] = compare(case, wanted.draws, wanted.seed, verbose=wanted.verbose)
    print(f"\n{'largest disagreement':24s}  mean, SDs (≤ {MOST_SHIFT})  SD (≤ {MOST_SPREAD:.0%})  verdict")
    for name, verdict in verdicts.items():
        word = "holds" if verdict.holds else "MISSED"
        print(f"{name:24s}  {verdict.shift:18.2f}  {verdict.spread:10.1%}  {word}")
    return int(not all(verdict.holds for verdict in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())
