"""A cluster that asks who one is: TLS, passwords, and rights that have to be granted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from testbed.certificates import Authority

ADMIN = "admin"
_SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_MECHANISMS = ("PLAIN", *_SCRAM)
_MODULE = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class Security:
    """TLS with an authority of its own, users with passwords, and access control lists.

    Nobody but ``admin`` may do anything until it is granted.

    Parameters
    ----------
    authority
        Who signs the certificates of the brokers.
    passwords
        For each user; ``admin`` is one of them without being named.
    needs_certificate
        Whether a client must show a certificate of the authority, too.
    """

    authority: Authority
    passwords: Mapping[str, str] = field(default_factory=dict)
    needs_certificate: bool = False

    @property
    def _all_passwords(self) -> dict[str, str]:
        return {ADMIN: "admin-secret"} | dict(self.passwords)

    def broker_settings(self, listener: str) -> dict[str, str]:
        """Return the settings of a broker whose clients come in by this listener."""
        own = f"listener.name.{listener.lower()}"
        plain = " ".join(f'user_{user}="{password}"' for user, password in self._all_passwords.items())
        return (
            {
                "sasl.enabled.mechanisms": ",".join(_MECHANISMS),
                f"{own}.ssl.keystore.type": "PEM",
                f"{own}.ssl.keystore.location": str(self.authority.issue("broker")),
                f"{own}.plain.sasl.jaas.config": f"{_MODULE}.plain.PlainLoginModule required {plain};",
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                # The brokers talk among themselves without a name.
                "super.users": f"User:ANONYMOUS;User:{ADMIN}",
            }
            | {
                f"{own}.{mechanism.lower()}.sasl.jaas.config": f"{_MODULE}.scram.ScramLoginModule required;"
                for mechanism in _SCRAM
            }
            | (self._mutual(own) if self.needs_certificate else {})
        )

    def _mutual(self, own: str) -> dict[str, str]:
        return {
            f"{own}.ssl.client.auth": "required",
            f"{own}.ssl.truststore.type": "PEM",
            f"{own}.ssl.truststore.location": str(self.authority.certificate),
        }

    def format_options(self) -> list[str]:
        """Return the options of Kafka's storage tool that make the users: they have to be there at the first start."""
        return [
            option
            for user, password in self._all_passwords.items()
            for mechanism in _SCRAM
            for option in ("--add-scram", f"{mechanism}=[name={user},password={password}]")
        ]

    def client_settings(
        self,
        user: str = ADMIN,
        *,
        password: str | None = None,
        mechanism: str = "SCRAM-SHA-512",
        authority: Path | None = None,
    ) -> dict[str, str]:
        """Return what a client of librdkafka needs to be this user; another password or authority can be given."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": mechanism,
            "sasl.username": user,
            "sasl.password": self._all_passwords[user] if password is None else password,
            "ssl.ca.location": str(authority or self.authority.certificate),
        } | (self._shown() if self.needs_certificate else {})

    def _shown(self) -> dict[str, str]:
        file = str(self.authority.issue("client"))
        return {"ssl.certificate.location": file, "ssl.key.location": file}
