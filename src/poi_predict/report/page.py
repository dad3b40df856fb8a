"""Content into pages: the report, one woman's page, the model card.

Every page is one self-contained file: no script, no network resource, no path. The same content gives the
same bytes. Text is escaped by jinja2; an undefined name in a template is an error, never an empty cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from poi_predict.report import formatting, tables
from poi_predict.report.glossary import GLOSSARY
from poi_predict.report.pictures import by_size, picture_icons, picture_report, picture_waterfall
from poi_predict.report.style import svg_markup

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

    from poi_predict.report.content import PatientContent, ReportContent, Section

__all__ = [
    "SKILL_WORDS",
    "make_environment",
    "render_model_card",
    "render_patient_page",
    "render_report",
    "view_section",
]

SKILL_WORDS = {
    "none": "No skill shown",
    "weak": "Weak evidence of skill",
    "shown": "Skill shown",
    "not_assessed": "Not tested against chance",
}
SYNTHETIC_WORDS = "Made-up women. No real patient is described. Nothing here may guide the care of anyone."
_MAX_FACTORS = 8


@dataclass(frozen=True)
class FigureView:
    """A figure of an extra section ready for a template."""

    svg: Markup
    caption: str
    how_to_read: str


@dataclass(frozen=True)
class SectionView:
    """An extra section ready for a template; tables are (caption, header, rows, note)."""

    title: str
    slug: str
    paragraphs: tuple[str, ...]
    figures: tuple[FigureView, ...]
    tables: tuple[tuple[str, list[str], list[list[str]], str], ...]


@cache
def make_environment() -> Environment:
    """Return the templates' environment: everything escaped, an unknown name an error."""
    environment = Environment(
        loader=PackageLoader("poi_predict.report", "templates"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": formatting.format_percent,
        "signed": formatting.format_signed,
        "cell": _markdown_cell,
        "in_words": formatting.probability_in_words,
    }
    environment.globals |= {"synthetic_words": SYNTHETIC_WORDS, "is_missing": formatting.is_missing}
    return environment


def _markdown_cell(text: object) -> str:
    """Return text that cannot leave its Markdown table cell or become markup."""
    plain = str(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
    return " ".join(plain.replace("[", "\\[").replace("*", "\\*").split())


def render_report(content: ReportContent) -> str:
    """Return the report of one training run as a self-contained HTML page.

    Parameters
    ----------
    content
        What to say; see `ReportContent`.

    Returns
    -------
    str
        HTML5 that needs no script and no network, prints on A4 and holds no identifier.
    """
    sections = {
        place: [
            view_section(section, f"x{index}")
            for index, section in enumerate(content.extra_sections)
            if section.after == place
        ]
        for place in ("verdict", "data", "performance", "explanation", "end")
    }
    return (
        make_environment()
        .get_template("report.html.j2")
        .render(
            content=content,
            skill=SKILL_WORDS[content.skill],
            facts=_facts(content),
            attrition=tables.view_attrition(content.attrition),
            table_one=tables.view_table_one(content.table_one),
            performance=tables.view_performance(content.performance, content.primary, content.champion),
            methods=_methods(content.performance),
            findings=content.findings.to_dict("records"),
            pictures=picture_report(content),
            sections=sections,
            glossary=GLOSSARY,
        )
    )


def render_model_card(content: ReportContent) -> str:
    """Return the model card in Markdown: intended use, data, performance, limits.

    After Mitchell and others (2019, doi:10.1145/3287560.3287596). Text is escaped: no cell breaks the table.
    """
    return (
        make_environment()
        .get_template("model_card.md.j2")
        .render(
            content=content,
            skill=SKILL_WORDS[content.skill],
            performance=tables.view_performance(content.performance, content.primary, content.champion),
            attribution=content.attribution.sort_values("mean_abs_log_odds", ascending=False, kind="stable")
            .head(_MAX_FACTORS)
            .to_dict("records"),
            share=content.share_of_responders,
        )
    )


def render_patient_page(content: PatientContent) -> str:
    """Return one woman's page as self-contained HTML: one A4 sheet with her chance and what it is made of.

    Her identifier and values stand on this page and nowhere else.
    """
    low, high = _bounds(content)
    rows, rest = _factor_rows(content.factors)
    return (
        make_environment()
        .get_template("patient.html.j2")
        .render(
            content=content,
            low=low,
            high=high,
            level=round(100 * content.level),
            icons=picture_icons(content.p_response, low, high),
            waterfall=picture_waterfall(content),
            rows=rows,
            rest=rest,
            sections=[view_section(section, f"x{index}") for index, section in enumerate(content.extra_sections)],
        )
    )


def _bounds(content: PatientContent) -> tuple[float | None, float | None]:
    if formatting.is_missing(content.ci_low) or formatting.is_missing(content.ci_high):
        return None, None
    return content.ci_low, content.ci_high


def _factor_rows(factors: pd.DataFrame) -> tuple[list[dict[str, Any]], int]:
    ordered = by_size(factors, "log_odds")
    columns = [name for name in ("label", "value", "typical", "log_odds", "probability_share") if name in ordered]
    rows = [{str(key): value for key, value in row.items()} for row in ordered[columns].to_dict("records")]
    return rows[:_MAX_FACTORS], max(0, len(rows) - _MAX_FACTORS)


def _facts(content: ReportContent) -> list[tuple[str, str, str]]:
    """Return the figures under the verdict as (name, value, note)."""
    share = formatting.format_percent(content.share_of_responders)
    basis = ", short follow-up accounted for" if content.response_rate is not None else " of all rows"
    share = f"estimated response {share}" if content.response_rate is not None else share
    courses = "" if content.n == content.n_patients else f"{content.n} treatment courses"
    facts = [
        ("Women", str(content.n_patients), courses),
        ("Responders", str(content.events), f"{share}{basis}"),
    ]
    mine = content.performance.loc[
        (content.performance["candidate"] == content.primary) & (content.performance["metric"] == "c_statistic")
    ]
    for row in mine.to_dict("records"):
        if formatting.is_missing(row["estimate"]):
            facts.append(("c-statistic, primary model", "—", f"not estimable: {row['reason']}"))
        else:
            interval = formatting.format_interval(row["ci_low"], row["ci_high"])
            note = f"95 % interval {interval}" if interval else "no interval"
            facts.append(("c-statistic, primary model", formatting.format_number(row["estimate"]), note))
    primary = content.candidate_label(content.primary)
    champion = "none" if content.champion is None else content.candidate_label(content.champion)
    return [*facts, ("Registered for use", champion, f"primary: {primary}")]


def _methods(performance: pd.DataFrame) -> list[str]:
    """Return the methods once each; those that share their resampling share its name."""
    details: dict[str, list[str]] = {}
    for method in performance["method"].dropna().drop_duplicates():
        resampling, _, estimator = str(method).partition("; ")
        details.setdefault(resampling, []).extend([estimator] if estimator else [])
    sentences = [f"{name}: {'; '.join(said)}" if said else name for name, said in details.items() if name]
    return [sentence[0].upper() + sentence[1:] for sentence in sentences]


def view_section(section: Section, slug: str) -> SectionView:
    """Return a section as its template takes it, the figures drawn."""
    figures = tuple(
        FigureView(svg_markup(each.figure, f"{slug}-f{index}", each.alt), each.caption, each.how_to_read)
        for index, each in enumerate(section.figures)
    )
    parts = tuple((table.caption, *tables.view_frame(table.frame), table.note) for table in section.tables)
    return SectionView(section.title, slug, section.paragraphs, figures, parts)
