"""Scripts whose predictions are batched give, record by record, what they give one after the other; on real prices.

The serial side is the script itself without an engine: a module for each symbol, called record by record by the test.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.metrics import LEAST_BATCH
from demo.data import read_packages, read_stocks
from demo.server import clean_environ
from engine.cli.job import Job, perform
from engine.registry import from_path
from engine.schema import parse_schema
from engine.settings import Settings
from engine.streams import parse_descriptor, resolve_stream

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
ARCHIVE = ROOT / "attachments" / "tf_sp500_lstm" / "attachment.tar.gz"
TOLERANCE = 1e-6
N_DAYS, N_STEPS, N_SYMBOLS = 40, 30, 20
TICK = parse_schema(
    {
        "type": "record",
        "name": "tick",
        "fields": [{"name": "symbol", "type": "string"}, {"name": "price", "type": "double"}],
    },
    "tick",
)

HEAD = """
# engine.schema.0: tick
# engine.schema.1: double
# engine.key.0: symbol
# engine.on_error: reject

import numpy as np

from engine import batched, inference, window

prices = window(30)


def begin():
    global lstm
    lstm = inference.load("lstm.onnx", threads=1)
    for _ in range(30):
        prices.append(0.0)


def predict():
    return float(lstm(prices.array()[None, :, None])[0, -1, 0])

"""

SCRIPTS = {
    "plain": """
def action(tick):
    prices.append(tick["price"])
    yield predict()
""",
    "returns": """
def action(tick):
    prices.append(tick["price"])
    return predict()
""",
    "feedback": """
def action(tick):
    prices.append(0.5 * tick["price"] + 0.5 * prices[-1])
    score = predict()
    prices.append(score)
    yield score
""",
    "feedback into a variable": """
last, n = 0.0, 0

def action(tick):
    global last, n
    prices.append(tick["price"] + 0.1 * last)
    n += 1
    last = predict()
    yield last + n
""",
    "changes after some predictions": """
n_high = 0

def action(tick):
    global n_high
    prices.append(tick["price"])
    score = predict()
    if score > 0.1:
        n_high += 1
    yield score + n_high
""",
    "several predictions": """
def action(tick):
    prices.append(tick["price"])
    first = predict()
    second = float(lstm(prices.array()[::-1][None, :, None])[0, -1, 0])
    yield first
    if second > first:
        yield float(lstm(prices.array()[None, :, None] * 0.5)[0, -1, 0])
    yield second
""",
    "as many rows as it likes": """
def action(tick):
    prices.append(tick["price"])
    n_rows = 1 + int(1000 * abs(tick["price"])) % 5
    rows = np.stack([prices.array() * (1 + row) for row in range(n_rows)])
    scores = lstm(rows[:, :, None])
    assert scores.shape == (n_rows, 30, 1)
    for score in scores[:, -1, 0]:
        yield float(score)
""",
    "reuses its array": """
buffer = np.zeros((1, 30, 1), np.float32)

def action(tick):
    prices.append(tick["price"])
    buffer[0, :, 0] = prices.array()
    scores = lstm(buffer)
    buffer[:] = np.nan
    scores *= 2
    yield float(scores[0, -1, 0])
""",
    "reuses an array that is no state": """
def fill(buffer=np.zeros((1, 30, 1), np.float32)):
    buffer[0, :, 0] = prices.array()
    return buffer

def action(tick):
    prices.append(tick["price"])
    yield float(lstm(fill())[0, -1, 0])
""",
    "batched, and reuses an array that is no state": """
@batched
def mean(windows):
    return windows.mean(axis=1)

def fill(buffer=np.zeros(30)):
    buffer[:] = prices.array()
    return buffer

def action(tick):
    prices.append(tick["price"])
    yield float(mean(fill()))
""",
    "catches wrong shapes": """
def action(tick):
    prices.append(tick["price"])
    length = 30 if tick["price"] > 0 else 29
    try:
        yield float(lstm(prices.array()[None, :length, None])[0, -1, 0])
    except Exception:
        yield -1000.0
""",
    "fails without catching": """
def action(tick):
    prices.append(tick["price"])
    score = predict()
    if tick["price"] < 0:
        raise ValueError(tick["price"])
    yield score
""",
    "fails before it predicts": """
def action(tick):
    prices.append(tick["price"])
    if tick["price"] < 0:
        raise ValueError(tick["price"])
    yield predict()
""",
    "yields between": """
def action(tick):
    yield tick["price"]
    prices.append(tick["price"])
    yield predict()
    prices.append(tick["price"] / 2)
    yield predict()
""",
    "sometimes nothing": """
def action(tick):
    prices.append(tick["price"])
    score = predict()
    if score > 0:
        yield score
""",
    "batched": """
@batched(max_size=64)
def score(windows, factors):
    return lstm(windows[:, :, None])[:, -1, 0] * factors

def action(tick):
    prices.append(tick["price"])
    yield float(score(prices.array(), tick["price"]))
""",
    "batched, of several shapes": """
@batched
def spread(windows):
    return windows.max(axis=1) - windows.min(axis=1)

def action(tick):
    prices.append(tick["price"])
    length = 5 + int(1000 * abs(tick["price"])) % 7
    yield float(spread(prices.array()[-length:]))
""",
    "batched, with errors that it catches": """
@batched(max_size=16)
def roots(values):
    if (values < 0).any():
        raise ValueError("negative")
    return np.sqrt(values)

def action(tick):
    prices.append(tick["price"])
    try:
        yield float(roots(tick["price"]))
    except ValueError:
        yield predict()
""",
    "batched, with errors that it does not catch": """
@batched(max_size=16)
def roots(values):
    if (values < 0).any():
        raise ValueError("negative")
    return np.sqrt(values)

def action(tick):
    prices.append(tick["price"])
    yield float(roots(tick["price"])) + predict()
""",
    "batched, with feedback": """
total = 0.0

@batched
def double(values):
    return values * 2

def action(tick):
    global total
    prices.append(tick["price"])
    total += float(double(tick["price"] + total)) / 4
    yield total
""",
    "two batched functions": """
@batched
def mean(windows):
    return windows.mean(axis=1)

@batched(max_size=3)
def last(windows):
    return lstm(windows[:, :, None])[:, -1, 0]

def action(tick):
    prices.append(tick["price"])
    yield float(mean(prices.array())) + float(last(prices.array()))
""",
}
CROSSED = ("plain", "feedback", "fails without catching", "batched, with errors that it does not catch")
"""Scripts that are tried with all records of one symbol, and without any."""


@dataclass
class Got:
    """What came out."""

    outputs: list[float]
    rejected: list[int]
    max_rows: int = 0
    """The most rows of one call of the model."""


@pytest.fixture(scope="module")
def stocks() -> list[dict[str, Any]]:
    """The last days of 20 stocks, day by day: each as its distance from its own mean, so that some are negative."""
    table = read_stocks(N_DAYS)
    table = (table - table.mean()) / table.std()
    return [
        {"symbol": str(symbol), "price": float(price)} for _, row in table.iterrows() for symbol, price in row.items()
    ]


@pytest.fixture(scope="module")
def index() -> list[dict[str, Any]]:
    """The S&P 500, less its trend: one symbol."""
    adjusted = read_packages().table["adjusted"]
    return [{"symbol": "SPX", "price": float(price)} for price in adjusted[-400:]]


def in_series(script: Path, ticks: Sequence[dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Got:
    with tarfile.open(ARCHIVE) as members:
        members.extractall(folder, filter="data")
    monkeypatch.chdir(folder)
    is_keyed = "engine.key.0" in script.read_text()
    modules: dict[str, dict[str, Any]] = {}
    outputs, rejected = [], []
    for number, tick in enumerate(ticks):
        key = tick["symbol"] if is_keyed else ""
        if key not in modules:
            modules[key] = runpy.run_path(str(script))
            modules[key]["begin"]()
        try:
            given = modules[key]["action"](tick)
            own = list(given) if isinstance(given, Iterator) else [] if given is None else [given]
        except Exception:
            rejected.append(number)
        else:
            outputs += own
    return Got(outputs, rejected)


def by_engine(script: Path, ticks: Sequence[dict[str, Any]], folder: Path) -> Got:
    source, target = folder / "in.jsons", folder / "out.jsons"
    source.write_text("".join(json.dumps(tick) + "\n" for tick in ticks))
    schemas = {"tick": TICK, "double": parse_schema("double", "double")}
    model = from_path(script, attachments=[ARCHIVE], schemas=schemas)
    streams = {
        slot: resolve_stream(
            path.name,
            parse_descriptor(
                {
                    "Transport": {"Type": "file", "Path": str(path)},
                    "Envelope": "delimited",
                    "Encoding": "json",
                    "Schema": {"$ref": schema},
                }
            ),
            schemas.__getitem__,
        )
        for slot, (path, schema) in enumerate(((source, "tick"), (target, "double")))
    }
    settings = Settings(state_dir=folder / "state", cache_dir=folder / "cache")
    done = perform(Job(settings, model, streams), on_console=lambda _line: None)
    assert done.error is None, done.error
    outputs = [json.loads(line) for line in target.read_text().splitlines()]
    # A summary has the first few rejects, in the order of the input; how many there were is counted.
    assert done.n_in == len(ticks)
    rejected = [reject.seq_no - 1 for reject in done.rejects]
    max_rows = max((one.max_rows for one in done.info.predictors), default=0)
    return Got(outputs, [*rejected, *[-1] * (done.n_rejected - len(rejected))], max_rows)


def compare(name: str, serial: Got, engine: Got) -> None:
    assert len(engine.outputs) == len(serial.outputs), name
    for nth, (mine, right) in enumerate(zip(engine.outputs, serial.outputs, strict=True)):
        assert abs(mine - right) <= TOLERANCE * max(1.0, abs(right)), (name, nth, mine, right)
    assert len(engine.rejected) == len(serial.rejected), name
    named = [number for number in engine.rejected if number >= 0]
    assert named == serial.rejected[: len(named)], name


def write(name: str, folder: Path, *, is_keyed: bool = True) -> Path:
    script = folder / "script.py"
    text = HEAD + SCRIPTS[name]
    script.write_text(text if is_keyed else text.replace("# engine.key.0: symbol\n", ""))
    return script


def run_both(
    script: Path, ticks: Sequence[dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Got, Got]:
    alone = folder / "alone"
    alone.mkdir()
    engine = by_engine(script, ticks, folder)
    return in_series(script, ticks, alone, monkeypatch), engine


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_record_of_twenty_symbols_has_its_serial_score(
    name: str, stocks: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serial, engine = run_both(write(name, tmp_path), stocks, tmp_path, monkeypatch)
    assert len(serial.outputs) >= N_DAYS * N_SYMBOLS / 4
    compare(name, serial, engine)


@pytest.mark.parametrize("name", ["plain", "several predictions", "catches wrong shapes", "sometimes nothing"])
def test_predictions_of_twenty_symbols_are_batched(name: str, stocks: list[dict[str, Any]], tmp_path: Path) -> None:
    engine = by_engine(write(name, tmp_path), stocks, tmp_path)
    assert engine.max_rows >= LEAST_BATCH  # the mean depends on what else the machine does


def test_predictions_of_one_symbol_are_batched(index: list[dict[str, Any]], tmp_path: Path) -> None:
    engine = by_engine(write("plain", tmp_path), index, tmp_path)
    assert engine.max_rows >= LEAST_BATCH  # the mean depends on what else the machine does


@pytest.mark.parametrize("is_keyed", [True, False])
@pytest.mark.parametrize("name", CROSSED)
def test_each_record_of_one_symbol_has_its_serial_score(
    name: str, is_keyed: bool, index: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = write(name, tmp_path, is_keyed=is_keyed)
    serial, engine = run_both(script, index, tmp_path, monkeypatch)
    compare(name, serial, engine)


def test_symbols_without_a_key_share_their_window_in_the_order_of_the_records(
    stocks: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serial, engine = run_both(write("feedback", tmp_path, is_keyed=False), stocks, tmp_path, monkeypatch)
    compare("feedback", serial, engine)


@pytest.mark.parametrize("place", [0, 1, 7, 14, 15, 16, 31])
def test_one_bad_record_fails_alone_wherever_in_a_batch_it_is(
    place: int, stocks: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = [{**tick, "price": abs(tick["price"])} for tick in stocks[:64]]
    ticks[place]["price"] = -1.0
    script = write("batched, with errors that it does not catch", tmp_path)
    serial, engine = run_both(script, ticks, tmp_path, monkeypatch)
    assert serial.rejected == [place]
    compare(f"place {place}", serial, engine)
    assert len(engine.outputs) == len(ticks) - 1


@pytest.mark.timeout(300)
def test_a_killed_engine_goes_on_with_the_scores_that_nobody_would_have_missed(
    stocks: list[dict[str, Any]], tmp_path: Path
) -> None:
    script, inputs, schema = write("several predictions", tmp_path), tmp_path / "in.jsons", tmp_path / "tick.avsc"
    inputs.write_text("".join(json.dumps(tick) + "\n" for tick in stocks * 4))
    schema.write_text(json.dumps(TICK.source))
    command = [sys.executable, "-m", "engine", "torture", script, inputs, "--kills", "3", "--seed", "5", "-o", "json"]
    command += ["--schema", f"tick={schema}", "--attachment", ARCHIVE]
    ran = subprocess.run(
        list(map(str, command)), cwd=tmp_path, env=clean_environ({}), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert (said["lost"], said["repeated"]) == (0, 0)
