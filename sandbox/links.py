"""The links a customer can follow out of a message, and where the sandbox itself may go."""

import html
import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from sandbox.messages import Channel, Message

_HREF = re.compile(r"""(<a\b[^>]*?\bhref\s*=\s*)(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
_ANGLE = re.compile(r"<(https?://[^>]+)>", re.IGNORECASE)


def links(message: Message) -> list[str]:
    """Web addresses in the order they appear; of an email its HTML part, if it has one."""
    match message.channel:
        case Channel.EMAIL if message.html is not None:
            found = [html.unescape(m[2] if m[2] is not None else m[3]) for m in _HREF.finditer(message.html)]
            return [url for url in found if url.startswith(("http://", "https://"))]
        case Channel.WEB_PUSH:
            return _push_links(message.payload)
        case _:
            return _URL.findall(message.body)


def _push_links(payload: object) -> list[str]:
    if not isinstance(payload, dict):
        return []
    places = [payload, payload.get("data"), payload.get("notification")]
    found = [place.get(key) for place in places if isinstance(place, dict) for key in ("url", "navigate", "link")]
    return [url for url in found if isinstance(url, str) and url.startswith(("http://", "https://"))]


def rewrite(document: str, replace: Callable[[str], str]) -> str:
    """An HTML document with every web link replaced, everything else byte for byte as it was."""

    def one(match: re.Match[str]) -> str:
        url = html.unescape(match[2] if match[2] is not None else match[3])
        if not url.startswith(("http://", "https://")):
            return match[0]
        return f'{match[1]}"{html.escape(replace(url))}" target="_blank" rel="noopener"'

    return _HREF.sub(one, document)


def linkify(text: str, replace: Callable[[str], str]) -> str:
    """Plain text as safe HTML, its web addresses clickable."""
    parts, end = [], 0
    for match in _URL.finditer(text):
        parts.append(html.escape(text[end : match.start()]))
        parts.append(f'<a href="{html.escape(replace(match[0]))}" target="_blank">{html.escape(match[0])}</a>')
        end = match.end()
    return "".join([*parts, html.escape(text[end:])])


class Unsubscribe:
    """What the ``List-Unsubscribe`` headers of an email offer (RFC 2369, RFC 8058)."""

    __slots__ = ("one_click", "url")

    def __init__(self, message: Message) -> None:
        headers = {name.lower(): value for name, value in message.headers.items()}
        found = _ANGLE.search(headers.get("list-unsubscribe", ""))
        self.url = found[1] if found else None
        post = headers.get("list-unsubscribe-post", "").replace(" ", "").lower()
        self.one_click = self.url is not None and post == "list-unsubscribe=one-click"


def is_local(url: str) -> bool:
    """Whether a URL stays on this machine: the sandbox itself never goes further."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
