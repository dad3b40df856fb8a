"""A stored pipeline as text: the archive of `model_files` as JSON, for models that are kept under version control.

The text holds what the archive holds, and is brought back to the very archive before anything is loaded, so one
reader, with one list of trusted types, stands at both doors. Numbers are written in the shortest form that reads
back to the same bits; what JSON cannot write is written as a text (``"nan"``, ``"inf"``, ``"-inf"``). One array
stands on one line, and the schema of skops is abbreviated, so that a change of a model reads well in a difference
of two versions: plain values are ``{"json": …}``, numbers of shared nodes are left out. Arrays of several fields,
the nodes of trees, are not written as text: nobody could read them.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np

from poi_predict.errors import BundleError
from poi_predict.scoring.model_files import SCHEMA, number_if_shared, pack_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["parse_archive", "render_archive"]

MOST_TEXT_BYTES = 16 * 2**20
MOST_ARRAY_BYTES = 64 * 2**20
KNOWN_TYPE = re.compile(r"\|b1|\|[iu]1|<[iu][248]|<f[248]|<U[0-9]{1,3}")
WIDTH = 120
PLAIN = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
NAME_TYPE = {"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"}
NAMES = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"}
NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
REMEDY = "Take the bundle from its source again, or train the model again."


def render_archive(archive: bytes) -> str:
    """Write an archive of pipelines as text.

    Parameters
    ----------
    archive : bytes
        What `dump_pipelines` gave.

    Returns
    -------
    str
        JSON: ``{"schema": …, "arrays": {name: {"dtype", "shape", "values"}}}``; values in C order, or with
        ``"order": "F"`` in Fortran's, which sums in another order and so in other last digits.

    Raises
    ------
    BundleError
        If the model holds something that is not text: trees, or anything that does not come back bit by bit.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from poi_predict.scoring.model_files import dump_pipelines
    >>> archive = dump_pipelines([make_pipeline(LogisticRegression()).fit([[80.0], [40.0]], [0, 1])])
    >>> text = render_archive(archive)
    >>> [line.strip() for line in text.splitlines() if '"values"' in line][0]
    '"0.npy": {"dtype": "<i8", "shape": [2], "values": [0, 1]},'
    >>> parse_archive(text.encode(), "pipeline.skops.json") == archive
    True
    >>> tree = make_pipeline(DecisionTreeClassifier()).fit([[80.0], [40.0]], [0, 1])
    >>> render_archive(dump_pipelines([tree]))
    Traceback (most recent call last):
    poi_predict.errors.BundleError: A model that is stored as text must hold plain numbers, truth values and texts;
    1 of its arrays does not. Store a model with trees as pipeline.skops.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as stored:
        parts = {name: stored.read(name) for name in stored.namelist()}
    schema = json.loads(parts.pop(SCHEMA))
    arrays = {name: _load_array(content) for name, content in parts.items()}
    strange = sum(array is None or not KNOWN_TYPE.fullmatch(array.dtype.str) for array in arrays.values())
    if strange:
        raise BundleError(
            "A model that is stored as text must hold plain numbers, truth values and texts; "
            f"{strange} of its arrays {'does' if strange == 1 else 'do'} not. "
            "Store a model with trees as pipeline.skops."
        )
    text = _render(_shorten(schema), {name: array for name, array in arrays.items() if array is not None})
    if parse_archive(text.encode(), "The text") != archive:
        raise BundleError(
            "A model that is stored as text must come back bit by bit; this one does not. Store it as pipeline.skops."
        )
    return text


def parse_archive(text: bytes, name: str) -> bytes:
    """Bring a text back to the archive it was rendered from, for `load_pipelines` to look through.

    Parameters
    ----------
    text : bytes
        What `render_archive` gave, in UTF-8.
    name : str
        The file's name, for messages.

    Raises
    ------
    BundleError
        If the text is not, byte for byte, what this version would write, or holds more than a model does.

    Examples
    --------
    >>> parse_archive(b'{"schema": {}, "arrays": {"0.npy": {"dtype": "<f8", "shape": [9], "values": [0.3]}}}', "a.json")
    Traceback (most recent call last):
    poi_predict.errors.BundleError: a.json must be a model as training wrote it; it is altered or damaged. ...
    """
    if len(text) > MOST_TEXT_BYTES:
        raise BundleError(
            f"{name} must be a text of at most {MOST_TEXT_BYTES} bytes; it has {len(text)}. "
            "Use only bundles that this software wrote."
        )
    try:
        stored = json.loads(text, parse_constant=_refuse_constant)
        schema, described = stored["schema"], stored["arrays"]
        _check_size(described, name)
        arrays = {number: _build_array(entry) for number, entry in described.items()}
        same = _render(schema, arrays).encode() == text
        expanded = _expand(schema, {})
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise _altered(name) from error
    if not same or list(arrays) != [f"{number}.npy" for number in range(len(arrays))]:
        raise _altered(name)
    return pack_parts(expanded, {number: _save_array(array) for number, array in arrays.items()})


def _render(schema: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> str:
    """Return the one text of these parts."""
    lines = ",\n".join(f"  {json.dumps(name)}: {_render_array(array)}" for name, array in arrays.items())
    return f'{{\n "schema": {_lay_out(schema, 1)},\n "arrays": {{\n{lines}\n }}\n}}\n'


def _lay_out(value: Any, depth: int) -> str:
    """Return JSON whose parts stand on one line where they fit, and on lines of their own where they do not."""
    if not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {_lay_out(part, depth + 1)}" for key, part in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [_lay_out(part, depth + 1) for part in value]
        opening, closing = "[", "]"
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(line) + depth <= WIDTH and "\n" not in line:
        return line
    indented = f",\n{' ' * (depth + 1)}".join(parts)
    return f"{opening}\n{' ' * (depth + 1)}{indented}\n{' ' * depth}{closing}"


def _shorten(value: Any) -> Any:
    """Return a schema without what `_expand` can put back."""
    if isinstance(value, list):
        return [_shorten(part) for part in value]
    if not isinstance(value, dict):
        return value
    node = {key: part for key, part in value.items() if key != "__id__" or not isinstance(part, int)}
    if node == {**PLAIN, "content": node.get("content"), "is_json": True}:
        return {"json": node["content"]}
    short = {key: _shorten(part) for key, part in node.items()}
    if short.get("key_types") == _name_types(short):
        short["key_types"] = "str"
    return short


def _expand(value: Any, ids: dict[str, int]) -> Any:
    """Return the schema that was shortened, its shared nodes numbered in order."""
    if isinstance(value, list):
        return [_expand(part, ids) for part in value]
    if not isinstance(value, dict):
        return value
    if list(value) == ["json"] and isinstance(value["json"], str):
        node = {**PLAIN, "content": value["json"], "is_json": True}
    else:
        node = {
            key: _expand(_name_types(value) if key == "key_types" and part == "str" else part, ids)
            for key, part in value.items()
        }
    if isinstance(node.get("__loader__"), str):
        number_if_shared(node, ids)
    return node


def _name_types(node: dict[str, Any]) -> dict[str, Any]:
    """Return what skops says of a mapping's keys if all are texts."""
    return {**NAMES, "content": [dict(NAME_TYPE) for _ in node["content"]]} if "content" in node else {}


def _render_array(array: NDArray[Any]) -> str:
    order: Literal["C", "F"] = "F" if _is_fortran(array) else "C"
    values = array.ravel(order=order).tolist()
    if array.dtype.kind == "f":
        values = [value if math.isfinite(value) else str(value) for value in values]
    entry: dict[str, Any] = {"dtype": array.dtype.str, "shape": list(array.shape)}
    if order == "F":
        entry["order"] = order
    return json.dumps(entry | {"values": values}, ensure_ascii=False, allow_nan=False)


def _build_array(entry: dict[str, Any]) -> NDArray[Any]:
    kind = np.dtype(entry["dtype"])
    values = entry["values"]
    if kind.kind == "f":
        values = [NOT_FINITE[value] if isinstance(value, str) else value for value in values]
    return np.array(values, dtype=kind).reshape(entry["shape"], order=entry.get("order", "C"))


def _check_size(described: dict[str, Any], name: str) -> None:
    """Refuse unknown types, and arrays that claim more than their values or than a model holds, before any is made."""
    claimed = 0
    for entry in described.values():
        shape, values = entry["shape"], entry["values"]
        if not KNOWN_TYPE.fullmatch(entry["dtype"]):
            raise BundleError(
                f"{name} must hold plain numbers, truth values and texts; an array is of another type. "
                "Use only bundles that this software wrote."
            )
        if not isinstance(values, list) or any(type(size) is not int or size < 0 for size in shape):
            raise _altered(name)
        if math.prod(shape) != len(values):
            raise _altered(name)
        claimed += np.dtype(entry["dtype"]).itemsize * len(values)
    if claimed > MOST_ARRAY_BYTES:
        raise BundleError(
            f"{name} must hold arrays of at most {MOST_ARRAY_BYTES} bytes; it claims {claimed}. "
            "Use only bundles that this software wrote."
        )


def _load_array(content: bytes) -> NDArray[Any] | None:
    """Return an array of the archive; None for a part that is none."""
    try:
        array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError):
        return None
    return array if isinstance(array, np.ndarray) else None


def _save_array(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _is_fortran(array: NDArray[Any]) -> bool:
    return bool(array.flags.f_contiguous and not array.flags.c_contiguous)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


def _altered(name: str) -> BundleError:
    return BundleError(f"{name} must be a model as training wrote it; it is altered or damaged. {REMEDY}")
