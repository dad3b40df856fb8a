"""Outputs that appear whole or not at all.

What is written stands beside its target under a partial name until it is complete, and is then moved into
place in one step, so that a run that stops half-way leaves nothing that looks finished.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from typing import TYPE_CHECKING

from poi_predict.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["check_folder_is_ours", "staged_file", "staged_folder"]


@contextlib.contextmanager
def staged_file(target: Path) -> Iterator[Path]:
    """Give a path to write to; move it onto `target` when the block ends without an error.

    Raises
    ------
    OutputError
        If the folder does not exist or cannot be written, or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with staged_file(Path(folder) / "scores.csv") as partial:
    ...         _ = partial.write_text("patient_id,p_response")
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['scores.csv']
    """
    if target.is_dir():
        raise OutputError(f"The output must be a file; {target.name} is a folder. Name a file.")
    partial = _partial(target)
    try:
        with _plain_words(target):
            yield partial
            partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def staged_folder(target: Path, marker: str) -> Iterator[Path]:
    """Give a folder to write to; move it into the place of `target` when the block ends without an error.

    Parameters
    ----------
    target : Path
        Made new, or replaced if it holds `marker`; any other folder with content is left alone.
    marker : str
        Name of a file by which a folder is known to be an earlier output of ours.

    Raises
    ------
    OutputError
        If `target` exists and is not an earlier output, or cannot be written.
    """
    check_folder_is_ours(target, marker)
    partial = _partial(target)
    replaced = partial.with_name(partial.name + ".old")
    try:
        with _plain_words(target):
            partial.mkdir(parents=True)
            yield partial
            if target.exists():
                target.replace(replaced)
            partial.replace(target)
    finally:
        if replaced.exists() and not target.exists():
            replaced.replace(target)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def check_folder_is_ours(target: Path, marker: str) -> None:
    """Refuse a target that is a file, or a folder with content that we did not write."""
    if target.is_file():
        raise OutputError(f"The output must be a folder; {target.name} is a file. Name another folder.")
    if target.is_dir() and any(target.iterdir()) and not (target / marker).exists():
        raise OutputError(
            f"An output folder must be new, empty or an earlier output; {target.name} holds other files. "
            "Name another folder."
        )


def _partial(target: Path) -> Path:
    return target.absolute().parent / f".{target.name}.partial-{secrets.token_hex(4)}"


@contextlib.contextmanager
def _plain_words(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(
            f"{target.name} could not be written ({reason}); nothing was left behind. "
            "Check that the folder exists, is writable and has room."
        ) from error
