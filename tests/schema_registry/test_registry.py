"""The client of schema registries, against a registry in the test's own process."""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import trustme

from engine.errors import ConfigError, RegistryRefused, RegistryUnreachable, SchemaUnknown
from engine.schema import parse_schema
from engine.schema_registry import Access, Registered, RegistryConnection, SchemaRegistry
from tests.stub_registry import StubRegistry

PRICE = {"type": "record", "name": "Price", "namespace": "shop", "fields": [{"name": "cents", "type": "long"}]}
ORDER = {"type": "record", "name": "Order", "fields": [{"name": "price", "type": "shop.Price"}]}


@pytest.fixture
def stub() -> Iterator[StubRegistry]:
    with StubRegistry() as stub:
        yield stub


@pytest.fixture
def client(stub: StubRegistry) -> Iterator[Callable[..., SchemaRegistry]]:
    with contextlib.ExitStack() as opened:

        def open_client(**fields: Any) -> SchemaRegistry:
            registry = SchemaRegistry(RegistryConnection(Access(**{"url": stub.url} | fields)))
            opened.callback(registry.close)
            return registry

        yield open_client


def refer(name: str, subject: str, version: int = 1) -> dict[str, object]:
    return {"name": name, "subject": subject, "version": version}


def test_a_schema_is_found_by_its_number_and_by_its_guid(stub, client):
    number = stub.add(PRICE)
    assert client().schema(number) == PRICE
    assert client().schema(UUID(int=number)) == PRICE


@pytest.mark.parametrize("key", [7, UUID(int=7)])
def test_a_schema_that_there_is_not_is_unknown_and_named(stub, client, key):
    with pytest.raises(SchemaUnknown, match="not found") as caught:
        client().schema(key)
    assert (caught.value.key, caught.value.url) == (str(key), stub.url)


def test_what_a_schema_refers_to_is_put_into_it_however_far_away(stub, client):
    stub.add("string", "name")
    stub.add(PRICE, "price", references=[refer("n", "name")])
    stub.add({"type": "array", "items": "shop.Price"}, "prices", references=[refer("p", "price")])
    number = stub.add(ORDER, references=[refer("a", "prices"), refer("p", "price")])
    schema = parse_schema(client().schema(number))
    assert schema == parse_schema({**ORDER, "fields": [{"name": "price", "type": PRICE}]})


def test_schemas_that_refer_to_each_other_in_a_circle_come_to_an_end(stub, client):
    stub.add(PRICE, "price", references=[refer("p", "price")])
    number = stub.add(ORDER, references=[refer("p", "price")])
    assert parse_schema(client().schema(number)).root.fields[0].type.name == "shop.Price"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"references": [refer("p", "gone", 2)]}, "version 2 of subject 'gone'"),
        ({"references": ["price"]}, "'price' is no reference"),
        ({"schemaType": "PROTOBUF"}, "of type PROTOBUF"),
        ({"schemaType": "JSON"}, "of type JSON"),
        ({"ruleSet": {"domainRules": [{"name": "encrypt PII"}]}}, "rules, .*encrypt PII"),
        ({"schema": "{"}, "no JSON"),
        ({"schema": None}, "without a schema"),
    ],
)
def test_a_schema_that_is_of_no_use_is_refused_by_name(stub, client, fields, reason):
    number = stub.add(ORDER, **fields)
    with pytest.raises(SchemaUnknown, match=reason):
        client().schema(number)


def test_rules_that_are_switched_off_or_only_about_migration_are_no_hindrance(stub, client):
    rules = {"domainRules": [{"name": "r", "disabled": True}], "migrationRules": [{"name": "m"}]}
    assert client().schema(stub.add("int", ruleSet=rules)) == "int"


def test_too_many_references_are_refused(stub, client):
    references = [refer("x", f"s{index}") for index in range(101)]
    for index in range(101):
        stub.add("int", f"s{index}")
    with pytest.raises(SchemaUnknown, match="more than 100"):
        client().schema(stub.add(ORDER, references=references))


def test_the_latest_version_of_a_subject_is_found_or_there_is_none(stub, client):
    stub.add("int", "s")
    number = stub.add("long", "s")
    assert client().latest("s") == Registered(number, "long")
    assert client().latest("other") is None


def test_a_subject_may_have_any_name(stub, client):
    client().latest("a/b c?")
    assert stub.requests == ["GET /subjects/a%2Fb%20c%3F/versions/latest"]


def test_a_schema_is_registered_once_and_found_again(stub, client):
    registry = client()
    assert registry.find("s", parse_schema("int")) is None
    number = registry.register("s", parse_schema("int"))
    assert registry.find("s", parse_schema("int")) == number == registry.register("s", parse_schema("int"))
    assert stub.schemas == [{"schema": '"int"'}]
    assert len([line for line in stub.requests if line.endswith("/versions")]) == 1


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (["READER_FIELD_MISSING: cents"], "READER_FIELD_MISSING: cents"),
        (None, "string expected, got int"),
        ([], "string expected, got int"),
    ],
)
def test_a_schema_that_its_subject_does_not_take_is_refused_with_both_named_and_never_sent(
    stub, client, messages, reason
):
    stub.add("int", "s")
    stub.refused, stub.messages = {"s"}, messages
    with pytest.raises(RegistryRefused, match=reason) as caught:
        client().register("s", parse_schema("string"))
    assert "'s'" in str(caught.value)
    assert "'string'" in str(caught.value)
    assert not [line for line in stub.requests if line.endswith("/versions")]


def test_a_subject_that_refuses_only_when_it_comes_to_it_is_heard_as_well(stub, client):
    stub.refused = {"s"}
    with pytest.raises(RegistryRefused, match=r"'s' does not take the schema 'int'.*is incompatible"):
        client().register("s", parse_schema("int"))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_goes_by_itself_may_be_asked_again(stub, client, status):
    stub.status, stub.body = status, b'{"error_code": 50001, "message": "Error in the backend."}'
    with pytest.raises(RegistryUnreachable, match=f"{status}: Error in the backend"):
        client().schema(1)


def test_nobody_at_the_address_may_be_there_later(client):
    with StubRegistry() as stub:
        url = stub.url
    with pytest.raises(RegistryUnreachable, match=url):
        client(url=url).schema(1)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, b'{"error_code": 40101, "message": "Unauthorized"}', "Unauthorized.*Username and Password"),
        (403, b"", "Username and Password"),
        (404, b"<html>no such page</html>", "no such page.*path of the Encoding's Url"),
        (302, b"", "302"),
        (200, b"<html>welcome</html>", "no JSON"),
        (422, b"", "422"),
    ],
)
def test_what_would_be_said_again_is_refused(stub, client, status, body, reason):
    stub.status, stub.body = status, body
    with pytest.raises(RegistryRefused, match=reason):
        client().schema(1)


def test_a_user_and_a_password_are_sent(stub, client):
    stub.user = "Basic YW5uYTpzZWNyZXQ="
    number = stub.add("int")
    assert client(username="anna", password="secret").schema(number) == "int"
    with pytest.raises(RegistryRefused, match="Unauthorized"):
        client(username="anna", password="wrong").schema(number)


def test_a_registry_is_trusted_by_the_certificates_that_are_named_and_by_no_others(tmp_path, client):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with StubRegistry(tls=context) as stub:
        number = stub.add("int")
        assert client(url=stub.url, ca_file=str(tmp_path / "ca.pem")).schema(number) == "int"
        with pytest.raises(RegistryUnreachable, match="certificate verify failed"):
            client(url=stub.url).schema(number)


def test_an_answer_without_a_number_is_refused(stub, client):
    stub.status, stub.body = 200, b'{"id": "one"}'
    with pytest.raises(RegistryRefused, match="no number"):
        client().find("s", parse_schema("int"))


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "registry"},
        {"url": "http://"},
        {"url": "ftp://host"},
        {"url": "http://host", "ca_file": "/nowhere/ca.pem"},
        {"url": "http://host", "ca_file": __file__},
    ],
)
def test_an_address_that_is_none_is_a_fault_of_the_descriptor(fields):
    with pytest.raises(ConfigError):
        RegistryConnection(Access(**fields))


def test_a_secret_address_is_called_by_its_reference(client):
    fields = {"url": "http://127.0.0.1:1/token-in-the-path", "name": "secret://registry", "password": "hunter2"}
    assert "token" not in repr(Access(**fields))
    assert "hunter2" not in repr(Access(**fields))
    with pytest.raises(RegistryUnreachable, match="secret://registry") as caught:
        client(**fields).schema(1)
    assert "token" not in str(caught.value)
