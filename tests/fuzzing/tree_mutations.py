"""Declarations and JSON whose keys are renamed, retyped, nested or lost, in text that still parses."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from random import Random
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**63, -(2**70), 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x",
    "age", "fsh", "ridge", "evidence", "x" * 5000, "\u202e", "é", "\x7f", "1", "../..", "a b", "{column}", [], [[]],
    ["age"],
    ["age", "age"], [1, 2], [2, 1], [None], {}, {"a": {}}, {"column": "x"}, [{}], [0] * 500, "menses_resumed", "NA",
)  # fmt: skip


def mutate_tree(tree: Any, rng: Random) -> Any:
    """A copy with one to three changes, anywhere."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 2, 3))):
        tree = _change(tree, rng)
    return tree


def _change(tree: Any, rng: Random) -> Any:
    places = [(holder, key) for holder, key in _places(tree) if isinstance(holder, dict | list)]
    if not places:
        return rng.choice(VALUES)
    holder, key = rng.choice(places)
    action = rng.randrange(7)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, dict):
        named = rng.choice((key[:-1] or "x", key + "s", key.upper(), "", "x y", "__class__", "é", key + "__below"))
        holder[named] = holder.pop(key)
    elif action == 2:
        other, at = rng.choice(places)
        value = other[at] if isinstance(other, dict) or at < len(other) else None
        holder[key] = copy.deepcopy(value)
    elif action == 3:
        holder[key] = rng.choice(({"x": holder[key]}, [holder[key]], [holder[key], holder[key]]))
    elif action == 4:
        holder[key] = _retyped(holder[key])
    elif action == 5 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] = rng.choice((-holder[key], holder[key] * 1e6, holder[key] + 1, 0, 1e300, -1))
    else:
        holder[key] = rng.choice(VALUES)
    return tree


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every place in a tree, those near its root as likely as those in its longest lists."""
    found: list[tuple[Any, Any]] = []
    if isinstance(tree, dict):
        items: list[tuple[Any, Any]] = list(tree.items())
    elif isinstance(tree, list):
        items = list(enumerate(tree))[:6]
    else:
        return []
    for key, value in items:
        found.append((tree, key))
        found += _places(value)
    return found


def _retyped(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return [value]
    return str(value) if isinstance(value, list) else list(value or ())


def write_toml(tree: Mapping[str, Any]) -> bytes:
    """A tree of tables as TOML; what TOML cannot hold is left out."""
    return "".join(f"{_key(name)} = {_value(value)}\n" for name, value in tree.items() if value is not None).encode(
        "utf-8", "surrogatepass"
    )


def _key(name: str) -> str:
    return json.dumps(str(name), ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value if item is not None) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return _key(value) if isinstance(value, str) else repr(value)
