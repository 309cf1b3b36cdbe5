import pytest
from structlog.testing import capture_logs

from engine.runtime import ConsoleLine
from engine.server.printed import CHARS_PER_SECOND, PrintedLog


def test_a_flood_is_cut_counted_and_over_with_the_second():
    now = 5.0
    printed = PrintedLog(lambda: now)
    with capture_logs() as events:
        for _ in range(20):
            printed(ConsoleLine(1, "stdout", "x" * (CHARS_PER_SECOND // 10)))
        now = 6.0
        printed(ConsoleLine(1, "stdout", "calm", 0, 7))
    assert [event["event"] for event in events] == ["model.printed"] * 10 + ["model.printed_too_much", "model.printed"]
    assert events[10]["n_lines_dropped"] == 10
    assert (events[11]["text"], events[11]["seq_no"]) == ("calm", 7)


@pytest.mark.parametrize("text", ["", "ü" * 100])
def test_every_line_of_a_calm_script_is_written(text):
    with capture_logs() as events:
        PrintedLog()(ConsoleLine(2, "stderr", text))
    assert [(event["jet"], event["stream"], event["text"]) for event in events] == [(2, "stderr", text)]
