"""Fitted pipelines as bytes: skops archives, the same every time, and looked at before they are loaded.

skops names objects by their place in memory and stamps the time on each part, so two dumps of one model
differ. Here a dump is brought into one form: no memory addresses, arrays named in order and stored once,
parts without dates, padding between the fields of tree nodes zeroed. A model is stored as a value, not as a
graph: immutable leaves and arrays that are equal are loaded once and shared.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import json
import math
import warnings
import zipfile
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.errors import BundleError
from poi_predict.scoring.tree_bounds import check_tree_bounds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sklearn.pipeline import Pipeline

__all__ = ["SCHEMA", "dump_pipelines", "load_pipelines", "number_if_shared", "pack_parts"]

MOST_UNPACKED_BYTES = 512 * 2**20
MOST_PARTS = 100_000
MOST_EXPANSION = 200
FREE_EXPANSION_BYTES = 16 * 2**20
PART_ENTRY = b"PK\x01\x02"  # of an archive's list of parts
SCHEMA = "schema.json"
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the earliest date a ZIP archive can bear
SHARED_NODES = frozenset({"FunctionNode", "JsonNode", "NdArrayNode", "TypeNode"})
REMEDY = "Take the bundle from its source again, or train the model again."


def dump_pipelines(pipelines: Sequence[Pipeline]) -> bytes:
    """Write fitted pipelines as one skops archive, the same bytes for the same models.

    Parameters
    ----------
    pipelines : sequence of Pipeline
        Fitted pipelines.

    Returns
    -------
    bytes
        A skops file holding a list.

    Raises
    ------
    BundleError
        If a pipeline holds something that cannot be stored without pickle.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> fitted = make_pipeline(LogisticRegression()).fit([[80.0], [40.0]], [0, 1])
    >>> dump_pipelines([fitted]) == dump_pipelines([fitted])
    True
    """
    import skops.io  # noqa: PLC0415

    form = _CanonicalForm()
    with _collector_paused():
        for pipeline in pipelines:
            try:
                raw = skops.io.dumps(pipeline)
            except (AttributeError, RecursionError, TypeError, ValueError) as error:
                raise BundleError(
                    "A model must consist of parts that can be stored without pickle; "
                    f"{type(error).__name__} was raised for one. Give the estimator plain attributes."
                ) from error
            form.add(raw)
        return form.archive()


def load_pipelines(archive: bytes, name: str, trusted: Collection[str]) -> list[Pipeline]:
    """Load the pipelines of an archive, if all its types are trusted and its arrays and trees well formed.

    Parameters
    ----------
    archive : bytes
        What `dump_pipelines` gave.
    name : str
        The file's name, for messages.
    trusted : collection of str
        Fully qualified names of the types allowed beyond those that skops trusts by itself.

    Raises
    ------
    BundleError
        If the archive is damaged, unpacks to too much, or holds an untrusted type or a broken tree.
    """
    import skops.io  # noqa: PLC0415
    from sklearn.exceptions import InconsistentVersionWarning  # noqa: PLC0415
    from sklearn.pipeline import Pipeline  # noqa: PLC0415
    from skops.io.exceptions import UntrustedTypesFoundException  # noqa: PLC0415

    if archive.count(PART_ENTRY) > MOST_PARTS:  # before the list of them is made
        raise BundleError(f"{name} must hold at most {MOST_PARTS} parts; it holds more. {REMEDY}")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as parts:
            _check_parts(parts, len(archive), name)
        with _collector_paused(), warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            pipelines = skops.io.loads(archive, trusted=sorted(trusted))
    except UntrustedTypesFoundException as error:
        untrusted = sorted(set(skops.io.get_untrusted_types(data=archive)) - set(trusted))
        raise BundleError(
            f"{name} must hold only types that this version trusts; {', '.join(untrusted[:3])} "
            f"{'is' if len(untrusted) == 1 else 'are'} not. Use only bundles that this software wrote."
        ) from error
    except InconsistentVersionWarning as error:
        raise BundleError(
            f"{name} must be read with the scikit-learn that trained it, {error.original_sklearn_version}; "
            f"{error.current_sklearn_version} is installed. Install that version, or train the model again."
        ) from error
    except BundleError:
        raise
    except Exception as error:  # what a hostile or truncated archive makes the parsers raise cannot be listed
        raise BundleError(f"{name} must be a whole, well-formed skops archive; it is not. {REMEDY}") from error
    if not isinstance(pipelines, list) or not all(isinstance(pipeline, Pipeline) for pipeline in pipelines):
        raise BundleError(f"{name} must hold scikit-learn pipelines; it holds something else. {REMEDY}")
    for pipeline in pipelines:
        check_tree_bounds(pipeline, name)
    return pipelines


def pack_parts(schema: Mapping[str, Any], arrays: Mapping[str, bytes]) -> bytes:
    """Return the archive of a schema of skops and the array files it names; equal parts give equal bytes."""
    parts = {SCHEMA: _compact(schema).encode(), **arrays}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            part = zipfile.ZipInfo(name, EARLIEST)
            part.compress_type = zipfile.ZIP_DEFLATED
            part.external_attr = 0o644 << 16
            archive.writestr(part, content)
    return buffer.getvalue()


@dataclass
class _CanonicalForm:
    """Collects states of skops and their arrays, in one form that depends on nothing but their content."""

    names: dict[str, str] = field(default_factory=dict)  # hash of an array file -> its name in the archive
    arrays: dict[str, bytes] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)  # content of a shared node -> its number
    header: dict[str, Any] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=list)

    def add(self, raw: bytes) -> None:
        """Take up one object as skops dumped it."""
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            state = json.loads(archive.read(SCHEMA))
            self.header = {key: state.pop(key) for key in ("protocol", "_skops_version")}
            self.states.append(self._settle(state, archive))

    def archive(self) -> bytes:
        """Return the archive of a list of all objects taken up."""
        schema = {
            "__class__": "list",
            "__module__": "builtins",
            "__loader__": "ListNode",
            "content": self.states,
        }
        return pack_parts(schema | self.header, self.arrays)

    def _settle(self, value: Any, archive: zipfile.ZipFile) -> Any:
        if isinstance(value, list):
            return [self._settle(item, archive) for item in value]
        if not isinstance(value, dict):
            return value
        settled = {key: self._settle(item, archive) for key, item in value.items()}
        loader = settled.get("__loader__")
        if not isinstance(loader, str):  # a mapping of the model, not a node of skops
            return settled
        del settled["__id__"]
        if "file" in settled:
            settled["file"] = self._keep_array(archive.read(settled["file"]), settled["file"])
        if loader == "SetNode":
            settled["content"].sort(key=_compact)
        number_if_shared(settled, self.ids)
        return settled

    def _keep_array(self, content: bytes, file: str) -> str:
        if file.endswith(".npy"):
            content = _without_padding(content)
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self.names:
            self.names[digest] = f"{len(self.names)}{file[file.rfind('.') :]}"
            self.arrays[self.names[digest]] = content
        return self.names[digest]


def number_if_shared(node: dict[str, Any], ids: dict[str, int]) -> None:
    """Give a node without a number the one that all nodes of its content share, if it is of a kind that is shared.

    Parameters
    ----------
    node : dict
        Of a schema, its own nodes numbered before it.
    ids : dict of str to int
        Content to number, of all nodes so far; a new content is added.
    """
    if node["__loader__"] in SHARED_NODES:
        node["__id__"] = ids.setdefault(_compact(node), len(ids) + 1)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _without_padding(content: bytes) -> bytes:
    """Zero the bytes between the fields of structured arrays, which hold whatever memory held before."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)  # not zeros_like, which leaves the padding as memory was
    for name in array.dtype.names:
        clean[name] = array[name]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _check_parts(archive: zipfile.ZipFile, size: int, name: str) -> None:
    """Refuse an archive that would unpack to too much, before anything of it is unpacked."""
    parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)
    most = min(MOST_UNPACKED_BYTES, FREE_EXPANSION_BYTES + MOST_EXPANSION * size)
    if len(parts) > MOST_PARTS or unpacked > most:
        raise BundleError(
            f"{name} must unpack to at most {most} bytes in {MOST_PARTS} parts; it declares {unpacked} bytes "
            f"in {len(parts)}. Use only bundles that this software wrote."
        )
    if len({part.filename for part in parts}) < len(parts):
        raise BundleError(f"{name} must hold each part once; some are repeated. {REMEDY}")
    for part in parts:
        if part.filename.endswith(".npy"):
            _check_array(archive.read(part), name)


def _check_array(content: bytes, name: str) -> None:
    """Refuse an array whose header claims another size than it has: numpy would reserve what is claimed."""
    start = 10 if content[6:7] == b"\x01" else 12
    header = start + int.from_bytes(content[8:start], "little")
    if _declared_bytes(content[:header]) != len(content) - header:
        raise BundleError(f"{name} must hold arrays of the size they claim; one is not. {REMEDY}")


@lru_cache(maxsize=4096)  # the arrays of a forest share few headers, and parsing one takes longer than reading it
def _declared_bytes(header: bytes) -> int | None:
    """Return how many bytes an array's header announces; None for arrays of objects."""
    stream = io.BytesIO(header)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = read[np.lib.format.read_magic(stream)](stream)
    return None if dtype.hasobject else dtype.itemsize * math.prod(shape)


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the garbage collector, which would search millions of new and living objects again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
