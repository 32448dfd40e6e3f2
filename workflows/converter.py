"""Turns the definition's hash in a workflow's input into the definition: a codec fetches, a converter hands out.

Starters need none of this: to them the input is plain JSON (`contracts.journeys.EnrolmentInput`).
"""

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadCodec,
)

from contracts.journeys import EnrolmentInput
from workflows.definitions import Definitions, PinnedEnrolment

_MARK = b'"enrolment_id"', b'"journey"'


class DefinitionCodec(PayloadCodec):
    """Leaves every payload as it is; before workflow code sees an enrolment's input, its definition is here.

    When that fails the workflow task fails, and Temporal repeats it with a back-off.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        for payload in payloads:
            if (digest := definition_of(payload.data)) is not None:
                await self._definitions.ensure(digest)
        return list(payloads)


def definition_of(data: bytes) -> str | None:
    """The hash in an enrolment's input; None for all else, told by two searches without parsing."""
    if _MARK[0] not in data or _MARK[1] not in data:
        return None
    try:
        given = from_json(data)
    except ValueError:
        return None
    digest = given.get("journey") if isinstance(given, dict) and "enrolment_id" in given else None
    return digest if isinstance(digest, str) else None


class _Json(PydanticJSONPlainPayloadConverter):
    def __init__(self, definitions: Definitions) -> None:
        super().__init__()
        self._definitions = definitions

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:  # Temporal's signature
        if type_hint is PinnedEnrolment:
            return PinnedEnrolment.of(EnrolmentInput.model_validate_json(payload.data), self._definitions)
        return super().from_payload(payload, type_hint)


def data_converter(definitions: Definitions) -> DataConverter:
    """The worker's converter (and a replayer's); others use Temporal's plain pydantic one."""
    json = _Json(definitions)

    class Converter(CompositePayloadConverter):
        def __init__(self) -> None:
            standard = DefaultPayloadConverter.default_encoding_payload_converters
            super().__init__(*(json if isinstance(one, JSONPlainPayloadConverter) else one for one in standard))

    return DataConverter(payload_converter_class=Converter, payload_codec=DefinitionCodec(definitions))
