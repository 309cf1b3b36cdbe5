"""What the environment says reaches the settings, and what cannot be read is refused by name."""

from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.settings import VARIABLES, Settings, parse_cpus, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("100", 100),
        ("100B", 100),
        ("1k", 1024),
        ("1KiB", 1024),
        ("512M", 512 << 20),
        ("512 MB", 512 << 20),
        ("1.5G", 3 << 29),
        ("2TiB", 2 << 40),
    ],
)
def test_a_size_is_read_in_powers_of_1024(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "M", "-1", "1X", "1.0001K", "0.5", "1 2", "inf", "nan", "1e3"])
def test_what_is_not_a_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="such as 512M"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30.0), ("250ms", 0.25), ("1.5m", 90.0), ("2h", 7200.0), ("1d", 86400.0), ("7", 7.0), ("5 S", 5.0)],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 parsec", "inf", "9" * 400])
def test_what_is_not_a_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="such as 30s"):
        parse_duration(text)


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_env({"ENGINE_PORT": "", "PATH": "/bin"}) == Settings()


def test_every_variable_reaches_its_setting() -> None:
    environ = {
        "ENGINE_STATE": "s",
        "ENGINE_LIBRARY": "lib",
        "ENGINE_HOST": "::1",
        "ENGINE_PORT": "0",
        "ENGINE_NO_AUTH": "yes",
        "ENGINE_MEMORY": "1G",
        "ENGINE_CACHE": "c",
        "ENGINE_MAX_RECORD": "1M",
        "ENGINE_INBOX": "2M",
        "ENGINE_OUTBOX": "3M",
        "ENGINE_JETS": "4",
        "ENGINE_CPUS": "1.5",
        "ENGINE_THREADS": "3",
        "ENGINE_DEVICE": "GPU:0",
        "ENGINE_RESTARTS": "6",
        "ENGINE_RESTART_BACKOFF": "50ms",
        "ENGINE_RESTART_BACKOFF_MAX": "1s",
        "ENGINE_DRAIN_TIMEOUT": "5s",
        "ENGINE_COMMIT_INTERVAL": "10ms",
        "ENGINE_SECRETS": "hidden",
        "ENGINE_INSTANCE": "left",
        "ENGINE_WATCH": "1",
        "ENGINE_KILL_AT": "written:3",
        "ENGINE_LOG": "json",
        "ENGINE_LOG_LEVEL": "warning",
    }
    assert set(environ) == set(VARIABLES)
    assert Settings.from_env(environ) == Settings(
        state_dir=Path("s"),
        library=Path("lib"),
        host="::1",
        port=0,
        is_auth_off=True,
        memory_limit_bytes=1 << 30,
        cache_dir=Path("c"),
        max_record_bytes=1 << 20,
        inbox_bytes=2 << 20,
        outbox_bytes=3 << 20,
        n_jets=4,
        n_cpus=2,
        n_threads=3,
        device="gpu:0",
        n_restarts=6,
        restart_backoff_s=0.05,
        restart_backoff_max_s=1.0,
        drain_timeout_s=5.0,
        commit_interval_s=0.01,
        secrets_dir=Path("hidden"),
        instance="left",
        is_watched=True,
        kill_at="written:3",
        is_log_json=True,
        log_level="WARNING",
    )


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ENGINE_PORT", "http"),
        ("ENGINE_PORT", "٣"),
        ("ENGINE_MEMORY", "lots"),
        ("ENGINE_NO_AUTH", "perhaps"),
        ("ENGINE_LOG", "xml"),
        ("ENGINE_DRAIN_TIMEOUT", "soon"),
        ("ENGINE_CPUS", "0"),
        ("ENGINE_CPUS", "-1"),
        ("ENGINE_CPUS", "all"),
        ("ENGINE_CPUS", "1e3"),
        ("ENGINE_CPUS", "9" * 400),
        ("ENGINE_THREADS", "1.5"),
        ("ENGINE_DEVICE", "the fast one"),
        ("ENGINE_DEVICE", "gpu:"),
        ("ENGINE_DEVICE", "gpu:0,"),
        ("ENGINE_DEVICE", "gpu:0,auto"),
        ("ENGINE_DEVICE", "tpu"),
        ("ENGINE_DEVICE", "gpu:-1"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_by_the_name_of_its_variable(variable: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{variable}: "):
        Settings.from_env({variable: text})


@pytest.mark.parametrize(
    "environ", [{"ENGINE_PORT": "65536"}, {"ENGINE_JETS": "0"}, {"ENGINE_INBOX": "0"}, {"ENGINE_THREADS": "0"}]
)
def test_a_value_out_of_range_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        Settings.from_env(environ)


def test_the_port_that_kubernetes_puts_beside_a_service_is_not_ours() -> None:
    assert Settings.from_env({"ENGINE_PORT": "tcp://10.0.0.1:80"}).port == 8000


@pytest.mark.parametrize(("text", "n_cores"), [("1", 1), ("0.1", 1), ("1.5", 2), ("2.0", 2), (" 16 ", 16)])
def test_a_part_of_a_core_counts_as_one(text: str, n_cores: int) -> None:
    assert parse_cpus(text) == n_cores


def test_the_cache_follows_the_desktop_convention() -> None:
    assert Settings.from_env({"XDG_CACHE_HOME": "/c"}).cache_dir == Path("/c/scoring-engine")
