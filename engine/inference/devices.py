"""What a file shall run on, as people write it: ``gpu:0``, or ``gpu:0,cpu`` where the CPU will do as well."""

from __future__ import annotations

import os
from dataclasses import dataclass

from engine.errors import ConfigError

DEVICE_VARIABLE = "ENGINE_DEVICE"
THREADS_VARIABLE = "ENGINE_THREADS"


@dataclass(frozen=True, slots=True)
class Device:
    """One device.

    Parameters
    ----------
    number : int, optional
        The GPU's; None for the CPU.
    """

    number: int | None = None

    @property
    def is_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.number is not None

    def __str__(self) -> str:
        return f"gpu:{self.number}" if self.is_gpu else "cpu"


CPU = Device()


def read_devices(text: str) -> tuple[Device, ...]:
    """Return devices in the order in which they are to be tried.

    ``auto`` is what the variable ENGINE_DEVICE says, or the CPU.

    >>> [str(device) for device in read_devices("gpu:1, cpu")]
    ['gpu:1', 'cpu']
    """
    where = ""
    if text == "auto":
        text = os.environ.get(DEVICE_VARIABLE) or "cpu"
        where = f"{DEVICE_VARIABLE}: "
    if text == "auto":
        return (CPU,)
    return tuple(_read_device(word.strip().lower(), where) for word in text.split(","))


def _read_device(word: str, where: str) -> Device:
    kind, colon, number = word.partition(":")
    if word == "cpu":
        return CPU
    if kind in ("gpu", "cuda") and ((number.isascii() and number.isdecimal()) or not colon):
        return Device(int(number or 0))
    raise ConfigError(f"{where}Device {word!r} is not known: auto, cpu or gpu:0, or several, as in gpu:0,cpu.")


@dataclass(frozen=True, slots=True)
class Threads:
    """How many threads share the work of one call.

    Parameters
    ----------
    count : int
        At least one.
    is_asked : bool
        The script says so itself; else it is what holds where nothing is said.
    """

    count: int = 1
    is_asked: bool = False


def read_threads(count: int | None) -> Threads:
    """Return the threads that were asked for, or else as many as ENGINE_THREADS says, or one."""
    threads = Threads(_default_count()) if count is None else Threads(count, is_asked=True)
    if threads.count < 1:
        raise ConfigError(f"{threads.count} threads cannot run a model: at least one is needed.")
    return threads


def _default_count() -> int:
    text = os.environ.get(THREADS_VARIABLE) or "1"
    if not (text.isascii() and text.isdecimal()):
        raise ConfigError(f"{THREADS_VARIABLE}: {text!r} is not a number of threads.")
    return int(text)
