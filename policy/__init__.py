"""Rules about whether and when a message may leave, without I/O: the channels service and the simulator ask the same ones."""

from policy.caps import FrequencyCap, Sent, displaced_until
from policy.choosing import (
    NO_CONSENT,
    SUPPRESSED,
    TEMPLATE_ERROR,
    UNKNOWN_PROFILE,
    UNKNOWN_TEMPLATE,
    UNREACHABLE,
    Asked,
    Go,
    choose,
    no_part,
)
from policy.delivery import DeliveryPolicy
from policy.leaving import EXPIRED, FREQUENCY_CAP, QUIET_HOURS, Later, No, Ready, expired, kept_back
from policy.purpose import PURPOSE_MISMATCH, TRANSACTIONAL, consented, purpose_mismatch
from policy.quiet_hours import QuietHours

__all__ = [
    "EXPIRED",
    "FREQUENCY_CAP",
    "NO_CONSENT",
    "PURPOSE_MISMATCH",
    "QUIET_HOURS",
    "SUPPRESSED",
    "TEMPLATE_ERROR",
    "TRANSACTIONAL",
    "UNKNOWN_PROFILE",
    "UNKNOWN_TEMPLATE",
    "UNREACHABLE",
    "Asked",
    "DeliveryPolicy",
    "FrequencyCap",
    "Go",
    "Later",
    "No",
    "QuietHours",
    "Ready",
    "Sent",
    "choose",
    "consented",
    "displaced_until",
    "expired",
    "kept_back",
    "no_part",
    "purpose_mismatch",
]
