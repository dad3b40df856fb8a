"""A folder of files that is written whole or not at all, and read back only if no byte of it has changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from typing import TYPE_CHECKING, Any

from poi_predict.errors import BundleError
from poi_predict.files import recover_folder, staged_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

__all__ = ["MANIFEST", "compute_digest", "read_files", "write_files"]

MANIFEST = "manifest.json"
FORMAT = "poi_predict bundle"
VERSION = 1
MOST_BYTES = 256 * 2**20
MOST_MANIFEST_BYTES = 2**20
REMEDY = "Take the bundle from its source again, or train the model again."


def write_files(folder: Path, files: Mapping[str, bytes]) -> str:
    """Write a folder of files and its manifest so that it is there whole or not at all.

    The files are written to a hidden folder beside the target, forced to disk and moved into place; an older
    bundle stands until then.

    Parameters
    ----------
    folder : Path
        Where the files shall stand; parents are made. It may hold an older bundle, or nothing.
    files : mapping of str to bytes
        File name to content.

    Returns
    -------
    str
        SHA-256 of the manifest, which names the SHA-256 of every file.

    Raises
    ------
    OutputError
        If the place holds anything but a bundle, or cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> with TemporaryDirectory() as parent:
    ...     digest = write_files(Path(parent) / "bundle", {"card.md": b"Menses resumption within 12 months"})
    ...     found, found_digest = read_files(Path(parent) / "bundle", required=["card.md"])
    >>> found["card.md"], found_digest == digest
    (b'Menses resumption within 12 months', True)
    """
    manifest = _describe(files)
    with staged_folder(folder, MANIFEST) as staged:
        for name, content in {**files, MANIFEST: manifest}.items():
            _write_durably(staged / name, content)
        _sync_folder(staged)
    _sync_folder(folder.absolute().parent)
    return _sha256(manifest)


def read_files(folder: Path, required: Collection[str], optional: Collection[str] = ()) -> tuple[dict[str, bytes], str]:
    """Read a folder of files once, and give their contents only if they are exactly what its manifest names.

    Parameters
    ----------
    folder : Path
        Where `write_files` wrote.
    required, optional : collection of str
        The names that must, and those that may, be among the files.

    Returns
    -------
    files : dict of str to bytes
        Contents, whose hashes have been checked; nothing need be read from disk again.
    digest : str
        SHA-256 of the manifest.

    Raises
    ------
    BundleError
        If a file is missing, extra, altered, truncated, too large, or not a plain file.
    """
    recover_folder(folder)
    if not folder.is_dir():
        raise BundleError(
            f'A bundle must be a folder that training wrote; "{folder.name}" is not a folder. '
            'Give the "bundle" folder of a training\'s output.'
        )
    present = _plain_files(folder)
    if MANIFEST not in present:
        raise BundleError(
            f'A bundle must hold {MANIFEST}; "{folder.name}" does not. '
            'Give the "bundle" folder of a training\'s output.'
        )
    manifest = _read_bytes(folder / MANIFEST, MOST_MANIFEST_BYTES)
    entries = _parse_manifest(manifest)
    _check_names(set(entries), present - {MANIFEST}, set(required), set(optional))
    files = {}
    for name, entry in entries.items():
        content = _read_bytes(folder / name, entry["size"])
        if len(content) != entry["size"] or _sha256(content) != entry["sha256"]:
            raise BundleError(f"Every file of a bundle must be as training wrote it; {name} is altered. {REMEDY}")
        files[name] = content
    return files, _sha256(manifest)


def compute_digest(files: Mapping[str, bytes]) -> str:
    """Return the digest that `read_files` gives of these contents: the SHA-256 of their manifest."""
    return _sha256(_describe(files))


def _describe(files: Mapping[str, bytes]) -> bytes:
    return _manifest_bytes(
        {name: {"sha256": _sha256(content), "size": len(content)} for name, content in files.items()}
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _manifest_bytes(entries: Mapping[str, Mapping[str, Any]]) -> bytes:
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "files": {name: entries[name] for name in sorted(entries)},
    }
    return (json.dumps(manifest, indent=2) + "\n").encode()


def _parse_manifest(manifest: bytes) -> dict[str, dict[str, Any]]:
    """Return the manifest's entries, if it reads byte for byte as this version would write it."""
    altered = BundleError(f"{MANIFEST} must be as training wrote it; it is altered or damaged. {REMEDY}")
    try:
        stored = json.loads(manifest)
        version = stored["version"]
        if stored["format"] == FORMAT and type(version) is int and version > VERSION:
            raise BundleError(
                f"A bundle must be of format version {VERSION} or older; this one is of version {version}. "
                "Update poi-predict, or train the model again with this version."
            )
        entries: dict[str, dict[str, Any]] = stored["files"]
        for entry in entries.values():
            size = entry["size"]
            if set(entry) != {"sha256", "size"} or type(size) is not int or not 0 <= size <= MOST_BYTES:
                raise altered
        if _manifest_bytes(entries) != manifest:
            raise altered
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise altered from error
    return entries


def _plain_files(folder: Path) -> set[str]:
    """Return the names in a folder, refusing links, folders and devices: they could lead out of it."""
    with os.scandir(folder) as entries:
        plain = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
    if not all(plain.values()):
        raise BundleError(
            "A bundle must hold plain files only; it holds a link or a folder beside them. "
            "Remove what does not belong there, or take the bundle from its source again."
        )
    return set(plain)


def _check_names(listed: set[str], present: set[str], required: set[str], optional: set[str]) -> None:
    """Refuse a manifest or a folder with a file too many or too few; a path out of it is one too many."""
    if unknown := listed - required - optional:
        raise BundleError(
            f"{MANIFEST} must list only the files of a bundle; {len(unknown)} of its names "
            f"{'is' if len(unknown) == 1 else 'are'} not one. Use only bundles that this software wrote."
        )
    if missing := sorted((required - listed) | (listed - present)):
        raise BundleError(f"A bundle must be complete; {', '.join(missing)} is missing. {REMEDY}")
    if extra := present - listed:
        raise BundleError(
            f"A bundle must hold only what {MANIFEST} lists; it holds {len(extra)} other file"
            f"{'s' if len(extra) > 1 else ''}. Remove what does not belong there."
        )


def _read_bytes(path: Path, most: int) -> bytes:
    """Read at most one byte more than allowed, never through a link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BundleError(f"A bundle must hold plain files only; {path.name} is not one. {REMEDY}")
            return file.read(most + 1)
    except OSError as error:
        raise BundleError(
            f"The files of a bundle must be readable; for {path.name} the system answered: {error.strerror}. "
            "Check its permissions, or take the bundle from its source again."
        ) from error


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
