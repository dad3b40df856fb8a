"""A guard under which nothing may be unpickled, by whatever way."""

from __future__ import annotations

import contextlib
import pickle
import sys
from collections.abc import Iterator

import joblib
import numpy as np
import pytest

with contextlib.suppress(ImportError):
    import dask.delayed  # noqa: F401 - pickles functions of its own while it is imported, and reads them back

_seen: list[str] = []
_watching: list[bool] = []


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event == "pickle.find_class":
        _seen.append(f"{event} {arguments}")
        raise AssertionError(_seen[-1])


def _refuse(*_: object, **__: object) -> None:
    _seen.append("unpickled")
    raise AssertionError(_seen[-1])


@contextlib.contextmanager
def no_pickle() -> Iterator[None]:
    """Fail if anything is unpickled inside the block, even where the failure is swallowed.

    Python announces every class that a pickle names, whoever reads it and however the reader was imported; and the
    doors by which one would read a pickle are closed, which also meets those that name no class.
    """
    if not hasattr(_listen, "added"):
        sys.addaudithook(_listen)  # for good: it cannot be removed, and is silent outside of the block
        _listen.added = True  # type: ignore[attr-defined]
    load = np.load

    def load_plainly(*words: object, **options: object) -> object:
        assert not options.get("allow_pickle"), "numpy was allowed to unpickle"
        return load(*words, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        for name in ("load", "loads", "Unpickler"):
            patch.setattr(pickle, name, _refuse)
        patch.setattr(joblib, "load", _refuse)
        patch.setattr(np, "load", load_plainly)
        _seen.clear()
        _watching.append(True)
        try:
            yield
        finally:
            _watching.clear()
    assert not _seen, _seen
