"""TreeSHAP of a cohort on two cores, beside one process of `shap.TreeExplainer`, in the same run.

The catalogue's models of trees, trained on 240 synthetic women as a study trains them; the rows explained are other
synthetic women. Printed are the best of some repetitions of each way, their ratio, and how far the numbers differ.
What is not counted is what either way does once for a model: reading the trees (shap), working the tables out (ours);
it is printed beside.

Run: .venv/bin/python benchmarks/tree_shap.py [--rows 20000] [--jobs 2] [--repeats 3]
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort import read_codebook
from poi_predict.explain import TreeAttribution
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import build_pipeline, fit_model

if TYPE_CHECKING:
    from collections.abc import Callable

PREDICTORS = ("age", "fsh", "amh", "afc", "amenorrhea_months", "aetiology", "cell_source", "adjuvant", "dose_cells")
N_TRAINED = 240


def make_women(n: int, seed: int) -> pd.DataFrame:
    """SYNTHETIC women in canonical columns, with gaps."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.uniform(22, 40, n),
            "fsh": rng.lognormal(4.0, 0.4, n),
            "amh": rng.lognormal(-2.5, 0.8, n),
            "amh__below": rng.random(n) < 0.5,
            "afc": rng.poisson(1.0, n).astype(float),
            "amenorrhea_months": rng.gamma(2, 20, n),
            "aetiology": rng.choice(["idiopathic", "surgical", "autoimmune"], n),
            "cell_source": rng.choice(["adipose", "bone_marrow", "umbilical_cord"], n),
            "adjuvant": rng.choice(["none", "prp", "hrt+prp"], n),
            "dose_cells": rng.lognormal(16, 1, n),
        }
    )
    for name in ("fsh", "afc", "aetiology", "dose_cells"):
        X.loc[rng.random(n) < 0.12, name] = np.nan
    return X


def measure(work: Callable[[], object], repeats: int) -> float:
    """Return the least wall time of some repetitions, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(name: str, rows: int, jobs: int, repeats: int) -> None:
    import shap  # noqa: PLC0415

    trained = make_women(N_TRAINED, 1)
    chance = 1 / (1 + np.exp((np.log(trained["fsh"].fillna(60)) - 4) * 2 - 0.03 * (32 - trained["age"])))
    y = (np.random.default_rng(2).random(N_TRAINED) < chance).astype(int)
    features = build_features(read_codebook(), FeatureSettings(predictors=PREDICTORS))
    pipeline = fit_model(build_pipeline(name, features, monotone={"fsh": -1}, random_state=0), trained, y)
    values = pipeline[:-1].transform(make_women(rows, 3)).to_numpy()
    ours = TreeAttribution(pipeline[-1])
    start = time.perf_counter()
    found = ours.attribute(values, n_jobs=jobs)[0]
    first = time.perf_counter() - start
    explainer = shap.TreeExplainer(pipeline[-1], feature_perturbation="tree_path_dependent")
    one = measure(lambda: explainer(values, check_additivity=False), repeats)
    alone = measure(lambda: ours.attribute(values), repeats)
    together = measure(lambda: ours.attribute(values, n_jobs=jobs), repeats)
    walked = explainer(values, check_additivity=False).values
    apart = np.abs(found - (walked[..., 1] if walked.ndim == 3 else walked)).max()
    print(
        f"{name}, {rows} rows: shap {one:.3f} s; ours {alone:.3f} s on one core, {together:.3f} s on {jobs} "
        f"(the first time, tables included, {first:.3f} s): {one / together:.1f} times as fast, "
        f"{one / first:.1f} the first time; largest difference {apart:.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    for name in ("gradient_boosting", "random_forest"):
        compare(name, asked.rows, asked.jobs, asked.repeats)


if __name__ == "__main__":
    main()
