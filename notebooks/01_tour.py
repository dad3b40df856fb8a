# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A tour
#
# From a clinic's table to a model that says what it knows, and what it does not. The women here are
# SYNTHETIC: drawn from published distributions, so that the whole way can be walked without a patient.

# %%
import dataclasses
import tempfile
from pathlib import Path

import pandas as pd

from poi_predict.batch_scoring import ScoringOptions, score
from poi_predict.study import read_study
from poi_predict.validation import ValidationSettings
from poi_predict.workflow import check, simulate, train

folder = Path(tempfile.mkdtemp())
cohort = folder / "cohort.csv"
simulate(n=160, seed=1, out=cohort)

# %% [markdown]
# ## The question
#
# A study declares what is asked: who counts, which event by when, which variables may predict it, which models
# are compared. This one is shipped; the resampling is cut short so that the tour takes a minute.

# %%
study = read_study("menses_12m")
quick = ValidationSettings(folds=5, repeats=2, bootstrap=40, permutations=39, seed=1)
study = dataclasses.replace(study, validation=quick)
study = dataclasses.replace(
    study, models=dataclasses.replace(study.models, candidates=("prevalence", "evidence", "ridge"))
)
print(study.question)

# %% [markdown]
# ## The door
#
# Every finding at once, by column and count, never a patient's value.

# %%
print("\n".join(check(study, cohort).lines()))

# %% [markdown]
# ## Development
#
# Everything that learns is refitted in every resample. Women followed for less than the horizon are censored,
# not non-responders. The bundle, the report and the assessment are written in the end.

# %%
run = train(study, cohort, folder / "model", n_jobs=1, track=False)
training = run.training
training.analysis.attrition

# %%
figures = training.assessment.frame()
figures[figures["metric"].isin(["c_statistic", "log_loss"])].round(3)

# %% [markdown]
# The primary model was named before the data were seen. It becomes champion only if it beats telling every woman
# the prevalence:

# %%
print("champion:", training.assessment.champion)

# %% [markdown]
# ## Explanation
#
# Attributions stand on the clinical variables and add up to the prediction exactly.

# %%
explanation = training.explanation
gap = explanation.baseline + explanation.attributions.sum(axis=1) - explanation.output
assert abs(gap).max() < 1e-6
explanation.summary().round(3)

# %% [markdown]
# ## What was written, and scoring with it
#
# A bundle is text and arrays, without pickle and without any patient's row. Every row of a scored table comes
# back, as a score or as a rejection with its reason.

# %%
print("\n".join(run.lines()))

# %%
scored = score(str(folder / "model" / "bundle"), cohort, folder / "scores.csv", ScoringOptions(reasons=2))
print("\n".join(line.replace(f"{folder}/", "") for line in scored.lines()))
pd.read_csv(folder / "scores.csv").drop(columns="patient_id").head().round(3)
