"""Where a scoring fails as it never should, the model is asked about imagined women, to learn whether it is at fault.

A manifest that matches says that the files are those somebody wrote, not that they hang together: an array may have
another length, a variable may have lost its levels. Such a model is refused in plain words; if it answers as it
should, the failure is a defect of this software and is reported as one.
"""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort import Codebook, reading_from_dict
from poi_predict.errors import BundleError, PoiPredictError
from poi_predict.scoring.applicability import compute_flags
from poi_predict.scoring.conforming import conform
from poi_predict.scoring.drift import compare_drift, tally_block
from poi_predict.scoring.reckoning import reckon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poi_predict.scoring.bundle import Bundle
    from poi_predict.scoring.contract import Contract
    from poi_predict.scoring.portable import PortableBundle

__all__ = ["blamed_on_the_model", "check_answers"]

N_WOMEN = 40  # so many that the comparison with the women of training is made as well


@contextlib.contextmanager
def blamed_on_the_model(stored: PortableBundle) -> Iterator[None]:
    """Turn an unforeseen error of a scoring into a refusal of its model, if the model cannot answer.

    Parameters
    ----------
    stored : PortableBundle

    Raises
    ------
    PoiPredictError
        Instead of another error, where `check_answers` refuses the model.
    """
    try:
        yield
    except PoiPredictError:
        raise
    except Exception:
        check_answers(stored.bundle)
        raise


def check_answers(bundle: Bundle) -> None:
    """Refuse a stored model that cannot answer: about a woman of whom all is known, or nothing, or a part.

    Bundles of earlier versions are asked without their refits: that would take seconds.

    Parameters
    ----------
    bundle : Bundle

    Raises
    ------
    PoiPredictError
        If the contract breaks a rule, or anything goes wrong on the way from inputs to scores, flags and drift.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            _ask(bundle)
    except PoiPredictError:
        raise
    except Exception as error:
        raise BundleError(
            f"A bundle must hold a model that answers; asking this one ends in {type(error).__name__}. Take the bundle "
            "from its source again, or train the model again with this version."
        ) from error


def _ask(bundle: Bundle) -> None:
    contract = bundle.contract
    reading_from_dict(contract.reading)
    inputs = conform(_imagine_women(contract), contract)
    reckoned = reckon(replace(bundle, refits=()), inputs, reasons=True)
    flags = compute_flags(inputs, contract, reckoned.derived)
    compare_drift(tally_block(inputs, reckoned.derived, reckoned.p_response, flags, contract), contract)
    reckoned.leading(1)


def _imagine_women(contract: Contract) -> pd.DataFrame:
    """Return women who have every value of every variable in turn, and some of whom a value is not known."""
    codebook = Codebook.from_dict(contract.codebook)
    women = {}
    for turn, name in enumerate(contract.predictors):
        variable = codebook[name]
        known: list[object] = list(variable.levels)
        if variable.is_numeric or variable.kind == "binary":
            low, high = variable.hard or (0.0, 1.0)
            known = list(np.linspace(low, high, 4))
        cells = [*known, None]
        women[name] = [cells[(row + turn) % len(cells)] for row in range(N_WOMEN)]
        if f"{name}__below" in contract.input_columns:
            women[f"{name}__below"] = [row % 7 == 1 for row in range(N_WOMEN)]
    return pd.DataFrame(women)
