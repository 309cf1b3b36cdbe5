"""The Security of a Kafka stream: how the engine and the brokers make sure of each other."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from engine.errors import DescriptorError
from engine.streams.part import Part
from engine.streams.words import canonical
from engine.transports.secrets import is_reference

FIELD = "Transport.Security"
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_MECHANISMS_NOT_BUILT = ("GSSAPI", "OAUTHBEARER")
_OF_SASL = ("mechanism", "username", "password")
_OF_TLS = ("ca_file", "certificate_file", "key_file", "key_password")


def _check_secret(value: Any, field: str) -> Any:
    if isinstance(value, str) and (not is_reference(value) or " " in value):
        raise DescriptorError(f"{FIELD}.{field}", "a descriptor holds no secrets; write secret://NAME or env://NAME")
    return value


_Path = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")] | None


class Security(Part):
    """Who the engine is to the brokers, and whom it trusts. The broker's certificate and its name are always checked.

    Without a Protocol it is ``SASL_SSL`` where there is a user, and ``SSL`` where there is none.
    """

    protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        BeforeValidator(lambda word: canonical(f"{FIELD}.Protocol", word, _PROTOCOLS)),
    ]
    mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None,
        BeforeValidator(
            lambda word: word and canonical(f"{FIELD}.Mechanism", word, _MECHANISMS, _MECHANISMS_NOT_BUILT),
        ),
    ] = None
    username: Annotated[str, Field(min_length=1)] | None = None
    password: Annotated[str | None, BeforeValidator(lambda text: _check_secret(text, "Password"))] = None
    ca_file: _Path = None
    certificate_file: _Path = None
    key_file: _Path = None
    key_password: Annotated[str | None, BeforeValidator(lambda text: _check_secret(text, "KeyPassword"))] = None

    @model_validator(mode="before")
    @classmethod
    def _choose_protocol(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("Protocol") is not None:
            return value
        has_user = any(value.get(name) is not None for name in ("Mechanism", "Username", "Password"))
        return value | {"Protocol": "SASL_SSL" if has_user else "SSL"}

    @model_validator(mode="after")
    def _check_they_go_together(self) -> Self:
        if self.is_sasl:
            self._require(_OF_SASL, f"{self.protocol} needs one")
        else:
            self._forbid(_OF_SASL, f"{self.protocol} has none: take SASL_SSL")
        if not self.is_tls:
            self._forbid(_OF_TLS, f"{self.protocol} has none: take SASL_SSL or SSL")
        if self.certificate_file is not None or self.key_password is not None:
            self._require(("key_file",), "missing beside CertificateFile or KeyPassword")
        if self.key_file is not None:
            self._require(("certificate_file",), "missing beside KeyFile")
        return self

    @property
    def is_sasl(self) -> bool:
        """Whether there is a user."""
        return self.protocol.startswith("SASL")

    @property
    def is_tls(self) -> bool:
        """Whether what is sent is encrypted."""
        return self.protocol.endswith("SSL")

    def _require(self, names: tuple[str, ...], reason: str) -> None:
        for name in names:
            if getattr(self, name) is None:
                raise DescriptorError(f"{FIELD}.{type(self).model_fields[name].alias}", reason)

    def _forbid(self, names: tuple[str, ...], reason: str) -> None:
        for name in names:
            if getattr(self, name) is not None:
                raise DescriptorError(f"{FIELD}.{type(self).model_fields[name].alias}", reason)
