"""The name of an enrolment, for the service and the simulator alike: what is drawn by it falls the same."""

from uuid import UUID, uuid5

_NAMESPACE = UUID("6f6b1d0e-6c53-5d2e-9d3a-52f3b9a6d1c4")


def enrolment_id(journey: str, profile_id: UUID | str, key: str, number: int) -> UUID:
    """The id that makes entering twice impossible: the same four give the same one."""
    return uuid5(_NAMESPACE, f"{journey}\x1f{profile_id}\x1f{key}\x1f{number}")
