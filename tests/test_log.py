"""Events are one JSON object a line for machines, a line of text for people, and hold no secret."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from engine.log import configure, get_logger, mask


@pytest.fixture(autouse=True)
def _own_root_logger() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)


def test_an_event_is_one_json_object_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure(is_json=True)
    get_logger("runtime").info("state.changed", old="INIT", new="RUNNING")
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "state.changed", "logger": "runtime", "level": "info", "old": "INIT", "new": "RUNNING"}


def test_stderr_that_is_no_terminal_gets_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    get_logger("runtime").warning("reject")
    assert json.loads(capsys.readouterr().err)["event"] == "reject"


def test_a_person_gets_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure(is_json=False)
    get_logger("runtime").warning("reject", slot=0)
    line = capsys.readouterr().err
    assert "reject" in line
    assert "slot=0" in line
    assert not line.startswith("{")


def test_a_traceback_is_a_field_of_the_event(capsys: pytest.CaptureFixture[str]) -> None:
    configure(is_json=True)
    try:
        1 / 0  # noqa: B018 - only its error is wanted
    except ZeroDivisionError as exc:
        get_logger("server").error("request.failed", exc_info=exc)
    assert "ZeroDivisionError" in json.loads(capsys.readouterr().err)["exception"]


def test_the_log_of_a_library_takes_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure(is_json=True)
    logging.getLogger("some.library").warning("%s of %s", 1, 2)
    event = json.loads(capsys.readouterr().err)
    assert (event["event"], event["logger"], event["level"]) == ("1 of 2", "some.library", "warning")


def test_a_secret_prints_as_stars(capsys: pytest.CaptureFixture[str]) -> None:
    configure(is_json=True)
    descriptor = {"Transport": {"SASLPassword": "hunter2", "Topic": "t"}, "list": ["https://a:hunter2@b"]}
    get_logger("streams").info("attached", descriptor=descriptor, token="hunter2")
    line = capsys.readouterr().err
    assert "hunter2" not in line
    assert json.loads(line)["descriptor"]["Transport"] == {"SASLPassword": "***", "Topic": "t"}


@pytest.mark.parametrize("value", [0.0, None, True, b"x", "key", {"key": 1}])
def test_what_is_not_secret_is_left_as_it_is(value: object) -> None:
    assert mask(value, "value") == value


def test_importing_it_loads_no_structlog() -> None:
    code = "import sys, engine.log; engine.log.get_logger('x'); print('structlog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_without_configuration_events_go_to_the_logging_of_the_program(caplog: pytest.LogCaptureFixture) -> None:
    structlog.reset_defaults()
    get_logger("engine.runtime").warning("reject", slot=0, token="hunter2")
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("engine.runtime", "WARNING")
    assert "'slot': 0" in str(record.msg)
    assert "hunter2" not in str(record.msg)


def test_a_traceback_for_a_person_holds_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    configure(is_json=False)
    key = "hunter" + "2"
    try:
        int(key)
    except ValueError as exc:
        get_logger("engine.server").error("request.failed", exc_info=exc)
    text = capsys.readouterr().err
    assert "ValueError: invalid literal" in text
    assert "key = " not in text
