"""Rules about whether and when a message may leave, without I/O: the channels service and the simulator ask the same ones."""

from policy.caps import FrequencyCap, Sent, displaced_until
from policy.delivery import DeliveryPolicy
from policy.purpose import PURPOSE_MISMATCH, TRANSACTIONAL, purpose_mismatch
from policy.quiet_hours import QuietHours

__all__ = [
    "PURPOSE_MISMATCH",
    "TRANSACTIONAL",
    "DeliveryPolicy",
    "FrequencyCap",
    "QuietHours",
    "Sent",
    "displaced_until",
    "purpose_mismatch",
]
