"""Records are checked against a schema, line by line."""

from tests.server.conftest import Ask


def test_each_line_has_its_verdict(ask: Ask) -> None:
    response = ask("POST", "/schemas/double/verify", content=b'1.5\n"abc"\n{\n')
    verdicts = response.json()
    assert [(verdict["line_no"], verdict["outcome"]) for verdict in verdicts] == [(1, "ok"), (2, "fail"), (3, "json")]
    assert [verdict["text"] for verdict in verdicts] == ["1.5", '"abc"', "{"]
    assert all(verdict["reason"] for verdict in verdicts[1:])


def test_no_lines_have_no_verdicts(ask: Ask) -> None:
    assert ask("POST", "/schemas/double/verify").json() == []


def test_an_unknown_schema_is_404(ask: Ask) -> None:
    assert ask("POST", "/schemas/single/verify", content=b"1").status_code == 404
