from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import ConfigError, RegistryRefused, RegistryUnreachable
from engine.streams import parse_descriptor, reach
from engine.streams.encoding import RegistryEncoding
from engine.streams.registering import open_registry
from tests.stub_registry import StubRegistry

NOWHERE = Path("/nowhere")


@pytest.fixture
def stub() -> Iterator[StubRegistry]:
    with StubRegistry() as stub:
        yield stub


def descriptor(stub, **fields):
    return parse_descriptor({"Transport": "REST", "Encoding": {"Type": "avro-registry", "Url": stub.url} | fields})


def test_a_stream_is_verified_by_asking_its_registry(stub):
    assert reach(descriptor(stub), 0, NOWHERE) == f"The schema registry at {stub.url} answers."
    found = descriptor(stub, Subject="s")
    assert reach(found, 1, NOWHERE) == f"The schema registry at {stub.url} has no schema yet for subject 's'."
    stub.add("int", "s")
    assert reach(found, 1, NOWHERE) == f"The schema registry at {stub.url} has schema 1 for subject 's'."


@pytest.mark.parametrize(("status", "error"), [(503, RegistryUnreachable), (401, RegistryRefused)])
def test_what_is_wrong_with_a_registry_is_said_when_its_stream_is_verified(stub, status, error):
    stub.status = status
    with pytest.raises(error, match=stub.url):
        reach(descriptor(stub), None, NOWHERE)


def test_a_stream_that_connects_to_nobody_reaches_nothing():
    assert reach(parse_descriptor({"Transport": "REST", "Encoding": "json"}), 0, NOWHERE) is None


def test_secrets_are_put_in_their_places_and_named_by_their_references_where_they_are_not(stub, tmp_path, monkeypatch):
    (tmp_path / "where").write_text(f"{stub.url}\n")
    monkeypatch.setenv("PASSWORD", "secret")
    stub.user, number = "Basic YW5uYTpzZWNyZXQ=", stub.add("int")
    encoding = descriptor(stub, Url="secret://where", Username="anna", Password="env://PASSWORD").encoding
    assert isinstance(encoding, RegistryEncoding)
    registry = open_registry(encoding, tmp_path)
    assert registry.name == "secret://where"
    assert registry.schema(number) == "int"
    registry.close()
    with pytest.raises(ConfigError, match="secret://where"):
        open_registry(encoding, NOWHERE)
