import pytest

from engine.errors import AssetInvalid
from engine.registry.names import MAX_NAME_BYTES, check_name, is_legal


@pytest.mark.parametrize("name", ["a", "A", "tf_sp500_lstm", "-", "1", "a.b-c", "préis", "株価", "x" * MAX_NAME_BYTES])
def test_a_word_in_any_script_is_a_name(name: str) -> None:
    check_name("model", name)
    assert is_legal(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "a/b", "/a", "../a", "a b", "a\n", "a\0", "a\\b", "a:b", "\ud800", "é\u200b", "a*"],
)
def test_a_name_that_could_lead_elsewhere_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(AssetInvalid, match="do not begin with"):
        check_name("model", name)
    assert not is_legal(name)


@pytest.mark.parametrize("name", ["x" * (MAX_NAME_BYTES + 1), "価" * 67])
def test_a_name_too_long_for_a_file_is_refused_with_the_limit(name: str) -> None:
    with pytest.raises(AssetInvalid, match="200 bytes"):
        check_name("schema", name)
    assert not is_legal(name)
