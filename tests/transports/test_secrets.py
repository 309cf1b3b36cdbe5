import pytest

from engine.errors import ConfigError
from engine.transports.secrets import is_reference, resolve_secret


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("secret://token", True),
        ("env://TOKEN", True),
        ("Bearer secret://a.b-c_d", True),
        ("secret://", False),
        ("secret://../etc", False),
        ("secret://.hidden", False),
        ("secret://a/b", False),
        ("abc", False),
        ("Bearer abc", False),
        ("secret://a and more", False),
        ("", False),
    ],
)
def test_a_reference_is_known_by_its_form(text, is_one):
    assert is_reference(text) is is_one


def test_a_secret_comes_from_its_file_or_variable(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("abc\n")
    monkeypatch.setenv("TOKEN", "def")
    assert resolve_secret("Bearer secret://token", tmp_path) == "Bearer abc"
    assert resolve_secret("env://TOKEN", tmp_path) == "def"
    assert resolve_secret("as it is", tmp_path) == "as it is"


def test_a_secret_that_is_not_there_is_told_with_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(ConfigError, match=f"{tmp_path / 'token'} cannot be read: No such file.*ENGINE_SECRETS"):
        resolve_secret("secret://token", tmp_path)
    with pytest.raises(ConfigError, match="environment variable TOKEN is not set"):
        resolve_secret("env://TOKEN", tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb", b"\xff", b"a\0", "ä".encode()])
def test_a_secret_that_no_header_can_hold_is_refused_without_being_told(tmp_path, content):
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigError, match="secret://token"):
        resolve_secret("secret://token", tmp_path)
