"""In an image a server settles by itself whom it listens to and where its state goes, and says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import NotBuilt
from engine.server.container import settle
from engine.settings import Settings

IMAGE = {"ENGINE_IMAGE": "1"}


@pytest.fixture
def said() -> list[str]:
    return []


def test_outside_of_an_image_nothing_changes(said: list[str]) -> None:
    settings = Settings(state_dir=Path("/dev/null/none"), is_auth_off=True)
    assert settle(settings, {}, said.append) == settings
    assert said == []


def test_others_are_listened_to_where_that_was_spelled_out(tmp_path: Path, said: list[str]) -> None:
    settings = Settings(state_dir=tmp_path, is_auth_off=True)
    assert settle(settings, IMAGE, said.append).host == "0.0.0.0"
    assert "Whoever reaches this container" in said[0]


def test_without_a_word_only_the_container_itself_is_listened_to(tmp_path: Path, said: list[str]) -> None:
    assert settle(Settings(state_dir=tmp_path), IMAGE, said.append).host == "127.0.0.1"
    assert "ENGINE_NO_AUTH=1" in said[0]


def test_a_host_that_was_given_stays(tmp_path: Path, said: list[str]) -> None:
    settings = Settings(state_dir=tmp_path, is_auth_off=True)
    environ = {**IMAGE, "ENGINE_HOST": "127.0.0.1"}
    assert settle(settings, environ, said.append) == settings
    assert said == []


def test_a_token_is_refused_by_name(tmp_path: Path, said: list[str]) -> None:
    with pytest.raises(NotBuilt, match="ENGINE_TOKEN_FILE"):
        settle(Settings(state_dir=tmp_path), {"ENGINE_TOKEN_FILE": "/run/secrets/token"}, said.append)


def test_a_state_folder_that_cannot_be_written_is_replaced_and_what_is_lost_is_said(
    tmp_path: Path, said: list[str]
) -> None:
    settings = Settings(state_dir=Path("/dev/null/state"), cache_dir=Path("/dev/null/cache"), host="127.0.0.2")
    settled = settle(settings, IMAGE, said.append)
    assert settled.state_dir.is_dir()
    assert settled.cache_dir.is_relative_to(settled.state_dir)
    assert settled.library == settings.state_dir / "library"
    assert said[0].startswith("/dev/null/state is not writable")
    assert "the model begins anew" in said[0]
    assert settle(replace(settings, state_dir=tmp_path), IMAGE, said.append).state_dir == tmp_path
