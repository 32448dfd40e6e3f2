"""Rules about when a message may leave, without I/O: the channels service and the simulator ask the same ones."""

from policy.caps import FrequencyCap, Sent, displaced_until
from policy.delivery import DeliveryPolicy
from policy.quiet_hours import QuietHours

__all__ = ["DeliveryPolicy", "FrequencyCap", "QuietHours", "Sent", "displaced_until"]
