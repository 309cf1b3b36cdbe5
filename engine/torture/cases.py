"""The cases: for each a script, an input, the streams between, and how its outputs are judged."""

from __future__ import annotations

import json
import random
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.torture.kills import JOB_STEP
from engine.torture.stages import FileStage, HttpStage, RestStage, Stage, TortureFailed
from engine.torture.verdicts import Verdict, compare, count, follow

SCRIPTS = Path(__file__).parent / "scripts"
SYMBOLS = ("ADA", "BOB", "CYD", "DEE", "EVE", "FAY", "GUS")
COMMIT_STEPS = ("cut", "state", "written", "synced", "fence-open", "fence-closed", "published")
JOURNAL_STEPS = ("journal-open", "journal-closed")
WATERMARK = 100  # records in a batch: some 50 ms of work of the built-in scripts, so that a kill finds several

PAUSE_S = 0.0004
"""What a built-in script takes for a record: kills then find it at work, not only at its start and end."""

FILE, REST, HTTP = "file", "rest", "http"


def ticks(n: int, seed: int, pause_s: float = PAUSE_S) -> list[bytes]:
    """Return records with an id that counts from 0, a symbol, a value, and how long the script pauses for it."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    return [
        json.dumps(
            {"id": nth, "symbol": rng.choice(SYMBOLS), "value": rng.randrange(1_000_000), "pause_s": pause_s}
        ).encode()
        for nth in range(n)
    ]


@dataclass(frozen=True, slots=True)
class Case:
    """What is done to an engine, with the built-in scripts or somebody's own.

    Parameters
    ----------
    name : str
        What it is called on the command line.
    way : str
        `FILE`, `REST` or `HTTP`: where outputs go.
    script : str
        The built-in script.
    durable : str
        What a REST input promises.
    slots : tuple of int
        The inputs.
    is_followed : bool
        The outputs of two runs differ; each says what it follows.
    """

    name: str
    way: str
    script: str
    durable: str = "disk"
    slots: tuple[int, ...] = (0,)
    is_followed: bool = False

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that its engines reach."""
        return (JOB_STEP, *COMMIT_STEPS) + (() if self.way == FILE else JOURNAL_STEPS)


CASES = {
    case.name: case
    for case in (
        Case("file", FILE, "running"),
        Case("file-keyed", FILE, "keyed"),
        Case("two-inputs", FILE, "two_inputs", slots=(0, 2), is_followed=True),
        Case("random", FILE, "dice", is_followed=True),
        Case("rest-disk", REST, "running"),
        Case("rest-process", REST, "keyed", durable="process"),
        Case("http", HTTP, "running"),
    )
}
"""The full matrix, by name."""


class Subject(ABC):
    """A script and its input, for one case; made in a folder of its own."""

    must_resume = False
    """Whether it is an error that nothing was resumed: the built-in inputs are long enough, somebody's may not be."""

    def __init__(self, case: Case, folder: Path, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.case, self.folder, self._command, self._environ = case, folder, command, environ
        self._n_passes = 0

    def stage(self) -> Stage:
        """Return a new stage, for a pass from the beginning."""
        self._n_passes += 1
        folder = self.folder / f"pass-{self._n_passes}"
        folder.mkdir(parents=True)
        return self._stage(folder)

    @abstractmethod
    def _stage(self, folder: Path) -> Stage:
        """Return a stage in a new folder."""

    @property
    def note(self) -> str:
        """What a person must know of how the outputs are judged, as a sentence, or nothing; after `prepare`."""
        return ""

    def prepare(self) -> None:  # noqa: B027 - not every judge needs one
        """Have an engine that nobody kills say what is expected."""

    @abstractmethod
    def judge(self, got: Sequence[bytes]) -> Verdict:
        """Return what is wrong with the outputs of a pass."""

    def _served(self, folder: Path, library: Path, model: str, records: Sequence[bytes]) -> Stage:
        kind = RestStage if self.case.way == REST else HttpStage
        source = {"Transport": "REST", "Encoding": "json", "Durable": self.case.durable, "Batching": _batching()}
        sink = {"Transport": "REST", "Encoding": "json"}
        return kind(
            folder,
            self._command,
            self._environ,
            library=library,
            model=model,
            records=records,
            source=source,
            sink=sink,
            pause_s=PAUSE_S,
        )


def _batching() -> dict[str, Any]:
    return {"Watermark": WATERMARK, "NagleTime": 0}


class BuiltIn(Subject):
    """One of the room's own scripts, and records made for it.

    Parameters
    ----------
    n_records : int
        How many, over all slots.
    """

    def __init__(
        self, case: Case, folder: Path, command: Sequence[str], environ: Mapping[str, str], *, n_records: int
    ) -> None:
        super().__init__(case, folder, command, environ)
        each = n_records // len(case.slots)
        self._records = {slot: ticks(each, seed=slot) for slot in case.slots}
        self._library = folder / "library"
        for part in ("model_scripts", "schemas", "streams"):
            (self._library / part).mkdir(parents=True)
        shutil.copy(SCRIPTS / f"{case.script}.py", self._library / "model_scripts")
        for slot, records in self._records.items():
            path = folder / f"inputs-{slot}.jsons"
            path.write_bytes(b"".join(record + b"\n" for record in records))
            descriptor = {"Transport": {"Type": "file", "Path": str(path)}, "Encoding": "json", "Batching": _batching()}
            (self._library / "streams" / f"inputs-{slot}.json").write_text(json.dumps(descriptor))

    def prepare(self) -> None:
        """Have an engine that nobody kills say what is expected."""
        if self.case.is_followed:
            return
        (self.folder / "unkilled").mkdir()
        quick = self.folder / "unkilled" / "inputs.jsons"
        quick.write_bytes(b"".join(record + b"\n" for record in ticks(len(self._records[0]), 0, pause_s=0.0)))
        self._expected = run_unkilled(self._file_stage(self.folder / "unkilled", {0: str(quick)}))

    def _stage(self, folder: Path) -> Stage:
        if self.case.way == FILE:
            return self._file_stage(folder, {slot: f"inputs-{slot}" for slot in self.case.slots})
        return self._served(folder, self._library, self.case.script, self._records[0])

    def _file_stage(self, folder: Path, inputs: Mapping[int, str]) -> FileStage:
        script = self._library / "model_scripts" / f"{self.case.script}.py"
        return FileStage(folder, self._command, self._environ, script=script, inputs=inputs)

    def judge(self, got: Sequence[bytes]) -> Verdict:
        """Return what is wrong with the outputs of a pass."""
        if self.case.is_followed:
            return follow({slot: len(records) for slot, records in self._records.items()}, got)
        return compare(self._expected, got)


class Own(Subject):
    """Somebody's script on somebody's input.

    Parameters
    ----------
    script, source : Path
        The script and the file with its input.
    options : sequence of str
        Options of ``engine run`` that go with it.
    library : Path, optional
        The library that has its schemas and attachments.
    """

    must_resume = True

    def __init__(
        self,
        case: Case,
        folder: Path,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        script: Path,
        source: Path,
        options: Sequence[str] = (),
        library: Path | None = None,
    ) -> None:
        super().__init__(case, folder, command, environ)
        self._script, self._source, self._options = script, source, options
        self._library = folder / "library"
        (self._library / "model_scripts").mkdir(parents=True)
        shutil.copy(script, self._library / "model_scripts")
        for part in ("schemas", "attachments"):
            if library is not None and (library / part).is_dir():
                shutil.copytree(library / part, self._library / part)
        self._is_same_always = True

    @property
    def note(self) -> str:
        """Whether the outputs are compared, or only counted."""
        if self._is_same_always:
            return ""
        return "Two runs that nobody killed gave different outputs, so only their number is compared."

    def prepare(self) -> None:
        """Have an engine that nobody kills say what is expected."""
        first, second = (run_unkilled(self._file_stage(self._made(self.folder / f"unkilled-{nth}"))) for nth in (1, 2))
        self._expected, self._is_same_always = first, first == second

    def _made(self, folder: Path) -> Path:
        folder.mkdir()
        return folder

    def _stage(self, folder: Path) -> Stage:
        if self.case.way == FILE:
            return self._file_stage(folder)
        return self._served(folder, self._library, self._script.stem, self._source.read_bytes().splitlines())

    def _file_stage(self, folder: Path) -> FileStage:
        script = self._library / "model_scripts" / self._script.name
        inputs, suffix = {0: str(self._source.absolute())}, self._source.suffix
        return FileStage(
            folder, self._command, self._environ, script=script, inputs=inputs, options=self._options, suffix=suffix
        )

    def judge(self, got: Sequence[bytes]) -> Verdict:
        """Return what is wrong with the outputs of a pass."""
        return compare(self._expected, got) if self._is_same_always else count(len(self._expected), got)


def run_unkilled(stage: Stage) -> list[bytes]:
    """Return what comes out of an engine that is left alone.

    Raises
    ------
    TortureFailed
        It did not get through, or the script changes variables that are not taken as its state.
    """
    victim = stage.start(is_watched=True)
    try:
        if (code := victim.wait()) != 0:
            raise TortureFailed(f"The run that nobody kills ended with exit code {code}.", victim.log_tail())
    finally:
        victim.kill()
    return stage.outputs()
