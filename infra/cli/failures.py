"""How a command fails: one clear sentence and exit code 1, no traceback for what a person can put right."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from pydantic import ValidationError
from rich.console import Console
from sqlalchemy.exc import OperationalError

from infra.errors import BadInput, ReisError
from infra.local.errors import LocalSystemError


@contextmanager
def told() -> Iterator[None]:
    """Turns the errors that have a remedy into a sentence on stderr."""
    try:
        yield
    except BadInput as error:
        _fail("\n".join(f"{flaw.path} {flaw.message}" + (f"; {flaw.remedy}" if flaw.remedy else "") for flaw in error.flaws))
    except (LocalSystemError, ReisError) as error:
        _fail(str(error))
    except OperationalError as error:
        _fail(f"the database does not answer: {error.orig}; is DATABASE_URL right?")
    except ValidationError as error:
        _fail("\n".join(_setting(each["loc"], each["msg"]) for each in error.errors(include_input=False)))


def _setting(place: tuple[int | str, ...], message: str) -> str:
    return f"setting {'.'.join(map(str, place))}: {message.removeprefix('Value error, ')}"


def _fail(sentence: str) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(sentence, style="red", markup=False, highlight=False)
    sys.exit(1)
