"""Which programs make up a local system, in which order, on which addresses and with which settings."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx
from pydantic import TypeAdapter

from infra.clock import Clock
from infra.errors import BadInput, Flaw
from infra.local import environment
from infra.local.child import launch_command
from infra.local.folder import DataFolder, Runtime, replace
from infra.local.keys import Keys
from infra.local.ports import HOST, Ports
from infra.local.postgres import EmbeddedPostgres
from infra.local.program import Program, answers
from infra.local.temporal import TemporalServer
from infra.roles import TEMPORAL_PORTS, Role, port_setting

_PORTS = TypeAdapter(dict[str, int])


@dataclass(frozen=True, slots=True)
class Choices:
    """What the caller of a local system decides; see LocalSystem."""

    roles: tuple[Role, ...]
    environ: Mapping[str, str]
    extra_env: Mapping[str, str]
    dynamic_config: Mapping[str, object]
    durable: bool

    @property
    def embeds_postgres(self) -> bool:
        """Unless the caller names a server."""
        return "DATABASE_URL" not in self.environ and any(role.needs_database for role in self.roles)

    @property
    def embeds_temporal(self) -> bool:
        """Unless the caller names a server."""
        return "TEMPORAL_ADDRESS" not in self.environ and any(role.temporal for role in self.roles)


class Plan:
    """Chooses the ports (PortTakenError, BadInput) and lays out the programs; starts nothing."""

    def __init__(self, choices: Choices, folder: DataFolder, ports: Ports, keys: Keys, clock: Clock) -> None:
        self._choices, self._folder, self._keys = choices, folder, keys
        self._ports = _choose_ports(choices, folder, ports)
        self.urls = {role.name: f"http://{HOST}:{self._ports[role.name]}" for role in choices.roles}
        self.postgres = EmbeddedPostgres(folder.postgres, durable=choices.durable) if choices.embeds_postgres else None
        self.temporal = self._temporal() if choices.embeds_temporal else None
        self._given = {**choices.environ, **choices.extra_env}
        ours = environment.common(
            keys,
            urls=self.urls,
            clock=clock,
            database_url=self.postgres.url("reis") if self.postgres else None,
            temporal_address=self.temporal.address if self.temporal else None,
            environ=self._given,
        )
        self.env = ours | {"REIS_DATA_DIR": str(folder.path), "REIS_HOST": HOST} | dict(choices.extra_env)

    def runtime(self, pid: int) -> Runtime:
        """What other commands are told."""
        return Runtime(
            pid=pid,
            urls=self.urls,
            database_url=self.postgres.url("reis") if self.postgres else None,
            temporal_address=self.temporal.address if self.temporal else None,
            temporal_ui=self.temporal.ui_url if self.temporal else None,
        )

    def programs(self, client: httpx.AsyncClient) -> list[Program]:
        """`client` asks the roles whether they are ready."""
        found: list[Program] = []
        if (postgres := self.postgres) is not None:

            async def takes_connections() -> bool:
                return postgres.is_ready()

            found.append(
                Program(
                    "postgres",
                    lambda: postgres.command,
                    env=self._choices.environ,
                    ready=takes_connections,
                    prepare=postgres.prepare,
                    stop_signal=postgres.stop_signal,
                    stop_seconds=30,
                )
            )
        if (temporal := self.temporal) is not None:
            found.append(
                Program(
                    "temporal",
                    lambda: temporal.command,
                    env={**self._choices.environ, **temporal.env},
                    ready=temporal.is_ready,
                    prepare=temporal.prepare,
                )
            )
        services = sorted({role.service for role in self._choices.roles if role.service})
        if services:
            after = ("postgres",) if self.postgres else ()
            found.append(
                Program(
                    "migrate",
                    lambda: _python("infra.cli.migrate", *services),
                    env={**self._given, **self.env},
                    after=after,
                    once=True,
                )
            )
        before = {program.name for program in found}
        return [*found, *(self._role(role, client, before) for role in self._choices.roles)]

    def _role(self, role: Role, client: httpx.AsyncClient, before: set[str]) -> Program:
        port = self._ports[role.name]
        env = {**self._given, **self.env, "REIS_PORT": str(port)}
        if role.name == "sandbox":
            public, sandbox = env.get("REIS_PUBLIC_URL", ""), self._folder.sandbox
            env |= environment.sandbox(self._keys, port=port, folder=sandbox, public_url=public, environ=self._given)
        needed = {"postgres": role.needs_database, "migrate": role.service is not None, "temporal": role.temporal}
        roles = [name for name in role.after if name in self.urls]
        return Program(
            role.name,
            lambda: _python(role.module) if role.standalone else _python("infra.cli.run", role.name, role.module),
            env=env,
            ready=answers(client, f"{self.urls[role.name]}/readyz"),
            after=(*roles, *sorted(name for name in before if needed[name])),
            stop_seconds=role.stop_seconds,
        )

    def _temporal(self) -> TemporalServer:
        return TemporalServer(
            self._folder.temporal,
            port=self._ports["temporal"],
            ui_port=self._ports["temporal_ui"],
            dynamic_config=self._choices.dynamic_config,
            durable=self._choices.durable,
        )


def _choose_ports(choices: Choices, folder: DataFolder, ports: Ports) -> dict[str, int]:
    """Those of the last start again where they are free: links in messages that left keep working."""
    last = _PORTS.validate_json(folder.ports.read_text()) if folder.ports.exists() else {}
    wanted = {role.name: role.port for role in choices.roles} | (dict(TEMPORAL_PORTS) if choices.embeds_temporal else {})
    settings = {name: port_setting(name) for name in wanted}
    fixed = {name: _port(setting, given) for name, setting in settings.items() if (given := choices.environ.get(setting))}
    chosen = {name: ports.choose(setting=settings[name], fixed=port, preferred=port) for name, port in fixed.items()}
    for name in wanted.keys() - fixed.keys():
        preferred = last.get(name, wanted[name])
        chosen[name] = ports.choose(setting=settings[name], fixed=None, preferred=preferred)
    replace(folder.ports, _PORTS.dump_json(last | chosen).decode())
    return chosen


def _port(setting: str, given: str) -> int:
    if given.isdecimal() and 0 < int(given) < 65_536:
        return int(given)
    flaw = Flaw(path=setting, message=f"{given!r} is no port", remedy="write a number from 1 to 65535, or unset it")
    raise BadInput([flaw], "the settings")


def _python(*arguments: str) -> Sequence[str]:
    """This interpreter with a module; `-P`: the working folder is no place for modules."""
    return launch_command([sys.executable, "-P", "-m", *arguments])
