"""Templates: what authors write per channel, parsed and analysed; rendering into what a channel sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from channels.message import Content, EmailContent, PushContent, TextContent
from contracts.channels import Channel
from infra.errors import BadInput, Flaw
from services.channels.liquid import RenderFailed, Source, parse
from services.channels.plain_text import text_of

_MOST_CHARACTERS = 1600  # of a body, by SMS and WhatsApp alike: Twilio error 21617


class Authored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EmailPart(Authored):
    """`text` is derived from the HTML when it is left out."""

    subject: str = Field(min_length=1)
    html: str = Field(min_length=1)
    text: str | None = None


class SmsPart(Authored):
    body: str = Field(min_length=1)


class WhatsAppPart(Authored):
    """`content_sid` names a template that WhatsApp approved: needed outside the 24-hour service window.

    `content_variables` are its variables, each Liquid. `body` is what free-form messages, and our own pages, show.
    """

    body: str = Field(min_length=1)
    content_sid: str | None = Field(None, pattern=r"^HX[0-9a-fA-F]{32}$")
    content_variables: dict[str, str] = {}


class WebPushPart(Authored):
    title: str = Field(min_length=1)
    body: str = ""
    url: str = ""


class TemplateInput(Authored):
    """`PUT /v1/templates/{key}`. Any `purpose` but transactional forbids sending it as transactional."""

    purpose: str | None = Field(None, min_length=1)
    email: EmailPart | None = None
    sms: SmsPart | None = None
    whatsapp: WhatsAppPart | None = None
    web_push: WebPushPart | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.parts():
            raise ValueError("a template needs at least one of email, sms, whatsapp, web_push")
        return self

    def parts(self) -> dict[Channel, EmailPart | SmsPart | WhatsAppPart | WebPushPart]:
        given = {
            Channel.EMAIL: self.email,
            Channel.SMS: self.sms,
            Channel.WHATSAPP: self.whatsapp,
            Channel.WEB_PUSH: self.web_push,
        }
        return {channel: part for channel, part in given.items() if part is not None}


class TemplateSummary(Authored):
    """One template in its newest version. `variables`: per channel the dotted names it uses."""

    key: str
    version: int
    purpose: str | None
    channels: tuple[Channel, ...]
    variables: dict[Channel, tuple[str, ...]]
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
        fields: dict[str, Source] = {}
        for name, text in _texts(part).items():
            if isinstance(part, EmailPart) and name == "text" and part.text is None and "html" not in fields:
                continue  # derived from the HTML, whose flaws it would repeat
            source, found = parse(text, f"$.{channel.value}.{name}", html=name == "html")
            flaws += found
            if source is not None:
                fields[name] = source
        sources[channel] = fields
    if flaws:
        raise BadInput(flaws, f"the template {key!r}")
    sid = given.whatsapp.content_sid if given.whatsapp else None
    return Compiled(key, version, given.purpose, sources, sid or "")


def _texts(part: EmailPart | SmsPart | WhatsAppPart | WebPushPart) -> dict[str, str]:
    match part:
        case EmailPart():
            return {
                "subject": part.subject,
                "html": part.html,
                "text": part.text if part.text is not None else text_of(part.html),
            }
        case SmsPart():
            return {"body": part.body}
        case WhatsAppPart():
            return {"body": part.body} | {f"content_variables.{name}": text for name, text in part.content_variables.items()}
        case WebPushPart():
            return {"title": part.title, "body": part.body, "url": part.url}
