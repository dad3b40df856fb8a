"""Files that only grow, and can be cut back to a length at which their content is known."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any

from poi_predict.files import open_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["DamagedError", "GrowingFile"]

CHUNK = 2**20


class DamagedError(Exception):
    """What an interrupted run left is not what it said it left."""


class GrowingFile:
    r"""A file to append to, with the checksum of all of it; its owner alone can read it.

    Parameters
    ----------
    path : Path
    position : mapping, optional
        From `position`: the file is cut back to it. Without one the file is begun anew.

    Raises
    ------
    DamagedError
        If the file does not hold what it held at that position.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> with TemporaryDirectory() as folder:
    ...     file = GrowingFile(Path(folder) / "scores.csv")
    ...     file.append(b"patient_id,p_response\n")
    ...     kept = file.position
    ...     file.append(b"0042,0.")  # and here the power fails
    ...     file.close()
    ...     file = GrowingFile(file.path, kept)
    ...     file.close()
    ...     file.path.read_text()
    'patient_id,p_response\n'
    """

    def __init__(self, path: Path, position: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self._size = self._checksum = 0
        try:
            self._file = open_private(path, os.O_RDWR | (os.O_CREAT | os.O_TRUNC if position is None else 0))
        except FileNotFoundError as error:
            if position is None:
                raise
            raise DamagedError from error
        if position is not None:
            self._cut_back(position)

    @property
    def position(self) -> dict[str, int]:
        """Where the file ends, and the checksum up to there; plain JSON values."""
        return {"size": self._size, "checksum": self._checksum}

    def append(self, content: bytes) -> None:
        """Write at the end."""
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self._checksum = zlib.crc32(content, self._checksum)
        self._size += len(content)

    def sync(self) -> None:
        """Force the file to disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file; it may be closed already."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _cut_back(self, position: Mapping[str, Any]) -> None:
        try:
            size = int(position["size"])
            while self._size < size and (content := os.read(self._file, min(CHUNK, size - self._size))):
                self._checksum = zlib.crc32(content, self._checksum)
                self._size += len(content)
            if self.position != {"size": size, "checksum": position["checksum"]}:
                raise DamagedError  # noqa: TRY301 - the file is closed below
            os.ftruncate(self._file, size)
        except BaseException:
            self.close()
            raise
