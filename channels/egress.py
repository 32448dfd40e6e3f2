"""Keeps calls to addresses that strangers supply (push endpoints) out of our own network."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's, not private, loopback, link-local or metadata."""
    return ip_address(address.partition("%")[0]).is_global


async def forbidden(url: str) -> str:
    """Why `url` must not be called; empty when it may be: https to a host whose addresses are all public.

    A name that cannot be resolved now is no reason: the call will fail by itself.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return "the endpoint is no https URL"
    try:
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        return ""
    return "" if all(is_public(str(each[4][0])) for each in found) else "the endpoint is not on the internet"


class PublicResolver(AbstractResolver):
    """Resolves to public addresses only, at the moment of connecting: a name cannot change its mind after a check."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found = [each for each in await self._resolver.resolve(host, port, family) if is_public(each["host"])]
        if not found:
            raise OSError(f"{host} has no public address")
        return found

    async def close(self) -> None:
        await self._resolver.close()
