"""TRIPOD+AI filled from a run, and a readiness screen by PROBAST+AI.

TRIPOD+AI: Collins and others (2024, doi:10.1136/bmj-2023-078378). PROBAST+AI: Moons and others (2025,
doi:10.1136/bmj-2024-082505). The items are in our own words, beside this module as ``tripod_ai.toml`` and
``probast_ai.toml``. What a program cannot know stays a marked blank; no judgement of bias is ever passed here.
"""

from __future__ import annotations

import string
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from poi_predict.report.content import Section, SectionTable
from poi_predict.report.formatting import is_missing
from poi_predict.report.page import make_environment
from poi_predict.report.readiness_checks import CHECKS, NO_INFORMATION, REVIEWER, Checked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "GuidelineContent",
    "Item",
    "Question",
    "build_readiness_section",
    "build_tripod_section",
    "fill_tripod",
    "render_guidelines",
    "render_guidelines_markdown",
    "screen_probast",
]

BLANK = "To be filled in by you: "
SCREEN_TITLE = "Readiness screen by PROBAST+AI"
SCREEN_NOTE = (
    "This is not a PROBAST+AI assessment. A program can count and compare; whether a study is sound is judged by a "
    "person who knows it. “Probably” is the most that is said here, and no domain gets a rating."
)
PARTS = {"development": "Development of the model (quality)", "evaluation": "Evaluation of the model (risk of bias)"}
SAME_WOMEN = "The evaluation is internal, on the same women: as in the development."
_FORMATTER = string.Formatter()


@dataclass(frozen=True)
class Item:
    """One item of TRIPOD+AI as filled from a run.

    Attributes
    ----------
    number, section, topic, asks : str
        Where it stands and what it asks, in our words.
    answer : str
        What the run says; empty where it says nothing.
    you : str
        What a person has to add; empty where nothing is left.
    """

    number: str
    section: str
    topic: str
    asks: str
    answer: str = ""
    you: str = ""

    @property
    def status(self) -> Literal["filled", "partly filled", "blank"]:
        """Whether a program could fill it."""
        if not self.you:
            return "filled"
        return "partly filled" if self.answer else "blank"

    @property
    def blank(self) -> str:
        """The marked blank, or nothing."""
        return f"{BLANK}{self.you}." if self.you else ""


@dataclass(frozen=True)
class Question:
    """One signalling question of PROBAST+AI with what could be computed.

    Attributes
    ----------
    part : {"development", "evaluation"}
    number, domain, asks : str
    answer : str
        "probably yes (computed)", "probably no (computed)", "not applicable (computed)", "no information" or
        "for the reviewer".
    finding : str
        What was counted, for the reviewer to weigh.
    """

    part: str
    number: str
    domain: str
    asks: str
    answer: str
    finding: str = ""


@dataclass(frozen=True)
class GuidelineContent:
    """What the page of the guidelines says.

    Attributes
    ----------
    study_name, title : str
    items : tuple of Item
        From `fill_tripod`.
    questions : tuple of Question
        From `screen_probast`.
    synthetic : bool
        Marks the page SYNTHETIC.
    banners : tuple of str
    provenance : mapping of str to str
    """

    study_name: str
    title: str
    items: tuple[Item, ...]
    questions: tuple[Question, ...]
    synthetic: bool = False
    banners: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


def fill_tripod(facts: Mapping[str, Any]) -> tuple[Item, ...]:
    """Fill every item of TRIPOD+AI as far as a run can.

    Parameters
    ----------
    facts : mapping
        By the names of `guideline_facts.FACTS`; see `collect_facts`. A missing fact leaves its sentence out.

    Returns
    -------
    tuple of Item
        All 52 items and sub-items, in order.

    Examples
    --------
    >>> items = {item.number: item for item in fill_tripod({"endpoint": "Menses resumed", "horizon_months": 12})}
    >>> items["8a"].answer
    'Menses resumed; horizon 12 months from the first treatment.'
    >>> items["17"].status, items["17"].blank
    ('blank', 'To be filled in by you: committee, reference number, consent.')
    """
    return tuple(
        Item(
            number=row["number"],
            section=row["section"],
            topic=row["topic"],
            asks=row["asks"],
            answer=_join(_fill(text, facts) for text in row.get("answers", ())),
            you=row.get("you") or _what_is_missing(row.get("answers", ()), facts),
        )
        for row in _read_table("tripod_ai")["item"]
    )


def _fill(text: str, facts: Mapping[str, Any]) -> str:
    """Return a sentence with its facts, or nothing where one is not known."""
    if _missing_facts(text, facts):
        return ""
    return _FORMATTER.vformat(text, (), facts).replace("..", ".").replace("?.", "?")


def _missing_facts(text: str, facts: Mapping[str, Any]) -> list[str]:
    names = [name for _, name, _, _ in _FORMATTER.parse(text) if name]
    return [name for name in names if is_missing(facts.get(name)) or facts.get(name) == ""]


def _what_is_missing(answers: Sequence[str], facts: Mapping[str, Any]) -> str:
    """Return what a person must add where the run knew no sentence of an item that it usually fills."""
    if any(_fill(text, facts) for text in answers):
        return ""
    return "this run recorded nothing on it"


def _join(sentences: Any) -> str:
    return " ".join(sentence for sentence in dict.fromkeys(sentences) if sentence)


def screen_probast(facts: Mapping[str, Any]) -> tuple[Question, ...]:
    """Answer the signalling questions of PROBAST+AI as far as a run can compute them.

    Parameters
    ----------
    facts : mapping
        By the names of `guideline_facts.FACTS`.

    Returns
    -------
    tuple of Question
        16 of the development, then 18 of the evaluation. No answer is a plain yes.

    Examples
    --------
    >>> found = {(q.part, q.number): q for q in screen_probast({"women_on_both_sides": 0})}
    >>> found["evaluation", "4.5"].answer
    'probably yes (computed)'
    >>> found["development", "1.1"].answer, found["development", "4.1"].answer
    ('for the reviewer', 'no information')
    """
    rows = _read_table("probast_ai")["question"]
    return tuple(_ask(row, part, facts) for part in PARTS for row in rows if row["part"] in (part, "both"))


def _ask(row: Mapping[str, str], part: str, facts: Mapping[str, Any]) -> Question:
    checked = CHECKS[row["check"]](facts) if "check" in row else Checked(REVIEWER, _fill(row.get("finding", ""), facts))
    finding = checked.finding
    if part == "evaluation" and row["part"] == "both":
        finding = SAME_WOMEN
    return Question(part, row["number"], row["domain"], row["asks"], checked.answer, finding)


@cache
def _read_table(name: str) -> dict[str, Any]:
    text = (resources.files("poi_predict.report") / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def build_tripod_section(items: Sequence[Item]) -> Section:
    """Return the checklist as a part of a report."""
    table = _read_table("tripod_ai")
    frame = pd.DataFrame(
        [{"Item": item.number, "Topic": item.topic, "This study": _join((item.answer, item.blank))} for item in items]
    )
    note = f"Items in our words; the statement is the authority: {table['source']}, doi:{table['doi']}."
    return Section("Reporting checklist (TRIPOD+AI)", (_count_items(items),), (SectionTable("TRIPOD+AI", frame, note),))


def build_readiness_section(questions: Sequence[Question]) -> Section:
    """Return the readiness screen as a part of a report."""
    source = _read_table("probast_ai")
    note = f"Questions in our words; the tool is the authority: {source['source']}, doi:{source['doi']}."
    tables = tuple(
        SectionTable(
            words,
            pd.DataFrame(
                [
                    {"": each.number, "Question": each.asks, "Answer": each.answer, "Finding": each.finding}
                    for each in questions
                    if each.part == part
                ]
            ),
            note if part == "evaluation" else "",
        )
        for part, words in PARTS.items()
    )
    return Section(SCREEN_TITLE, (SCREEN_NOTE, _count_questions(questions)), tables)


def _count_items(items: Sequence[Item]) -> str:
    counts = {status: sum(item.status == status for item in items) for status in ("filled", "partly filled", "blank")}
    return (
        f"Of {len(items)} items and sub-items {counts['filled']} are filled from the run, {counts['partly filled']} "
        f"in part, and {counts['blank']} are blank: a program cannot know them."
    )


def _count_questions(questions: Sequence[Question]) -> str:
    computed = sum("computed" in each.answer for each in questions)
    silent = sum(each.answer == NO_INFORMATION for each in questions)
    reviewer = sum(each.answer == REVIEWER for each in questions)
    return (
        f"Of {len(questions)} questions {computed} were answered by computation, {reviewer} are for the reviewer, "
        f"and on {silent} there is no information."
    )


def render_guidelines(content: GuidelineContent) -> str:
    """Return checklist and screen as one self-contained HTML page that prints on A4."""
    return _render("guidelines.html.j2", content)


def render_guidelines_markdown(content: GuidelineContent) -> str:
    """Return checklist and screen as Markdown; no cell can break its table."""
    return _render("guidelines.md.j2", content)


def _render(template: str, content: GuidelineContent) -> str:
    sections: dict[str, list[Item]] = {}
    for item in content.items:
        sections.setdefault(item.section, []).append(item)
    domains: dict[str, dict[str, list[Question]]] = {part: {} for part in PARTS}
    for each in content.questions:
        domains[each.part].setdefault(each.domain, []).append(each)
    return (
        make_environment()
        .get_template(template)
        .render(
            content=content,
            sections=sections,
            domains=domains,
            parts_in_words=PARTS,
            item_count=_count_items(content.items),
            question_count=_count_questions(content.questions),
            screen_title=SCREEN_TITLE,
            screen_note=SCREEN_NOTE,
            tripod=_read_table("tripod_ai"),
            probast=_read_table("probast_ai"),
        )
    )
