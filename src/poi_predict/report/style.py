"""The house style of every figure, and the way from a Figure to clean, deterministic SVG.

Colours are those of Okabe and Ito (2008, jfly.uni-koeln.de/color), which people with any common colour
vision can tell apart; no figure tells anything by colour alone.
"""

from __future__ import annotations

import io
import re
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GREY",
    "INK",
    "ORANGE",
    "PALE",
    "VERMILION",
    "clean_axes",
    "house_style",
    "shorten_label",
    "svg_markup",
]

INK = "#1c2b33"
MUTED = "#5a6a73"
GREY = "#8a979e"
PALE = "#dfe5e8"
BLUE = "#0072B2"
SKY = "#56B4E9"
ORANGE = "#E69F00"
VERMILION = "#D55E00"
RUST = "#A63F00"
"""Vermilion dark enough for small text on white."""

_HOUSE: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "text.usetex": False,
    "axes.edgecolor": GREY,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.titlesize": 9.5,
    "axes.unicode_minus": True,
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "savefig.facecolor": "white",
    "hatch.linewidth": 0.6,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "poi_predict",
    "svg.image_inline": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 9,
    "xtick.major.size": 3,
    "xtick.major.width": 0.7,
    "ytick.major.size": 3,
    "ytick.major.width": 0.7,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the house style inside a ``with`` block and leave matplotlib as it was."""
    import matplotlib as mpl  # noqa: PLC0415

    with mpl.rc_context(_HOUSE):
        yield


def clean_axes(axes: Axes, *, keep: tuple[str, ...] = ("bottom",)) -> None:
    """Take away every frame line that carries no information."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in keep)
    if "left" not in keep:
        axes.tick_params(axis="y", length=0)


def shorten_label(text: object, width: int) -> str:
    """Return a label on one line; what does not fit ends in an ellipsis.

    One line, because SVG text of several lines is placed by matplotlib's font, not by the page's.

    Examples
    --------
    >>> shorten_label("Months since last menses before the first transplantation", 32)
    'Months since last menses before…'
    """
    return textwrap.shorten(str(text), width, placeholder="…")


def svg_markup(figure: Figure, slug: str, alt: str) -> Markup:
    """Return a figure as inline SVG: real text, no metadata, the same bytes for the same figure.

    Parameters
    ----------
    figure
        A figure made by this package.
    slug
        Prefix of every id in the SVG, unique on the page.
    alt
        What the figure says; becomes its accessible name.
    """
    buffer = io.StringIO()
    with house_style():
        figure.savefig(buffer, format="svg", bbox_inches="tight", pad_inches=0.03, metadata=_NO_METADATA)
    body = buffer.getvalue()
    body = body[body.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href")
    body = _shorten(_keep_used_ids(body, slug))
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', body).group(1))  # type: ignore[union-attr]
    wide = f"max-width:{width * 4 / 3:.0f}px"
    opening = f'<svg class="plot" role="img" aria-label="{escape(alt)}" style="{wide}" viewBox='
    return Markup(re.sub(r"<svg[^>]*? viewBox=", lambda _: opening, body, count=1).strip())  # noqa: S704


_NO_METADATA = {"Date": None, "Creator": None, "Type": None, "Format": None}


def _keep_used_ids(body: str, slug: str) -> str:
    used = set(re.findall(r"(?:href=\"#|url\(#)([\w.-]+)", body))
    body = re.sub(r' id="([^"]*)"', lambda found: found.group(0) if found.group(1) in used else "", body)
    for name in sorted(used):
        short = f"{slug}-{sorted(used).index(name)}"
        body = re.sub(rf'( id="|href="#|url\(#){re.escape(name)}(?=["\)])', rf"\g<1>{short}", body)
    return body


def _shorten(body: str) -> str:
    body = re.sub(r"<[^>]+>", lambda tag: _shorten_tag(tag.group(0)), body)
    body = re.sub(r"\n\s*", "\n", body)
    while re.search(r"<g>\n?</g>\n?", body):
        body = re.sub(r"<g>\n?</g>\n?", "", body)
    return re.sub(r' version="1\.1"| xmlns(?::xlink)?="[^"]*"', "", body)


def _shorten_tag(tag: str) -> str:
    # Without a family of its own the text takes the page's; the older shorthand of matplotlib needs one.
    tag = re.sub(r"font-family: ?'DejaVu Sans'[^;\"]*;? ?", "", tag)
    tag = re.sub(r"(font: [^;\"]*?)'DejaVu Sans'[^;\"]*", r"\g<1>var(--sans)", tag)
    tag = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number.group(0)):.2f}".rstrip("0").rstrip("."), tag)
    return tag.replace("; ", ";").replace(": ", ":")
