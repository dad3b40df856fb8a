"""A study as declared: the settings of every room, read from one `study.toml`.

The declaration is the whole of what a run depends on beside the data, so its hash is provenance.
Unknown keys are refused with the nearest valid name: a mistyped key must never mean a silent default.
"""

from __future__ import annotations

import codecs
import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from poi_predict.cohort import (
    Codebook,
    ColumnMapping,
    EndpointSettings,
    InclusionRule,
    ReadingSettings,
    Variable,
    VisitSettings,
    read_codebook,
)
from poi_predict.declaration import build_settings, read_range, read_table, read_tables, refuse_unknown
from poi_predict.errors import StudyError
from poi_predict.evidence import EvidenceSettings, build_evidence_settings
from poi_predict.features import FeatureSettings, input_columns
from poi_predict.modeling import ModelingSettings
from poi_predict.naming import suggest
from poi_predict.privacy import PrivacySettings
from poi_predict.regimen import RegimenSettings, build_regimen_settings
from poi_predict.tracking import TrackingSettings
from poi_predict.validation import ValidationSettings

__all__ = ["Study", "read_study", "shipped_studies"]

T = TypeVar("T")
SECTIONS = (
    "study", "cohort", "columns", "variables", "endpoint", "inclusion", "predictors", "evidence", "models",
    "validation", "regimens", "tracking", "privacy",
)  # fmt: skip
NO_EVIDENCE = (
    'The candidate "evidence" borrows from the literature, so a study that names it must say for which outcome; it '
    'does not. Add a section [evidence] with outcome = "menses" or "pregnancy", or leave the candidate out.'
)
ALWAYS_USED = ("patient_id", "centre", "data_origin")
UNKNOWN = {"keep": "include", "drop": "exclude"}
# Immortal time: who did not respond is treated again, so how often she was treated tells that she did not respond.
FOLLOWS_TREATMENT = {
    "n_treatments": "counts treatments after it, which women without a response are offered",
    "adjuvant": "often holds what was added after it, such as ovarian stimulation or hormones",
}
VARIABLE_ROLES = ("baseline", "protocol", "outcome", "centre")
KNOWN_AT = {"baseline": "baseline", "protocol": "treatment", "outcome": "follow_up", "centre": "baseline"}


@dataclass(frozen=True)
class Study:
    """A declared study: the question, the columns, the endpoint, the models and their validation.

    Attributes
    ----------
    name : str
        Short name; names the experiment, the registered model and the default output folder.
    codebook : Codebook
        The field's variables and those the study adds.
    sha256 : str
        Hash of the declaration's text.
    declared : tuple of str
        Variables that the study adds to the codebook.
    without_role : tuple of str
        Those of its predictors for which it states no role, so that they are taken as known before treatment.
    """

    name: str
    title: str
    question: str
    population: str
    codebook: Codebook
    reading: ReadingSettings
    endpoint: EndpointSettings
    inclusion: tuple[InclusionRule, ...]
    features: FeatureSettings
    models: ModelingSettings
    evidence: EvidenceSettings | None
    validation: ValidationSettings
    regimens: RegimenSettings
    tracking: TrackingSettings
    sha256: str
    privacy: PrivacySettings
    declared: tuple[str, ...] = ()
    without_role: tuple[str, ...] = ()

    @property
    def endpoint_label(self) -> str:
        """What counts as a response, for people."""
        return self.endpoint.label or self.codebook[self.endpoint.event].label

    @property
    def required_variables(self) -> tuple[str, ...]:
        """Variables of which a development cohort must hold values: predictors, outcome and inclusion.

        The month of the event is left out: where no woman had the event, its column is rightly empty.
        """
        outcome = (name for name in (self.endpoint.event, self.endpoint.follow_up) if name)
        included = (rule.variable for rule in self.inclusion)
        return tuple(dict.fromkeys((*self.features.predictors, *outcome, *included)))

    @property
    def used_variables(self) -> tuple[str, ...]:
        """Variables that the study makes any use of; what is wrong with another column does not stop it."""
        companions = (name.split("__", 1)[0] for name in input_columns(self.codebook, self.features.predictors))
        month = (self.endpoint.event_month,) if self.endpoint.event_month else ()
        return tuple(dict.fromkeys((*self.required_variables, *month, *companions, *ALWAYS_USED)))

    @property
    def suspect_predictors(self) -> dict[str, list[str]]:
        """Predictors that could not be known, that define the outcome (reading leaves none), or that were reviewed."""
        named = self.features.predictors
        return {
            "known_after_treatment": [name for name in named if _is_post_treatment(self.codebook[name])],
            "defining_outcome": [name for name in named if name in self.endpoint.defining_variables],
            "reviewed": list(self.features.reviewed),
        }

    def as_settings(self) -> dict[str, Any]:
        """Return what a run depends on as plain values, for the record."""
        return {
            "study": {"name": self.name, "sha256": self.sha256},
            "endpoint": asdict(self.endpoint),
            "inclusion": [rule.text for rule in self.inclusion],
            "predictors": asdict(self.features),
            "models": asdict(self.models),
            "evidence": None if self.evidence is None else asdict(self.evidence),
            "validation": asdict(self.validation),
            "regimens": self.regimens.as_dict(),
            "privacy": asdict(self.privacy),
        }


def shipped_studies() -> dict[str, Path]:
    """Return the studies that come with the software, by name."""
    folder = Path(str(resources.files("poi_predict") / "studies"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_study(source: str | Path) -> Study:
    """Read a study declaration.

    Parameters
    ----------
    source : str or Path
        A `study.toml`, a folder that holds one, or the name of a shipped study.

    Raises
    ------
    StudyError
        If the file is missing, is not TOML, or breaks a rule; the message names the key.

    Examples
    --------
    >>> read_study("menses_12m").endpoint.horizon_months
    12.0
    >>> read_study("mensis_12m")
    Traceback (most recent call last):
    poi_predict.errors.StudyError: A study is a study.toml or the name of a shipped study;
    "mensis_12m" is neither (did you mean "menses_12m"?).
    """
    path = _find_study(str(source))
    try:
        text = _decode(path.read_bytes())
        raw = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path.name} must be a readable UTF-8 text file; it is not. Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{path.name} must be valid TOML; {error}.") from error
    return _build_study(raw, path.name, hashlib.sha256(text.encode()).hexdigest())


def _decode(content: bytes) -> str:
    """Return the text of a declaration; editors put a byte-order mark in front, or write UTF-16."""
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if utf16 else "utf-8-sig").replace("\r\n", "\n")


def _find_study(source: str) -> Path:
    path = Path(source)
    if path.is_dir() and (path / "study.toml").is_file():
        return path / "study.toml"
    if path.is_file():
        return path
    shipped = shipped_studies()
    name = source.replace("-", "_")
    if name in shipped:
        return shipped[name]
    local = Path("pipelines") / name / "study.toml"
    if local.is_file():
        return local
    raise StudyError(
        f'A study is a study.toml or the name of a shipped study; "{source}" is neither{suggest(name, shipped)}.'
    )


def _build_study(raw: dict[str, Any], file: str, sha256: str) -> Study:
    refuse_unknown(raw, SECTIONS, file)
    for section in ("study", "endpoint", "predictors"):
        if section not in raw:
            raise StudyError(f"{file} must have a section [{section}]; it has none. Add it.")
    about = read_table(raw, "study")
    refuse_unknown(about, ("name", "title", "question", "population"), "study")
    name = _name(about.get("name"))
    codebook = read_codebook().extended(_variables(read_table(raw, "variables")))
    codebook = _with_own_limits(codebook, _columns(read_table(raw, "columns"), codebook))
    predictors = dict(read_table(raw, "predictors"))
    if "use" in predictors:
        predictors["predictors"] = predictors.pop("use")
    features = build_settings(FeatureSettings, predictors, "predictors", renamed={"predictors": "use"})
    endpoint = build_settings(EndpointSettings, read_table(raw, "endpoint"), "endpoint")
    inclusion = tuple(
        build_settings(InclusionRule, _inclusion(rule, number), f"inclusion {number}")
        for number, rule in enumerate(read_tables(raw, "inclusion"), start=1)
    )
    reading = _reading(read_table(raw, "cohort"), read_table(raw, "columns"), codebook)
    tracking = {"experiment": name} | read_table(raw, "tracking")
    study = Study(
        name=name,
        title=str(about.get("title", name)),
        question=str(about.get("question", "")),
        population=str(about.get("population", "")),
        codebook=codebook,
        reading=reading,
        endpoint=endpoint,
        inclusion=inclusion,
        features=features,
        models=_models(raw),
        evidence=build_evidence_settings(read_table(raw, "evidence")) if "evidence" in raw else None,
        validation=build_settings(ValidationSettings, read_table(raw, "validation"), "validation"),
        regimens=build_regimen_settings(read_table(raw, "regimens"), codebook, _known_names(features, codebook)),
        tracking=build_settings(TrackingSettings, tracking, "tracking"),
        sha256=sha256,
        privacy=build_settings(PrivacySettings, read_table(raw, "privacy"), "privacy"),
        declared=tuple(read_table(raw, "variables")),
        without_role=_without_role(read_table(raw, "variables"), features),
    )
    if features.rare_level_below < study.privacy.least:
        raise StudyError(
            f"predictors.rare_level_below ({features.rare_level_below}) must be at least privacy.least "
            f"({study.privacy.least}): a coefficient of fewer women would tell of each of them. Raise it."
        )
    _check_variables(study)
    _check_inclusion(study)
    if study.models.needs_evidence and study.evidence is None:
        raise StudyError(NO_EVIDENCE)
    return study


def _without_role(raw: Mapping[str, Any], features: FeatureSettings) -> tuple[str, ...]:
    return tuple(name for name, entry in raw.items() if "role" not in entry and name in features.predictors)


def _inclusion(raw: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Read ``unknown``, the plainer name of what becomes of rows without the rule's variable."""
    rule = dict(raw)
    if "unknown" not in rule:
        return rule
    unknown = rule.pop("unknown")
    if unknown not in UNKNOWN or "missing" in rule:
        raise StudyError(
            f'inclusion {number}.unknown must be "keep" or "drop", without missing beside it. Choose one of them.'
        )
    return rule | {"missing": UNKNOWN[unknown]}


def _check_inclusion(study: Study) -> None:
    """Refuse rules that do not fit their variable: limits of a category, levels that it does not have."""
    for rule in study.inclusion:
        variable, where = study.codebook[rule.variable], f"The inclusion rule on {rule.variable}"
        if rule.is_range and not variable.is_numeric:
            raise StudyError(f"{where} sets limits; the variable holds categories. Name levels instead.")
        if rule.levels and variable.is_numeric:
            raise StudyError(f"{where} names levels; the variable is a number. Set min or max instead.")
        for level in rule.levels:
            if variable.levels and level not in variable.levels:
                raise StudyError(
                    f'{where} must name levels of the variable; "{level}" is none{suggest(level, variable.levels)}. '
                    f"Use {', '.join(variable.levels)}."
                )


def _known_names(features: FeatureSettings, codebook: Codebook) -> tuple[str, ...]:
    """Predictors that the codebook knows; the others are refused once the study is whole."""
    return tuple(name for name in features.predictors if name in codebook)


def _models(raw: Mapping[str, Any]) -> ModelingSettings:
    """Read the candidates; a study that borrows no evidence means others where it names none."""
    said = dict(read_table(raw, "models"))
    if "evidence" not in raw:
        usual = ModelingSettings.without_evidence()
        said = {"candidates": list(usual.candidates), "primary": usual.primary} | said
    return build_settings(ModelingSettings, said, "models")


def _check_variables(study: Study) -> None:
    """Refuse unknown variables, and predictors that are known only after treatment or define the outcome."""
    for place, names in (
        ("endpoint", study.endpoint.defining_variables),
        ("inclusion", tuple(rule.variable for rule in study.inclusion)),
        ("predictors.use", study.features.predictors),
    ):
        for name in names:
            if name not in study.codebook:
                raise StudyError(_unknown_variable(study, place, name))
    for name in study.features.planned:
        if name not in study.features.predictors:
            raise StudyError(f'predictors.planned must name variables of predictors.use; "{name}" is none. Remove it.')
    for name in study.features.predictors:
        _check_predictor(study, name)


def _check_predictor(study: Study, name: str) -> None:
    if name in study.endpoint.defining_variables:
        raise StudyError(f'A predictor must not define the outcome; "{name}" does. Remove it.')
    variable = study.codebook[name]
    if _is_post_treatment(variable):
        raise StudyError(_known_too_late(name))
    if name in FOLLOWS_TREATMENT and name not in study.features.planned:
        raise StudyError(
            f'A predictor must be known before the first treatment; "{name}" {FOLLOWS_TREATMENT[name]}. Remove it '
            "from predictors.use, or, if the column holds what was planned, name it in predictors.planned."
        )
    if variable.role in ("id", "provenance"):
        raise StudyError(f'A predictor must describe the woman or the protocol; "{name}" does not. Remove it.')


def _is_post_treatment(variable: Variable) -> bool:
    return variable.known_at == "follow_up" or variable.role == "outcome"


def _known_too_late(name: str) -> str:
    return (
        "A predictor must be known before the treatment starts; "
        f'"{name}" is known only after it. Remove it from predictors.use.'
    )


def _unknown_variable(study: Study, place: str, name: str) -> str:
    """Say what is wrong with a name; one that is a column of the clinic's is told by its variable."""
    for mapping in study.reading.columns:
        if (mapping.column or "").strip().casefold() == name.strip().casefold():
            if _is_post_treatment(study.codebook[mapping.variable]):
                return _known_too_late(name)
            return f'{place} must name variables, not columns; "{name}" is the column of {mapping.variable}. Name that.'
    return (
        f'{place} must name variables of the codebook or of [variables]; "{name}" is neither'
        f"{suggest(name, study.codebook)}. Correct the name, or declare it in [variables]."
    )


def _reading(raw: Mapping[str, Any], columns: Mapping[str, Any], codebook: Codebook) -> ReadingSettings:
    settings = build_settings(ReadingSettings, {name: raw[name] for name in raw if name != "visits"}, "cohort")
    settings = replace(settings, columns=_columns(columns, codebook))
    if "visits" not in raw:
        return settings
    return replace(settings, visits=build_settings(VisitSettings, read_table(raw, "visits"), "cohort.visits"))


def _columns(raw: Mapping[str, Any], codebook: Codebook) -> tuple[ColumnMapping, ...]:
    mappings = []
    for variable, value in raw.items():
        if variable not in codebook:
            raise StudyError(
                f'columns must map variables of the codebook; "{variable}" is not one{suggest(variable, codebook)}.'
            )
        entry = {"column": value} if isinstance(value, str) else value
        where = f"columns.{variable}"
        if not isinstance(entry, Mapping):
            raise StudyError(f'{where} must be a column name or a table; write column = "…".')
        mappings.append(build_settings(ColumnMapping, dict(entry) | {"variable": variable}, where))
    return tuple(mappings)


def _with_own_limits(codebook: Codebook, columns: Iterable[ColumnMapping]) -> Codebook:
    """Return the codebook with the limits that the study sets for its own women."""
    own = {mapping.variable: mapping for mapping in columns if mapping.hard or mapping.typical}
    for name in own:
        if not codebook[name].is_numeric:
            raise StudyError(
                f"columns.{name} must be a number to have limits; it is {codebook[name].kind}. Remove them."
            )
    return Codebook(
        replace(
            variable, hard=own[name].hard or variable.hard, typical=own[name].typical or variable.typical
        )
        if name in own
        else variable
        for name, variable in codebook.items()
    )  # fmt: skip


def _variables(raw: Mapping[str, Any]) -> tuple[Variable, ...]:
    allowed = ("label", "kind", "role", "unit", "hard", "typical", "levels", "direction", "known_at", "transform")
    variables = []
    for name, entry in raw.items():
        where = f"variables.{name}"
        if not isinstance(entry, Mapping):
            raise StudyError(f"{where} must be a table with label, kind and role.")
        refuse_unknown(entry, allowed, where)
        role = str(entry.get("role", "baseline"))
        if role not in VARIABLE_ROLES:
            raise StudyError(f"{where}.role must be one of {', '.join(VARIABLE_ROLES)}; it is not.")
        unit = entry.get("unit")
        known_at = str(entry.get("known_at", KNOWN_AT[role]))
        variables.append(
            Variable.declared(
                name=_name(name),
                label=str(entry.get("label", name)),
                kind=str(entry.get("kind", "continuous")),
                role=role,
                known_at=known_at,
                unit=None if unit is None else str(unit),
                hard=read_range(entry.get("hard"), f"{where}.hard"),
                typical=read_range(entry.get("typical"), f"{where}.typical"),
                levels=_levels(entry.get("levels", {}), where),
                direction=int(entry.get("direction", 0)),
                transform=entry.get("transform"),
            )
        )
    return tuple(variables)


def _levels(raw: Any, where: str) -> dict[str, tuple[str, ...]]:
    if isinstance(raw, list):
        raw = {str(level): [] for level in raw}
    if not isinstance(raw, Mapping):
        raise StudyError(f"{where}.levels must be a list of levels or a table of their spellings.")
    return {str(k): tuple(map(str, [v] if isinstance(v, str) else v)) for k, v in raw.items()}


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.replace("_", "").isalnum() or "__" in value or not value.isascii():
        raise StudyError(
            "A name must be made of ASCII letters, digits and single underscores, such as menses_12m; this one is not."
        )
    return value
