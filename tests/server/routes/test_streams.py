"""Descriptors are checked, and the first records behind them read."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import pytest

from tests.server.conftest import Ask


def sampled(response: httpx.Response) -> list[bytes]:
    return [base64.b64decode(record) for record in response.json()["records"]]


def test_a_descriptor_is_told_with_its_defaults(ask: Ask) -> None:
    reply = ask("POST", "/streams/rest/verify?slot=0").json()
    assert reply["descriptor"]["Transport"]["Type"] == "REST"
    assert isinstance(reply["notes"], list)


def test_an_unknown_field_is_400_with_the_nearest(ask: Ask) -> None:
    ask("PUT", "/streams/t", content=b'{"Transport": "REST", "Encodign": "json"}')
    response = ask("POST", "/streams/t/verify")
    assert response.status_code == 400
    assert (response.json()["field"], response.json()["near"]) == ("Encodign", "Encoding")


def test_a_transport_that_does_not_exist_yet_is_501(ask: Ask) -> None:
    ask("PUT", "/streams/t", content=b'{"Transport": {"Type": "TCP", "Host": "h"}}')
    assert ask("POST", "/streams/t/verify").status_code == 501


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.jsons"
    path.write_bytes(b"1\n2\n3\n")
    return path


def test_the_first_records_of_a_stored_stream_are_read(ask: Ask, prices: Path) -> None:
    descriptor = f'{{"Transport": {{"Type": "file", "Path": "{prices}"}}, "Envelope": "delimited", "Encoding": "json"}}'
    ask("PUT", "/streams/t", content=descriptor.encode())
    assert sampled(ask("GET", "/streams/t/sample?count=2")) == [b"1", b"2"]


def test_the_first_records_of_a_literal_are_read(ask: Ask, prices: Path) -> None:
    assert sampled(ask("POST", "/streams/sample", content=f"file:{prices}\n".encode())) == [b"1", b"2", b"3"]


def test_the_first_records_of_a_descriptor_are_read(ask: Ask) -> None:
    descriptor = b'{"Transport": {"Type": "inline", "Data": ["1", "2"]}, "Encoding": "json"}'
    assert sampled(ask("POST", "/streams/sample?count=1", content=descriptor)) == [b"1"]


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"nonsense"])
def test_what_is_no_descriptor_is_400(ask: Ask, body: bytes) -> None:
    assert ask("POST", "/streams/sample", content=body).status_code == 400
