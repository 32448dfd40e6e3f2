"""What can go wrong inside the sandbox, apart from the errors it imitates."""


class SandboxError(Exception):
    """Base of the sandbox's own errors."""


class JournalCorruptError(SandboxError):
    """A line before the last one cannot be read: the file was edited or mixed up."""

    def __init__(self, path: str, line: int) -> None:
        super().__init__(f"{path}: line {line} is no record of this sandbox; move the file away to start afresh")


class JournalInUseError(SandboxError):
    """Another process holds the journal."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is in use by another sandbox; give each its own data directory")


class UnknownMessageError(SandboxError):
    def __init__(self, message_id: str) -> None:
        super().__init__(f"no message {message_id!r}")


class UnknownCustomerError(SandboxError):
    def __init__(self, customer: str) -> None:
        super().__init__(f"no customer {customer!r}")


class ImpossibleActionError(SandboxError):
    """A customer cannot do this with such a message."""

    def __init__(self, action: str, channel: str, why: str) -> None:
        super().__init__(f"{action} on {channel}: {why}")
