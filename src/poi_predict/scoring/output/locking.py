"""One run at a time on one output."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from poi_predict.errors import OutputError
from poi_predict.files import make_private_folder

try:
    import fcntl
except ImportError:  # pragma: no cover - not on this system
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Lock"]

HELD = (errno.EWOULDBLOCK, errno.EACCES)
LOCK, OWNER = "lock", "owner"


class Lock:
    """A folder held by this process until it is released, or until the process ends, however it ends.

    Where the file system knows no locks, a file with the number of the process stands for one; a dead process's
    is taken over.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    name : str
        Of the output, for messages.

    Raises
    ------
    OutputError
        If another run holds the folder.
    OSError
        If the folder cannot be made.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> with TemporaryDirectory() as parent:
    ...     first = Lock(Path(parent) / ".scores.csv.resume", "scores.csv")
    ...     try:
    ...         Lock(Path(parent) / ".scores.csv.resume", "scores.csv")
    ...     except OutputError as error:
    ...         print(error)
    ...     first.release()
    Two runs must not write one output; another run is writing scores.csv. Wait for it, or name another file.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._held: int | None = None
        self._owner: Path | None = None
        while self._held is None:
            make_private_folder(folder)
            self._held = self._take(folder, name)

    def release(self) -> None:
        """Let others at the folder; it may be gone."""
        if self._owner is not None:
            self._owner.unlink(missing_ok=True)
            self._owner = None
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _take(self, folder: Path, name: str) -> int | None:
        """Return a descriptor, or None where another run removed the folder while we came."""
        path = folder / LOCK
        try:
            held = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            return None
        try:
            self._lock(held, folder, name)
            if os.path.samestat(os.fstat(held), path.stat()):
                return held
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(held)
            raise
        os.close(held)
        return None

    def _lock(self, held: int, folder: Path, name: str) -> None:
        busy = OutputError(
            f"Two runs must not write one output; another run is writing {name}. Wait for it, or name another file."
        )
        if fcntl is not None:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in HELD:
                    raise busy from error
            else:
                return
        owner = folder / OWNER
        if _is_alive(owner):
            raise busy
        owner.unlink(missing_ok=True)
        try:
            descriptor = os.open(owner, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError as error:
            raise busy from error
        os.write(descriptor, str(os.getpid()).encode())
        os.close(descriptor)
        self._owner = owner


def _is_alive(owner: Path) -> bool:
    """Whether the process that a file names still runs; unknown systems count it as running."""
    try:
        process = int(owner.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return False
    if os.name != "posix":
        return True
    with contextlib.suppress(ProcessLookupError):
        try:
            os.kill(process, 0)
        except PermissionError:
            return True
        return True
    return False
