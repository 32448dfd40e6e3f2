"""Templates as authors write them: what is said on each channel, in Liquid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.channels import Channel
from contracts.plain_text import text_of


class AuthoredPart(BaseModel):
    """Base of what authors write: frozen, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AuthoredTexts(AuthoredPart, ABC):
    """What a template says on one channel."""

    @abstractmethod
    def texts(self) -> dict[str, str]:
        """Everything that is Liquid, by its place in the part; with what is made from another field where it is left out."""

    def made_from(self) -> dict[str, str]:
        """Of these texts those that nobody wrote, each with the field that it is made from."""
        return {}


class EmailPart(AuthoredTexts):
    """`text` is derived from the HTML when it is left out."""

    subject: str = Field(min_length=1)
    html: str = Field(min_length=1)
    text: str | None = None

    def texts(self) -> dict[str, str]:
        return {"subject": self.subject, "html": self.html, "text": text_of(self.html) if self.text is None else self.text}

    def made_from(self) -> dict[str, str]:
        return {"text": "html"} if self.text is None else {}


class SmsPart(AuthoredTexts):
    body: str = Field(min_length=1)

    def texts(self) -> dict[str, str]:
        return {"body": self.body}


class WhatsAppPart(AuthoredTexts):
    """`content_sid` names a template that WhatsApp approved: needed outside the 24-hour service window.

    `content_variables` are its variables, each Liquid. `body` is what free-form messages, and our own pages, show.
    """

    body: str = Field(min_length=1)
    content_sid: str | None = Field(None, pattern=r"^HX[0-9a-fA-F]{32}$")
    content_variables: dict[str, str] = {}

    def texts(self) -> dict[str, str]:
        return {"body": self.body} | {f"content_variables.{name}": text for name, text in self.content_variables.items()}


class WebPushPart(AuthoredTexts):
    title: str = Field(min_length=1)
    body: str = ""
    url: str = ""

    def texts(self) -> dict[str, str]:
        return {"title": self.title, "body": self.body, "url": self.url}


class TemplateInput(AuthoredPart):
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
