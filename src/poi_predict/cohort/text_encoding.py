"""The bytes of a text table as text: its encoding, declared or found, and the marks of old systems at its end."""

from __future__ import annotations

import codecs
import re

from poi_predict.errors import CohortError

__all__ = ["decode_text"]

_BYTE_ORDER_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WORKBOOK = b"PK\x03\x04"
_END_MARKS = re.compile(r"(?:[\r\n]+\x00|\x1a)[\x00\x1a\s]*\Z")  # Ctrl-Z and padding of systems before Unix and Windows
_LAST_ASCII, _FIRST_LETTER = 0x7F, 0xC0
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_COMMON_SHARE = 0.8  # at least this share of a Chinese text's characters is in GB 2312, the common ones
_HANGUL_SHARE = 0.8  # at least this share of a Korean text's characters is Hangul; the others are Hanja and signs
_LATE_SHARE = 0.08  # of distinct Chinese characters about a fourth have readings in y and z, whose first byte is high
_FIRST_LEVEL, _LATE = (
    0xB0,
    0xD0,
)  # first bytes: of the common characters of GB 2312 and EUC-JP; of the late Chinese ones
_ONE_BYTE = re.compile(r"(cp|windows-?)(125\d|85\d|437|874)|(iso[-_]?8859|latin|l)[-_]?\d+|koi8[-_]?[ru]|mac\w+")
_REMEDY = (
    'Save it as UTF-8, or set cohort.encoding, for example to "cp1252" (western Europe), "cp1254" (Turkish), "cp1256" '
    '(Arabic, Persian), "gb18030" (Chinese), "big5", "euc-kr" (Korean), "shift_jis" or "euc_jp" (Japanese).'
)


def decode_text(content: bytes, encoding: str = "auto") -> str:
    """Return the text of a file; "auto" tries a byte-order mark, UTF-8, then GB18030.

    GB18030 gives a meaning to nearly any bytes, so it is believed only where most characters are common ones and the
    bytes are not as good Korean or Japanese. A declared encoding of one byte a character gives a meaning to any
    bytes at all, so it yields where the bytes are UTF-8 beyond ASCII, which such text never is by chance.

    Raises
    ------
    CohortError
        If the bytes are no text in that encoding, or may be text in several.

    Examples
    --------
    >>> decode_text("病因;AMH".encode("gb18030"))
    '病因;AMH'
    >>> decode_text("Zentrum;Prüfärztin".encode("cp1252"))
    Traceback (most recent call last):
        ...
    poi_predict.errors.CohortError: A text table must be in UTF-8 or GB18030; this one is in neither. Save it
    as UTF-8, or set cohort.encoding, for example to "cp1252" ...
    """
    if content.startswith(_WORKBOOK):
        raise CohortError("A text table must hold text; this one is a workbook. Give it the suffix .xlsx.")
    text = _decode_auto(content) if encoding == "auto" else _decode_declared(content, encoding)
    text = text.replace("\ufeff", "")  # joined files have a byte-order mark where each of them began
    if text.rstrip().endswith(("\x00", "\x1a")):
        text = _END_MARKS.sub("\n", text)
    if "\x00" in text:
        raise CohortError("A text table must not hold NUL characters; this one does. Save it as UTF-8 text.")
    return text


def _decode_auto(content: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decode_as(content, encoding)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    text = content.decode("gb18030", errors="replace")
    foreign = "".join(character for character in text if not character.isascii())
    common = len(foreign.encode("gb2312", errors="ignore")) / 2
    if "\ufffd" in foreign or common < _COMMON_SHARE * len(foreign):
        raise CohortError(f"A text table must be in UTF-8 or GB18030; this one is in neither. {_REMEDY}")
    if _may_be_another(content, foreign):
        raise CohortError(
            f"A text table must leave no doubt about its encoding; this one can be read in several. {_REMEDY}"
        )
    return text


def _may_be_another(content: bytes, foreign: str) -> bool:
    """Whether bytes that make common Chinese characters make as good Korean or Japanese.

    The codes of the three share their ranges. Hangul ends where Chinese readings in s begin, and common Japanese
    characters end where readings in y begin, while a Chinese text goes on to z; kana is in no Chinese table. All bytes
    of a Cyrillic or Hebrew word may be Chinese ones: letters of codes of one byte begin where half of the second bytes
    of Chinese characters do not.
    """
    if _KANA.search(foreign) or min(byte for byte in content if byte > _LAST_ASCII) >= _FIRST_LETTER:
        return True
    first_bytes = [character.encode("gb18030")[0] for character in set(foreign)]
    letters = [byte for byte in first_bytes if byte >= _FIRST_LEVEL]
    late = sum(byte >= _LATE for byte in letters)
    korean = _decoded(content, "cp949")
    if korean is not None:
        beyond = [character for character in korean if not character.isascii()]
        if len(_HANGUL.findall(korean)) >= _HANGUL_SHARE * len(beyond):
            return True
    return _decoded(content, "euc_jp") is not None and late < _LATE_SHARE * len(letters)


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _decode_declared(content: bytes, encoding: str) -> str:
    if _ONE_BYTE.fullmatch(encoding.lower()) and not content.isascii():
        text = _decoded(content, "utf-8")
        if text is not None:
            return text
    return _decode_as(content, encoding)


def _decode_as(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except (UnicodeError, ValueError):
        raise CohortError(
            f"A text table must be in its encoding throughout; this one is not in {encoding}. Save it as "
            "UTF-8, or set cohort.encoding."
        ) from None
