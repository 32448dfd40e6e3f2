"""Which roles a Reis process can play, and what each needs. Modules are named, not imported: infra knows no domain."""

import importlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from pydantic_settings import BaseSettings

from infra.settings import Settings

Main = Callable[[Settings], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Role:
    """`module` offers `async def main(settings)`, which serves until SIGTERM or cancellation and answers `GET /readyz`
    on REIS_PORT. `service` names the schema it works on; `database` says that it wants a server without one; `temporal`
    that it talks to Temporal; `after` names the roles that are up before it on one machine; `stop_seconds` is how long
    it may take to stop. A `standalone` one is a program of its own (`python -m MODULE`) with settings of its own: the class
    that `settings` names as `MODULE:CLASS`."""

    name: str
    module: str
    port: int
    service: str | None = None
    database: bool = False
    temporal: bool = False
    after: tuple[str, ...] = ()
    stop_seconds: float = 15.0
    standalone: bool = False
    settings: str | None = None

    @property
    def needs_database(self) -> bool:
        """Whether it works on a database at all."""
        return self.database or self.service is not None

    def own_settings(self) -> type[BaseSettings] | None:
        """Those of a program of its own, imported."""
        if self.settings is None:
            return None
        module, _, name = self.settings.partition(":")
        return cast("type[BaseSettings]", getattr(importlib.import_module(module), name))

    def main(self) -> Main:
        """Imports the module; raises ImportError or AttributeError when it does not offer `main`."""
        return cast("Main", importlib.import_module(self.module).main)


def port_setting(name: str) -> str:
    """The setting that fixes a port on a local system."""
    return f"REIS_{name.upper()}_PORT"


def registry(roles: Iterable[Role]) -> Mapping[str, Role]:
    """By name."""
    return MappingProxyType({role.name: role for role in roles})


ROLES = registry(
    (
        Role("profiles", "services.profiles.app", 8001, service="profiles"),
        Role("segments", "services.segments.app", 8002, service="segments", after=("profiles",)),
        Role("channels", "services.channels.app", 8003, service="channels", after=("profiles",)),
        Role("dispatcher", "services.channels.dispatcher", 8005, service="channels", after=("channels",)),
        Role("journeys", "services.journeys.app", 8004, service="journeys", temporal=True, after=("segments", "channels")),
        Role("worker", "workflows.worker", 8006, temporal=True, after=("journeys",)),
        Role("sandbox", "sandbox", 8090, standalone=True, settings="sandbox.settings:SandboxSettings"),
    )
)
TEMPORAL_PORTS: Mapping[str, int] = MappingProxyType({"temporal": 7233, "temporal_ui": 8233})
"""Of the server that a local system embeds, and of its web page."""
