"""State: the values that scripts keep from one record to the next, and their packed form."""

from engine.state.copying import copied, entangled, is_same, rough_size_bytes
from engine.state.instances import loaded_class
from engine.state.values import FORMAT_VERSION, pack, unpack
from engine.state.window import Window
from engine.state.writer import LIMIT_BYTES

__all__ = [
    "FORMAT_VERSION",
    "LIMIT_BYTES",
    "Window",
    "copied",
    "entangled",
    "is_same",
    "loaded_class",
    "pack",
    "rough_size_bytes",
    "unpack",
]
