"""Made-up women as they come to treatment: baseline and protocol, drawn from published distributions.

Each figure that others published is looked up by its row in `poi_predict.evidence`; what nobody published is
a constant below, marked as our choice. Laboratory values are complete and exact here: detection limits and
gaps are put in later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import gammainc, gammaincinv, ndtr, ndtri

from poi_predict.evidence.published import (
    read_baseline_distributions,
    read_prognostic_factors,
    read_protocols,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["draw_women"]

# A diagnosis needs FSH above 25 IU/L (doi 10.1093/hropen/hoae065), so FSH is truncated below. Above 250 IU/L
# analysers stop (our choice), which also keeps made-up values inside the codebook's hard limits.
_FSH_RANGE = (25.0, 250.0)
_AGE_RANGE = (18.0, 40.0)
_MENARCHE = 12.0

# Spearman correlations. Those of infertile women without POI (BD50, BD52, BD53) are halved, as any borrowed
# effect is; inside POI, AMH goes neither with FSH (BD44) nor, unless autoimmune, with duration (BD43).
_BORROWED_CORRELATIONS = {("age", "fsh"): "BD52", ("age", "afc"): "BD50", ("fsh", "afc"): "BD53"}
_CHOSEN_CORRELATIONS = {
    ("fsh", "lh"): 0.6,
    ("fsh", "estradiol"): -0.3,
    ("afc", "amh"): 0.3,
    ("afc", "inhibin_b"): 0.4,
    ("age", "duration"): 0.2,
}
_CORRELATED = ("age", "fsh", "lh", "estradiol", "amh", "afc", "inhibin_b", "duration")

# Our choices: median and log-SD of hormones; shares of causes that no row states.
_LOG_NORMAL = {"lh": (32.0, 0.45), "estradiol": (15.0, 0.6), "inhibin_b": (9.0, 0.8)}
_HORMONE_CEILING = 190.0
_DETECTED_AMH = (0.6, 0.8)
_LOG_SD_DURATION = 0.9
_SHARE_FMR1, _SHARE_OTHER = 0.03, 0.02
_HOME_PROTOCOL = 0.7

# Cells, where the published protocol prints none (definitions of the field).
_USUAL_DOSE = (2e6, 2e7)
_THROUGH_VESSELS = ("intravenous", "intra_arterial")


@dataclass(frozen=True)
class _Published:
    """Rows of the evidence that the draw rests on."""

    distributions: pd.DataFrame
    factors: pd.DataFrame
    protocols: pd.DataFrame

    def value(self, row: str, column: str = "value") -> float:
        return float(self.distributions[column][row])

    def share(self, row: str) -> float:
        """Share of women, from counts where they are printed."""
        if np.isnan(self.value(row, "events")):
            return self.value(row) / 100
        return self.value(row, "events") / self.value(row, "n")

    def middle(self, row: str) -> float:
        """Middle of a printed range."""
        return (self.value(row, "low") + self.value(row, "high")) / 2


def draw_women(n: int, n_centres: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw women at their index date, in the words and units of the codebook.

    Parameters
    ----------
    n, n_centres
        How many women, in how many centres.
    rng
        The only source of chance.

    Returns
    -------
    DataFrame
        One row per woman, nothing missing but what does not apply (months since the last menses of a woman
        who never had any); `amh` is NaN where no assay detects it.
    """
    whole = read_protocols().dropna(subset=["route", "adjuvant", "n_treatments_max"])  # the others say too little
    published = _Published(read_baseline_distributions(), read_prognostic_factors(), whole)
    ranks = _draw_ranks(n, published, rng)
    women = pd.DataFrame({"centre": _draw_centres(n, n_centres, rng)})
    women["aetiology"] = _draw_aetiology(n, published, rng)
    women["age"] = _truncated_normal(ranks["age"], published.value("BD07"), published.value("BD07", "sd"), _AGE_RANGE)
    women["fsh"] = _fsh(ranks["fsh"], published)
    for hormone, (median, log_sd) in _LOG_NORMAL.items():
        women[hormone] = np.minimum(median * np.exp(log_sd * ndtri(ranks[hormone])), _HORMONE_CEILING)
    women["amh"] = _amh(ranks, women["aetiology"].to_numpy(), published)
    women["follicles_visible"], women["afc"] = _follicles(ranks["afc"], published)
    women["bmi"] = _truncated_normal(rng.random(n), 23.5, 3.8, (16.5, 40.0))
    _add_history(women, ranks["duration"], published, rng)
    return pd.concat([women, _draw_protocols(women["centre"].to_numpy(), published, rng)], axis=1)


def _draw_ranks(n: int, published: _Published, rng: np.random.Generator) -> dict[str, Array]:
    """Uniform ranks that go together as stated (Gaussian copula)."""
    correlation = np.eye(len(_CORRELATED))
    spearman = {pair: published.value(row) / 2 for pair, row in _BORROWED_CORRELATIONS.items()}
    for (one, other), rho in (spearman | _CHOSEN_CORRELATIONS).items():
        i, j = _CORRELATED.index(one), _CORRELATED.index(other)
        correlation[i, j] = correlation[j, i] = 2 * np.sin(np.pi * rho / 6)
    scores = rng.standard_normal((n, len(_CORRELATED))) @ np.linalg.cholesky(correlation).T
    return dict(zip(_CORRELATED, ndtr(scores).T, strict=True))


def _draw_centres(n: int, n_centres: int, rng: np.random.Generator) -> NDArray[np.int_]:
    """Draw centres from 0; the first are the largest."""
    size = 1 / np.sqrt(1 + np.arange(n_centres))
    return rng.choice(n_centres, size=n, p=size / size.sum())


def _draw_aetiology(n: int, published: _Published, rng: np.random.Generator) -> NDArray[np.object_]:
    """Draw causes: the mix of a treatment-seeking cohort (BD27), with autoimmune (BD45) and rarer causes."""
    rare = {"autoimmune": published.middle("BD45") / 100, "fmr1": _SHARE_FMR1, "other": _SHARE_OTHER}
    listed = {
        "idiopathic": published.share("BD27a"),
        "surgical": published.share("BD27b"),
        "chemo_radiotherapy": published.share("BD27c"),
        "chromosomal": published.share("BD27d"),
    }
    remaining = (1 - sum(rare.values())) / sum(listed.values())
    shares = {cause: share * remaining for cause, share in listed.items()} | rare
    return rng.choice(np.array(list(shares), dtype=object), size=n, p=np.array(list(shares.values())))


def _fsh(rank: Array, published: _Published) -> Array:
    """FSH above the diagnostic threshold: a gamma excess, mean and spread as printed (BD08; BD36, BD37)."""
    paris = [published.value(row, "n") for row in ("BD36", "BD37")]
    mean, sd = (
        (
            published.value("BD08", column)
            + np.average([published.value("BD36", column), published.value("BD37", column)], weights=paris)
        )
        / 2
        for column in ("value", "sd")
    )
    low, high = _FSH_RANGE
    shape = ((mean - low) / sd) ** 2
    scale = (mean - low) / shape
    excess = scale * gammaincinv(shape, rank * gammainc(shape, (high - low) / scale))
    return np.asarray(low + excess, dtype=float)


def _amh(ranks: dict[str, Array], aetiology: NDArray[np.object_], published: _Published) -> Array:
    """AMH in ng/mL, NaN if undetectable: mostly so (BD40), less if autoimmune (BD41) or FMR1 (BD34)."""
    rank = ranks["amh"].copy()
    autoimmune = aetiology == "autoimmune"
    rho = 2 * np.sin(np.pi * published.value("BD43") / 6)
    score = rho * ndtri(ranks["duration"]) + np.sqrt(1 - rho**2) * ndtri(rank)
    rank[autoimmune] = ndtr(score)[autoimmune]
    detectable = np.where(autoimmune, published.share("BD41"), published.share("BD40"))
    detected_rank = (rank - (1 - detectable)) / detectable
    median, log_sd = _DETECTED_AMH
    with np.errstate(invalid="ignore"):
        amh = np.where(detected_rank > 0, median * np.exp(log_sd * ndtri(detected_rank)), np.nan)
    carrier = aetiology == "fmr1"
    spread = np.log(published.value("BD34", "high") / published.value("BD34", "low")) / (2 * ndtri(0.75))
    amh[carrier] = (published.value("BD34") * np.exp(spread * ndtri(rank)))[carrier]
    return np.minimum(amh, 10.0)


def _follicles(rank: Array, published: _Published) -> tuple[Array, Array]:
    """Whether follicles are seen (half way between BD03 and BD28, which differ in effort), and how many."""
    seen = (published.share("BD03") + published.share("BD28")) / 2
    seen_rank = np.clip((rank - (1 - seen)) / seen, 0, 1 - 1e-12)
    count = 1 + np.floor(np.log1p(-seen_rank) / np.log(0.5))
    visible = rank > 1 - seen
    return visible.astype(float), np.where(visible, np.minimum(count, 12), 0.0)


def _add_history(women: pd.DataFrame, duration_rank: Array, published: _Published, rng: np.random.Generator) -> None:
    """Add amenorrhea, karyotype, births and recent HRT."""
    n = len(women)
    chromosomal = (women["aetiology"] == "chromosomal").to_numpy()
    # Most chromosomal POI is primary (BD31a); the others make up the rest of the overall share (BD02).
    primary_if_chromosomal = 1 - published.share("BD31a")
    share = chromosomal.mean()
    primary_else = max(0.0, (published.share("BD02") - share * primary_if_chromosomal) / (1 - share))
    primary = rng.random(n) < np.where(chromosomal, primary_if_chromosomal, primary_else)
    women["amenorrhea_type"] = np.where(primary, "primary", "secondary")

    # 51 of 108 women who sought treatment had been amenorrheic for less than 4 years (PF18).
    recent = published.factors.loc["PF18"]
    below_48 = recent["exposed_n"] / (recent["exposed_n"] + recent["reference_n"])
    duration = 48 * np.exp(_LOG_SD_DURATION * (ndtri(duration_rank) - ndtri(below_48)))
    longest = 12 * (women["age"].to_numpy() - _MENARCHE)
    duration = np.clip(duration, 4, longest)
    women["amenorrhea_months"] = np.where(primary, np.nan, duration)
    known_since = np.where(primary, np.maximum(longest - 48, 6), duration)
    women["diagnosis_to_treatment_months"] = np.maximum(1, known_since * rng.beta(2, 1.5, n))

    other = rng.choice(np.array(["45x", "mosaic_x", "x_structural"], dtype=object), n, p=[0.4, 0.4, 0.2])
    women["karyotype"] = np.where(chromosomal, other, "46xx")
    women["previous_births"] = np.where(primary, 0, rng.poisson(0.35, n)).astype(float)
    women["hrt_recent"] = (rng.random(n) < 0.4).astype(float)


def _draw_protocols(centre: NDArray[np.int_], published: _Published, rng: np.random.Generator) -> pd.DataFrame:
    """Draw protocols: each centre has its own and departs from it now and then."""
    n, protocols = len(centre), published.protocols
    home = rng.permutation(len(protocols))[centre % len(protocols)]
    chosen = np.where(rng.random(n) < _HOME_PROTOCOL, home, rng.integers(len(protocols), size=n))
    rows = protocols.iloc[chosen].reset_index(drop=True)
    low, high = (
        rows[side].fillna(usual).to_numpy(dtype=float)
        for side, usual in zip(("dose_low", "dose_high"), _USUAL_DOSE, strict=True)
    )
    dose = low * (high / low) ** rng.random(n)
    usual_basis = pd.Series(np.where(rows["route"].isin(_THROUGH_VESSELS), "total", "per_ovary"))
    most = rows["n_treatments_max"].to_numpy(dtype=int)
    return pd.DataFrame(
        {
            "cell_source": rows["cell_source"],
            "autologous": (rows["autologous"] == "yes").astype(float),
            "route": rows["route"],
            "sides": rows["sides"],
            "dose_cells": np.round(dose, -5),
            "dose_basis": rows["dose_basis"].where(rows["dose_basis"].notna(), usual_basis),
            "adjuvant": _draw_adjuvants(rows["adjuvant"], rng),
            "n_treatments": np.minimum(rng.integers(1, 4, size=n), most).astype(float),
        }
    )


def _draw_adjuvants(protocol: pd.Series[str], rng: np.random.Generator) -> list[str]:
    """Add what clinics combine with cells to what the protocol contains, joined by "+" (our shares)."""
    often = {"hrt": 0.2, "prp": 0.1, "stimulation": 0.08}
    added = rng.random((len(protocol), len(often))) < np.array(list(often.values()))
    names = np.array(list(often))
    combined = (
        {level for level in (stated, *names[chosen]) if level != "none"}
        for stated, chosen in zip(protocol, added, strict=True)
    )
    return ["+".join(sorted(levels)) or "none" for levels in combined]


def _truncated_normal(rank: Array, mean: float, sd: float, limits: tuple[float, float]) -> Array:
    low, high = (ndtr((limit - mean) / sd) for limit in limits)
    return np.asarray(mean + sd * ndtri(low + rank * (high - low)))
