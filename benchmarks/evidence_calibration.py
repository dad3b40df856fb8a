"""Whether the evidence model's intervals hold what they promise: simulation-based calibration and coverage.

Each data set has a truth of its own: tau, the effects, and every study's and centre's deviations, of its intercept and
of the effect of therapy, are drawn from the priors; the women of ten published arms and of a clinic with one to five
centres are drawn one by one, and the arms are summed up as a publication would. Half of the clinics treat all their
women, half three of four; in half of them 15 % of the baseline values are missing. The clinic's women, and those of
some arms, are not those of the field. The model sees the arms, the women and the priors.

Printed: how often a 95 % interval holds the true probability of fresh women of the same centres, of centres not seen
("new centre"), and of centres not seen by a model that was told of no centres ("elsewhere"); how often the interval of
the difference between with and without therapy holds the true one in a new centre, and how often it leaves out zero.
All that again when one effect, of those drawn at random, has its prior's centre one SD off, and when therapy has no
effect on average but one with an SD of its own, drawn apart from tau, in every study and centre. Then bias of the mean;
whether true parameters rank evenly among posterior draws (Talts et al. 2018, arXiv 1804.06788); how far the normal
approximation could be trusted. The truth is that of a woman's true values even where the model was not told them.
Coverage is averaged over data sets, and its standard error is theirs.

Exit code 1 if a stated bound is missed.
Run: .venv/bin/python benchmarks/evidence_calibration.py [--datasets 600] [--jobs 2] [--without-correction]
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special
from scipy.stats import chisquare
from sklearn.base import clone

from poi_predict.modeling.borrowing import Arm, Marginal, Prior
from poi_predict.modeling.borrowing.posterior import make_tau_grid
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression

FSH_SD, MONTHS_SD, DOSE_SD = (float(np.sqrt(np.log1p(ratio**2))) for ratio in (35 / 66, 1.0, 1.25))
DOSE = float(np.log10(2e7) - DOSE_SD**2 / 2 / np.log(10))
FIELD = (
    Marginal(("age__years",), "truncated_normal", 32.0, 6.0, low=18.0, high=40.0),
    Marginal(("fsh__log",), "log_normal", 66.0, 35.0, transform="log"),
    Marginal(("amenorrhea_months__log",), "log_normal", 60.0, 60.0, transform="log1p"),
    Marginal(("follicles_visible__yes",), "bernoulli", 0.45),
    Marginal(("dose_cells__log10",), "log_normal", 2e7, 2.5e7, transform="log10"),
)
BASELINE = ["age__years", "fsh__log", "amenorrhea_months__log", "follicles_visible__yes"]
PROTOCOL = ["cell_source__adipose", "cell_source__umbilical_cord", "dose_cells__log10"]
COLUMNS, THERAPY, CENTRE = [*BASELINE, *PROTOCOL], "therapy", "centre__code"
CORRELATIONS = (("fsh__log", "follicles_visible__yes", -0.3), ("fsh__log", "amenorrhea_months__log", 0.2))
PRIORS = (  # the shipped ones
    Prior("intercept", -1.0986, 1.5),
    Prior("treated", 0.0, 0.6),
    Prior("age__years", 0.0, 0.05),
    Prior("fsh__log", -0.4772, 1.5),
    Prior("amenorrhea_months__log", -0.5883, 0.7254),
    Prior("follicles_visible__yes", 0.625, 0.594),
    *(Prior(name, 0.0, 0.5) for name in PROTOCOL),
    Prior("definition:short_follow_up", 0.0, 0.3),
)
LOGIT_IN_PROBITS = 1.7
OFF = [*BASELINE, "treated", *PROTOCOL]
TAU_SCALE, THERAPY_TAU_SCALE, TAU_POINTS = 0.5, 0.5, 9
KINDS = ("right", "astray", "varies")
# study, women, cell source (none: no therapy), definition of the outcome
ARMS = (
    ("S1", 10, "", "short_follow_up"), ("S2", 35, "cell_source__adipose", "short_follow_up"), ("S3", 9, "", ""),
    ("S4", 30, "cell_source__umbilical_cord", ""), ("S4", 30, "none", ""), ("S5", 6, "cell_source__adipose", ""),
    ("S6", 358, "none", ""), ("S7", 100, "none", ""), ("S8", 32, "none", "short_follow_up"), ("S9", 20, "none", ""),
)  # fmt: skip
SIZES, CENTRES = (20, 40, 80, 160), (1, 2, 3, 5)
SHIFT = 0.3
MISSING = 0.15
N_FRESH = 200
RANKED = ("intercept", "treated", "fsh__log", "follicles_visible__yes", "dose_cells__log10", "study:S2", "tau")
DRAWS, BINS = 199, 10
RIGHT, WRONG = (0.93, 0.97), 0.90
MOST_RANK_ERROR = 0.07  # a posterior mean that is off by a quarter of its SD
MOST_PARETO_K = 0.7
MOST_TOLD = 0.05


@dataclass(frozen=True)
class Truth:
    """The parameters of one data set, and the means at which its columns are centred."""

    effects: dict[str, float]
    tau: float
    therapy_tau: float
    centring: np.ndarray

    def draw_deviations(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return n studies' or centres' deviations of the intercept and of the effect of therapy, shape (n, 2)."""
        return rng.standard_normal((n, 2)) * [self.tau, self.therapy_tau]

    def log_odds(self, women: np.ndarray, treated: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return each woman's linear predictor; `own` has the deviations of her study or centre."""
        terms = (women - self.centring) * [self.effects[name] for name in COLUMNS]
        of_baseline, of_protocol = terms[:, : len(BASELINE)].sum(axis=1), terms[:, len(BASELINE) :].sum(axis=1)
        start, therapy = (self.effects[name] + own[..., k] for k, name in enumerate(("intercept", "treated")))
        return np.asarray(start + of_baseline + treated * (therapy + of_protocol))


@dataclass(frozen=True)
class Found:
    """What one data set showed: shares of fresh women, or of draws."""

    n: int
    gaps: bool
    same: float
    new: float
    elsewhere: float
    contrast: float
    told: float
    below: float
    above: float
    bias: float
    pareto_k: float
    ranks: tuple[float, ...]
    seconds: float


def draw_baseline(n: int, shift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Women of the field whose normal scores are moved by `shift`, one for each baseline column."""
    correlation = np.eye(len(BASELINE))
    for first, second, value in CORRELATIONS:
        i, j = BASELINE.index(first), BASELINE.index(second)
        correlation[i, j] = correlation[j, i] = value
    z = rng.standard_normal((n, len(BASELINE))) @ np.linalg.cholesky(correlation).T + shift
    low, high = special.ndtr((18 - 32) / 6), special.ndtr((40 - 32) / 6)
    age = 32 + 6 * special.ndtri(low + special.ndtr(z[:, 0]) * (high - low))
    fsh = np.log(66) - FSH_SD**2 / 2 + FSH_SD * z[:, 1]
    months = np.log1p(60 * np.exp(MONTHS_SD * z[:, 2] - MONTHS_SD**2 / 2))
    return np.column_stack([age, fsh, months, z[:, 3] > special.ndtri(1 - 0.45)])


def draw_protocol(n: int, rng: np.random.Generator) -> np.ndarray:
    source = rng.integers(0, 3, n)
    return np.column_stack([source == 1, source == 2, DOSE + DOSE_SD / np.log(10) * rng.standard_normal(n)])


def find_centring() -> np.ndarray:
    women = draw_baseline(400_000, np.zeros(len(BASELINE)), np.random.default_rng(0))
    return np.append(women.mean(axis=0), [0.0, 0.0, DOSE])


def scale_priors(link: str) -> tuple[Prior, ...]:
    """Return the priors, which are of log-odds, in units of the link."""
    unit = 1.0 if link == "logit" else LOGIT_IN_PROBITS
    return tuple(Prior(prior.parameter, prior.mean / unit, prior.sd / unit) for prior in PRIORS)


def draw_truth(centring: np.ndarray, kind: str, link: str, rng: np.random.Generator) -> Truth:
    """Draw all effects from their priors; `astray` has one from a prior whose centre is one SD away."""
    off = str(rng.choice(OFF)) if kind == "astray" else None
    effects = {}
    for prior in scale_priors(link):
        astray = float(rng.choice([-1.0, 1.0])) * prior.sd if prior.parameter == off else 0.0
        effects[prior.parameter] = float(rng.normal(prior.mean + astray, prior.sd))
    tau = abs(float(rng.normal(0, TAU_SCALE)))
    if kind != "varies":
        return Truth(effects, tau, tau * THERAPY_TAU_SCALE / TAU_SCALE, centring)
    protocol = dict.fromkeys(PROTOCOL, 0.0)
    return Truth(effects | protocol | {"treated": 0.0}, tau, abs(float(rng.normal(0, THERAPY_TAU_SCALE))), centring)


def draw_arm(place: int, truth: Truth, own: np.ndarray, link: str, rng: np.random.Generator) -> Arm:
    """Sum up the women of an arm; its publication tells FSH and follicles, not age and amenorrhoea."""
    study, n, source, definition = ARMS[place]
    shift = np.array([0.0, rng.normal(0, SHIFT), 0.0, rng.normal(0, SHIFT)])
    treated, protocol = source != "none", [float(source == name) for name in PROTOCOL[:2]]
    women = np.column_stack([draw_baseline(n, shift, rng), np.tile([*protocol, DOSE], (n, 1))])
    own = np.add(own, [truth.effects[f"definition:{definition}"] if definition else 0.0, 0.0])
    p = to_probability(truth.log_odds(women, np.full(n, float(treated)), own), link)
    ratio = float(np.exp(shift[1] * FSH_SD))
    told = [
        Marginal(("fsh__log",), "log_normal", 66 * ratio, 35 * ratio, transform="log"),
        Marginal(("follicles_visible__yes",), "bernoulli", float(special.ndtr(special.ndtri(0.45) + shift[3]))),
        *(Marginal((name,), "fixed", value) for name, value in zip(PROTOCOL[:2], protocol, strict=True) if treated),
    ]
    events = int((rng.random(n) < p).sum())
    return Arm(f"A{place}", study, events, n, treated=treated, marginals=tuple(told), definition=definition)


def to_probability(eta: np.ndarray, link: str) -> np.ndarray:
    return np.asarray(special.expit(eta) if link == "logit" else special.ndtr(eta))


def judge(seed: int, wanted: argparse.Namespace, centring: np.ndarray, *, kind: str) -> Found:
    """Simulate one data set, fit the model to it, and confront it with its truth."""
    rng = np.random.default_rng([wanted.seed, seed, KINDS.index(kind)])
    n, gaps, mixed = SIZES[seed % 4], bool(seed // 4 % 2), bool(seed // 8 % 2)
    truth = draw_truth(centring, kind, wanted.link, rng)
    names = dict.fromkeys(study for study, *_ in ARMS)
    studies = dict(zip(names, truth.draw_deviations(len(names), rng), strict=True))
    arms = tuple(draw_arm(i, truth, studies[row[0]], wanted.link, rng) for i, row in enumerate(ARMS))
    centres = truth.draw_deviations(int(rng.choice(CENTRES)), rng)
    shift = rng.normal(0, SHIFT, len(BASELINE))

    def draw(size: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
        """Women as the model sees them; their chances in their own centres and in new ones, what therapy adds there."""
        code = rng.integers(0, len(centres), size)
        treated = (rng.random(size) < 0.75 if mixed else np.ones(size)) * 1.0
        women = np.column_stack([draw_baseline(size, shift, rng), draw_protocol(size, rng)])
        new = truth.draw_deviations(size, rng)
        told = ((treated, centres[code]), (treated, new), (1.0, new), (0.0, new))
        p = [to_probability(truth.log_odds(women, np.asarray(given), own), wanted.link) for given, own in told]
        if gaps:
            women[:, : len(BASELINE)][rng.random((size, len(BASELINE))) < MISSING] = np.nan
        return (
            pd.DataFrame(np.column_stack([women, treated, code + 1.0]), columns=[*COLUMNS, THERAPY, CENTRE]),
            p[0],
            p[1],
            p[2] - p[3],
        )

    women, p, *_ = draw(n)
    model = EvidenceLogisticRegression(
        link=wanted.link, priors=scale_priors(wanted.link), arms=arms, population=FIELD, correlations=CORRELATIONS,
        treated=THERAPY, treatment=tuple(PROTOCOL), centre=CENTRE, tau_scale=TAU_SCALE, tau_points=TAU_POINTS,
        therapy_tau_scale=0.0 if wanted.same_therapy else THERAPY_TAU_SCALE, correction=not wanted.without_correction,
    )  # fmt: skip
    started = time.process_time()
    y = (rng.random(n) < p).astype(int)
    model.fit(women, y)
    seconds = time.process_time() - started
    told, same, new, added = draw(N_FRESH)
    unknown = told.assign(**{CENTRE: 0.0})
    low, high = narrow(model.predict_interval(told), wanted.narrow).T
    contrast = model.predict_contrast(unknown)
    limits = narrow(contrast[["difference_low", "difference_high"]].to_numpy(), wanted.narrow)
    blind = clone(model).set_params(centre=None).fit(women.drop(columns=CENTRE), y)
    parameters = {**truth.effects, "tau": truth.tau, "study:S2": studies["S2"][0]}
    return Found(
        n=n, gaps=gaps,
        same=float(((low <= same) & (same <= high)).mean()),
        new=cover(narrow(model.predict_interval(unknown), wanted.narrow), new),
        elsewhere=cover(narrow(blind.predict_interval(told.drop(columns=CENTRE)), wanted.narrow), new),
        contrast=cover(limits, added), told=float(contrast["distinguishable"].mean()),
        below=float((same < low).mean()), above=float((same > high).mean()),
        bias=float((model.predict_proba(told)[:, 1] - same).mean()),
        pareto_k=model.diagnostics_["pareto_k"], ranks=rank(model, parameters, rng), seconds=seconds,
    )  # fmt: skip


def cover(interval: np.ndarray, truth: np.ndarray) -> float:
    return float(((interval[:, 0] <= truth) & (truth <= interval[:, 1])).mean())


def narrow(interval: np.ndarray, factor: float) -> np.ndarray:
    """Shrink intervals about their middle: the check that this benchmark would notice."""
    middle = interval.mean(axis=1, keepdims=True)
    return middle + factor * (interval - middle)


def rank(model: EvidenceLogisticRegression, truth: dict[str, float], rng: np.random.Generator) -> tuple[float, ...]:
    """Share of posterior draws below each true parameter.

    The model's values of tau stand for stretches of its prior, so that a draw of tau is one from the stretch, and truth
    and draws are compared as quantiles of the prior.
    """
    draws = model.sample_posterior(DRAWS, rng)
    values, shares = make_tau_grid(TAU_SCALE, TAU_POINTS)
    stretch = np.abs(draws["tau"].to_numpy()[:, None] - values).argmin(axis=1)
    draws["tau"] = np.cumsum(shares)[stretch] - shares[stretch] * rng.random(DRAWS)
    true = {**truth, "tau": 2 * special.ndtr(truth["tau"] / TAU_SCALE) - 1}
    return tuple(float((draws[name] < true[name]).mean()) for name in RANKED)


def describe(label: str, found: list[Found]) -> None:
    def mean(name: str) -> str:
        values = 100 * np.array([getattr(f, name) for f in found])
        return f"{values.mean():6.1f} ± {values.std(ddof=1) / np.sqrt(len(values)):.1f}"

    above = np.mean([not f.pareto_k <= MOST_PARETO_K for f in found])
    print(
        f"{label:<18} {len(found):>5}  {mean('same')}  {mean('new')}  {mean('elsewhere')}  {mean('contrast')}  "
        f"{mean('told')}  {mean('below')}  {mean('above')}  {mean('bias')}"
        f"  {above:>8.1%}  {1000 * np.median([f.seconds for f in found]):>6.0f}"
    )


def describe_ranks(found: list[Found]) -> float:
    """Print the counts of each parameter's ranks, their chi-squared p-value and mean; return the worst mean's error."""
    ranks = np.array([f.ranks for f in found])
    for name, values in zip(RANKED, ranks.T, strict=True):
        counts = np.histogram(values, np.linspace(0, 1 + 1e-9, BINS + 1))[0]
        p = float(chisquare(counts).pvalue)
        print(f"  {name:<24} mean {values.mean():.3f}   p {p:.3f}   {' '.join(f'{c:>3}' for c in counts)}")
    return float(np.abs(ranks.mean(axis=0) - 0.5).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=600, help="of each kind")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--link", choices=("logit", "probit"), default="logit")
    parser.add_argument("--without-correction", action="store_true", help="Laplace's approximation alone")
    parser.add_argument("--same-therapy", action="store_true", help="a model in which therapy works alike everywhere")
    parser.add_argument("--narrow", type=float, default=1.0, help="factor on the intervals; 0.5 must miss the bounds")
    wanted = parser.parse_args()
    centring = find_centring()
    pool = Parallel(n_jobs=wanted.jobs)
    found, astray, varies = (
        pool(delayed(judge)(i, wanted, centring, kind=kind) for i in range(wanted.datasets)) for kind in KINDS
    )
    print(
        "per cent        data sets  same centre   new centre    elsewhere     contrast   told apart   true below"
        "   true above    bias of p   k > 0.7    ms"
    )
    for n in SIZES:
        describe(f"n {n}", [f for f in found if f.n == n])
    describe("no gaps", [f for f in found if not f.gaps])
    describe("15 % missing", [f for f in found if f.gaps])
    describe("all", found)
    describe("one prior 1 SD off", astray)
    describe("therapy varies", varies)
    print(f"ranks of the truth among {DRAWS} draws, in tenths")
    off_centre = describe_ranks(found)
    covered = {name: [getattr(f, name) for f in found] for name in ("same", "new", "contrast")}
    missed = [name for name, values in covered.items() if not RIGHT[0] <= np.mean(values) <= RIGHT[1]]
    missed += [f"{kind} centre, off" for kind in ("same", "new") if np.mean([getattr(f, kind) for f in astray]) < WRONG]
    missed += ["told apart"] if np.mean([f.told for f in varies]) > MOST_TOLD else []
    missed += ["ranks"] if off_centre > MOST_RANK_ERROR else []
    print("bounds: 93 to 97 % with right priors; at least 90 % with one off; mean ranks within 0.07 of a half;")
    print("told apart in at most 5 % where therapy does nothing on average")
    print("missed: " + (", ".join(missed) or "none"))
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
