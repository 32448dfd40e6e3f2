"""What Twilio asks of the parameters of a message, and the error it answers otherwise.

Source: https://www.twilio.com/docs/api/errors
"""

import re
from collections.abc import Mapping
from typing import Literal

from fastapi.responses import JSONResponse, Response

from sandbox.messages import Channel

E164 = re.compile(r"\+[1-9]\d{6,14}")
SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|[A-Za-z0-9][A-Za-z0-9 ]{0,10}")


class Refusal(Exception):
    """A request Twilio answers with an error."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def answer(self, headers: dict[str, str] | None = None) -> Response:
        body = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return JSONResponse(body, self.status, headers)


def suppression_pair(customer: str, sender: str | None) -> str:
    """Twilio keeps STOP per pair of numbers."""
    return f"{customer} {sender}"


def recipient(form: Mapping[str, str]) -> tuple[Literal[Channel.SMS, Channel.WHATSAPP], str]:
    to = form.get("To", "")
    if not to:
        raise Refusal(400, 21604, "A 'To' phone number is required.")
    number = to.removeprefix("whatsapp:")
    if not E164.fullmatch(number):
        raise Refusal(400, 21211, f"Invalid 'To' Phone Number: {to}")
    return (Channel.SMS if number == to else Channel.WHATSAPP), number


def sender_of(channel: Channel, form: Mapping[str, str]) -> str | None:
    sender = form.get("From", "")
    if not sender:
        if form.get("MessagingServiceSid", "").startswith("MG"):
            return None
        raise Refusal(400, 21603, "A 'From' phone number is required.")
    number = sender.removeprefix("whatsapp:")
    if (number != sender) != (channel is Channel.WHATSAPP):
        raise Refusal(400, 63007, "Twilio could not find a Channel with the specified From address")
    if not SENDER.fullmatch(number):
        raise Refusal(400, 21212, f"Invalid 'From' Phone Number: {sender}")
    return number
