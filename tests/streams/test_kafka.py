from pathlib import Path

import pytest

from engine.errors import ConfigError, DescriptorError, NotBuilt
from engine.streams import connection_of, describe, parse_descriptor, resolve_stream

USER = {"Mechanism": "SCRAM-SHA-512", "Username": "me", "Password": "secret://password"}


def kafka(**fields):
    return parse_descriptor(
        {"Transport": {"Type": "Kafka", "BootstrapServers": ["one:9092", "two"], "Topic": "prices"} | fields}
    )


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"BootstrapServers": "broker"}, "Transport.BootstrapServers", 'a list of addresses such as ["broker:9092"]'),
        ({"BootstrapServers": []}, "Transport.BootstrapServers", "a list of addresses"),
        ({"BootstrapServers": ["http://broker"]}, "Transport.BootstrapServers", "such as broker:9092"),
        ({"BootstrapServers": ["a,b"]}, "Transport.BootstrapServers", "such as broker:9092"),
        ({"BootstrapServers": [9092]}, "Transport.BootstrapServers", "got 9092"),
        ({"Topic": ".."}, "Transport.Topic", "letters, digits"),
        ({"Topic": "a b"}, "Transport.Topic", "letters, digits"),
        ({"Topic": "t" * 250}, "Transport.Topic", "249 of them"),
        ({"Group": ""}, "Transport.Group", "not empty"),
        ({"Partition": -1}, "Transport.Partition", "at least 0"),
        ({"Partition": 1 << 31}, "Transport.Partition", "below"),
        ({"MaxWaitTime": 0}, "Transport.MaxWaitTime", "above 0"),
        ({"BootstrapServer": ["a"]}, "Transport.BootstrapServer", "Did you mean 'BootstrapServers'?"),
        ({"Config": {"enable.auto.commit": True}}, "Transport.Config.enable.auto.commit", "commits offsets with"),
        ({"Config": {"isolation.level": "x"}}, "Transport.Config.isolation.level", "only what was committed"),
        ({"Config": {"transactional.id": "x"}}, "Transport.Config.transactional.id", "shut out"),
        ({"Config": {"group.id": "x"}}, "Transport.Config.group.id", "Group says it"),
        ({"Config": {"bootstrap.servers": "x"}}, "Transport.Config.bootstrap.servers", "BootstrapServers says it"),
        ({"Config": {"sasl.password": "env://P"}}, "Transport.Config.sasl.password", "Security.Password says it"),
        (
            {"Config": {"enable.ssl.certificate.verification": False}},
            "Transport.Config.enable.ssl.certificate.verification",
            "always checked",
        ),
        (
            {"Config": {"ssl.endpoint.identification.algorithm": "none"}},
            "Transport.Config.ssl.endpoint.identification.algorithm",
            "always checked",
        ),
        ({"Config": {"ssl.keystore.password": "x"}}, "Transport.Config.ssl.keystore.password", "secret://NAME"),
        ({"Config": {"ssl.key.pem": "x"}}, "Transport.Config.ssl.key.pem", "secret://NAME"),
        ({"Config": {"error_cb": "x"}}, "Transport.Config.error_cb", "no setting of librdkafka"),
        ({"Config": {"linger.ms": [5]}}, "Transport.Config.linger.ms", "a number, true or false"),
        ({"Config": "x"}, "Transport.Config", "an object expected"),
        ({"Security": {"Protocol": "TLS"}}, "Transport.Security.Protocol", '"SASL_SSL" expected'),
        ({"Security": USER | {"Password": "hunter2"}}, "Transport.Security.Password", "holds no secrets"),
        ({"Security": USER | {"Password": "x secret://p"}}, "Transport.Security.Password", "holds no secrets"),
        ({"Security": {"Username": "me"}}, "Transport.Security.Mechanism", "SASL_SSL needs one"),
        ({"Security": USER | {"Password": None}}, "Transport.Security.Password", "SASL_SSL needs one"),
        ({"Security": USER | {"Protocol": "SSL"}}, "Transport.Security.Mechanism", "take SASL_SSL"),
        ({"Security": {"Protocol": "PLAINTEXT", "CaFile": "/ca"}}, "Transport.Security.CaFile", "SASL_SSL or SSL"),
        ({"Security": {"KeyFile": "/key"}}, "Transport.Security.CertificateFile", "beside KeyFile"),
        ({"Security": {"CertificateFile": "/c"}}, "Transport.Security.KeyFile", "beside CertificateFile"),
        ({"Security": USER | {"Mechnism": "x"}}, "Transport.Security.Mechnism", "Did you mean 'Mechanism'?"),
    ],
    ids=str,
)
def test_a_wrong_field_is_refused_with_its_path_and_the_fix(fields, field, words):
    with pytest.raises(DescriptorError) as caught:
        kafka(**fields)
    assert caught.value.field == field
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "feature"),
    [
        ({"Principal": "me@HOME"}, '"Principal"'),
        ({"Keytab": "secret://keytab"}, '"Keytab"'),
        ({"Security": USER | {"Mechanism": "gssapi"}}, '"GSSAPI"'),
        ({"Security": USER | {"Mechanism": "OAUTHBEARER"}}, '"OAUTHBEARER"'),
    ],
)
def test_kerberos_and_tokens_are_refused_by_name(fields, feature):
    with pytest.raises(NotBuilt, match=feature):
        kafka(**fields)


@pytest.mark.parametrize(
    ("security", "protocol"),
    [({}, "SSL"), (USER, "SASL_SSL"), (USER | {"Protocol": "sasl_plaintext"}, "SASL_PLAINTEXT")],
)
def test_what_is_said_of_security_is_encrypted_unless_the_protocol_says_otherwise(security, protocol):
    assert kafka(Security=security).transport.security.protocol == protocol


def test_a_connection_has_the_settings_of_the_descriptor_with_secrets_in_place(tmp_path, monkeypatch):
    (tmp_path / "password").write_text("hunter2\n")
    monkeypatch.setenv("KEY_PASSWORD", "hunter3")
    files = {f"{name}File": str(tmp_path / name) for name in ("Ca", "Certificate", "Key")}
    for file in files.values():
        Path(file).touch()
    descriptor = kafka(Config={"socket.timeout.ms": 500}, Security=USER | files | {"KeyPassword": "env://KEY_PASSWORD"})
    connection = connection_of(descriptor.transport, tmp_path)
    assert connection.servers == "one:9092,two"
    assert connection.settings == {
        "socket.timeout.ms": 500,
        "security.protocol": "sasl_ssl",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": "hunter2",
        "ssl.ca.location": files["CaFile"],
        "ssl.certificate.location": files["CertificateFile"],
        "ssl.key.location": files["KeyFile"],
        "ssl.key.password": "hunter3",
    }
    assert connection == connection_of(descriptor.transport, tmp_path)
    for shown in (repr(connection), str(describe(descriptor))):
        assert "hunter" not in shown


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DescriptorError, match=r"Transport.Security.CaFile: there is no file /ca\."):
        connection_of(kafka(Security={"CaFile": "/ca"}).transport, tmp_path)


def test_a_secret_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="secret://password"):
        connection_of(kafka(Security=USER).transport, tmp_path)


def test_reading_begins_at_the_end_unless_the_descriptor_says_otherwise():
    descriptor = kafka()
    assert (descriptor.first_record, describe(descriptor)["skip_to_record"]) == ("latest", "latest")
    fields = {"Transport": descriptor.transport.model_dump(by_alias=True), "SkipToRecord": 7}
    assert parse_descriptor(fields).first_record == 7


def test_a_topic_is_read_on_by_any_machine_and_kept_by_its_brokers():
    stream = resolve_stream("prices", kafka(), {}.__getitem__)
    assert stream.kafka is stream.descriptor.transport
    assert (stream.is_resumable, stream.is_synced, stream.path) == (True, False, None)
