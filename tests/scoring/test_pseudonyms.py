"""Pseudonyms: HMAC-SHA-256 as published, the same for the same key, of keys that are secret."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poi_predict.errors import OutputError
from poi_predict.scoring.pseudonyms import fingerprint_key, pseudonymise, read_key

KEY = bytes(range(40))


@pytest.mark.parametrize(
    ("key", "message", "wanted"),
    [  # RFC 4231 (Nystrom 2005, doi 10.17487/RFC4231), test cases 1, 2 and 6
        (b"\x0b" * 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            b"\xaa" * 131,
            "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ],
)
def test_published_values_are_met(key: bytes, message: str, wanted: str) -> None:
    assert pseudonymise([message], key).to_pylist() == [wanted]


@given(
    ids=st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=8),
    key=st.binary(min_size=32, max_size=200),
)
def test_pseudonyms_are_those_of_the_standard_library(ids: list[str | None], key: bytes) -> None:
    wanted = [hmac.digest(key, text.encode(), "sha256").hex() if text else text for text in ids]
    array = pa.array(ids, type=pa.string())
    assert pseudonymise(ids, key).to_pylist() == wanted
    assert pseudonymise(array, key).to_pylist() == wanted
    assert pseudonymise(pa.chunked_array([array, array]), key).to_pylist() == wanted * 2


def test_an_id_counts_exactly_as_given() -> None:
    ids = ["7", "07", " 7", "7 ", "é", "e\u0301"]
    assert len(set(pseudonymise(ids, KEY).to_pylist())) == len(ids)


def test_one_line_end_is_no_part_of_a_key(tmp_path: Path) -> None:
    found = set()
    for number, end in enumerate((b"", b"\n", b"\r\n")):
        path = tmp_path / f"{number}.key"
        path.write_bytes(KEY + end)
        found.add(read_key(path))
    assert found == {KEY}
    (tmp_path / "two.key").write_bytes(KEY + b"\n\n")
    assert read_key(tmp_path / "two.key") == KEY + b"\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (KEY[:31], "holds 31"),
        (KEY[:31] + b"\n", "holds 31"),
        (b"", "holds 0"),
        (KEY * 200, "holds more"),
        (b"secret" * 10, "fewer than 8 different bytes"),
    ],
)
def test_what_is_no_secret_is_refused_and_never_shown(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "clinic.key"
    path.write_bytes(content)
    with pytest.raises(OutputError, match=reason) as refusal:
        read_key(path)
    assert "secret" not in str(refusal.value).replace("import secrets; print(secrets", "").replace("must be secret", "")


def test_a_key_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"clinic.key could not be read \(No such file"):
        read_key(tmp_path / "clinic.key")
    with pytest.raises(OutputError, match=r"could not be read \(Is a directory"):
        read_key(tmp_path)


def test_a_fingerprint_tells_keys_apart_and_is_no_pseudonym() -> None:
    assert fingerprint_key(KEY) == fingerprint_key(bytes(range(40)))
    assert fingerprint_key(KEY) != fingerprint_key(KEY[1:])
    assert fingerprint_key(KEY) not in hashlib.sha256(KEY).hexdigest()
