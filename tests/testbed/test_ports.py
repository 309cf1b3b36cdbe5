from __future__ import annotations

import socket
from pathlib import Path

from testbed.ports import _is_free, free_ports


def test_so_many_different_ports_are_given() -> None:
    assert len(set(free_ports(9))) == 9


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not _is_free(server.getsockname()[1])


def test_a_port_that_was_given_is_no_port_of_an_outgoing_connection() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(free_ports(50)) < lowest
