"""Verdicts on the lines of a file."""

from engine.schema import Verdict, parse_schema, verify_records

TICK = parse_schema({"type": "record", "name": "tick", "fields": [{"name": "price", "type": "double"}]})


def test_every_line_gets_its_verdict():
    lines = [b'{"price": 1}\r\n', b"\n", '{"price": "x"}', b"nonsense", b"\xff"]
    assert list(verify_records(TICK, lines)) == [
        Verdict(1, '{"price": 1}', "ok"),
        Verdict(3, '{"price": "x"}', "fail", "Field 'price': double expected, got 'x' (str)."),
        Verdict(
            4, "nonsense", "json", "Not a valid json record: a value expected at character 0, got 'nonsense' (str)."
        ),
        Verdict(5, "\ufffd", "json", "Not a valid json record: it is not UTF-8 at byte 0."),
    ]


def test_a_line_that_is_nested_too_deeply_is_only_one_bad_line():
    verdicts = list(verify_records(TICK, ["[" * 100_000, '{"price": 1}']))
    assert [verdict.outcome for verdict in verdicts] == ["json", "ok"]
