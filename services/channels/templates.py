"""Templates: what authors write per channel, parsed and analysed; rendering into what a channel sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from channels.message import Content, EmailContent, PushContent, TextContent
from contracts.channels import Channel
from contracts.templates import AuthoredPart, EmailPart, SmsPart, TemplateInput, WebPushPart, WhatsAppPart
from infra.errors import BadInput, Flaw
from infra.liquid import RenderFailed, Source, parse_fields

__all__ = [
    "Compiled",
    "EmailPart",
    "SmsPart",
    "TemplateDetail",
    "TemplateInput",
    "TemplateSummary",
    "WebPushPart",
    "WhatsAppPart",
    "compiled",
]

_MOST_CHARACTERS = 1600  # of a body, by SMS and WhatsApp alike: Twilio error 21617


class TemplateSummary(AuthoredPart):
    """One template in its newest version. `variables`: per channel the dotted names it uses; `required`: cannot do without."""

    key: str
    version: int
    purpose: str | None
    channels: tuple[Channel, ...]
    variables: dict[Channel, tuple[str, ...]]
    required: dict[Channel, tuple[str, ...]]
    created_at: datetime
    created_by: str


class TemplateDetail(TemplateSummary):
    parts: TemplateInput


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template ready to render. `sources`: channel → field → parsed source."""

    key: str
    version: int
    purpose: str | None
    sources: dict[Channel, dict[str, Source]]
    content_sid: str = ""

    def variables(self) -> dict[Channel, tuple[str, ...]]:
        return {
            channel: tuple(sorted({name for source in fields.values() for name in source.variables}))
            for channel, fields in self.sources.items()
        }

    def required(self) -> dict[Channel, tuple[str, ...]]:
        """Per channel the names that must have a value, since they have no default and no condition asks for them."""
        return {
            channel: tuple(sorted({name for source in fields.values() for name in source.required}))
            for channel, fields in self.sources.items()
        }

    def render(self, channel: Channel, context: Mapping[str, Any]) -> Content:
        """Raises `RenderFailed` naming the field and the reason."""
        texts: dict[str, str] = {}
        for name, source in self.sources[channel].items():
            try:
                texts[name] = source.render(context)
            except RenderFailed as error:
                raise RenderFailed(f"{channel.value}.{name}: {error}") from error
        match channel:
            case Channel.EMAIL:
                subject = " ".join(texts["subject"].split())
                if not subject or not texts["text"].strip():
                    raise RenderFailed("email: subject or text comes out empty")
                return EmailContent(subject=subject, html=texts["html"], text=texts["text"])
            case Channel.SMS | Channel.WHATSAPP:
                variables = {name.removeprefix("content_variables."): text for name, text in texts.items() if name != "body"}
                if not texts["body"].strip():
                    raise RenderFailed(f"{channel.value}.body comes out empty")
                if len(texts["body"]) > _MOST_CHARACTERS:
                    raise RenderFailed(f"{channel.value}.body has {len(texts['body'])} characters, at most {_MOST_CHARACTERS}")
                sid = self.content_sid if channel is Channel.WHATSAPP else ""
                return TextContent(body=texts["body"].strip(), content_sid=sid, content_variables=variables)
            case Channel.WEB_PUSH:
                return PushContent(title=texts["title"], body=texts["body"], url=texts["url"])


def compiled(key: str, version: int, given: TemplateInput) -> Compiled:
    """Parses every source. Raises `BadInput` with all flaws at once."""
    flaws: list[Flaw] = []
    sources: dict[Channel, dict[str, Source]] = {}
    for channel, part in given.parts().items():
        sources[channel], found = parse_fields(part.texts(), f"$.{channel.value}", made_from=part.made_from())
        flaws += found
    if flaws:
        raise BadInput(flaws, f"the template {key!r}")
    sid = given.whatsapp.content_sid if given.whatsapp else None
    return Compiled(key, version, given.purpose, sources, sid or "")
