"""Outputs that appear whole or not at all.

What is written stands beside its target under a partial name until it is complete, and is then moved into
place in one step, so that a run that stops half-way leaves nothing that looks finished. A folder changes places with
the one it replaces in one step where the system can (Linux, ``renameat2``); elsewhere the old one is set aside first,
and whoever comes next after a kill between the two steps puts it back.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import sys
import time
from typing import TYPE_CHECKING

from poi_predict.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = [
    "ONE_ROW_A_PATIENT",
    "check_apart",
    "check_folder_is_ours",
    "check_output",
    "check_output_folder",
    "explain_unwritten",
    "make_private_folder",
    "open_private",
    "recover_folder",
    "replace_folder",
    "shorten_name",
    "shown_name",
    "staged_file",
    "staged_folder",
]

EXCHANGE, WORKING_FOLDER = 2, -100  # RENAME_EXCHANGE, AT_FDCWD of <linux/fs.h> and <fcntl.h>
LONGEST_SHOWN = 60
STALE_SECONDS = 24 * 60 * 60


ONE_ROW_A_PATIENT = "one row a patient, to be kept where patients' data belong"
"""What every output says of itself that holds rows of patients, or the values of one."""

OWNER_ALONE, OWNERS_FOLDER = 0o600, 0o700


def open_private(path: Path, flags: int = os.O_RDWR | os.O_CREAT | os.O_TRUNC) -> int:
    """Open a file that its owner alone can read, whatever the umask, and return its descriptor.

    Examples
    --------
    >>> import stat, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scores.csv"
    ...     os.close(open_private(path))
    ...     stat.filemode(path.stat().st_mode)
    '-rw-------'
    """
    file = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), OWNER_ALONE)
    if hasattr(os, "fchmod"):  # an older file keeps its mode when it is opened
        os.fchmod(file, OWNER_ALONE)
    return file


def make_private_folder(path: Path) -> None:
    """Make a folder that its owner alone can enter, whatever the umask; one that is there is closed to others."""
    path.mkdir(mode=OWNERS_FOLDER, parents=True, exist_ok=True)
    path.chmod(OWNERS_FOLDER)


@contextlib.contextmanager
def staged_file(target: Path, *, private: bool = False) -> Iterator[Path]:
    """Give a path to write to; move it onto `target` when the block ends without an error.

    Parameters
    ----------
    target : Path
    private : bool
        Whether it holds rows of patients: then its owner alone can read it, from the first byte on.

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
            if private:
                os.close(open_private(partial))
            yield partial
            partial.replace(target)
    finally:
        with contextlib.suppress(NotADirectoryError):  # a file stands where the folder should
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
    try:
        with _plain_words(target):
            partial.mkdir(parents=True)
            yield partial
            replace_folder(partial, target, _aside(target))
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if target.exists():
            shutil.rmtree(_aside(target), ignore_errors=True)


def replace_folder(ready: Path, target: Path, aside: Path) -> None:
    """Put a finished folder in the place of another, which is left under one of the two other names.

    Parameters
    ----------
    ready : Path
        The finished folder.
    target : Path
        Where it shall stand; there may be nothing, or a folder.
    aside : Path
        Where the old folder waits on systems that cannot let two folders change places in one step.

    Raises
    ------
    OSError
        If it cannot be moved; then the old folder stands.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     parent = Path(folder)
    ...     for name in ("old", "new"):
    ...         (parent / name).mkdir()
    ...         _ = (parent / name / "model.txt").write_text(name)
    ...     replace_folder(parent / "new", parent / "old", parent / "aside")
    ...     (parent / "old" / "model.txt").read_text()
    'new'
    """
    if not target.exists():
        ready.replace(target)
    elif not _exchange(ready, target):
        shutil.rmtree(aside, ignore_errors=True)
        target.replace(aside)
        try:
            ready.replace(target)
        except OSError:
            aside.replace(target)
            raise


def recover_folder(target: Path) -> None:
    """Put back a folder that was set aside by a run which was killed before it could replace it.

    Readers call it before they look: where a folder is missing, its older version may be waiting beside it.

    Parameters
    ----------
    target : Path
        An output folder, or a folder inside one.
    """
    for folder in (target.absolute().parent, target.absolute()):
        aside = _aside(folder)
        if not folder.exists() and aside.is_dir():
            with _plain_words(folder):
                aside.replace(folder)


def check_folder_is_ours(target: Path, marker: str) -> None:
    """Refuse a target that is a file, or a folder with content that we did not write."""
    recover_folder(target)
    if target.is_file():
        raise OutputError(f"The output must be a folder; {target.name} is a file. Name another folder.")
    if target.is_dir() and any(target.iterdir()) and not (target / marker).exists():
        raise OutputError(
            f"An output folder must be new, empty or an earlier output; {target.absolute().name} holds other files. "
            "Name another folder."
        )


def check_output(target: Path, inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse to write a file where something else stands; nothing is written.

    Parameters
    ----------
    target : Path
        The output.
    inputs : iterable of Path
        Files and folders that the command reads; they are never replaced, whatever else they are called.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cohort, link = Path(folder) / "clinic.csv", Path(folder) / "link.csv"
    ...     _ = cohort.write_text("age")
    ...     link.symlink_to(cohort)
    ...     check_output(link, [cohort], overwrite=True)
    Traceback (most recent call last):
    poi_predict.errors.OutputError: An output never replaces what is read; link.csv is clinic.csv. Name another file.
    """
    check_apart([target], inputs)
    if not overwrite and (target.is_symlink() or target.is_file()):
        raise OutputError(
            f"An existing output is not replaced unasked; {target.name} exists. Pass --overwrite, or name another file."
        )


def check_output_folder(target: Path, marker: str, inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse to write a folder where something else stands; nothing is written.

    Parameters
    ----------
    target : Path
        The output folder.
    marker : str
        Name of a file by which a folder is known to be an earlier output of ours; others are left alone.
    inputs : iterable of Path
        Files and folders that the command reads: they must not lie in the folder, nor it in them.
    overwrite : bool
        Whether an earlier output may be replaced as a whole.

    Raises
    ------
    OutputError
    """
    check_folder_is_ours(target, marker)
    inputs = list(inputs)
    check_apart([target], inputs)
    for source in inputs:
        if source.resolve().is_relative_to(target.resolve()):
            raise OutputError(
                f"An output never replaces what is read; {source.name} lies in {target.name}. Name another folder."
            )
    if not overwrite and (target / marker).exists():
        raise OutputError(
            f"An existing output is not replaced unasked; {target.name} holds an earlier one. Pass --overwrite, or "
            "name another folder."
        )


def check_apart(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse outputs that are an input under the same or another name (a link, another case), or lie in one.

    Raises
    ------
    OutputError
    """
    inputs = list(inputs)
    for target in outputs:
        for source in inputs:
            if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
                where = f"lies in {source.name}" if target.resolve() != source.resolve() else f"is {source.name}"
            elif _is_same_file(target, source):
                where = f"is {source.name}"
            else:
                continue
            raise OutputError(f"An output never replaces what is read; {target.name} {where}. Name another file.")


def _is_same_file(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:  # one of them is not there
        return first.resolve() == second.resolve()


def _partial(target: Path) -> Path:
    """Return a new name beside the target, and clear what runs killed a day ago or longer left there."""
    parent, prefix = target.absolute().parent, f".{target.name}.partial-"
    with contextlib.suppress(OSError):
        for left in (path for path in parent.iterdir() if path.name.startswith(prefix)):
            if time.time() - left.stat().st_mtime < STALE_SECONDS:
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
    return parent / f"{prefix}{secrets.token_hex(4)}"


def _aside(target: Path) -> Path:
    return target.absolute().parent / f".{target.name}.replaced"


def _exchange(first: Path, second: Path) -> bool:
    """Let two folders change places in one step; False where system or file system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):  # an older C library
        return False
    paths = (os.fsencode(first), os.fsencode(second))
    return bool(exchange(WORKING_FOLDER, paths[0], WORKING_FOLDER, paths[1], EXCHANGE) == 0)


@contextlib.contextmanager
def _plain_words(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(explain_unwritten(target.name, error, "nothing was left behind")) from error


def explain_unwritten(name: str, error: OSError, left: str) -> str:
    """Return the sentence that says why a file could not be written, what is left of it, and what helps.

    >>> explain_unwritten("scores.csv", OSError(errno.ENOSPC, "No space left on device"), "nothing was left behind")
    'scores.csv could not be written (No space left on device); nothing was left behind. Check that its ...
    >>> explain_unwritten("x" * 300, OSError(errno.ENAMETOOLONG, "File name too long"), "nothing was left behind")
    'The name of an output, with what is added to it, must not be longer than the system takes; ...
    """
    if error.errno == errno.ENAMETOOLONG:
        return (
            "The name of an output, with what is added to it, must not be longer than the system takes; "
            f'"{shorten_name(name)}" is; {left}. Give it a shorter name.'
        )
    reason = error.strerror or type(error).__name__
    return f"{name} could not be written ({reason}); {left}. Check that its folder exists, is writable and has room."


def shown_name(path: Path) -> str:
    r"""Return a file's name as text that every output can hold; bytes that are no UTF-8 stand as ``\xe9``.

    >>> from pathlib import Path
    >>> shown_name(Path("caf\udce9.csv"))
    'caf\\xe9.csv'
    """
    return os.fsencode(path.name).decode("utf-8", errors="backslashreplace")


def shorten_name(name: str) -> str:
    """Return the beginning and the end of a name that is too long to be shown."""
    return name if len(name) <= LONGEST_SHOWN else f"{name[:30]}…{name[-20:]}"
