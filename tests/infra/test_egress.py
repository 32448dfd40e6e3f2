"""The egress guard against real sockets: what is checked is what is connected to."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from infra.egress import Allowed, EgressTransport, is_public
from infra.errors import BadInput
from infra.outbound import Outbound, OutboundAnswer, OutboundFailed, OutboundRequest
from tests.sandbox.support import Server

MOST = 1000


class Names:
    """A name server that a test writes; each answer of a name is used once, the last one for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): found for name, found in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:  # the form of a resolver
        self.asked.append(host)
        if host not in self.answers:
            raise OSError("unknown")
        found = self.answers[host]
        return found.pop(0) if len(found) > 1 else found[0]


class Site:
    """A web server of this machine, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.hang = asyncio.Event()
        self.app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])])

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        self.asked.append((request.method, path, dict(request.headers), await request.body()))
        match path:
            case "/to":
                return RedirectResponse(request.query_params["url"], int(request.query_params.get("status", "302")))
            case "/long":
                return Response(b"x" * (MOST + 1))
            case "/drip":
                return StreamingResponse(self._drip())
            case "/packed":
                return Response(b"...", headers={"content-encoding": "gzip"})
            case _:
                return JSONResponse({"host": request.headers["host"]}, headers={"x-request-id": "7"})

    async def _drip(self) -> AsyncIterator[bytes]:
        yield b"x"
        await self.hang.wait()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    server = Server(site.app, 0)
    await server.start()
    site.port = server.port  # type: ignore[attr-defined]
    yield site
    site.hang.set()
    await server.stop()


async def call(
    site: Site, url: str, names: Names, *, allowed: str = "", timeout: float = 20, method: str = "GET", **headers: str
) -> OutboundAnswer:
    outbound = Outbound(EgressTransport(Allowed.parse(allowed), resolve=names))
    content = b"{}" if method == "POST" else None
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = OutboundRequest(method, url.replace("PORT", str(site.port)), headers, content)  # type: ignore[attr-defined]
    try:
        return await outbound.call(request, timeout=timeout, most_bytes=MOST)
    finally:
        await outbound.close()


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200"),
        *("0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.192", "198.18.0.1", "168.63.129.16"),
        *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "64:ff9b:1::1", "2001:db8::1"),
    ],
)
def test_an_address_of_a_network_that_is_not_public_is_known(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_known(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("text", ["10.0.0.0/33", "http://crm", "a/b"])
def test_what_is_neither_a_host_nor_a_network_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"REIS_CALL_ALLOWED_HOSTS: .* is neither"):
        Allowed.parse(text)


async def test_a_name_that_leads_into_our_network_is_not_called(site: Site) -> None:
    with pytest.raises(OutboundFailed, match=r"partner\.test is not public: its address is 127\.0\.0\.1") as caught:
        await call(site, "http://partner.test:PORT/", Names(partner_test=[["8.8.8.8", "127.0.0.1"]]))
    assert caught.value.final
    assert site.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f000001", "localhost"])
async def test_no_way_of_writing_this_machine_is_called(site: Site, host: str) -> None:
    outbound = Outbound(EgressTransport(Allowed()))  # the system's own resolver
    request = OutboundRequest("GET", f"http://{host}:{site.port}/", {})  # type: ignore[attr-defined]
    with pytest.raises(OutboundFailed):
        await outbound.call(request, timeout=20, most_bytes=MOST)
    await outbound.close()
    assert site.asked == []


@pytest.mark.parametrize("allowed", ["partner.test", "PARTNER.test.", "127.0.0.0/8", "10.0.0.1, 127.0.0.1"])
async def test_what_the_settings_allow_is_called_under_its_name(site: Site, allowed: str) -> None:
    answer = await call(site, "http://partner.test:PORT/x", Names(partner_test=[["127.0.0.1"]]), allowed=allowed)
    assert answer.content == f'{{"host":"partner.test:{site.port}"}}'.encode()  # type: ignore[attr-defined]
    assert (answer.status, answer.headers["x-request-id"], answer.whole) == (200, "7", True)


async def test_a_name_is_resolved_once_and_its_checked_address_is_the_one_that_is_called(site: Site) -> None:
    """DNS rebinding: a second answer, inside, would be used by whoever checks first and connects by name afterwards."""
    names = Names(partner_test=[["192.0.2.1"], ["127.0.0.1"]])
    with pytest.raises(OutboundFailed, match="not public"):
        await call(site, "http://partner.test:PORT/", names)
    assert names.asked == ["partner.test"]
    names = Names(partner_test=[["127.0.0.1"], ["10.0.0.1"]])
    assert (await call(site, "http://partner.test:PORT/", names, allowed="127.0.0.1")).status == 200
    assert names.asked == ["partner.test"]


async def test_a_redirect_into_our_network_is_not_followed(site: Site) -> None:
    names = Names(partner_test=[["127.0.0.1"]])
    for target in (f"http://127.0.0.1:{site.port}/secret", "http://169.254.169.254/latest", "file:///etc/passwd"):  # type: ignore[attr-defined]
        with pytest.raises(OutboundFailed, match="redirects") as caught:
            await call(site, f"http://partner.test:PORT/to?url={target}", names, allowed="partner.test")
        assert caught.value.final
    assert {path for _, path, _, _ in site.asked} == {"/to"}


async def test_each_hop_of_a_redirect_is_judged_anew(site: Site) -> None:
    """The same name, resolved again because the first connection is of another port's pool."""
    names = Names(partner_test=[["127.0.0.1"], ["10.0.0.1"]])
    target = "https://partner.test/x"
    with pytest.raises(OutboundFailed, match=r"not public: its address is 10\.0\.0\.1"):
        await call(site, f"http://partner.test:PORT/to?url={target}", names, allowed="127.0.0.1")


async def test_a_redirect_on_the_same_host_is_followed_with_its_headers(site: Site) -> None:
    names = Names(partner_test=[["127.0.0.1"]])
    await call(site, "http://partner.test:PORT/to?url=/there", names, allowed="partner.test", x_key="k")
    assert [(method, path) for method, path, _, _ in site.asked] == [("GET", "/to"), ("GET", "/there")]
    assert site.asked[1][2]["x-key"] == "k"
    await call(site, "http://partner.test:PORT/to?url=/there&status=307", names, allowed="partner.test", method="POST")
    assert [(site.asked[-1][0], site.asked[-1][3])] == [("POST", b"{}")]


async def test_a_redirect_never_drops_a_body_and_never_goes_round_for_ever(site: Site) -> None:
    names = Names(partner_test=[["127.0.0.1"]])
    with pytest.raises(OutboundFailed, match="would drop the body"):
        await call(site, "http://partner.test:PORT/to?url=/there", names, allowed="partner.test", method="POST")
    with pytest.raises(OutboundFailed, match="more than 3 times"):
        await call(
            site,
            "http://partner.test:PORT/to?url=/to%3Furl=/to%253Furl=/to%25253Furl=/to%2525253Furl=/x",
            names,
            allowed="partner.test",
        )


async def test_a_body_is_read_no_further_than_wanted(site: Site) -> None:
    answer = await call(site, "http://partner.test:PORT/long", Names(partner_test=[["127.0.0.1"]]), allowed="partner.test")
    assert (len(answer.content), answer.whole) == (MOST, False)


async def test_a_body_that_never_ends_is_given_up(site: Site) -> None:
    names = Names(partner_test=[["127.0.0.1"]])
    with pytest.raises(OutboundFailed, match="no whole answer") as caught:
        await call(site, "http://partner.test:PORT/drip", names, allowed="partner.test", timeout=0.3)
    assert not caught.value.final


async def test_a_compressed_answer_that_was_not_asked_for_is_refused(site: Site) -> None:
    with pytest.raises(OutboundFailed, match="encoded with 'gzip'"):
        await call(site, "http://partner.test:PORT/packed", Names(partner_test=[["127.0.0.1"]]), allowed="partner.test")
    assert site.asked[0][2]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "url", ["http://user:pw@partner.test:PORT/", "ftp://partner.test/", "http://", "http://[::1", "http://a\0b/"]
)
async def test_an_address_that_cannot_be_called_is_a_final_failure(site: Site, url: str) -> None:
    with pytest.raises(OutboundFailed) as caught:
        await call(site, url, Names(partner_test=[["127.0.0.1"]]), allowed="partner.test")
    assert caught.value.final


async def test_a_name_without_address_and_a_closed_port_may_be_tried_again(site: Site) -> None:
    for url in ("http://nobody.test/", "http://partner.test:1/"):
        with pytest.raises(OutboundFailed, match="connection failed") as caught:
            await call(site, url, Names(partner_test=[["127.0.0.1"]]), allowed="partner.test")
        assert not caught.value.final


async def test_no_proxy_of_the_environment_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    names = Names(partner_test=[["127.0.0.1"]])
    assert (await call(site, "http://partner.test:PORT/", names, allowed="partner.test")).status == 200


async def test_tls_is_spoken_with_the_name_and_not_with_the_address() -> None:
    """A server that only notes the name asked for (SNI); the handshake then fails, since it has no certificate."""
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    outbound = Outbound(EgressTransport(Allowed.parse("partner.test"), resolve=Names(partner_test=[["127.0.0.1"]])))
    with pytest.raises(OutboundFailed):
        await outbound.call(OutboundRequest("GET", f"https://partner.test:{port}/", {}), timeout=20, most_bytes=MOST)
    await outbound.close()
    server.close()
    assert asked == ["partner.test"]
