"""Connecting to Temporal as the settings say."""

from __future__ import annotations

import ipaddress

from temporalio.client import Client, GrpcCompression
from temporalio.converter import DataConverter

from infra.settings import Settings


async def connect(settings: Settings, data_converter: DataConverter, *, lazy: bool = False) -> Client:
    """A client; a `lazy` one connects at its first call. Raises RuntimeError when Temporal cannot be reached.

    An API key turns TLS on; calls on this machine are not compressed, which costs more than it saves there.
    """
    key = settings.temporal_api_key
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        api_key=key.get_secret_value() if key is not None else None,
        tls=key is not None,
        data_converter=data_converter,
        grpc_compression=GrpcCompression.NONE if _is_loopback(settings.temporal_address) else GrpcCompression.GZIP,
        lazy=lazy,
    )


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
