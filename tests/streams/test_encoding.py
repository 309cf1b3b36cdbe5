import pytest

from engine.errors import DescriptorError
from engine.schema import parse_schema
from engine.streams import describe, parse_descriptor, resolve_stream

KAFKA = {"Type": "Kafka", "BootstrapServers": ["broker"], "Topic": "prices"}
URL = "http://registry:8081"


def registry(**fields):
    return {"Transport": KAFKA, "Encoding": {"Type": "avro-registry", "Url": URL} | fields}


def stream(fields):
    return resolve_stream("s", parse_descriptor(fields), parse_schema)


def test_a_registry_is_asked_with_a_user_by_the_topic_and_registers_unless_the_descriptor_says_otherwise():
    plain = stream(registry()).registry
    assert plain is not None
    assert (plain.url, plain.subject, plain.username, plain.auto_register, plain.timeout_ms) == (
        URL, None, None, True, 10_000,
    )  # fmt: skip
    full = stream(
        registry(
            Subject="own", Username="anna", Password="env://PASSWORD", AutoRegister=False, Timeout=5, CaFile="/ca.pem"
        )
    ).registry
    assert full is not None
    assert (full.subject, full.username, full.password) == ("own", "anna", "env://PASSWORD")
    assert (full.auto_register, full.timeout_ms, full.ca_file) == (False, 5, "/ca.pem")


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        (registry(), "prices-value"),
        (registry(Subject="own"), "own"),
        (registry() | {"Transport": "REST"}, None),
        (registry(Subject="own") | {"Transport": "REST"}, "own"),
        ({"Transport": KAFKA, "Encoding": "json"}, None),
    ],
)
def test_the_subject_is_the_given_one_or_that_of_the_topic(fields, subject):
    assert stream(fields).subject == subject


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"Transport": KAFKA, "Encoding": "avro-registry"}, "Encoding.Url", "needs the address"),
        (registry(Url="registry:8081"), "Encoding.Url", "http://HOST/PATH"),
        (registry(Url="http://anna:secret@registry"), "Encoding.Url", "holds no secrets"),
        (registry(Password="env://P"), "Encoding.Username", "missing"),
        (registry(Username="anna"), "Encoding.Password", "missing"),
        (registry(Username="anna", Password="hunter2"), "Encoding.Password", "secret://NAME or env://NAME"),
        (registry(Subject=""), "Encoding.Subject", "not empty"),
        (registry(Timeout=0), "Encoding.Timeout", "above 0"),
        (registry(AutoRegister="yes"), "Encoding.AutoRegister", "true or false"),
        (registry(AutoRegsiter=True), "Encoding.AutoRegsiter", "no such field"),
        (registry(Unions="tagged"), "Encoding.Unions", "only the json encoding"),
        ({"Transport": KAFKA, "Encoding": 5}, "Encoding", "a name, an object or null"),
        ({"Transport": KAFKA, "Encoding": {"Type": "json", "Url": URL}}, "Encoding.Url", "no such field"),
    ],
)
def test_what_is_wrong_with_an_encoding_is_said_with_its_field(fields, field, sentence):
    with pytest.raises(DescriptorError) as caught:
        parse_descriptor(fields)
    assert caught.value.field == field
    assert sentence in str(caught.value)


def test_a_misspelt_field_of_the_registry_is_answered_with_the_right_one():
    with pytest.raises(DescriptorError, match="Did you mean 'AutoRegister'"):
        parse_descriptor(registry(AutoRegsiter=True))


def test_the_password_is_shown_as_the_reference_that_it_is_and_never_looked_up():
    shown = describe(parse_descriptor(registry(Username="anna", Password="secret://p")))["encoding"]
    assert shown["password"] == "secret://p"
    assert shown["url"] == URL


def test_a_descriptor_with_a_registry_can_be_written_and_read_again():
    descriptor = parse_descriptor(registry(Subject="own", Timeout=5))
    assert parse_descriptor(descriptor.model_dump(by_alias=True, exclude_unset=True)) == descriptor
