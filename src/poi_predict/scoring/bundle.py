"""The stored model: a folder of a fitted pipeline, its contract, assessment and origin, and no patient."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from poi_predict.errors import BundleError
from poi_predict.scoring.contract import Contract, Provenance
from poi_predict.scoring.model_files import dump_pipelines, load_pipelines
from poi_predict.scoring.safe_files import read_files, write_files
from poi_predict.scoring.trusted import TRUSTED_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sklearn.pipeline import Pipeline

__all__ = ["Bundle", "read_bundle", "read_contract", "write_bundle"]

PIPELINE = "pipeline.skops"
REFITS = "refits.skops"
CONTRACT = "contract.json"
ASSESSMENT = "assessment.json"
PROVENANCE = "provenance.json"
CARD = "MODEL_CARD.md"
REQUIRED_FILES = (PIPELINE, CONTRACT, ASSESSMENT, PROVENANCE, CARD)
OPTIONAL_FILES = (REFITS,)


@dataclass(frozen=True)
class Bundle:
    """A fitted model with all that scoring, reviewing and repeating it need, and no patient's row.

    Attributes
    ----------
    pipeline : Pipeline
        The final model, fitted on the whole analysis set.
    contract : Contract
        What a table must offer to be scored.
    assessment : mapping
        Performance of every candidate, as in ``assessment.json``.
    provenance : Provenance
        Versions, revision, fingerprints and seed.
    card : str
        The model card, Markdown.
    refits : tuple of Pipeline
        Refits on bootstrap samples, for percentile intervals; may be empty.
    digest : str
        SHA-256 that stands for every byte of the stored bundle; empty before it is stored.
    """

    pipeline: Pipeline
    contract: Contract
    assessment: Mapping[str, Any]
    provenance: Provenance
    card: str
    refits: Sequence[Pipeline] = ()
    digest: str = ""


def write_bundle(bundle: Bundle, folder: Path) -> str:
    """Write a model to a folder, whole or not at all; the same model gives the same bytes.

    Parameters
    ----------
    bundle : Bundle
        What to store; its `digest` is not looked at.
    folder : Path
        Where; may hold an older bundle, which is replaced, or be absent.

    Returns
    -------
    str
        The digest that `read_bundle` will find.

    Raises
    ------
    BundleError
        If the model holds something that cannot be stored safely.
    OutputError
        If the place holds anything but a bundle, or cannot be written.
    """
    files = {
        PIPELINE: dump_pipelines([bundle.pipeline]),
        CONTRACT: _json_bytes(bundle.contract.as_dict(), CONTRACT),
        ASSESSMENT: _json_bytes(bundle.assessment, ASSESSMENT),
        PROVENANCE: _json_bytes(bundle.provenance.as_dict(), PROVENANCE),
        CARD: bundle.card.encode(),
    }
    load_pipelines(files[PIPELINE], PIPELINE, TRUSTED_TYPES)  # never store what reading would refuse
    if bundle.refits:
        files[REFITS] = dump_pipelines(bundle.refits)
    return write_files(folder, files)


def read_bundle(folder: Path) -> Bundle:
    """Read a stored model, if no byte of it has changed since training and nothing in it is untrusted.

    Parameters
    ----------
    folder : Path
        Where `write_bundle` wrote.

    Returns
    -------
    Bundle
        With its digest.

    Raises
    ------
    BundleError
        If a file is missing, extra, altered, truncated or too large; if an archive unpacks to too much or
        holds a type that is not pinned in `trusted`; if the contract is not one that this version knows.
    """
    files, digest = read_files(folder, REQUIRED_FILES, OPTIONAL_FILES)
    pipelines = load_pipelines(files[PIPELINE], PIPELINE, TRUSTED_TYPES)
    if len(pipelines) != 1:
        raise BundleError(
            f"{PIPELINE} must hold one model; it holds {len(pipelines)}. Use only bundles that this software wrote."
        )
    refits = load_pipelines(files[REFITS], REFITS, TRUSTED_TYPES) if REFITS in files else []
    try:
        card = files[CARD].decode()
    except UnicodeDecodeError as error:
        raise BundleError(f"{CARD} must be UTF-8 text; it is not. Take the bundle from its source again.") from error
    return Bundle(
        pipeline=pipelines[0],
        contract=Contract.from_dict(_parsed(files, CONTRACT)),
        assessment=_parsed(files, ASSESSMENT),
        provenance=Provenance.from_dict(_parsed(files, PROVENANCE)),
        card=card,
        refits=tuple(refits),
        digest=digest,
    )


def read_contract(folder: Path) -> Contract:
    """Read the contract of a stored model, if no byte of the bundle has changed, without building the model.

    Raises
    ------
    BundleError
        As `read_bundle`, for everything but the model's own types.
    """
    files, _ = read_files(folder, REQUIRED_FILES, OPTIONAL_FILES)
    return Contract.from_dict(_parsed(files, CONTRACT))


def _json_bytes(content: Mapping[str, Any], name: str) -> bytes:
    try:
        return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise BundleError(
            f"{name} must hold texts, truth values, finite numbers and nothing; it holds something else. "
            "Write None where a number is not known."
        ) from error


def _parsed(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        content = json.loads(files[name])
    except (RecursionError, ValueError) as error:
        raise BundleError(f"{name} must be JSON; it is not. Take the bundle from its source again.") from error
    if not isinstance(content, dict):
        raise BundleError(f"{name} must be a JSON object; it is not. Take the bundle from its source again.")
    return content
