"""From the Kafka transport of a stream to the connection that it describes."""

from __future__ import annotations

from pathlib import Path

from engine.errors import DescriptorError
from engine.kafka.connection import Connection, Setting
from engine.streams.kafka import KafkaFields
from engine.streams.security import FIELD, Security
from engine.transports.secrets import resolve_secret


def connection_of(transport: KafkaFields, secrets: Path) -> Connection:
    """Return how the brokers of a stream are reached, with the secrets in their places.

    Streams whose connections are equal may be of one job.

    Parameters
    ----------
    transport : KafkaFields
        The descriptor's.
    secrets : Path
        The folder of secrets; see `engine.settings.Settings`.

    Raises
    ------
    ConfigError
        A secret, or a file, that the descriptor names is not there.
    """
    settings: dict[str, Setting] = {
        name: resolve_secret(setting, secrets) if isinstance(setting, str) else setting
        for name, setting in transport.config.items()
    }
    if transport.security is not None:
        settings |= _settings_of(transport.security, secrets)
    return Connection(transport.servers, settings)


def _settings_of(security: Security, secrets: Path) -> dict[str, Setting]:
    named = {
        "security.protocol": security.protocol.lower(),
        "sasl.mechanisms": security.mechanism,
        "sasl.username": security.username and resolve_secret(security.username, secrets),
        "sasl.password": security.password and resolve_secret(security.password, secrets),
        "ssl.ca.location": _found("CaFile", security.ca_file),
        "ssl.certificate.location": _found("CertificateFile", security.certificate_file),
        "ssl.key.location": _found("KeyFile", security.key_file),
        "ssl.key.password": security.key_password and resolve_secret(security.key_password, secrets),
    }
    return {name: setting for name, setting in named.items() if setting is not None}


def _found(field: str, file: str | None) -> str | None:
    """Return the path of a file, if it is one: librdkafka says of another only that something is wrong."""
    if file is not None and not Path(file).is_file():
        raise DescriptorError(f"{FIELD}.{field}", f"there is no file {file}")
    return file
