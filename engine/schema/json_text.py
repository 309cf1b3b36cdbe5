"""JSON text to values and back: strict, and as fast as the C scanner and encoder of the standard library go.

``json.loads`` and ``json.dumps`` spend most of their time on finding the encoding and on building an encoder per call;
here both are made once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence as AbstractSequence
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]  # C parts, absent from the stubs
from typing import Any, NoReturn

from engine.errors import DecodeError, EncodeError
from engine.schema.mismatch import show
from engine.schema.scalars import plain

BLANKS = " \t\r\n"


class _NotInJson(ValueError):
    """NaN or an infinity in a JSON text."""


def _refuse_constant(word: str) -> NoReturn:
    raise _NotInJson(word)


def _parse_float(text: str) -> float:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise _NotInJson(text[:20])
    return value


def _new_scanner(**options: Any) -> Any:
    decoder: Any = json.JSONDecoder(parse_constant=_refuse_constant, **options)
    return decoder.scan_once


# Two scanners: C's own way with floats does not see that 1e999 is infinite. A schema's check refuses it later; without
# a schema the second scanner does.
scan_json = _new_scanner()
"""The C scanner itself: (text, start) -> (value, end); StopIteration where no value begins."""
_scan_finite = _new_scanner(parse_float=_parse_float)


def parse_json(raw: bytes | str, *, is_checked_later: bool = False) -> Any:
    """Return the value of one JSON text in UTF-8; of keys that come twice the last counts.

    Parameters
    ----------
    raw : bytes or str
        The text; blanks around it and a byte order mark are ignored.
    is_checked_later : bool
        Whether a schema's check follows that refuses infinite numbers (``1e999``); it saves the time of doing so here.

    Raises
    ------
    DecodeError
        Not UTF-8 or not JSON (with the offset); NaN or Infinity; half of a surrogate pair; nested too deeply.
    """
    scan = scan_json if is_checked_later else _scan_finite
    text = ""
    try:
        text = raw if isinstance(raw, str) else str(raw, "utf-8")
        try:
            value, end = scan(text, 0)
        except StopIteration:
            text = text.removeprefix("\ufeff").lstrip(BLANKS)
            value, end = scan(text, 0)
        if end != len(text) and text[end:].strip(BLANKS):
            raise DecodeError("json", f"something follows the value at character {end}: {show(text[end : end + 40])}")
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # only an escape can bring in half of a surrogate pair
    except StopIteration as exc:
        raise DecodeError("json", _no_value(text, exc.value)) from exc
    except UnicodeDecodeError as exc:
        raise DecodeError("json", f"it is not UTF-8 at byte {exc.start}") from exc
    except UnicodeEncodeError as exc:
        raise DecodeError("json", "a text holds half of a surrogate pair") from exc
    except json.JSONDecodeError as exc:
        fault = exc.msg.removesuffix(" at")  # as in "Unterminated string starting at"
        raise DecodeError("json", f"{fault} at character {exc.pos}") from exc
    except _NotInJson as exc:
        raise DecodeError("json", f"{exc} is not a number in JSON") from exc
    except RecursionError as exc:
        raise DecodeError("json", "it is nested too deeply") from exc
    except ValueError as exc:  # an int of more digits than sys.get_int_max_str_digits()
        raise DecodeError("json", "a number has too many digits") from exc
    return value


def _no_value(text: str, at: int) -> str:
    if not text.strip(BLANKS):
        return "it is empty"
    return f"a value expected at character {at}, got {show(text[at : at + 40])}"


def _unknown(value: Any) -> Any:
    """Return what stands in JSON for a value that the encoder does not know, such as a numpy scalar or array."""
    if hasattr(value, "tolist") and not isinstance(value, memoryview):
        return value.tolist()
    known = plain(value)
    if known is not value and not isinstance(known, bytes):
        return known
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, AbstractSequence) and not isinstance(value, bytes | bytearray | memoryview):
        return list(value)
    raise TypeError(f"JSON has no form for {show(value)}")


def _new_encoder() -> Any:
    if c_make_encoder is None:  # an interpreter without the C part
        plain_encoder = json.JSONEncoder(
            ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"), default=_unknown
        )
        return lambda value, _indent_level: [plain_encoder.encode(value)]
    # markers, default, encoder, indent, key_separator, item_separator, sort_keys, skipkeys, allow_nan. No markers: they
    # would stay behind after an error; a value that holds itself meets the recursion limit instead.
    return c_make_encoder(None, _unknown, encode_basestring, None, ":", ",", False, False, False)


_encode = _new_encoder()


def write_json(value: Any) -> bytes:
    """Return the value as compact JSON in UTF-8, floats as their shortest text that reads back the same.

    >>> write_json({"price": 0.1, "name": "Å"}).decode()
    '{"price":0.1,"name":"Å"}'

    Raises
    ------
    EncodeError
        NaN or an infinity, bytes or another value without a form in JSON, half of a surrogate pair, nested too deeply.
    """
    try:
        return "".join(_encode(value, 0)).encode()
    except UnicodeEncodeError as exc:
        raise EncodeError("json", "a text holds half of a surrogate pair") from exc
    except RecursionError as exc:
        raise EncodeError("json", "it is nested too deeply, or holds itself") from exc
    except (TypeError, ValueError) as exc:  # ValueError: NaN, an infinity, an int of too many digits
        raise EncodeError("json", str(exc)) from exc
