"""Certificates of an authority that nobody knows but the test."""

from __future__ import annotations

from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


class Authority:
    """A certificate authority made for a test, and the files that servers and clients need of it.

    Two of them do not know each other: a client that trusts one refuses the servers of the other.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._authority = trustme.CA()
        self.certificate = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.certificate))

    def issue(self, name: str, *hosts: str) -> Path:
        """Return a file with a key and its certificate for these hosts, by default those of this machine."""
        issued = self._authority.issue_cert(*(hosts or ("localhost", "127.0.0.1")))
        # Java reads keys in the form PKCS 8 only, and trustme writes the older one.
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file = self._folder / f"{name}.pem"
        file.touch(mode=0o600)
        file.write_bytes(pem + b"".join(certificate.bytes() for certificate in issued.cert_chain_pems))
        return file
