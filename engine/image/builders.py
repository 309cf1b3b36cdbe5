"""Programs that build images, behind one small protocol."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from engine.errors import BuilderMissing, BuildFailed, ConfigError, ImageNotFound
from engine.image.recipe import MODEL_LABEL

_N_LAST_LINES = 15
_STEP = re.compile(r"STEP \d+/\d+: .*|\[\d+/\d+\] .*|\[\d+/\d+\] STEP .*|#\d+ \[ *(?:\S+ )?\d+/\d+\] .*")


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a model: `id` is what its builder calls it, `tags` its names, `size_bytes` None where nobody says."""

    id: str
    tags: tuple[str, ...]
    labels: dict[str, str]
    config: dict[str, Any]
    created: str
    size_bytes: int | None


class Builder(Protocol):
    """What images are built and found with; its methods only say how, and `build` and the like run it."""

    name: ClassVar[str]

    @property
    def command(self) -> Sequence[str]:
        """The program, and what it is always called with."""
        ...

    def build_command(self, folder: Path, tag: str, epoch_s: int, secret: Path | None) -> list[str]:
        """Return the command that builds `folder`, with layers that are the same for the same folder."""
        ...

    def parse_image(self, inspected: dict[str, Any]) -> Image:
        """Return what ``inspect`` says of an image."""
        ...

    def inspect_command(self, image: str) -> list[str]:
        """Return the command that prints what there is to know of an image, as JSON."""
        ...


@dataclass(frozen=True, slots=True)
class DockerBuilder:
    """Docker with BuildKit; its daemon must run."""

    command: Sequence[str] = ("docker",)
    name: ClassVar[str] = "docker"

    def build_command(self, folder: Path, tag: str, epoch_s: int, secret: Path | None) -> list[str]:
        """See `Builder`."""
        given = ["--secret", f"id=netrc,src={secret}"] if secret else []
        return [
            *self.command,
            *("buildx", "build", "--progress=plain", "--provenance=false", "-t", tag),
            *("--build-arg", f"SOURCE_DATE_EPOCH={epoch_s}", "--output", "type=docker,rewrite-timestamp=true"),
            *given,
            str(folder),
        ]

    def inspect_command(self, image: str) -> list[str]:
        """See `Builder`."""
        return [*self.command, "image", "inspect", image]

    def parse_image(self, inspected: dict[str, Any]) -> Image:
        """See `Builder`."""
        config = inspected.get("Config") or {}
        return Image(
            inspected.get("Id", ""),
            tuple(inspected.get("RepoTags") or ()),
            config.get("Labels") or {},
            config,
            inspected.get("Created", ""),
            inspected.get("Size"),
        )


@dataclass(frozen=True, slots=True)
class PodmanBuilder(DockerBuilder):
    """Podman; it needs no daemon."""

    command: Sequence[str] = ("podman",)
    name: ClassVar[str] = "podman"

    def build_command(self, folder: Path, tag: str, epoch_s: int, secret: Path | None) -> list[str]:
        """See `Builder`. Docker's format, since OCI's knows no health check.

        The container of a step that failed goes, too: buildah would keep it, and with it the secret.
        """
        given = ["--secret", f"id=netrc,src={secret}"] if secret else []
        fixed = ["--layers", "--force-rm", "--format", "docker", "--timestamp", str(epoch_s)]
        return [*self.command, "build", *fixed, "-t", tag, *given, str(folder)]


@dataclass(frozen=True, slots=True)
class BuildahBuilder(PodmanBuilder):
    """Buildah; it needs no daemon, and with ``--isolation chroot`` no kernel that grants containers."""

    command: Sequence[str] = ("buildah",)
    name: ClassVar[str] = "buildah"

    def inspect_command(self, image: str) -> list[str]:
        """See `Builder`."""
        return [*self.command, "inspect", "--type", "image", image]

    def parse_image(self, inspected: dict[str, Any]) -> Image:
        """See `Builder`."""
        docker = inspected.get("Docker") or {}
        config = docker.get("config") or (inspected.get("OCIv1") or {}).get("config") or {}
        tag = inspected.get("FromImage") or ""
        return Image(
            inspected.get("FromImageID", ""),
            (tag,) if tag else (),
            config.get("Labels") or {},
            config,
            docker.get("created", ""),
            None,
        )


BUILDERS: tuple[type[DockerBuilder], ...] = (DockerBuilder, PodmanBuilder, BuildahBuilder)
"""In the order in which they are looked for."""


def find_builder(text: str | None) -> Builder:
    """Return the builder of a command line such as ``podman`` or ``buildah --root /images``; by default the first here.

    Raises
    ------
    BuilderMissing
        It is not on this machine, or none is.
    ConfigError
        Another program.
    """
    if text is None:
        found = next((kind() for kind in BUILDERS if shutil.which(kind.name)), None)
        if found is None:
            raise BuilderMissing([kind.name for kind in BUILDERS])
        return found
    words = shlex.split(text)
    kind = next((kind for kind in BUILDERS if words and Path(words[0]).name == kind.name), None)
    if kind is None:
        raise ConfigError(f"{text!r} is no builder. Name docker, podman or buildah.")
    if shutil.which(words[0]) is None:
        raise BuilderMissing([words[0]])
    return kind(tuple(words))


def build(
    builder: Builder,
    folder: Path,
    tag: str,
    *,
    epoch_s: int = 0,
    secret: Path | None = None,
    options: Sequence[str] = (),
    on_step: Callable[[str], object] = lambda _: None,
) -> None:
    """Build an image.

    Parameters
    ----------
    builder : Builder
        With what.
    folder : Path
        The build folder.
    tag : str
        What it is called then.
    epoch_s : int
        The time that its files get.
    secret : Path, optional
        Credentials for the installation of packages; in no layer.
    options : sequence of str
        More options of the builder's ``build``.
    on_step : callable
        Called with each step as it begins.

    Raises
    ------
    BuildFailed
        With the last that it said.
    """
    *command, context = builder.build_command(folder, tag, epoch_s, secret)
    lines: deque[str] = deque(maxlen=_N_LAST_LINES)
    shown = f"{builder.name} build"
    try:
        with subprocess.Popen(
            [*command, *options, context],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                for line in process.stdout or ():
                    if text := line.rstrip():
                        lines.append(text)
                    if _STEP.fullmatch(text):
                        on_step(text)
            except BaseException:
                process.terminate()
                raise
    except OSError as exc:
        raise BuildFailed(shown, [f"{exc.strerror}: {exc.filename}"]) from exc
    if process.returncode:
        raise BuildFailed(shown, list(lines), _fix("\n".join(lines), builder))


def inspect(builder: Builder, image: str) -> Image:
    """Return an image of a model; raises `ImageNotFound`."""
    ran = _run(builder.inspect_command(image))
    if ran.returncode:
        raise ImageNotFound(image, builder.name, (ran.stderr.strip() or "it is unknown").splitlines()[-1].rstrip("."))
    found = builder.parse_image(_first(ran.stdout))
    if MODEL_LABEL not in found.labels:
        raise ImageNotFound(image, builder.name, f"it has no label {MODEL_LABEL}")
    return found


def is_there(builder: Builder, image: str) -> bool:
    """Return whether this machine has an image, of whatever."""
    return _run(builder.inspect_command(image)).returncode == 0


def find_images(builder: Builder) -> list[Image]:
    """Return the images of models, by name; raises `BuildFailed` when the builder does not answer."""
    command = [*builder.command, "images", "--quiet", "--no-trunc", "--filter", f"label={MODEL_LABEL}"]
    ran = _run(command)
    if ran.returncode:
        raise BuildFailed(f"{builder.name} images", ran.stderr.splitlines()[-_N_LAST_LINES:], _fix(ran.stderr, builder))
    return sorted((inspect(builder, one) for one in dict.fromkeys(ran.stdout.split())), key=lambda image: image.tags)


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)


def _first(text: str) -> dict[str, Any]:
    value = json.loads(text)
    first = value[0] if isinstance(value, list) else value
    return first if isinstance(first, dict) else {}


def _fix(said: str, builder: Builder) -> str:
    """Return what helps against a failure that is known by what was said."""
    if "annot connect to the Docker daemon" in said or "docker.sock" in said:
        return "Docker's daemon does not run, or not for you: start it, or choose --builder podman or buildah."
    if "unknown flag" in said and builder.name == "docker":
        return "Docker's buildx is missing: install docker-buildx, or choose --builder podman or buildah."
    if "CERTIFICATE_VERIFY_FAILED" in said or "invalid peer certificate" in said:
        return "The network changes certificates: mount yours, as in -- -v /etc/ssl/certs:/etc/ssl/certs:ro."
    if "netavark" in said or "unshare" in said or "operation not permitted" in said.lower():
        return "This kernel grants no containers here: --builder buildah with -- --isolation chroot needs none."
    return ""
