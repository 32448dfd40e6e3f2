"""What the tracking API refuses.

BadInput
├── Malformed   400: a message, or the body around it, is not what Segment's API takes
└── TooLarge    413 (infra): over 32 KB an event or 500 KB a batch
"""

from __future__ import annotations

from infra.errors import BadInput


class Malformed(BadInput):
    """A message is wrong. Nothing of its batch was taken."""

    status = 400
    title = "Malformed message"
