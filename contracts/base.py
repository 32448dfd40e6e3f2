"""What all wire models share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """A frozen model that crosses a process boundary; unknown keys from a newer peer are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")
