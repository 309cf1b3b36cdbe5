"""What the engine is told from outside: paths, ports and limits, read once and passed on.

Every setting is an environment variable here and an option of the command line there; nothing else in the engine reads
the environment.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from engine.errors import ConfigError

MIB = 1024 * 1024

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]?)(?:I?B)?", re.IGNORECASE)
_SIZE_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d|)", re.IGNORECASE)
_DURATION_SECONDS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_LOG_FORMATS = {"json": True, "text": False, "auto": None}
_DEVICE = r"(cpu|(gpu|cuda)(:[0-9]{1,3})?)"
_DEVICES = re.compile(rf"auto|{_DEVICE}(,{_DEVICE})*")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_LARGEST_PORT = 65535


def parse_size(text: str) -> int:
    """Return a number of bytes; ``K M G T`` are powers of 1024, with or without ``B`` or ``iB``.

    Raises
    ------
    ConfigError
        Not a size, or not a whole number of bytes.

    Examples
    --------
    >>> parse_size("512M"), parse_size("1.5 KiB"), parse_size("100")
    (536870912, 1536, 100)
    """
    match = _SIZE.fullmatch(text.strip())
    n_bytes = float(match["number"]) * 1024 ** _SIZE_POWERS[match["unit"].upper()] if match else math.nan
    if not n_bytes.is_integer():
        raise ConfigError(f"{text!r} is not a size. Write a number and K, M, G or T, such as 512M.")
    return int(n_bytes)


def parse_duration(text: str) -> float:
    """Return a time span in seconds; units ``ms s m h d``, none means seconds.

    Raises
    ------
    ConfigError
        Not a time span.

    Examples
    --------
    >>> parse_duration("30s"), parse_duration("1.5m"), parse_duration("250 ms")
    (30.0, 90.0, 0.25)
    """
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match["number"]) * _DURATION_SECONDS[match["unit"].lower()] if match else math.inf
    if not math.isfinite(seconds):
        raise ConfigError(f"{text!r} is not a time span. Write a number and ms, s, m, h or d, such as 30s.")
    return seconds


def _parse_switch(text: str) -> bool:
    if (value := _SWITCH.get(text.strip().lower())) is None:
        raise ConfigError(f"{text!r} is neither yes nor no. Write 1 or 0.")
    return value


def _parse_count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text.strip()):
        raise ConfigError(f"{text!r} is not a whole number.")
    return int(text)


def parse_cpus(text: str) -> int:
    """Return a number of cores; a fraction, such as containers are given, is rounded up.

    Raises
    ------
    ConfigError
        Not a number above 0.

    Examples
    --------
    >>> parse_cpus("2"), parse_cpus("1.5"), parse_cpus("0.1")
    (2, 2, 1)
    """
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,9})?", text.strip()) or float(text) == 0:
        raise ConfigError(f"{text!r} is not a number of cores. Write one above 0, such as 2 or 1.5.")
    return math.ceil(float(text))


def parse_device(text: str) -> str:
    """Return where predictors are to run, in the order in which devices are tried; whether they are there, jets see.

    Raises
    ------
    ConfigError
        Not a device.

    Examples
    --------
    >>> parse_device("GPU:1, cpu")
    'gpu:1,cpu'
    """
    device = re.sub(r"\s*,\s*", ",", text.strip()).lower()
    if not _DEVICES.fullmatch(device):
        raise ConfigError(f"{text!r} is not a device. Write auto, cpu or gpu:0, or gpu:0,cpu where the CPU will do.")
    return device


def _parse_log_format(text: str) -> bool | None:
    if (word := text.strip().lower()) not in _LOG_FORMATS:
        raise ConfigError(f"{text!r} is not a log format. Write json, text or auto.")
    return _LOG_FORMATS[word]


def _parse_log_level(text: str) -> str:
    if (word := text.strip().upper()) not in _LOG_LEVELS:
        raise ConfigError(f"{text!r} is not a log level. Write debug, info, warning or error.")
    return word


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of an engine, with the values it has when nobody says anything.

    Parameters
    ----------
    state_dir : Path
        Where the engine keeps what must survive it.
    library : Path, optional
        The folder of models, schemas, streams and attachments; None for one in `state_dir`.
    host, port
        Where the server listens; port 0 takes a free one.
    is_auth_off : bool
        Whoever reaches the port may do everything. Needed for any host but this machine.
    memory_limit_bytes : int, optional
        What one jet may allocate; None for no limit.
    cache_dir : Path
        Environments that are built for models.
    max_record_bytes : int
        A longer record is rejected.
    inbox_bytes, outbox_bytes : int
        What REST inputs and outputs hold, a slot each, before senders are told to wait and the model is held up.
    n_jets : int
        Copies of a model that are started when it is loaded.
    n_cpus : int, optional
        The cores that engine and jets share; None for those that the process may use.
    n_threads : int, optional
        What each predictor of a jet gets; None for its part of the cores.
    device : str
        Where predictors run whose script does not say; empty leaves it to them.
    n_restarts : int
        A jet that ends more often than this with no record scored in between is not started again, and the engine
        goes to ERROR.
    restart_backoff_s, restart_backoff_max_s : float
        The pause before the first restart, and the longest; it doubles in between.
    drain_timeout_s : float
        How long a stop may take to finish what was accepted.
    commit_interval_s : float
        How often is committed what was scored, while there is more to score.
    secrets_dir : Path
        Where the files are that descriptors name as ``secret://NAME``.
    instance : str
        What tells this engine from others of its consumer group, also after a restart; empty for the id of its job.
    is_watched : bool
        That a script changes variables which are not taken as its state is an error, when its inputs end; for tests.
    kill_at : str
        Where the engine kills itself, for tests of what that loses; see `engine.runtime.steps.Killer`.
    is_log_json : bool, optional
        The form of the log; None for JSON unless a person is watching.
    log_level : str
        Events below it are left out of a server's log: ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``.
    """

    state_dir: Path = Path(".engine")
    library: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    is_auth_off: bool = False
    memory_limit_bytes: int | None = None
    cache_dir: Path = field(default_factory=lambda: Path.home() / ".cache" / "scoring-engine")
    max_record_bytes: int = 16 * MIB
    inbox_bytes: int = 64 * MIB  # four of the longest records
    outbox_bytes: int = 64 * MIB
    n_jets: int = 1
    n_cpus: int | None = None
    n_threads: int | None = None
    device: str = ""
    n_restarts: int = 5  # a flaky library recovers within this; a model that cannot start is told apart in seconds
    restart_backoff_s: float = 0.1
    restart_backoff_max_s: float = 5.0
    drain_timeout_s: float = 30.0  # what Kubernetes grants between SIGTERM and SIGKILL
    commit_interval_s: float = 0.1  # 3 to 5 ms each: at a tenth of this a fifth of the throughput is gone
    secrets_dir: Path = Path("/run/secrets")  # where Docker and Kubernetes put them
    instance: str = ""
    is_watched: bool = False
    kill_at: str = ""
    is_log_json: bool | None = None
    log_level: str = "INFO"

    def __post_init__(self) -> None:
        if not 0 <= self.port <= _LARGEST_PORT:
            raise ConfigError(f"Port {self.port} does not exist. Take one from 0 (any free one) to {_LARGEST_PORT}.")
        for name in ("n_jets", "max_record_bytes", "inbox_bytes", "outbox_bytes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}.")
        for name in ("n_cpus", "n_threads"):
            if getattr(self, name) == 0:
                raise ConfigError(f"{name} must be at least 1, not 0.")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings that the ``ENGINE_*`` variables of `environ` give; an empty one counts as not set.

        Raises
        ------
        ConfigError
            A value cannot be read; the sentence names the variable.
        """
        given: dict[str, Any] = {}
        if cache_home := environ.get("XDG_CACHE_HOME"):
            given["cache_dir"] = Path(cache_home) / "scoring-engine"
        for variable, (name, parse) in VARIABLES.items():
            text = environ.get(variable, "")
            # Kubernetes sets ENGINE_PORT=tcp://ADDRESS:PORT in every container beside a service called "engine".
            if not text or (variable == "ENGINE_PORT" and text.startswith("tcp://")):
                continue
            try:
                given[name] = parse(text)
            except ConfigError as exc:
                raise ConfigError(f"{variable}: {exc}") from exc
        return replace(cls(), **given)


VARIABLES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "ENGINE_STATE": ("state_dir", Path),
    "ENGINE_LIBRARY": ("library", Path),
    "ENGINE_HOST": ("host", str),
    "ENGINE_PORT": ("port", _parse_count),
    "ENGINE_NO_AUTH": ("is_auth_off", _parse_switch),
    "ENGINE_MEMORY": ("memory_limit_bytes", parse_size),
    "ENGINE_CACHE": ("cache_dir", Path),
    "ENGINE_MAX_RECORD": ("max_record_bytes", parse_size),
    "ENGINE_INBOX": ("inbox_bytes", parse_size),
    "ENGINE_OUTBOX": ("outbox_bytes", parse_size),
    "ENGINE_JETS": ("n_jets", _parse_count),
    "ENGINE_CPUS": ("n_cpus", parse_cpus),
    "ENGINE_THREADS": ("n_threads", _parse_count),
    "ENGINE_DEVICE": ("device", parse_device),
    "ENGINE_RESTARTS": ("n_restarts", _parse_count),
    "ENGINE_RESTART_BACKOFF": ("restart_backoff_s", parse_duration),
    "ENGINE_RESTART_BACKOFF_MAX": ("restart_backoff_max_s", parse_duration),
    "ENGINE_DRAIN_TIMEOUT": ("drain_timeout_s", parse_duration),
    "ENGINE_COMMIT_INTERVAL": ("commit_interval_s", parse_duration),
    "ENGINE_SECRETS": ("secrets_dir", Path),
    "ENGINE_INSTANCE": ("instance", str),
    "ENGINE_WATCH": ("is_watched", _parse_switch),
    "ENGINE_KILL_AT": ("kill_at", str),
    "ENGINE_LOG": ("is_log_json", _parse_log_format),
    "ENGINE_LOG_LEVEL": ("log_level", _parse_log_level),
}
"""Each variable's setting, and how its text is read."""
