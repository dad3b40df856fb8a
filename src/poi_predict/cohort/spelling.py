"""How a name, a unit or a level is written, made comparable.

Clinics write one thing in many ways: `FSH (mIU/mL)`, `fsh_mIU_mL`, `ng·mL⁻¹`, `AD-MSC`, `46, XX`. A *key* is
what is left when the differences that carry no meaning are removed; two spellings mean the same when their
keys are equal.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import NamedTuple

__all__ = ["HeaderReading", "header_key", "level_key", "plain_text", "read_header", "shown_header", "unit_key"]

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT_RUN = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_SPACES = re.compile(r"\s+")
_OTHER_DIGITS = re.compile(r"[^\D0-9]")
_OTHER_SCRIPTS = str.maketrans("٫٬،؛؟٪−", ".’,;?%-")  # Arabic marks of decimals, thousands and sentences; the minus
_NO_MEANING = re.compile(r"[\s_.,:;'’\"“”()\[\]{}/\\|&?!·•‐‑–—-]+")  # not "<", "%", "√", "∆", "*": they say more
_PER_VOLUME = re.compile(r"(?:per|[.·*]?)(ml|dl|l)(?:\^?-1)$|per(ml|dl|l|kg)$")
_UNITS_OF_ACTIVITY = re.compile(r"^([mu]?)ui(/)")  # "mUI/mL" of Romance languages is mIU/mL
_WHOLE_NUMBER = re.compile(r"([+-]?\d+)[.,](?:0{1,2}|0{4,})")  # "1.000" may be a thousand
_INITIALS = re.compile(r"\w(?:[\s_.,/-]+\w)+\W*")  # "n.o." is not "no"
_QUALIFYING_BRACKETS = re.compile(r"(?<=\S)(\s*)[(\[]([^()\[\]]*\w[^()\[\]]*)[)\]]")
_HARMLESS = r"(?:[\s_]+|[\s_]*[,.;:/'’][\s_]*|[-‐‑]|\s[-–—]\s)"
_SEPARATORS = re.compile(rf"(?<=[^\W\d_]){_HARMLESS}(?=\w)|(?<=\w){_HARMLESS}(?=[^\W\d_])")
_BRACKETS = re.compile(r"\s*[(\[{（【]([^()\[\]{}（）【】]*)[)\]}）】]\s*")
_SHOWN_HEADER_LENGTH = 60


def plain_text(text: str) -> str:
    """Return `text` folded: other forms of letters, digits and spaces resolved, lower case, powers as ^.

    >>> plain_text("  ＜0.02&nbsp;NG/ML ")
    '<0.02 ng/ml'
    >>> plain_text("5×10⁶")
    '5×10^6'
    >>> plain_text("۰٫۰۲"), plain_text("HAYIR\u200f")
    ('0.02', 'hayir')
    """
    if text.isascii() and "&" not in text:
        return _SPACES.sub(" ", text).strip().casefold()
    resolved = html.unescape(text)
    powers = _SUPERSCRIPT_RUN.sub(lambda run: "^" + run.group().translate(_SUPERSCRIPTS), resolved)
    folded = unicodedata.normalize("NFKC", powers).translate(_OTHER_SCRIPTS)
    folded = _OTHER_DIGITS.sub(lambda digit: str(unicodedata.decimal(digit.group())), folded)
    visible = "".join(character for character in folded if unicodedata.category(character) != "Cf")
    return _SPACES.sub(" ", visible).strip().casefold().replace("i̇", "i")  # "İ" of Turkish


def header_key(text: str) -> str:
    r"""Return what identifies a column name: its letters, digits, and the signs that say something.

    >>> header_key(" Months since\nlast menses ") == header_key("months_since_last_menses")
    True
    >>> header_key("AMH <"), header_key("√FSH")
    ('amh<', '√fsh')
    """
    return unicodedata.normalize("NFKC", _NO_MEANING.sub("", plain_text(text)))


def unit_key(text: str) -> str:
    """Return what identifies a unit.

    >>> unit_key("µg / L") == unit_key("ug/l") == unit_key("μg·L⁻¹")
    True
    >>> unit_key("mUI/mL")
    'miu/ml'
    >>> unit_key("kg/m²")
    'kg/m^2'
    """
    key = plain_text(text).replace("μ", "u").replace("×", "x").replace("*", "x").replace(" ", "")
    key = _PER_VOLUME.sub(lambda found: "/" + (found.group(1) or found.group(2)), key)
    return _UNITS_OF_ACTIVITY.sub(r"\1iu\2", key.replace(".", "").replace("·", ""))


def level_key(text: str) -> str:
    """Return what identifies a level of a category.

    Only punctuation *between* words is dropped, where it carries no meaning. A sign, a question mark or anything else
    at the edge of a word may turn its meaning round (`-1`, `PRP (-)`, `<1`, `1?`), and stays; so does what stands
    between digits (`0/1`).

    >>> level_key("AD-MSC") == level_key("ad msc") == level_key("AD_MSC.")
    True
    >>> level_key("46, XX"), level_key("1.0"), level_key("+")
    ('46xx', '1', '+')
    >>> level_key("PRP (-)"), level_key("-1"), level_key("46,X,-X"), level_key("0/1")
    ('prp (-)', '-1', '46x,-x', '0/1')
    """
    plain = plain_text(text)
    if whole := _WHOLE_NUMBER.fullmatch(plain):
        return whole.group(1)
    if _INITIALS.fullmatch(plain):
        return plain
    opened = _QUALIFYING_BRACKETS.sub(r"\1 \2", plain)
    return _SEPARATORS.sub("", _SPACES.sub(" ", opened).rstrip(".,;: ")) or plain


class HeaderReading(NamedTuple):
    """A way to read a column name: a name, and remarks beside it; `marked` ones stand in brackets or after a comma."""

    name: str
    marked: tuple[str, ...]
    unmarked: tuple[str, ...]


def read_header(header: str) -> list[HeaderReading]:
    """Return the ways to read a column name as a name with remarks, the surest first.

    >>> read_header("FSH (mIU/mL)")[0]
    HeaderReading(name='FSH', marked=('mIU/mL',), unmarked=())
    >>> read_header("E2, pg/mL (6 months)")[1]
    HeaderReading(name='E2', marked=('6 months', 'pg/mL'), unmarked=())
    >>> HeaderReading("amh", (), ("ng ml",)) in read_header("amh_ng_ml")
    True
    >>> HeaderReading("FSH", (), ("basal",)) in read_header("basal FSH")
    True
    """
    tidy = _SPACES.sub(" ", html.unescape(header)).strip()
    bare = _SPACES.sub(" ", _BRACKETS.sub(" ", tidy)).strip()
    marked = tuple(found.group(1).strip() for found in _BRACKETS.finditer(tidy))
    readings = [HeaderReading(bare, marked, ())]
    name, _, last = re.sub("[，、]", ",", bare).rpartition(",")
    if name.strip() and last.strip():
        readings.append(HeaderReading(name.strip(), (*marked, last.strip()), ()))
    words = [word for word in re.split(r"[\s_]+", bare) if word]
    for i in range(len(words) - 1, 0, -1):
        readings.append(HeaderReading(" ".join(words[:i]), marked, (" ".join(words[i:]),)))
        readings.append(HeaderReading(" ".join(words[i:]), marked, (" ".join(words[:i]),)))
    return readings


def shown_header(header: str) -> str:
    """Return a column name as a message may show it: one line, not longer than sixty characters."""
    tidy = _SPACES.sub(" ", "".join(c if c.isprintable() else " " for c in header)).strip()
    return tidy if len(tidy) <= _SHOWN_HEADER_LENGTH else tidy[: _SHOWN_HEADER_LENGTH - 1] + "…"
