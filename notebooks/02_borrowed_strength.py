# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Borrowed strength
#
# A clinic with twenty women cannot learn twelve effects. Others have published arms, cohorts without therapy and
# prognostic effects; this notebook shows what they say before a clinic's first woman, and what her women then change.

# %%
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from poi_predict.evidence import PriorOverride, compute_pooled_proportion, read_priors
from poi_predict.modeling import TrainingData, describe_borrowing
from poi_predict.modeling.borrowing import Arm, Prior
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.evidence_pipeline import build_evidence_pipeline
from poi_predict.study import read_study

study = read_study("menses_12m")

# %% [markdown]
# ## What is published
#
# Menses resumed in 20 of 60 women after cell therapy; ovarian function in 165 of 669 without.

# %%
for name, rows, outcome in (
    ("with cells", ["A01", "A02", "A09", "A16"], "menses"),
    ("without", ["NH02", "NH03"], "ovarian_function"),
):
    pooled = compute_pooled_proportion(rows, outcome)
    print(f"{name}: {pooled.events}/{pooled.n} = {pooled.proportion:.1%} ({pooled.ci_low:.1%}–{pooled.ci_high:.1%})")

# %% [markdown]
# Taken at face value, without priors and without differences between studies, that is an odds ratio of 1.5 whose
# interval holds 1:

# %%
arms = (Arm("cells", "cells", 20, 60, treated=True), Arm("none", "none", 165, 669, treated=False))
naive = EvidenceLogisticRegression(arms=arms, priors=(Prior("treated", 0.0, 10.0),), tau_scale=0.0)
naive.fit(pd.DataFrame({"fsh__log": []}, dtype=float), [])
row = naive.posterior_.set_index("parameter").loc["treated"]
print(f"odds ratio {np.exp(row['q50']):.2f} ({np.exp(row['q2_5']):.2f}–{np.exp(row['q97_5']):.2f})")

# %% [markdown]
# ## What is believed of each effect, and why

# %%
read_priors(outcome="menses")[["parameter", "mean", "sd", "rule"]].head(10)

# %% [markdown]
# ## The reference model: no woman of ours

# %%
pipeline = build_evidence_pipeline(study.codebook, study.features, study.evidence, with_centre=False, random_state=0)
columns = pipeline["features"].required_columns
nobody = pd.DataFrame({name: pd.Series(dtype=object) for name in columns})
nothing = np.zeros(0)
reference = describe_borrowing(
    pipeline.fit(nobody, nothing), TrainingData(nobody, nothing, nothing, nothing), study.codebook, "menses", seed=0
)
contrast = reference["contrast"]
for side in ("with", "without"):
    share = contrast[side]
    print(f"{side:>7}: {share['p']:.0%} ({share['low']:.0%}–{share['high']:.0%})")
verdict = "distinguishable" if contrast["distinguishable"] else "not distinguishable"
print("difference:", f"{contrast['difference']['estimate']:+.0%}:", verdict)

# %% [markdown]
# One woman, asked three ways. FSH and time since the last menses move her chance; a missing hormone widens it.

# %%
women = pd.DataFrame(
    {
        "age": [29.0, 29.0, 38.0],
        "fsh": [38.0, np.nan, 110.0],
        "amh": [0.2, np.nan, 0.02],
        "afc": [2.0, np.nan, 0.0],
        "amenorrhea_months": [7.0, 7.0, 90.0],
        "amenorrhea_type": ["secondary"] * 3,
        "aetiology": ["idiopathic"] * 3,
        "follicles_visible": [1.0, np.nan, 0.0],
        "cell_source": ["bone_marrow"] * 3,
        "route": ["intraovarian_laparoscopic"] * 3,
        "dose_cells": [1e7] * 3,
        "adjuvant": ["none"] * 3,
    },
    index=["early", "early, hormones missing", "late"],
)
derived = pipeline[:-1].transform(women)
found = pipeline["model"].predict_contrast(derived).set_index(women.index)
found[["p_with", "with_low", "with_high", "p_without", "difference_low", "difference_high"]].round(2)

# %% [markdown]
# ## What a clinic's women change
#
# SYNTHETIC women, drawn from published distributions. The curve starts at the evidence alone.

# %%
from poi_predict.cohort import build_analysis_set, read_cohort
from poi_predict.workflow import simulate

cohort_file = Path(tempfile.mkdtemp()) / "cohort.csv"
simulate(n=80, seed=3, out=cohort_file)
cohort = read_cohort(cohort_file, study.codebook, study.reading, required=study.required_variables)
analysis = build_analysis_set(cohort, study.inclusion, study.endpoint)
present = [name for name in (*columns, "amh__below") if name in analysis.data]
data = TrainingData(analysis.data[present], analysis.y_true, analysis.weight, analysis.patient)
fitted = build_evidence_pipeline(study.codebook, study.features, study.evidence, with_centre=False, random_state=0).fit(
    data.X, data.y_true, model__sample_weight=data.weight
)
learnt = describe_borrowing(fitted, data, study.codebook, "menses", seed=0)
pd.DataFrame(learnt["learning_curve"]).round(2)

# %%
effects = pd.DataFrame(learnt["effects"]).set_index("label")
effects[["prior_mean", "prior_sd", "mean", "sd", "share_prior", "share_arms", "share_patients"]].round(2).head(12)

# %%
print(learnt["conflict"]["verdict"])

# %% [markdown]
# ## When the women contradict the evidence
#
# Suppose someone had declared, with great confidence, that a higher FSH helps.

# %%
wrong = dataclasses.replace(study.evidence, priors=(PriorOverride("fsh__log", 3.0, 0.3, "a wrong belief"),))
for tail in ("normal", "t"):
    settings = dataclasses.replace(wrong, tail=tail)
    model = build_evidence_pipeline(study.codebook, study.features, settings, with_centre=False, random_state=0)
    model.fit(data.X, data.y_true, model__sample_weight=data.weight)
    told = model["model"]
    fsh = told.posterior_.set_index("parameter").loc["fsh__log"]
    print(f"{tail:>6}: FSH {fsh['mean']:+.2f} ± {fsh['sd']:.2f}; in conflict: {told.conflict_['flagged']}")
