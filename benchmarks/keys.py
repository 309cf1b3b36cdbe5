"""A state for each of very many keys: what it takes in memory, what a commit of it costs, and how soon it is back.

A real ``engine serve`` gets 30 prices for each of ``--keys`` symbols (10,000 unless told; a million takes minutes) and
keeps a window of them. Measured are the bytes a key takes in the jet, above a jet that has none; the time of a commit
by the number of keys that changed; and the time from ``kill -9`` to the first right score of the engine that is started
again.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import os
import random
import re
import shutil
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgpack

from benchmarks.durability import POLL_S, ask
from benchmarks.measuring import LOCAL, ROOT, machine, print_table, save, spread
from demo.server import Server

N_KEYS = 10_000
N_PRICES = 30
N_CHANGED = (1, 100, 10_000, 1_000_000)
N_COMMITS = 5  # of each number of changed keys
REQUEST_RECORDS = 10_000  # some 3 MiB
RECORDS_TYPE = "application/vnd.engine.records+msgpack"
WAIT_S = 1800.0
# A commit comes when nothing more waits, and not in the middle of a request: then it has all of its keys.
ENVIRON = {"ENGINE_COMMIT_INTERVAL": "10s", "ENGINE_INBOX": "512M", "ENGINE_OUTBOX": "512M"}


def prices_of(key: int) -> list[float]:
    """Return the first prices of a key."""
    rng = random.Random(key)
    return [round(rng.uniform(1, 100), 2) for _ in range(N_PRICES)]


def record_of(key: int, prices: Sequence[float]) -> bytes:
    """Return the record that gives a key prices."""
    return json.dumps({"symbol": f"S{key:07}", "prices": prices}).encode()


class Serving:
    """An engine with the script, and the same one after its end."""

    def __init__(self, folder: Path) -> None:
        library = folder / "library"
        for part in ("model_scripts", "schemas", "streams"):
            (library / part).mkdir(parents=True)
        shutil.copy(ROOT / "benchmarks" / "scripts" / "per_key.py", library / "model_scripts")
        self._n_sent = 0
        self._stack = contextlib.ExitStack()
        self._server = self._stack.enter_context(Server(folder, environ=ENVIRON))
        self.port = self._server.port
        ask(self.port, "PUT", "/engine/model", {"name": "per_key"})
        ask(self.port, "PUT", "/engine/streams/1", {"descriptor": "discard:"})
        source = {"Transport": "REST", "Encoding": "json", "Durable": "process"}
        ask(self.port, "PUT", "/engine/streams/0", {"descriptor": source})

    def close(self) -> None:
        """End it."""
        self._stack.close()

    def send(self, records: Iterator[bytes]) -> None:
        """Hand over records and wait until they are scored and committed."""
        for values in iter(lambda: list(_first(records, REQUEST_RECORDS)), []):
            while (status := self._post(values)) == http.client.SERVICE_UNAVAILABLE:
                time.sleep(POLL_S)  # the engine has said: try again
            if status != http.client.ACCEPTED:
                raise RuntimeError(f"POST /input/0: {status}")
            self._n_sent += len(values)
        self.wait()

    def _post(self, values: list[bytes]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            connection.request("POST", "/input/0", msgpack.packb(values), {"Content-Type": RECORDS_TYPE})
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def wait(self) -> None:
        """Wait until everything sent is committed: records count when they are."""
        deadline = time.monotonic() + WAIT_S
        while (n := ask(self.port, "GET", "/engine")["slots"][1]["n_records"]) < self._n_sent:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self._n_sent} records were sent, and {n} outputs committed")
            time.sleep(POLL_S)

    def jet_bytes(self) -> int:
        """Return the private memory of the jet."""
        pid = ask(self.port, "GET", "/engine")["jets"][0]["pid"]
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return 1024 * sum(int(kib) for kib in re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE))

    def commits(self) -> tuple[float, float]:
        """Return how many commits there were, and the seconds of all."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        name = "engine_commit_duration_seconds_"
        found = dict(re.findall(rf"^{name}(count|sum) (\S+)$", text, re.MULTILINE))
        return float(found["count"]), float(found["sum"])

    def score(self, key: int, price: float) -> float | None:
        """Return the score of one more price, or None when the engine does not score yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            connection.request("POST", "/score", record_of(key, [price]))
            response = connection.getresponse()
            said = response.read()
            return float(said) if response.status == http.client.OK else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def kill_and_score(self, key: int) -> float:
        """Kill it, start it again, and return the seconds from the kill to a right score."""
        price, before = 50.0, prices_of(key)
        expected = statistics.fmean([*before[1:], price])
        started_s = time.monotonic()
        os.kill(self._server.pid, signal.SIGKILL)
        self._server.stop()  # it has ended; this waits for it
        self._stack.enter_context(self._server)
        while (score := self.score(key, price)) is None:
            if time.monotonic() - started_s > WAIT_S:
                raise AssertionError("the engine that was started again does not score")
            time.sleep(POLL_S)
        if abs(score - expected) > 1e-9:
            raise AssertionError(f"after the restart {score} came, and {expected} is right")
        return time.monotonic() - started_s


def _first(records: Iterator[bytes], n: int) -> Iterator[bytes]:
    return itertools.islice(records, n)


def measure(n_keys: int) -> dict[str, Any]:
    """Return the figures of so many keys."""
    results: dict[str, Any] = {"benchmark": "keys", "machine": machine(), "n_keys": n_keys, "n_prices": N_PRICES}
    with tempfile.TemporaryDirectory(prefix="keys-") as folder:
        serving = Serving(Path(folder))
        try:
            serving.send(iter([record_of(0, prices_of(0))]))
            before = serving.jet_bytes()
            started_s = time.perf_counter()
            serving.send(record_of(key, prices_of(key)) for key in range(1, n_keys))
            results["load_s"] = round(time.perf_counter() - started_s, 2)
            results["bytes_per_key"] = round((serving.jet_bytes() - before) / (n_keys - 1), 1)
            results["commits"] = {str(n): _commit(serving, min(n, n_keys - 1)) for n in N_CHANGED if n <= n_keys}
            results["kill_to_score_s"] = round(serving.kill_and_score(n_keys - 1), 2)
        finally:
            serving.close()
    return results


def _commit(serving: Serving, n_changed: int) -> dict[str, Any]:
    """Change so many keys at a time; return what a commit of them takes, and how many keys one really had."""
    seconds, n_commits = [], 0.0
    for nth in range(N_COMMITS if n_changed < N_KEYS - 1 else 1):
        count, total = serving.commits()
        serving.send(record_of(key, [float(nth)]) for key in range(n_changed))  # the last key stays as it is
        after, total_after = serving.commits()
        n_commits += after - count
        seconds.append(1e3 * (total_after - total) / (after - count))
    return {"commit_ms": spread(seconds), "keys_per_commit": round(n_changed * len(seconds) / n_commits, 1)}


def show(results: dict[str, Any]) -> None:
    """Print the figures."""
    rows = [
        ("bytes a key in the jet", results["bytes_per_key"]),
        ("seconds to load all", results["load_s"]),
        ("seconds from kill -9 to the first right score", results["kill_to_score_s"]),
        *(
            (f"ms a commit of {figures['keys_per_commit']:,.0f} keys", figures["commit_ms"]["median"])
            for figures in results["commits"].values()
        ),
    ]
    print_table(f"State of {results['n_keys']:,} keys, {N_PRICES} prices each", ("what", "is"), rows)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write ``keys.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=N_KEYS)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of keys")
    parser.add_argument("--rounds", type=int, help="of other benchmarks; there is one load here")
    parser.add_argument("--out", type=Path, default=LOCAL, help="folder of the JSON file")
    options = parser.parse_args(arguments)
    results = measure(max(2, round(options.keys * options.scale)))
    show(results)
    save("keys", results, options.out)


if __name__ == "__main__":
    main()
