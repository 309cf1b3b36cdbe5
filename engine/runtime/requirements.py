"""Which files beside a ``requirements.txt`` decide what is installed, besides its own text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from engine.errors import EnvironmentFailed

_COMMENT = re.compile(r"(^|\s)#.*", re.MULTILINE)
_EDITABLE = re.compile(r"(-e|--editable)\b")
_NESTED = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]+(.+)")
_LINKS = re.compile(r"(?:^|\s)(?:-f|--find-links)[\s=]+(\S+)")
_NAME = re.compile(r"^[\w.-]+(\[.*?\])?\s*@\s*")
_PATH = re.compile(r"\..*|.*/.*|.*\.(whl|tar\.gz|zip)")


def local_files(model: str, requirements: Path) -> set[Path]:
    """Return `requirements` and the files of its folder that it names, itself or through others; paths are resolved.

    Parameters
    ----------
    model : str
        Whose it is, for errors.
    requirements : Path
        The file.

    Raises
    ------
    EnvironmentFailed
        A line leads out of the folder, or asks for an editable installation.
    """
    folder = requirements.parent.resolve()
    found: set[Path] = set()
    waiting = [folder / requirements.name]
    while waiting:
        file = waiting.pop()
        found.add(file)
        for line in _lines(file):
            if _EDITABLE.match(line):
                reason = "an editable installation would point into a folder that goes away with the jet"
                raise EnvironmentFailed(model, f"{file.name}, {line!r}: {reason}. What lies in it can be imported.")
            nested = _NESTED.match(line)
            for path in _paths(line, file.parent, folder):
                if not path.is_relative_to(folder):
                    reason = "only files beside it, and below, belong to the model"
                    raise EnvironmentFailed(model, f"{file.name}, {line!r}: {reason}.")
                files = {below for below in (path, *path.rglob("*")) if below.is_file()}
                waiting += files - found if nested else ()
                found |= files
    return found


def _lines(file: Path) -> Iterator[str]:
    for line in _COMMENT.sub("", file.read_text(errors="replace")).splitlines():
        yield line.strip()


def _paths(line: str, beside: Path, folder: Path) -> Iterator[Path]:
    """Yield what a line names, as uv reads it: an option's path begins beside its file, any other in `folder`."""
    if nested := _NESTED.match(line):
        base, names = beside, [nested[1].strip("'\"")]  # to the end of the line: it may hold spaces
    elif links := _LINKS.findall(line):
        base, names = beside, links
    else:
        # `name @ path[extra]; marker`; options of the whole file, such as an index, name nothing that is installed.
        words = [] if line.startswith("-") else re.split(r"[\s;\[]+", _NAME.sub("", line))
        base, names = folder, [word for word in words if _PATH.fullmatch(word)]
    for name in names:
        local = re.sub(r"^file:(//)?", "", name)
        if "://" not in local:
            yield (base / local).resolve()
