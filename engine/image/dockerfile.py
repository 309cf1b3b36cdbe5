"""The Dockerfile of a model's image, written for people to read."""

from __future__ import annotations

from collections.abc import Mapping

from engine import __version__
from engine.image.recipe import Recipe
from engine.registry.library import ATTACHMENTS_FOLDER, MODELS_FOLDER, SCHEMAS_FOLDER

LIBRARY = "/opt/model"
USER = "10001:10001"
"""Whom the base image has made for the engine."""

_HEAD = """\
# The image of model {name}, written by engine {version}: engine image build {name}
#
#   docker build -t {name} .
#
# What changes seldom comes first and the script last, so that a changed script is a matter of seconds.

# The engine, its interpreter and its own packages.
ARG BASE={base}
FROM ${{BASE}}

# What follows belongs to root: the engine runs as somebody else and cannot change it.
USER 0
"""
_ATTACHMENTS = """
# Weights and whatever else the model brings, each below its SHA-256; the engine unpacks them for every jet.
"""
_OWN_PACKAGES = """
# The model's packages, in an environment apart from the engine's. requirements.txt is the lock: what the model's own
# requirements.txt asks for, to the version and the hash. A file named `netrc` may hold credentials for a private index:
# it is there for this step only, and in no layer.
COPY requirements.txt {library}/requirements.txt
RUN --mount=type=secret,id=netrc NETRC=/run/secrets/netrc UV_NO_CACHE=1 UV_LINK_MODE=copy UV_NATIVE_TLS=1 \\
    engine image prepare {name} --library {library} --lock {library}/requirements.txt --cache {library}/cache
"""
_ENGINE_PACKAGES = """
# The model brings no requirements.txt: it runs with the engine's packages, which the base image holds. The file says
# with which versions it was put together.
COPY requirements.txt {library}/requirements.txt
"""
_SETTINGS = """
# What runs, and on which streams; each can be said anew when a container is started: ENGINE_STREAM_0, ENGINE_BROKERS,
# ENGINE_STATE, ENGINE_LOG_LEVEL, and whatever else `engine serve --help` lists.
"""
_LABELS = """
# What `engine image inspect` reads.
"""
_FOOT = """
# By number: Kubernetes' runAsNonRoot looks at nothing else. Entry point, volume and health check are the base's.
USER {user}
"""


def write_dockerfile(recipe: Recipe) -> str:
    """Return the text."""
    name = recipe.name
    parts = [_HEAD.format(name=name, version=__version__, base=recipe.base)]
    if recipe.attachments:
        parts.append(_ATTACHMENTS)
        folder = f"{LIBRARY}/{ATTACHMENTS_FOLDER}/{name}"
        parts += [
            f"COPY {ATTACHMENTS_FOLDER}/{path} {folder}/{path.partition('/')[2]}\n"
            for path in sorted(recipe.attachments)
        ]
    if recipe.brings_packages:
        # The environment is found by what the attachments hold, so the script is not needed for it.
        parts.append(_OWN_PACKAGES.format(name=name, library=LIBRARY))
    else:
        parts.append(_ENGINE_PACKAGES.format(library=LIBRARY))
    for title, folder in (("The schemas of its slots.", SCHEMAS_FOLDER), ("Its streams.", "streams")):
        if any(path.startswith(f"{folder}/") for path in recipe.files):
            parts.append(f"\n# {title}\nCOPY {folder}/ {LIBRARY}/{folder}/\n")
    script = f"{MODELS_FOLDER}/{name}.py"
    parts.append(f"\n# The script.\nCOPY {script} {LIBRARY}/{script}\n")
    parts += [_SETTINGS, _pairs("ENV", environment(recipe)), _LABELS, _pairs("LABEL", recipe.labels)]
    parts.append(_FOOT.format(user=USER))
    return "".join(parts)


def environment(recipe: Recipe) -> dict[str, str]:
    """Return the variables that make the image run its model."""
    variables = {"ENGINE_LIBRARY": LIBRARY, "ENGINE_MODEL": recipe.name}
    if recipe.brings_packages:
        variables["ENGINE_CACHE"] = f"{LIBRARY}/cache"
    return variables | {f"ENGINE_STREAM_{slot}": text for slot, text in sorted(recipe.streams.items())}


def _pairs(instruction: str, pairs: Mapping[str, str]) -> str:
    lines = " \\\n    ".join(f"{name}={_quoted(text)}" for name, text in pairs.items())
    return f"{instruction} {lines}\n"


def _quoted(text: str) -> str:
    """Return a text in quotes, with nothing in it that a builder would replace."""
    for special in ("\\", '"', "$"):
        text = text.replace(special, f"\\{special}")
    return f'"{text}"'
