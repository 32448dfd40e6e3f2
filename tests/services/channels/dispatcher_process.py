"""A dispatcher as a process of its own, to be killed: settings come from the environment."""

import asyncio

from infra.settings import Settings
from services.channels.dispatcher import main

if __name__ == "__main__":
    asyncio.run(main(Settings()))
