"""Calling addresses that somebody wrote: none of our own network is reached, and what was checked is what is connected to.

A name is resolved here, every address that it has is judged, and the connection goes to one of these very addresses, while
TLS and `Host` keep the name. So a name that answers differently the next time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

import httpcore
import httpx

from infra.errors import BadInput, Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, for a port. Raises OSError where it has none."""

_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")
_UNICAST = ip_network("2000::/3")
# What some versions of Python take for public: special purposes (IANA's registries), and Azure's wire server.
_NOT_PUBLIC = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "3fff::/20", "2001::/23")))


class EgressRefused(httpx.TransportError):
    """The address may not be called; trying again will not help."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Hosts (by name, compared exactly) and networks that may be called although they are not public."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """Reads the setting REIS_CALL_ALLOWED_HOSTS, `crm.internal, 10.1.0.0/16, [::1]`: names, addresses and networks,
        separated by commas. Raises `BadInput`."""
        hosts: set[str] = set()
        networks: list[IPv4Network | IPv6Network] = []
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            try:
                networks.append(ip_network(entry.strip("[]"), strict=False))
            except ValueError:
                if "/" in entry or ":" in entry:
                    flaw = Flaw(
                        path="REIS_CALL_ALLOWED_HOSTS",
                        message=f"{entry!r} is neither a host name nor a network",
                        remedy="write names, addresses and networks such as `crm.internal, 10.1.0.0/16`, without ports",
                    )
                    raise BadInput([flaw], "the settings") from None
                hosts.add(entry.rstrip("."))
        return cls(frozenset(hosts), tuple(networks))

    def refusal(self, host: str, addresses: Iterable[str]) -> str | None:
        """Why a host with these addresses may not be called; None where it may."""
        if host.lower().rstrip(".") in self.hosts:
            return None
        for text in addresses:
            address = ip_address(text.partition("%")[0])
            if not is_public(address) and not any(address in network for network in self.networks):
                return f"{host} is not public: its address is {address}"
        return None


def is_public(address: Address) -> bool:
    """Whether an address belongs to the open internet; one that carries an IPv4 address inside is judged by that one too."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None or address in _COMPATIBLE or address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _UNICAST or (address.sixtofour is not None and not is_public(address.sixtofour)):
            return False
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved or address.is_unspecified)
        and not (address.is_loopback or address.is_link_local or address.is_private)
        and not any(address in network for network in _NOT_PUBLIC)
    )


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """What the operating system resolves a name to."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to checked addresses only. The pool above asks for a name; TLS is spoken with that name."""

    def __init__(self, allowed: Allowed, resolve: Resolver) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} has no address") from error
        if not addresses:
            raise httpcore.ConnectError(f"{host} has no address")
        if (why := self._allowed.refusal(host, addresses)) is not None:
            raise EgressRefused(why)
        failure: Exception | None = None
        for address in addresses[:4]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for part in self._response.aiter_stream():
                yield part

    async def aclose(self) -> None:
        with _as_httpx():
            await self._response.aclose()


class EgressTransport(httpx.AsyncBaseTransport):
    """A transport of httpx that reaches public addresses, and `allowed` ones. No proxy of the environment is used."""

    def __init__(self, allowed: Allowed, *, resolve: Resolver = system_resolver, verify: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=verify or httpx.create_ssl_context(trust_env=False),
            max_connections=128,
            max_keepalive_connections=32,
            keepalive_expiry=15,
            network_backend=_CheckedBackend(allowed, resolve),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme not in ("http", "https") or not request.url.host:
            raise EgressRefused("only addresses of http and https with a host are called")
        if request.url.userinfo:
            raise EgressRefused("an address with a user name and password is not called: use the header Authorization")
        url = request.url
        with _as_httpx():
            answer = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    async def aclose(self) -> None:
        await self._pool.aclose()


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Errors of the pool as those of httpx, by their names."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.TimeoutException(str(error) or type(error).__name__) from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, httpcore.UnsupportedProtocol) as error:
        raise httpx.NetworkError(str(error) or type(error).__name__) from error
