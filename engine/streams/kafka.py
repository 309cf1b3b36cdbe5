"""The Kafka Transport of a descriptor: its brokers, its topic, who reads it, and how the brokers are reached."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from engine.errors import DescriptorError, NotBuilt
from engine.kafka.connection import OWNED
from engine.streams.part import Part
from engine.streams.security import Security
from engine.streams.words import WHERE, expected, shown
from engine.transports.secrets import is_reference

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")  # what brokers take
_SECRET_SETTING = re.compile(r"passw|secret|jaas|\.pem$|credential|(?<!access)\.token$", re.IGNORECASE)
_KERBEROS = ("Principal", "Keytab")
_LARGEST_PARTITION = 1 << 31  # the protocol's numbers are of 32 bits


def _check_servers(value: Any) -> Any:
    field = "Transport.BootstrapServers"
    if not isinstance(value, list) or not value:
        raise expected(field, 'a list of addresses such as ["broker:9092"]', value)
    for address in value:
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            raise expected(field, "addresses such as broker:9092", address)
    return value


def _check_topic(value: Any) -> Any:
    if not isinstance(value, str) or not _TOPIC.fullmatch(value) or value in (".", ".."):
        raise expected("Transport.Topic", "letters, digits, '.', '_' and '-', 249 of them at most,", value)
    return value


def _check_config(value: Any) -> Any:
    for name, setting in value.items() if isinstance(value, dict) else ():
        field = f"Transport.Config.{name}"
        if (reason := OWNED.get(name)) is not None:
            raise DescriptorError(field, f"it cannot be set here: {reason}")
        if name.endswith("_cb") or name == "logger":
            raise DescriptorError(field, f"{shown(name)} is no setting of librdkafka")
        if not isinstance(setting, str | int | float | bool):
            raise expected(field, "a text, a number, true or false", setting)
        if _SECRET_SETTING.search(name) and not is_reference(str(setting)):
            raise DescriptorError(field, "a descriptor holds no secrets; write secret://NAME or env://NAME")
    return value


class KafkaFields(Part):
    """What every stream over Kafka says."""

    bootstrap_servers: Annotated[list[str], BeforeValidator(_check_servers)]
    topic: Annotated[str, BeforeValidator(_check_topic)]
    group: Annotated[str, Field(min_length=1)] | None = None
    commit_offset: bool = True
    partition: Annotated[NonNegativeInt, Field(lt=_LARGEST_PARTITION)] | None = None
    max_wait_time_ms: PositiveInt | None = Field(default=None, alias="MaxWaitTime")
    security: Security | None = None
    config: Annotated[dict[str, str | int | float | bool], BeforeValidator(_check_config)] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _refuse_kerberos(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        for name in _KERBEROS:
            if value.get(name) is not None:
                raise NotBuilt(f'Transport "Kafka" with "{name}" (Kerberos)', WHERE)
        return {name: each for name, each in value.items() if name not in _KERBEROS}

    @property
    def servers(self) -> str:
        """The addresses, as librdkafka takes them."""
        return ",".join(self.bootstrap_servers)


class KafkaTransport(KafkaFields):
    """A topic: all partitions of it, or the one that is named."""

    type: Literal["Kafka"]

    is_seekable: ClassVar[bool] = True
    keeps_boundaries: ClassVar[bool] = True
    directions: ClassVar[tuple[str, ...]] = ("input", "output")


class KafkaOffsetTransport(KafkaFields):
    """Offsets that a model wants to have committed: let go, since the engine commits them with its outputs."""

    type: Literal["kafka-offset"]

    is_seekable: ClassVar[bool] = False
    keeps_boundaries: ClassVar[bool] = True
    directions: ClassVar[tuple[str, ...]] = ("output",)
