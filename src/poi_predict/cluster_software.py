"""The software that a result's bytes depend on, and that every machine which computes it must have alike."""

from __future__ import annotations

import functools
import hashlib
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from poi_predict.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Software", "check_software", "remark_processors"]

NUMERICAL = ("numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "shap", "firthmodels", "skops", "joblib")


@dataclass(frozen=True)
class Software:
    """What the bytes of a result depend on.

    Attributes
    ----------
    versions : mapping of str to str
        Python and the packages that numbers pass through; of poi_predict also a digest of its code.
    kernels : str
        The processor family that BLAS computes for. Another one may differ in a last digit.

    Examples
    --------
    >>> mine = Software.here()
    >>> mine.differences(mine)
    []
    """

    versions: Mapping[str, str]
    kernels: str

    @classmethod
    def here(cls) -> Software:
        """Return what this process works with."""
        return _software_here()

    def differences(self, other: Software) -> list[str]:
        """Name what differs, as this process has it and as the other has it."""
        names = sorted(self.versions.keys() | other.versions.keys())
        pairs = [(name, self.versions.get(name, "none"), other.versions.get(name, "none")) for name in names]
        return [f"{name} {mine} here, {theirs} there" for name, mine, theirs in pairs if mine != theirs]


@functools.cache
def _software_here() -> Software:
    from threadpoolctl import threadpool_info  # noqa: PLC0415

    root = Path(__file__).parent
    code = hashlib.sha256()
    for file in sorted(path for path in root.rglob("*") if path.suffix in {".py", ".toml", ".csv"}):
        code.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    versions = {name: _version(name) for name in ("poi_predict", *NUMERICAL)}
    versions["python"] = ".".join(platform.python_version_tuple()[:2])
    versions["poi_predict's code"] = code.hexdigest()[:12]
    kernels = sorted({str(library.get("architecture")) for library in threadpool_info() if "architecture" in library})
    return Software(versions, ", ".join(kernels))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def check_software(wanted: Software) -> None:
    """Refuse to compute in this process with other software than the client's.

    Raises
    ------
    EngineError
        If anything that the bytes depend on differs.
    """
    differences = wanted.differences(Software.here())
    if differences:
        raise EngineError(
            f"All machines of a cluster must have the software of the one that asks: {'; '.join(differences[:3])}. "
            "Install the same poi_predict and requirements.lock on every machine, and restart what runs there."
        )


def remark_processors(others: Iterable[Software]) -> str | None:
    """Return what to tell where other machines have other processors, for which BLAS may compute another last digit.

    >>> remark_processors([Software.here()]) is None
    True
    """
    here = Software.here().kernels
    there = sorted({software.kernels for software in others} - {here})
    if not there:
        return None
    return (
        f"Workers compute for another kind of processor ({'; '.join(there)}) than this machine ({here}): "
        "a last digit may differ from a local run."
    )
