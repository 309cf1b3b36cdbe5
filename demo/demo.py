"""From nothing to scores of real prices, with real commands on a real server: ``make demo``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import pandas as pd

from demo.data import SPLIT, Prices, read_packages, write_lines
from demo.plots import draw_predictions
from demo.server import Server, ServerFailed, clean_environ

ROOT = Path(__file__).parent.parent
OUT = Path("demo/out")
MODEL = "tf_sp500_lstm"
SCRIPT = f"model_scripts/{MODEL}.py"
N_FIRST = 40  # enough for a window of 30 prices and a handful of scores
N_SHOWN_LINES = 12  # of what a command prints
INTERRUPTED = 130  # 128 + SIGINT, as shells count

SET_UP = f"""\
engine schema add double schemas/double.avsc
engine model add {MODEL} {SCRIPT}
engine attachment upload {MODEL} attachments/{MODEL}/attachment.tar.gz
engine stream add rest streams/rest.json
engine model load {MODEL}
engine stream attach rest 1
engine stream attach rest 0
"""


class CommandFailed(Exception):
    """A command of the demo did not do what it should."""


class Terminal:
    """Runs command lines where the person can see them.

    Parameters
    ----------
    server : str
        The URL of the server that the commands talk to.
    """

    def __init__(self, server: str) -> None:
        self._environ = clean_environ({"ENGINE_SERVER": server})

    def run(self, line: str) -> list[str]:
        """Show a command line and what it prints, shortened in the middle; return the lines of its standard output.

        Raises
        ------
        CommandFailed
            It did not exit with 0.
        """
        print(bold(f"$ {line}"), flush=True)
        started_s = time.monotonic()
        lines: list[str] = []
        half = N_SHOWN_LINES // 2
        with subprocess.Popen(
            ["sh", "-c", line], cwd=ROOT, env=self._environ, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for text in process.stdout:
                lines.append(text.rstrip("\n"))
                if len(lines) <= half:  # at once, so that it stands where it belongs among what goes to standard error
                    print(lines[-1], flush=True)
        if len(lines) > N_SHOWN_LINES:
            print(f"... {len(lines) - N_SHOWN_LINES} more ...")
        for text in lines[max(half, len(lines) - half) :]:
            print(text, flush=True)
        if process.returncode:
            raise CommandFailed(f"{line!r} ended with exit code {process.returncode}.")
        if (seconds := time.monotonic() - started_s) > 1:
            say(f"({seconds:.1f} s)")
        return lines


def bold(text: str) -> str:
    """Return the text for a terminal, bold where there is one."""
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


def say(text: str) -> None:
    """Tell the person something, between the commands."""
    print(f"\033[36m{text}\033[0m" if sys.stdout.isatty() else text, flush=True)


def play(server: Server, prices: Prices) -> pd.Series:
    """Run the commands; return each score by the last day that the model had seen.

    Raises
    ------
    CommandFailed
        A command failed, or its result is not what it has to be.
    """
    terminal = Terminal(server.url)
    file = OUT / "prices.jsons"
    say("\nA schema, the model with its weights, and a stream go into the server's library, which was empty.")
    for line in SET_UP.splitlines():
        terminal.run(line)
    say(f"\nThe first {N_FIRST} prices. The model looks at 30 days, so the 30th price brings the first score.")
    terminal.run(f"head -{N_FIRST} {file} | engine model input")
    first = terminal.run("engine model output")
    say("\nThe others.")
    terminal.run(f"tail -n +{N_FIRST + 1} {file} | engine model input")
    others = terminal.run("engine model output")
    terminal.run("engine inspect")

    served, alone = OUT / "scores.jsons", OUT / "alone.jsons"
    served.write_text("".join(f"{line}\n" for line in [*first, *others]), encoding="utf-8")
    say("\nThe same in one line, without a server; the scores are the same to the last bit.")
    terminal.run(f"engine run {SCRIPT} {file} {alone}")
    terminal.run(f"cmp {served} {alone}")
    alone.unlink()
    say("\nAnd a check of the script against those scores, as one would keep it beside the script.")
    terminal.run(f"engine test {SCRIPT} {file} {served}")

    scores = [float(line) for line in [*first, *others]]
    days = prices.table.index[len(prices.table) - len(scores) :]
    return pd.Series(scores, days)


def draw(prices: Prices, scores: pd.Series) -> Path:
    """Draw the prices of the test part and what was predicted for them; return the picture's path."""
    path = ROOT / OUT / "predicted.png"
    predicted = scores.shift(1)[prices.test.index]  # a score is about the next day
    title = f"S&P 500, predicted and observed, {predicted.index[0]:%B %Y} to {predicted.index[-1]:%B %Y}"
    seen = (prices.training.min(), prices.training.max())
    draw_predictions(path, title, prices.test, predicted, seen=seen)
    return path


def main() -> int:
    """Play the demo and stop everything it started; return the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    started_s = time.monotonic()
    (ROOT / OUT).mkdir(parents=True, exist_ok=True)
    for file in filter(Path.is_file, (ROOT / OUT).iterdir()):  # what `make demo-kafka` has left there stays
        file.unlink()
    prices = read_packages()
    write_lines(ROOT / OUT / "prices.jsons", prices.table["adjusted"])
    table = prices.table
    say(
        f"{len(table):,} closes of the S&P 500, {table.index[0]:%Y} to {table.index[-1]:%Y}, divided by the consumer\n"
        f"price index and less their trend, are in {OUT / 'prices.jsons'}, one a line."
    )
    with tempfile.TemporaryDirectory(prefix="engine-demo-") as folder:
        server = Server(Path(folder))
        print(bold(f"\n$ engine serve --library {server.library} --port {server.port} &"), flush=True)
        try:
            with server:
                scores = play(server, prices)
        except ServerFailed as exc:
            print(f"\nThe demo failed. {exc}", file=sys.stderr)
            return 1
        except CommandFailed as exc:
            print(f"\nThe demo failed. {exc}\nThe end of the server's log:\n{server.log_tail()}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nInterrupted; the server was stopped.", file=sys.stderr)
            return INTERRUPTED
    picture = draw(prices, scores)
    say(
        f"\n{len(scores):,} scores in {time.monotonic() - started_s:.0f} s; the server is stopped.\n"
        f"Predicted against observed: {picture.relative_to(ROOT)}."
        f" The model was trained on the days before {SPLIT:%B %Y}.\n\n"
        "What to try next:\n"
        "  . .venv/bin/activate                   the command `engine` is there then\n"
        "  engine init first && cd first          a folder with a model of your own to change\n"
        f"  engine run {SCRIPT} {OUT / 'prices.jsons'} -\n"
        "  engine serve --library .               then http://127.0.0.1:8000/docs, and the commands above\n"
        "  make train                             the model again, from the prices"
    )
    return 0


def _interrupt(*_signal: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
