"""Servers on which workflows soon continue as new, so that tests and the recorder see chains of runs."""

from collections.abc import Mapping
from types import MappingProxyType

SHORT_HISTORY = 25
"""Events after which such a server suggests it."""
SHORT_RUNS: Mapping[str, object] = MappingProxyType({"limit.historyCount.suggestContinueAsNew": SHORT_HISTORY})
"""Its dynamic configuration."""
