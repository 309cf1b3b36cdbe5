"""A server listens where it is told, or says in a sentence why it cannot."""

from __future__ import annotations

import socket

import pytest

from engine.errors import ConfigError, PolicyViolation
from engine.server.listening import is_local_only, listen, url_of
from engine.settings import Settings


def test_port_0_is_a_free_port() -> None:
    with listen(Settings(port=0)) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert url_of(listener) == f"http://127.0.0.1:{port}"
        assert is_local_only(listener)


def test_localhost_is_this_machine() -> None:
    with listen(Settings(host="localhost", port=0)) as listener:
        assert is_local_only(listener)


def test_a_port_in_use_is_named_with_the_option_to_choose_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"Port {port} of 127\.0\.0\.1 is in use.*--port"):
            listen(Settings(port=port))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
def test_another_host_is_refused_until_it_is_spelled_out(host: str) -> None:
    with pytest.raises(PolicyViolation, match="--no-auth"):
        listen(Settings(host=host, port=0))


def test_every_address_is_listened_on_when_it_is_spelled_out() -> None:
    with listen(Settings(host="0.0.0.0", port=0, is_auth_off=True)) as listener:
        assert not is_local_only(listener)
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1 is not an address of this machine.*--host"):
        listen(Settings(host="192.0.2.1", port=0, is_auth_off=True))


@pytest.mark.parametrize("host", ["", "no such host", "x" * 300])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="--host"):
        listen(Settings(host=host, port=0))
