"""The body of a SendGrid mail/send request: what it must hold, and what it comes down to."""

import re
from typing import Any, NamedTuple

from sandbox.messages import Frozen

ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+")
MAX_RECIPIENTS = 1000
MAX_CUSTOM_ARGS_BYTES = 10_000
HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#message."
TO_REQUIRED = (
    "The to array is required for all personalization objects, and must have at least one email object with a valid "
    "email address."
)
SUBJECT_REQUIRED = (
    "The subject is required. You can get around this requirement if you use a template with a subject defined or if "
    "every personalization has a subject defined."
)
RESERVED_HEADERS = frozenset({
    "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding",
    "to", "from", "subject", "reply-to", "cc", "bcc",
})  # fmt: skip


class Flaw(NamedTuple):
    """One entry of SendGrid's ``errors``."""

    message: str
    field: str | None = None
    help: str | None = None


class Letter(Frozen):
    """What one recipient gets that others of the same request may not."""

    to: str
    subject: str
    headers: dict[str, str]
    custom_args: dict[str, str]


class MailSend(Frozen):
    """A valid request."""

    sender: str
    sender_name: str | None
    letters: tuple[Letter, ...]
    text: str | None
    html: str | None
    categories: tuple[str, ...]
    sandbox_mode: bool


class _Checker:
    def __init__(self) -> None:
        self.flaws: list[Flaw] = []

    def flaw(self, field: str, message: str) -> None:
        self.flaws.append(Flaw(message, field, HELP + re.sub(r"\.\d+", "", field)))

    def address(self, value: Any, field: str) -> str:
        email = value.get("email") if isinstance(value, dict) else None
        if not isinstance(email, str) or not ADDRESS.fullmatch(email):
            self.flaw(f"{field}.email", "Does not contain a valid address.")
            return ""
        return email.lower()

    def strings(self, value: Any, field: str) -> dict[str, str]:
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            self.flaw(field, f"The {field.rsplit('.', 1)[-1]} parameter must be an object of strings.")
            return {}
        return value

    def headers(self, value: Any, field: str) -> dict[str, str]:
        headers = self.strings(value, field)
        for name in headers:
            if name.lower() in RESERVED_HEADERS:
                self.flaw(field, f"The headers parameter may not contain the reserved header {name}.")
        return headers


def check(body: Any) -> tuple[MailSend | None, list[Flaw]]:
    """The request, or every flaw it has."""
    c = _Checker()
    if not isinstance(body, dict):
        return None, [Flaw("Bad Request")]
    sender = _sender(c, body.get("from"))
    text, html = _content(c, body)
    headers = c.headers(body.get("headers"), "headers")
    args = c.strings(body.get("custom_args"), "custom_args")
    letters = _letters(c, body, headers, args)
    if c.flaws:
        return None, c.flaws
    mode = (body.get("mail_settings") or {}).get("sandbox_mode") or {}
    mail = MailSend(
        sender=sender,
        sender_name=body["from"].get("name"),
        letters=tuple(letters),
        text=text,
        html=html,
        categories=tuple(body.get("categories") or ()),
        sandbox_mode=mode.get("enable") is True,
    )
    return mail, []


def _sender(c: _Checker, value: Any) -> str:
    if value is None:
        c.flaw(
            "from",
            "The from object must be provided for every email send. It is an object that requires the email "
            "parameter, but may also contain a name parameter.",
        )
        return ""
    return c.address(value, "from")


def _content(c: _Checker, body: dict[str, Any]) -> tuple[str | None, str | None]:
    blocks = body.get("content")
    if not blocks:
        if not body.get("template_id"):
            c.flaw(
                "content",
                "Unless a valid template_id is provided, the content parameter is required. There must be at least "
                "one defined content block.",
            )
        return f"[template {body.get('template_id')}]", None
    found: dict[str, str] = {}
    for index, block in enumerate(blocks if isinstance(blocks, list) else [blocks]):
        value, kind = (block.get("value"), block.get("type")) if isinstance(block, dict) else (None, None)
        if not isinstance(value, str) or not value:
            c.flaw(f"content.{index}.value", "The content value must be a string at least one character in length.")
        elif not isinstance(kind, str) or "/" not in kind:
            c.flaw(f"content.{index}.type", "The content type must be a MIME type.")
        elif kind == "text/plain" and found:
            c.flaw("content", "If present, text/plain must be first, followed by text/html, then any other content.")
        else:
            found.setdefault(kind, value)
    return found.get("text/plain"), found.get("text/html")


def _letters(c: _Checker, body: dict[str, Any], headers: dict[str, str], args: dict[str, str]) -> list[Letter]:
    personalizations = body.get("personalizations")
    if not isinstance(personalizations, list) or not personalizations:
        c.flaw("personalizations", "The personalizations field is required and must have at least one personalization.")
        return []
    letters: list[Letter] = []
    for index, personalization in enumerate(personalizations):
        field = f"personalizations.{index}"
        recipients = personalization.get("to") if isinstance(personalization, dict) else None
        if not isinstance(recipients, list) or not recipients:
            c.flaw(f"{field}.to", TO_REQUIRED)
            continue
        subject = personalization.get("subject") or body.get("subject")
        if not subject and not body.get("template_id"):
            c.flaw("subject", SUBJECT_REQUIRED)
        own_args = args | c.strings(personalization.get("custom_args"), f"{field}.custom_args")
        if sum(len(k.encode()) + len(v.encode()) for k, v in own_args.items()) > MAX_CUSTOM_ARGS_BYTES:
            c.flaw(f"{field}.custom_args", "The combined size of custom arguments may not exceed 10,000 bytes.")
        own_headers = headers | c.headers(personalization.get("headers"), f"{field}.headers")
        letters.extend(
            Letter(to=address, subject=str(subject or ""), headers=own_headers, custom_args=own_args)
            for address in _addresses(c, personalization, field)
        )
    if len(letters) > MAX_RECIPIENTS:
        c.flaw("personalizations", "There is a limit of 1000 total recipients (to + cc + bcc) per request.")
    return letters


def _addresses(c: _Checker, personalization: dict[str, Any], field: str) -> list[str]:
    found: dict[str, str] = {}
    for kind in ("to", "cc", "bcc"):
        for number, value in enumerate(personalization.get(kind) or ()):
            address = c.address(value, f"{field}.{kind}.{number}")
            if address in found:
                c.flaw(
                    field,
                    "Each email address in the personalization block should be unique between to, cc, and bcc. "
                    f"We found the first duplicate instance of [{address}] in the {field}.{kind} field.",
                )
            found[address] = kind
    return list(found)
