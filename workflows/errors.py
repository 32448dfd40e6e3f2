"""Errors of the workflow shell.

WorkflowsError
├── UnknownDefinition   a hash that this process holds no definition for
└── WrongDefinition     the definition that was served has another hash
"""


class WorkflowsError(Exception):
    """Base of the errors of this package."""


class UnknownDefinition(WorkflowsError):
    """The codec has not fetched this definition."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        super().__init__(f"no definition of hash {digest!r} is here: the codec fetches it before workflow code runs")


class WrongDefinition(WorkflowsError):
    """The content does not have the hash it was asked for by."""

    def __init__(self, digest: str, actual: str) -> None:
        self.digest, self.actual = digest, actual
        super().__init__(f"the definition served for {digest!r} has the hash {actual!r}; versions are immutable")
