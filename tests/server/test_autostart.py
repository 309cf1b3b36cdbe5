"""What a server is told to run by itself is read from its environment, or refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine.errors import AssetError, AssetNotFound, ConfigError, DescriptorError, EngineError
from engine.registry import Library
from engine.server.autostart import Autostart

KAFKA = {"Transport": {"Type": "Kafka", "BootstrapServers": ["old:9092"], "Topic": "prices"}, "Encoding": "json"}


def test_without_a_model_nothing_runs_by_itself() -> None:
    assert Autostart.from_env({"ENGINE_STREAM_0": "rest:", "ENGINE_MODEL": ""}) is None


def test_streams_without_a_model_are_refused() -> None:
    with pytest.raises(ConfigError, match="no model for them"):
        Autostart.from_env({}, streams={0: "rest:"})


def test_options_come_before_the_environment() -> None:
    environ = {"ENGINE_MODEL": "one", "ENGINE_STREAM_0": "a", "ENGINE_STREAM_1": "b", "ENGINE_STREAM_3": ""}
    assert Autostart.from_env(environ, model="two", streams={1: "c"}) == Autostart("two", {0: "a", 1: "c"})


def test_the_baked_variables_of_other_images_are_read_in_an_image() -> None:
    environ = {
        "MODEL": "/m/price.py",
        "SCHEMAS": "in:/s/in.avsc; out:/s/out.avsc",
        "STREAMS": "0:/t/in.json;1:/t/out.json",
        "ATTACHMENTS": "/a/one.zip;/a/two.tar.gz",
        "ENGINE_MODEL": "baked",
        "ENGINE_STREAM_0": "rest:",
    }
    assert Autostart.from_env(environ) == Autostart("baked", {0: "rest:"})
    assert Autostart.from_env({**environ, "ENGINE_IMAGE": "1"}) == Autostart(
        "/m/price.py",
        {0: "/t/in.json", 1: "/t/out.json"},
        {"in": Path("/s/in.avsc"), "out": Path("/s/out.avsc")},
        (Path("/a/one.zip"), Path("/a/two.tar.gz")),
    )


@pytest.mark.parametrize("streams", ["0", "0:", ":/p", "zero:/p", "-1:/p", "0=/p"])
def test_a_list_that_cannot_be_read_is_refused_by_name(streams: str) -> None:
    with pytest.raises((ConfigError, DescriptorError), match="STREAMS"):
        Autostart.from_env({"MODEL": "/m.py", "STREAMS": streams, "ENGINE_IMAGE": "1"})


def test_a_model_of_the_library_is_put_together_with_its_streams(library: Library) -> None:
    model, streams = Autostart("twice", {0: "rest", 1: "rest:"}).put_together(library)
    assert model.script.name == "twice"
    assert {slot: stream.transport for slot, stream in streams.items()} == {0: "REST", 1: "REST"}


def test_a_model_is_put_together_from_files_alone(library: Library, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    shutil.move(library.root / "model_scripts" / "twice.py", away / "twice.py")
    shutil.move(library.root / "schemas" / "double.avsc", away / "number.avsc")
    shutil.move(library.root / "streams" / "rest.json", away / "rest.json")
    start = Autostart(str(away / "twice.py"), {0: str(away / "rest.json")}, {"double": away / "number.avsc"})
    model, streams = start.put_together(Library(tmp_path / "empty"))
    assert model.schemas["double"].source == "double"
    assert streams[0].name == "rest"


@pytest.mark.parametrize(
    "text", ["kafka:old:9092/prices", "topic", "/files/topic.json"], ids=["literal", "library", "file"]
)
def test_brokers_take_the_place_of_those_of_every_kafka_stream(library: Library, tmp_path: Path, text: str) -> None:
    path = tmp_path / "streams" / "topic.json"
    path.write_text(json.dumps(KAFKA))
    text = str(path) if text.startswith("/") else text
    _, streams = Autostart("twice", {0: text, 1: "rest:"}, brokers=("new:1", "new:2")).put_together(library)
    assert streams[0].kafka is not None
    assert list(streams[0].kafka.bootstrap_servers) == ["new:1", "new:2"]
    assert streams[1].transport == "REST"


@pytest.mark.parametrize(
    ("start", "error", "said"),
    [
        (Autostart("twise"), AssetNotFound, "twice"),
        (Autostart("twice", {0: "resst"}), AssetNotFound, "rest"),
        (Autostart("twice", {0: "/no/such.json"}), AssetError, "/no/such.json"),
        (Autostart("twice", {0: "s3:bucket"}), EngineError, "s3"),
        (Autostart("twice", {1: "inline:1"}), EngineError, "(?i)inline"),
        (Autostart("twice", attachments=(Path("/a.zip"),)), ConfigError, "MODEL=/"),
        (Autostart("/no/such.py"), AssetNotFound, "/no/such.py"),
        (Autostart("twice", schemas={"double": Path("/no.avsc")}), AssetError, "/no.avsc"),
    ],
)
def test_what_is_not_there_or_cannot_be_is_named(
    library: Library, start: Autostart, error: type[EngineError], said: str
) -> None:
    with pytest.raises(error, match=said):
        start.put_together(library)
