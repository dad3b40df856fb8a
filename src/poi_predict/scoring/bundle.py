"""The stored model: a folder of a fitted pipeline, its contract, assessment and origin, and no patient."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poi_predict.cohort import Codebook, reading_from_dict
from poi_predict.errors import BundleError, PoiPredictError
from poi_predict.scoring.contract import Contract, Provenance
from poi_predict.scoring.model_files import dump_pipelines, load_pipelines
from poi_predict.scoring.safe_files import read_files, write_files
from poi_predict.scoring.text_files import parse_archive, render_archive
from poi_predict.scoring.trusted import TRUSTED_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sklearn.pipeline import Pipeline

__all__ = ["Bundle", "build_bundle", "read_bundle", "read_contract", "read_stored_files", "write_bundle"]

PIPELINE = "pipeline.skops"
PIPELINE_TEXT = "pipeline.skops.json"
REFITS = "refits.skops"  # of earlier versions
CONTRACT = "contract.json"
ASSESSMENT = "assessment.json"
PROVENANCE = "provenance.json"
CARD = "MODEL_CARD.md"
REQUIRED_FILES = (CONTRACT, ASSESSMENT, PROVENANCE, CARD)
OPTIONAL_FILES = (PIPELINE, PIPELINE_TEXT, REFITS)


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
        Read from bundles of earlier versions, which held refits on bootstrap samples; never written.
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

    @property
    def holds_refits(self) -> bool:
        """Whether an earlier version stored refits with it, from which the women of training can be computed."""
        return bool(self.refits)


def write_bundle(bundle: Bundle, folder: Path, *, as_text: bool = False) -> str:
    """Write a model to a folder, whole or not at all; the same model gives the same bytes.

    Parameters
    ----------
    bundle : Bundle
        What to store; its `digest` is not looked at.
    folder : Path
        Where; may hold an older bundle, which is replaced, or be absent.
    as_text : bool
        Whether the pipeline is written as text, ``pipeline.skops.json``, so that every file can be read and kept
        under version control. Trees are not written so.

    Returns
    -------
    str
        The digest that `read_bundle` will find.

    Raises
    ------
    BundleError
        If the model holds something that cannot be stored safely, or not as text.
    OutputError
        If the place holds anything but a bundle, or cannot be written.
    """
    archive = dump_pipelines([bundle.pipeline])
    load_pipelines(archive, PIPELINE, TRUSTED_TYPES)  # never store what reading would refuse
    files = {
        **_pipeline_file(archive, as_text=as_text),
        CONTRACT: _json_bytes(bundle.contract.as_dict(), CONTRACT),
        ASSESSMENT: _json_bytes(bundle.assessment, ASSESSMENT),
        PROVENANCE: _json_bytes(bundle.provenance.as_dict(), PROVENANCE),
        CARD: bundle.card.encode(),
    }
    return write_files(folder, files)


def read_bundle(folder: Path | str) -> Bundle:
    """Read a stored model, if no byte of it has changed since training and nothing in it is untrusted.

    Parameters
    ----------
    folder : Path or str
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
    return build_bundle(*read_stored_files(Path(folder)))


def build_bundle(files: Mapping[str, bytes], digest: str) -> Bundle:
    """Build a stored model from the contents of its files, which `read_stored_files` has checked.

    Raises
    ------
    BundleError
        As `read_bundle`, for what is inside the files.
    """
    name = PIPELINE if PIPELINE in files else PIPELINE_TEXT
    archive = files[name] if name == PIPELINE else parse_archive(files[name], name)
    pipelines = load_pipelines(archive, name, TRUSTED_TYPES)
    if len(pipelines) != 1:
        raise BundleError(
            f"{name} must hold one model; it holds {len(pipelines)}. Use only bundles that this software wrote."
        )
    refits = load_pipelines(files[REFITS], REFITS, TRUSTED_TYPES) if REFITS in files else []
    try:
        card = files[CARD].decode()
    except UnicodeDecodeError as error:
        raise BundleError(f"{CARD} must be UTF-8 text; it is not. Take the bundle from its source again.") from error
    return Bundle(
        pipeline=pipelines[0],
        contract=_read_contract(files),
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
    files, _ = read_stored_files(folder)
    return _read_contract(files)


def _read_contract(files: Mapping[str, bytes]) -> Contract:
    """Read the contract, and see that its codebooks and its reading are what tables can be read by."""
    contract = Contract.from_dict(_parsed(files, CONTRACT))
    try:
        Codebook.from_dict(contract.codebook)
        Codebook.from_dict(contract.outcome_codebook)
        reading_from_dict(contract.reading)
    except (ArithmeticError, AttributeError, LookupError, PoiPredictError, TypeError, ValueError) as error:
        raise BundleError(
            f"{CONTRACT} must describe variables as training does; it describes one otherwise. "
            "Use only bundles that this software wrote."
        ) from error
    return contract


def _pipeline_file(archive: bytes, *, as_text: bool) -> dict[str, bytes]:
    return {PIPELINE_TEXT: render_archive(archive).encode()} if as_text else {PIPELINE: archive}


def read_stored_files(folder: Path) -> tuple[dict[str, bytes], str]:
    """Read the files of a bundle, if no byte has changed, and the digest that stands for them.

    A bundle holds its pipeline once: as an archive or as text.

    Raises
    ------
    BundleError
        If a file is missing, extra, altered, truncated or too large.
    """
    files, digest = read_files(folder, REQUIRED_FILES, OPTIONAL_FILES)
    if (PIPELINE in files) == (PIPELINE_TEXT in files):
        held = "both" if PIPELINE in files else "neither"
        raise BundleError(
            f"A bundle must hold its model once, as {PIPELINE} or as {PIPELINE_TEXT}; this one holds {held}. "
            "Take it from its source again, or train the model again."
        )
    return files, digest


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
