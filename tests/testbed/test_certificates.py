from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from testbed.certificates import Authority


def shake_hands(served: Path, trusted: Path) -> None:
    """Let a client that trusts one authority meet a server with this certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(served)
    client = ssl.create_default_context(cafile=str(trusted))
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except ssl.SSLError:
            theirs.close()

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        client.wrap_socket(ours, server_hostname="127.0.0.1").close()
    finally:
        ours.close()
        serving.join()


def test_a_server_is_known_to_who_trusts_its_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    shake_hands(authority.issue("server"), authority.certificate)


def test_a_server_of_one_authority_is_a_stranger_to_another(tmp_path: Path) -> None:
    served = Authority(tmp_path / "one").issue("server")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(served, Authority(tmp_path / "two").certificate)


def test_a_key_is_for_its_owner_alone_and_in_the_form_that_java_reads(tmp_path: Path) -> None:
    file = Authority(tmp_path).issue("server")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().startswith("-----BEGIN PRIVATE KEY-----")
