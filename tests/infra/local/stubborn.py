"""A tiny role that has a child and does not stop when asked."""

import asyncio
import signal
import sys

from infra.settings import Settings
from tests.infra.local import roles


async def main(settings: Settings) -> None:
    """Serves like the others once its child runs."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, print, "no")
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "import signal; signal.pause()")
    (settings.data_dir / "child").write_text(str(child.pid))
    await roles.main(settings)
