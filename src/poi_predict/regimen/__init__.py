"""Regimens compared: for one woman, and in a cohort where they were chosen, not randomised."""

from .cohort import TreatedCohort, describe_regimens, prepare_comparison
from .compared import RegimenComparison
from .comparison import compare_regimens
from .confounding import Confounded, find_confounded
from .courses import Courses, CovariateColumn, Covariates, check_courses
from .cross_fitting import CrossFitSettings, Learn, Predict
from .doubly_robust import estimate_effects
from .draws import LinearDraws, PosteriorDraws, ResponseDraws, build_draws
from .effects import Contrast, Effects, OptionValue
from .evalue import EValue, compute_evalue, compute_evalue_of_difference, compute_evalue_of_odds_ratio
from .neighbourhood import Neighbourhood
from .options import Excluded, Option, OptionList, list_options
from .overlap import Overlap, assess_overlap, compute_standardised_differences
from .policy import Gain, PolicyValue, compute_policy_value
from .rules import Rule, read_shipped_rules
from .seen import count_arms, count_options, join_counts
from .settings import NO_THERAPY, DeclaredOption, RegimenSettings, build_regimen_settings
from .support import OptionSupport, Support, summarise_support
from .timing import WaitingComparison, compare_waiting
from .verdicts import Verdict

__all__ = [
    "NO_THERAPY",
    "Confounded",
    "Contrast",
    "Courses",
    "CovariateColumn",
    "Covariates",
    "CrossFitSettings",
    "DeclaredOption",
    "EValue",
    "Effects",
    "Excluded",
    "Gain",
    "Learn",
    "LinearDraws",
    "Neighbourhood",
    "Option",
    "OptionList",
    "OptionSupport",
    "OptionValue",
    "Overlap",
    "PolicyValue",
    "PosteriorDraws",
    "Predict",
    "RegimenComparison",
    "RegimenSettings",
    "ResponseDraws",
    "Rule",
    "Support",
    "TreatedCohort",
    "Verdict",
    "WaitingComparison",
    "assess_overlap",
    "build_draws",
    "build_regimen_settings",
    "check_courses",
    "compare_regimens",
    "compare_waiting",
    "compute_evalue",
    "compute_evalue_of_difference",
    "compute_evalue_of_odds_ratio",
    "compute_policy_value",
    "compute_standardised_differences",
    "count_arms",
    "count_options",
    "describe_regimens",
    "estimate_effects",
    "find_confounded",
    "join_counts",
    "list_options",
    "prepare_comparison",
    "read_shipped_rules",
    "summarise_support",
]
