"""A stored model that travels to the processes and machines that score with it, as bytes that are checked there.

What is sent is the bundle's own files, never a pickled model: each process builds the model from them, by the
same reader, with the same list of trusted types, as if it had read the folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from poi_predict.errors import BundleError
from poi_predict.scoring.bundle import Bundle, build_bundle, read_stored_files
from poi_predict.scoring.safe_files import compute_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["PortableBundle", "read_portable"]


@dataclass(frozen=True)
class PortableBundle:
    """The files of a bundle, and the model that they hold, built once in each process.

    Attributes
    ----------
    files : mapping of str to bytes
    digest : str
        SHA-256 that stands for all of them.
    """

    files: Mapping[str, bytes]
    digest: str

    @cached_property
    def bundle(self) -> Bundle:
        """The model.

        Raises
        ------
        BundleError
            If the files do not have their digest, or hold what `read_bundle` would refuse.
        """
        if compute_digest(self.files) != self.digest:
            raise BundleError(
                "A bundle must arrive as it was sent; its files do not have their digest. Check the machines it "
                "passed through, and score again."
            )
        return build_bundle(self.files, self.digest)

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files, "digest": self.digest}


def read_portable(folder: Path) -> PortableBundle:
    """Read the files of a stored model, checked byte for byte, to be built where they are needed.

    Raises
    ------
    BundleError
        As `read_bundle`.
    """
    return PortableBundle(*read_stored_files(folder))
