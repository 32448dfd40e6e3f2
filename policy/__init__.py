"""Rules about whether and when a message may leave, without I/O: the channels service and the simulator ask the same ones."""

from policy.caps import FrequencyCap, Sent, displaced_until
from policy.delivery import DeliveryPolicy
from policy.leaving import EXPIRED, FREQUENCY_CAP, QUIET_HOURS, No, NotYet, Ready, expired, kept_back
from policy.purpose import PURPOSE_MISMATCH, TRANSACTIONAL, purpose_mismatch
from policy.quiet_hours import QuietHours

__all__ = [
    "EXPIRED",
    "FREQUENCY_CAP",
    "PURPOSE_MISMATCH",
    "QUIET_HOURS",
    "TRANSACTIONAL",
    "DeliveryPolicy",
    "FrequencyCap",
    "No",
    "NotYet",
    "QuietHours",
    "Ready",
    "Sent",
    "displaced_until",
    "expired",
    "kept_back",
    "purpose_mismatch",
]
