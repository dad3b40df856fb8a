# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Regimens compared, honestly
#
# What if she had another source, route or dose? The model can be asked; whether its answers can be distinguished is
# another question. First a trial in which lots were drawn, then women for whom protocols were chosen.

# %%
import numpy as np
import pandas as pd

from poi_predict.evidence import read_borrowed_arms
from poi_predict.modeling.evidence_pipeline import build_evidence_pipeline
from poi_predict.regimen import (
    CrossFitSettings,
    assess_overlap,
    build_draws,
    check_courses,
    compare_regimens,
    compare_waiting,
    compute_evalue,
    compute_policy_value,
    count_arms,
    estimate_effects,
    list_options,
    summarise_support,
)
from poi_predict.study import read_study

# %% [markdown]
# ## Chosen, not drawn: a simulation whose truth is known
#
# Older women more often get option A, and older women respond less. A and B are equally good. SIMULATED.

# %%
rng = np.random.default_rng(5)
n = 400
age = rng.normal(33, 4, n)
gets_a = rng.random(n) < 1 / (1 + np.exp(-(age - 33) / 2))
responds = rng.random(n) < 1 / (1 + np.exp(0.6 + 0.25 * (age - 33)))
women = pd.DataFrame({"age": age})
courses = check_courses(responds.astype(float), np.where(gets_a, "A", "B"), women)
quick = CrossFitSettings(folds=5, repeats=2)
effects = estimate_effects(courses, reference="B", settings=quick, random_state=0)
contrast = effects.contrasts[0]
print("before adjusting:", contrast.naive)
print("doubly robust:   ", contrast.difference)
print(contrast.sentence)

# %%
for sentence in assess_overlap(courses, settings=quick, random_state=0).sentences:
    print("-", sentence)

# %% [markdown]
# How strong would an unrecorded reason have to be to explain a risk ratio of 1.35 (0.92 to 1.97) away? That is the
# naive contrast of cell therapy (20 of 60 women) with natural recovery (165 of 669); its odds ratio is 1.53.

# %%
print(compute_evalue(1.35, 0.92, 1.97))

# %% [markdown]
# Is "treat by the model" worth more than giving everyone the same?

# %%
print(compute_policy_value(courses, settings=quick, random_state=0).verdict)

# %% [markdown]
# ## One woman, by published evidence alone

# %%
study = read_study("menses_12m")
pipeline = build_evidence_pipeline(study.codebook, study.features, study.evidence, with_centre=False, random_state=0)
nobody = pd.DataFrame({name: pd.Series(dtype=object) for name in pipeline["features"].required_columns})
pipeline.fit(nobody, np.zeros(0))
print(read_borrowed_arms(outcome="menses")[["study", "treated", "events", "n"]])

# %%
her = pd.DataFrame(
    {
        "age": [31.0],
        "fsh": [58.0],
        "amh": [0.1],
        "afc": [1.0],
        "amenorrhea_months": [20.0],
        "amenorrhea_type": ["secondary"],
        "aetiology": ["idiopathic"],
        "follicles_visible": [1.0],
        "cell_source": [None],
        "route": [None],
        "dose_cells": [np.nan],
        "adjuvant": [None],
    }
)
arms = count_arms(study.regimens, study.codebook, "menses")
support = summarise_support(pipeline, nobody, study.regimens, study.codebook, arms=arms)
draws = build_draws(pipeline)
options = list_options(study.regimens, study.codebook, support.seen)
comparison = compare_regimens(draws, her, options, study.regimens, support)
comparison.frame()[["label", "p", "low", "high", "difference", "best", "expected_loss", "arm_women", "support"]].round(
    2
)

# %%
print(comparison.verdict_frame()["sentence"].iloc[0])
print()
print(comparison.rule)

# %% [markdown]
# What waiting does, through age and the time since her last menses alone:

# %%
compare_waiting(draws, her, options.options[:2], (6.0, 12.0)).frame()[["label", "months", "p", "low", "high"]].round(2)
