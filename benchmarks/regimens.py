"""How often the comparison of regimens calls one better, where none is and where one is, and how long it takes.

Six cell sources are given at random to n women whose response depends on FSH, time since the last menses and age.

null   No source differs from another, nor from no cell therapy: every woman responds as the model of the published
       arms says of no therapy. Whatever is then called better, or worse, is called so in error. Counted for each
       cohort: whether any of 50 of its women is told that a source is better than all others; or better or worse than
       no therapy; or better or worse than the commonest source, taken as the reference; or than any one other option.
power  One source is 25 points better, on average, than the other five. Counted: whether most of 50 women are told
       that it is better than all others; and whether any is told so of another source.
speed  1 000 women, 24 options (6 sources x 2 routes x 2 adjuvants) that all have support, 1 000 draws.

The model is the evidence model with its shipped priors (SD 0.5 in log odds for each source), or another with a
posterior, --model ridge. --options 2 gives two sources only. --hidden 0.5 hangs half of the women on each side of a
centre that is not recorded, which uses one half of the sources and differs by so much (SD of log-odds).
All settings are the defaults. Wilson intervals.
Run: .venv/bin/python benchmarks/regimens.py [--section null] [--cohorts 200] [--jobs 2] [--model ridge] [--options 2]
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special
from scipy.optimize import brentq

from poi_predict.cohort import read_codebook
from poi_predict.evidence.settings import EvidenceSettings
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import build_pipeline, fit_model
from poi_predict.modeling.evidence_pipeline import build_evidence_pipeline
from poi_predict.regimen.comparison import compare_regimens
from poi_predict.regimen.draws import build_draws
from poi_predict.regimen.options import list_options
from poi_predict.regimen.seen import count_arms
from poi_predict.regimen.settings import RegimenSettings, build_regimen_settings
from poi_predict.regimen.support import summarise_support
from poi_predict.validation import compute_proportion

if TYPE_CHECKING:
    from poi_predict.regimen.draws import ResponseDraws

SOURCES = ("adipose", "bone_marrow", "peripheral_blood", "umbilical_cord", "menstrual_blood", "amniotic_epithelial")
BETTER = "bone_marrow"
PREDICTORS = ("age", "fsh", "amenorrhea_months", "cell_source")
PANEL = 50
NULL_SIZES = (40, 120, 400)
POWER_SIZES = (120, 240, 400, 600, 1000)
GAIN, RATE = 0.25, 0.30


@dataclass(frozen=True)
class Claims:
    """What the women of one cohort were told."""

    best: bool
    against_none: bool
    against_source: bool
    pair: bool
    found: float
    wrong: bool
    seconds: float


def draw_women(n: int, rng: np.random.Generator, n_options: int = len(SOURCES)) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": rng.normal(32, 5, n).clip(18, 40),
            "fsh": rng.lognormal(4.1, 0.4, n).clip(25, 200),
            "amenorrhea_months": rng.gamma(1.5, 24, n).clip(4, 240),
            "cell_source": rng.permutation(np.resize(SOURCES[:n_options], n)),
        }
    )


def make_reference() -> ResponseDraws:
    """Return the draws of the model of the published arms, without a woman."""
    return build_draws(fit("evidence", draw_women(0, np.random.default_rng(0)), np.empty(0, dtype=int), 0))


def draw_response(
    women: pd.DataFrame, gain: float, reference: ResponseDraws, rng: np.random.Generator, hidden: float = 0.0
) -> np.ndarray:
    """Draw responses under no difference, or with one source that is better by `gain` on average."""
    untreated = list_options(settings_of(), read_codebook(), seen_of_sources()).options[:1]
    log_odds = special.logit(reference.compute(women, untreated)[0][:, 0])
    log_odds = log_odds if gain == 0 else log_odds + shift_to(log_odds, RATE)
    if hidden:  # each of two centres, not recorded, uses sources of its own
        used = pd.factorize(women["cell_source"], sort=True)[0]
        log_odds = log_odds + hidden * rng.standard_normal(2)[used % 2]
    lift = shift_to(log_odds, RATE + gain) if gain else 0.0
    return (rng.random(len(women)) < special.expit(log_odds + lift * (women["cell_source"] == BETTER))).astype(int)


def shift_to(log_odds: np.ndarray, rate: float) -> float:
    return float(brentq(lambda shift: special.expit(log_odds + shift).mean() - rate, -20, 20))


def settings_of(reference: str = "none") -> RegimenSettings:
    return replace(build_regimen_settings({}, read_codebook(), PREDICTORS), reference=reference)


def seen_of_sources() -> pd.DataFrame:
    return pd.DataFrame({"cell_source": SOURCES, "n_women": 1, "n_arms": 0, "arm_women": 0})


def fit(model: str, X: pd.DataFrame, y: np.ndarray, seed: int) -> object:
    codebook, features = read_codebook(), FeatureSettings(tuple(X.columns))
    if model == "evidence":
        evidence = EvidenceSettings("menses")
        pipeline = build_evidence_pipeline(codebook, features, evidence, with_centre=False, random_state=seed)
    else:
        pipeline = build_pipeline(model, build_features(codebook, features), monotone={}, random_state=seed)
    return fit_model(pipeline, X, y)


def try_one(wanted: argparse.Namespace, n: int, gain: float, reference: ResponseDraws, seed: int) -> Claims:
    """Draw a cohort, fit, compare 50 of its women, and note what they are told."""
    rng = np.random.default_rng([seed, n, round(100 * gain)])
    model = wanted.model
    women = draw_women(n, rng, wanted.options)
    y = draw_response(women, gain, reference, rng, wanted.hidden)
    started = time.perf_counter()
    pipeline = fit(model, women, y, 0)
    draws_of = build_draws(pipeline)
    settings = settings_of()
    arms = count_arms(settings, read_codebook(), "menses") if model == "evidence" else None
    support = summarise_support(pipeline, women, settings, read_codebook(), arms=arms)
    seen = support.seen[support.seen["n_women"] > 0]
    panel = women.head(PANEL).drop(columns="cell_source")
    with_none = draws_of.says_no_therapy
    options = list_options(settings, read_codebook(), seen, without_therapy=with_none)
    compared = compare_regimens(draws_of, panel, options, settings, support)
    treated = list_options(settings, read_codebook(), seen, without_therapy=False)
    among = compare_regimens(draws_of, panel, treated, replace(settings, reference=treated.names[0]), support)
    best = [verdict.best for verdict in among.verdicts]
    return Claims(
        best=any(verdict.best is not None for verdict in (*compared.verdicts, *among.verdicts)),
        against_none=bool(with_none and (compared.claims != 0).any()),
        against_source=bool((among.claims != 0).any()),
        pair=bool(compared.beats.any() or among.beats.any()),
        found=float(np.mean([name == BETTER for name in best])),
        wrong=any(name not in (None, BETTER) for name in best),
        seconds=time.perf_counter() - started,
    )


def run(wanted: argparse.Namespace, n: int, gain: float) -> list[Claims]:
    reference = make_reference()
    tasks = (delayed(try_one)(wanted, n, gain, reference, wanted.seed + i) for i in range(wanted.cohorts))
    return Parallel(n_jobs=wanted.jobs)(tasks)


def share(hits: list[bool]) -> str:
    rate = compute_proportion(sum(hits), len(hits))
    return f"{sum(hits):>3} of {len(hits)}: {rate.estimate:5.1%} ({rate.ci_low:.1%} to {rate.ci_high:.1%})"


def run_null(wanted: argparse.Namespace) -> None:
    print(f"\nnull, {wanted.model}: claimed in error; target 5 % at most")
    for n in wanted.sizes or NULL_SIZES:
        found = run(wanted, n, 0.0)
        print(f"  n {n}, {np.median([f.seconds for f in found]):.2f} s a cohort")
        print(f"    better than all others          {share([f.best for f in found])}")
        if wanted.model == "evidence":
            print(f"    better or worse than no therapy {share([f.against_none for f in found])}")
        print(f"    better or worse than a source   {share([f.against_source for f in found])}")
        print(f"    better than any one option      {share([f.pair for f in found])}")
        any_claim = [f.best or f.against_source or f.against_none or f.pair for f in found]
        print(f"    any of these                    {share(any_claim)}", flush=True)


def run_power(wanted: argparse.Namespace) -> None:
    print(f"\npower, {wanted.model}: one source of six is {GAIN:.0%} better; target at n 600: found in 80 % or more")
    for n in wanted.sizes or POWER_SIZES:
        found = run(wanted, n, GAIN)
        told = np.array([f.found for f in found])
        print(f"  n {n:>4}  found {share((told > 0.5).tolist())}; of all women told so {told.mean():.1%}")
        print(f"          another source called best {share([f.wrong for f in found])}", flush=True)


def run_speed(wanted: argparse.Namespace) -> None:
    rng = np.random.default_rng(wanted.seed)
    codebook = read_codebook()
    choices = (SOURCES, ("intraovarian_laparoscopic", "intravenous"), ("none", "prp"))
    protocols = pd.DataFrame(list(itertools.product(*choices)), columns=["cell_source", "route", "adjuvant"])
    n = 480
    women = draw_women(n, rng).drop(columns="cell_source")
    women = pd.concat([women, protocols.iloc[np.arange(n) % len(protocols)].reset_index(drop=True)], axis=1)
    y = (rng.random(n) < RATE).astype(int)
    settings = build_regimen_settings({}, codebook, tuple(women.columns))
    pipeline = fit(wanted.model, women, y, 0)
    support = summarise_support(pipeline, women, settings, codebook)
    options = list_options(settings, codebook, support.seen, without_therapy=False)
    asked = draw_women(1000, rng)
    asked.loc[rng.random(1000) < 0.2, "fsh"] = np.nan
    draws_of = build_draws(pipeline)
    started, worked = time.perf_counter(), time.process_time()
    compared = compare_regimens(draws_of, asked, options, settings, support)
    frame = compared.frame()
    wall, cpu = time.perf_counter() - started, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"\nspeed, {wanted.model}: {len(compared)} women x {len(options.options)} options = {len(frame)} rows", end=""
    )
    print(f", {sum(s == 'supported' for s in compared.standing)} supported; target 10 s, 1 GB")
    print(f"  {wall:.1f} s ({cpu:.1f} s of one core), peak memory of the whole process {peak:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--section", choices=("null", "power", "speed", "all"), default="all")
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2, help="cohorts at a time")
    parser.add_argument("--sizes", type=int, nargs="*", help="women in a cohort; those of the section if not given")
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--model", default="evidence", help="of the catalogue")
    parser.add_argument("--options", type=int, default=len(SOURCES), help="sources given")
    parser.add_argument("--hidden", type=float, default=0.0, help="SD of what centres that are not recorded differ by")
    wanted = parser.parse_args()
    for section, start in (("speed", run_speed), ("null", run_null), ("power", run_power)):
        if wanted.section in (section, "all"):
            start(wanted)


if __name__ == "__main__":
    main()
