"""From a finished training to the bundle that is kept of it."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from poi_predict.cohort import reading_as_dict
from poi_predict.features import CENTRE_CODE, input_columns
from poi_predict.privacy import LEAST
from poi_predict.scoring.contract import SYNTHETIC, Contract, Provenance

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    import pandas as pd
    from sklearn.pipeline import Pipeline

    from poi_predict.cohort import Codebook, Fingerprint, InclusionRule, ReadingSettings
    from poi_predict.regimen import RegimenSettings, Support
    from poi_predict.scoring.contract import TrainingRange

__all__ = [
    "PACKAGES",
    "add_centre",
    "add_outcome_terms",
    "add_regimens",
    "add_women",
    "build_contract",
    "build_provenance",
    "compute_usual_limits",
]

PACKAGES = ("poi-predict", "scikit-learn", "pandas", "numpy", "scipy", "firthmodels", "skops")
CENTRE = "centre"
ALWAYS_KEPT = ("patient_id", CENTRE, "data_origin")
DEFINE_OUTCOME = ("event", "event_month", "follow_up")


def build_contract(
    study: str,
    endpoint: Mapping[str, Any],
    predictors: tuple[str, ...],
    codebook: Codebook,
    reading: ReadingSettings,
    training_ranges: Mapping[str, TrainingRange],
    *,
    synthetic: bool,
) -> Contract:
    """Write down what a table must offer before the model may be asked about it.

    Only the predictors, the identifier and the provenance column stand in the contract: an outcome column of a
    table to be scored is none of its business.

    Parameters
    ----------
    study : str
    endpoint : mapping
        Plain settings of the endpoint.
    predictors : tuple of str
    codebook : Codebook
    reading : ReadingSettings
        How the clinic's file was read.
    training_ranges : mapping of str to TrainingRange
        From `compute_training_ranges`.
    synthetic : bool
    """
    kept = codebook.subset((*predictors, *(name for name in ALWAYS_KEPT if name in codebook)))
    plain = reading_as_dict(reading)
    plain["columns"] = [entry for entry in plain["columns"] if entry["variable"] in kept]
    return Contract(
        study=study,
        endpoint=endpoint,
        predictors=predictors,
        input_columns=tuple(input_columns(codebook, predictors)),
        codebook=kept.as_dict(),
        reading=plain,
        training_ranges=dict(training_ranges),
        synthetic=synthetic,
        brands=(SYNTHETIC,) if synthetic else (),
    )


def compute_usual_limits(data: pd.DataFrame, names: Iterable[str], least: int = LEAST) -> dict[str, float]:
    """Return the detection limit that most women below it had, by variable; one of too few women is left out.

    A woman to be scored whose AMH is "not detected" without a limit is read at this one, and flagged.

    Parameters
    ----------
    data : DataFrame
        Rows of training, with `patient_id`.
    names : iterable of str
        Variables that can be below a limit.
    least : int
        Women that must share a limit before it is told.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"amh": [0.02] * 5 + [0.1, 0.3], "amh__below": [True] * 6 + [False]})
    >>> data["patient_id"] = list("abcdefg")
    >>> compute_usual_limits(data, ["amh"]), compute_usual_limits(data[3:], ["amh"])
    ({'amh': 0.02}, {})
    """
    usual = {}
    for name in names:
        if f"{name}__below" in data:
            below = data.loc[data[f"{name}__below"].astype(bool)]
            women = below.groupby(name)["patient_id"].nunique()
            if len(women) and int(women.max()) >= least:
                usual[name] = float(str(women.idxmax()))
    return usual


def add_centre(contract: Contract, pipeline: Pipeline) -> Contract:
    """Add the centre to the columns that a model takes, if it knows the centres of training apart, or the only one.

    A table to be scored may then name the centre. Where it does not, or names another, the woman is of a new one.

    Parameters
    ----------
    contract : Contract
        From `build_contract`.
    pipeline : Pipeline
        The fitted model.
    """
    knows_centres = CENTRE_CODE in pipeline.named_steps["features"].get_feature_names_out()
    if not (knows_centres or getattr(pipeline[-1], "home_", None)):
        return contract
    return replace(contract, input_columns=(*contract.input_columns, CENTRE))


def add_outcome_terms(
    contract: Contract,
    codebook: Codebook,
    reading: ReadingSettings,
    inclusion: Sequence[InclusionRule],
    development: Mapping[str, Any],
) -> Contract:
    """Add to a contract what an external validation needs: outcome, inclusion, and the women of training in sum.

    These terms stand apart from those that scoring reads a table by, so an outcome column of a table to be
    scored stays none of its business.

    Parameters
    ----------
    contract : Contract
        From `build_contract`.
    codebook, reading
        The study's, as given to `build_contract`.
    inclusion : sequence of InclusionRule
        The study's rules, in order.
    development : mapping
        From `summarise_women`.
    """
    needed = {contract.endpoint.get(part) for part in DEFINE_OUTCOME} | {rule.variable for rule in inclusion}
    outcome = codebook.subset(str(name) for name in needed if name and name not in contract.codebook)
    columns = reading_as_dict(reading)["columns"]
    return replace(
        contract,
        inclusion=tuple(asdict(rule) | {"levels": list(rule.levels)} for rule in inclusion),
        outcome_codebook=outcome.as_dict(),
        outcome_columns=tuple(entry for entry in columns if entry["variable"] in outcome),
        development=dict(development),
    )


def add_regimens(contract: Contract, comparable: tuple[RegimenSettings, Support] | None) -> Contract:
    """Add to a contract what comparing regimens needs: its settings, and who had which protocol, in sums."""
    if comparable is None:
        return contract
    settings, support = comparable
    return replace(contract, regimens={"settings": settings.as_dict(), "support": support.as_dict()})


def add_women(contract: Contract, women: Mapping[str, Any]) -> Contract:
    """Add to a contract what flags and drift need of the women of training.

    Parameters
    ----------
    contract : Contract
        From `build_contract`.
    women : mapping
        From `summarise_training`.
    """
    return replace(contract, women=dict(women))


def build_provenance(created: dt.date, study_sha256: str, fingerprint: Fingerprint, seed: int) -> Provenance:
    """Write down where a model comes from: versions, revision, hashes, seed and date."""
    return Provenance(
        created=created.isoformat(),
        python=platform.python_version(),
        packages={name: importlib.metadata.version(name) for name in PACKAGES},
        git_revision=_git_revision(),
        study_sha256=study_sha256,
        data_sha256=fingerprint.sha256,
        data_rows=fingerprint.rows,
        data_columns=fingerprint.columns,
        seed=seed,
    )


def _git_revision() -> str | None:
    """Revision of the checkout this package runs from, marked where files were changed; None outside one."""
    here = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--match="],  # noqa: S607
            cwd=here, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None
