"""A running system seen from a folder: where it is, and the definitions that it has."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from authoring.kinds import COMPUTED, JOURNEY, SEGMENT, TEMPLATE, Kind
from authoring.sent import Sent
from conditions.computed import ComputedDraft
from contracts.profiles import NamesSeen
from contracts.segments import SegmentDraft
from contracts.templates import TemplateInput
from infra.errors import CallFailed, Rejected, Unavailable
from infra.http import ServiceClient
from infra.local.errors import NotRunningError
from infra.local.folder import DataFolder
from infra.local.keys import Keys
from infra.settings import Settings
from journeys.catalog import TemplateFacts

_MODELS: Mapping[str, type[BaseModel]] = {
    COMPUTED.name: ComputedDraft,
    SEGMENT.name: SegmentDraft,
    TEMPLATE.name: TemplateInput,
}
SERVICES = ("profiles", "segments", "channels", "journeys")


@dataclass(frozen=True, slots=True)
class System:
    """Clients of the services, with a key that may read and write definitions."""

    clients: Mapping[str, ServiceClient]

    def service(self, kind: Kind) -> ServiceClient:
        return self.client(kind.service)

    def client(self, service: str) -> ServiceClient:
        """Raises `Unavailable` where the system runs without this service."""
        if service not in self.clients:
            raise Unavailable(service, "the system runs without it")
        return self.clients[service]

    async def definitions(self, kind: Kind) -> dict[str, dict[str, Any]]:
        """Key to the body of every definition of a kind, without its key."""
        client = self.service(kind)
        answer = await client.get_json(kind.path)
        if kind is COMPUTED:
            return {each["key"]: plain(kind, each["definition"]) for each in answer["computed_traits"]}
        if kind is SEGMENT:
            fields = SegmentDraft.model_fields
            return {
                each["key"]: plain(kind, {name: value for name, value in each.items() if name in fields})
                for each in answer["segments"]
            }
        if kind is TEMPLATE:
            keys = [each["key"] for each in answer["templates"]]
            return {key: plain(kind, (await client.get_json(f"{kind.path}/{key}"))["parts"]) for key in keys}
        found: dict[str, dict[str, Any]] = {}
        for each in answer:
            try:
                found[each["key"]] = plain(kind, await client.get_json(f"{kind.path}/{each['key']}"))
            except Rejected as error:
                if error.answered != 404:  # a journey of which nothing is published yet
                    raise
        return found

    async def journey_states(self) -> dict[str, str]:
        """Journey to its state, such as `published` or `paused`."""
        return {each["key"]: each["state"] for each in await self.service(JOURNEY).get_json(JOURNEY.path) if "state" in each}

    async def template_facts(self) -> dict[str, TemplateFacts]:
        """Template to what is known of it."""
        answer = await self.service(TEMPLATE).get_json(TEMPLATE.path)
        return {each["key"]: _facts(each) for each in answer["templates"]}

    async def sent(self) -> Sent:
        """What people have sent so far; nothing where profiles cannot say: no plan waits for that."""
        try:
            seen = await self.client("profiles").get("/v1/names", NamesSeen)
        except CallFailed:
            return Sent()
        return Sent(frozenset(seen.events or ()) or None, frozenset(seen.traits or ()) or None)


def _facts(template: Mapping[str, Any]) -> TemplateFacts:
    used, required = ({at: frozenset(found) for at, found in template[kind].items()} for kind in ("variables", "required"))
    return TemplateFacts(used, required, frozenset(template["channels"]), template["purpose"])


def plain(kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
    """A definition in its shortest form: two files that mean the same, but for what may be left out, become equal."""
    given = {name: value for name, value in body.items() if name not in ("key", "$schema")}
    if kind is JOURNEY:
        return given
    try:
        return _MODELS[kind.name].model_validate(given).model_dump(mode="json", exclude_defaults=True)
    except ValidationError:
        return given


@asynccontextmanager
async def connected(data_dir: Path) -> AsyncIterator[System]:
    """The local system that runs on `data_dir`, else the one of the settings. Raises NotRunningError where there is neither."""
    urls, key = _running(data_dir)
    async with AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(ServiceClient(name, urls[name], key=key, timeout=30))
            for name in SERVICES
            if name in urls
        }
        yield System(clients)


def _running(data_dir: Path) -> tuple[dict[str, str], str]:
    settings = Settings()
    data = DataFolder(data_dir)
    try:
        return data.runtime().urls, Keys.kept_in(data.keys).admin_key
    except NotRunningError:
        if not settings.service_key.get_secret_value():
            raise
    urls = {name: str(getattr(settings, f"{name}_url")) for name in SERVICES}
    return urls, settings.service_key.get_secret_value()
