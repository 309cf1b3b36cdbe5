"""The rules of the house that no linter knows: who may import whom, what loads what, and that the documents hold."""

from __future__ import annotations

import ast
import configparser
import graphlib
import importlib
import importlib.metadata
import inspect
import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine import errors

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
# Under the ground floor lies the cellar: open to the ground floor, and each of it to those before it.
CELLAR = ("ports", "record", "errors")


@dataclass(frozen=True)
class Import:
    """One import statement of the package."""

    importer: str
    imported: str
    line: int
    is_deferred: bool


@dataclass(frozen=True)
class HouseMap:
    """The table of CONTRIBUTING.md: for each room what it imports, and what it may import when it is asked to."""

    always: dict[str, set[str]]
    deferred: dict[str, set[str]]


def read_map() -> HouseMap:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.split("<!-- the map -->")[1].split("<!-- end of the map -->")[0]
    always, deferred = {}, {}
    for row in re.findall(r"^\| `.*$", section, re.MULTILINE):
        room, _, imports, at_run_time = (cell.strip() for cell in row.strip().strip("|").split("|"))
        always[room.strip("`")] = set(re.findall(r"\w+", imports))
        deferred[room.strip("`")] = set(re.findall(r"\w+", at_run_time))
    ground = set(re.findall(r"`(\w+)`", section.split("The ground floor")[1].split(". ")[0]))
    for room in always:
        always[room] |= ground
    always |= {room: set(CELLAR) for room in ground}
    always |= {room: set(CELLAR[depth + 1 :]) for depth, room in enumerate(CELLAR)}
    always["codecs"] |= {"schema"}
    return HouseMap(always, deferred)


def module_files() -> dict[str, Path]:
    files = {}
    for path in sorted((ROOT / "engine").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def room_of(module: str) -> str:
    """Return the room of a module: the second part of its name, empty for the package's own ``__init__``."""
    return [*module.split("."), ""][1]


class ImportFinder(ast.NodeVisitor):
    """Collect a module's imports, and whether each runs when the module is loaded."""

    def __init__(self, module: str, is_package: bool) -> None:
        self.module = module
        self.package = module if is_package else module.rpartition(".")[0]
        self.imports: list[Import] = []
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name that ast.NodeVisitor looks for

    def visit_If(self, node: ast.If) -> None:
        is_for_types = ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        self._depth += is_for_types
        for child in node.body:
            self.visit(child)
        self._depth -= is_for_types
        for child in node.orelse:
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            above = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
            base = ".".join([*above, base]).rstrip(".")
        for alias in node.names:
            self._add(f"{base}.{alias.name}", node.lineno)

    def _add(self, imported: str, line: int) -> None:
        self.imports.append(Import(self.module, imported, line, self._depth > 0))


def read_imports() -> list[Import]:
    """Return every import of the package; one of ours is named by its module, not by the name taken from it."""
    files = module_files()
    imports = []
    for module, path in files.items():
        finder = ImportFinder(module, path.name == "__init__.py")
        finder.visit(ast.parse(path.read_text(), str(path)))
        for found in finder.imports:
            imported = found.imported
            while imported.split(".")[0] == "engine" and imported not in files:
                imported = imported.rpartition(".")[0]
            imports.append(replace(found, imported=imported))
    return imports


def loaded_with(room: str, imports: list[Import]) -> set[str]:
    """Return the room's own modules that importing the room loads: its other modules come when they are asked for."""
    loaded: set[str] = set()
    waiting = [f"engine.{room}"]
    while waiting:
        module = waiting.pop()
        if module not in loaded and room_of(module) == room:
            loaded.add(module)
            waiting += [found.imported for found in imports if found.importer == module and not found.is_deferred]
    return loaded


def test_the_map_itself_has_no_cycle() -> None:
    house = read_map()
    graph = {room: house.always[room] | house.deferred.get(room, set()) for room in house.always}
    list(graphlib.TopologicalSorter(graph).static_order())


def test_every_room_is_on_the_map_and_no_import_leaves_it() -> None:
    house, imports = read_map(), read_imports()
    strays = []
    for found in imports:
        here, there = room_of(found.importer), room_of(found.imported)
        if found.imported.split(".")[0] != "engine" or here in {there, ""} or not there:
            continue
        is_deferred = found.is_deferred or found.importer not in loaded_with(here, imports)
        allowed = house.always.get(here, set()) | (house.deferred.get(here, set()) if is_deferred else set())
        if there not in allowed:
            how = "at run time" if is_deferred else "whenever it is loaded"
            strays.append(f"{found.importer}, line {found.line}: {here} imports {there} {how}")
    assert "\n".join(strays) == ""
    assert {room_of(module) for module in module_files()} - {""} == set(house.always)


def test_the_package_itself_loads_none_of_its_rooms() -> None:
    eager = [found for found in read_imports() if found.importer == "engine" and not found.is_deferred]
    assert [found.imported for found in eager if found.imported.startswith("engine")] == []


def test_modules_do_not_import_each_other_in_circles() -> None:
    graph: dict[str, set[str]] = {module: set() for module in module_files()}
    for found in read_imports():
        if found.imported in graph and found.imported != found.importer and not found.is_deferred:
            graph[found.importer].add(found.imported)
    list(graphlib.TopologicalSorter(graph).static_order())


def test_the_package_imports_nothing_of_its_surroundings() -> None:
    outside = {"tests", "demo", "benchmarks", "model_scripts"}
    assert [found for found in read_imports() if found.imported.split(".")[0] in outside] == []


def test_what_is_imported_from_outside_is_declared() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    required = setup["options"]["install_requires"]
    optional = "\n".join(setup["options.extras_require"].values())

    def normalized(text: str) -> set[str]:
        return {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^[\w.-]+", text, re.MULTILINE)}

    owners = importlib.metadata.packages_distributions()
    undeclared = set()
    for found in read_imports():
        top = found.imported.split(".")[0]
        if top == "engine" or top in sys.stdlib_module_names:
            continue
        declared = normalized(required) | (normalized(optional) if found.is_deferred else set())
        if not normalized("\n".join(owners.get(top, [top]))) & declared:
            undeclared.add(f"{found.importer}, line {found.line}: {top}")
    assert "\n".join(sorted(undeclared)) == ""


def modules_loaded_by(statement: str) -> set[str]:
    """Return the names, dotted ones too, of the modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_a_jet_loads_only_the_standard_library_numpy_fastavro_and_msgpack() -> None:
    # An empty statement loads what `site` does here, such as the finder of an editable install: not the jet's doing.
    tops = {name.split(".")[0] for name in modules_loaded_by("import engine.jet") - modules_loaded_by("")}
    assert not tops & {"sqlite3", "asyncio"}
    owners = importlib.metadata.packages_distributions()
    assert {top for top in tops if top in owners} <= {"engine", "numpy", "fastavro", "msgpack"}


@pytest.mark.parametrize(
    "statement", ["import engine.cli", "from engine.cli.main import invoke; assert invoke(['--help']) == 0"]
)
def test_the_command_line_loads_no_server_and_nothing_heavy(statement: str) -> None:
    loaded = modules_loaded_by(statement) - modules_loaded_by("")
    heavy = {
        "fastapi",
        "starlette",
        "uvicorn",
        "pydantic",
        "numpy",
        "fastavro",
        "onnxruntime",
        "prometheus_client",
        "httpx",
        "confluent_kafka",
    }
    heavy |= {"tensorflow", "torch", "sqlite3", "rich"}
    assert {name.split(".")[0] for name in loaded} & heavy == set()
    rooms = {room_of(name) for name in loaded if name.split(".")[0] == "engine"}
    assert rooms & {"server", "runtime", "registry", "streams", "inference", "schema"} == set()


def test_the_tree_at_the_head_of_the_errors_is_the_tree_of_the_classes() -> None:
    drawn: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    for indent, name in re.findall(r"^( {2,})([A-Z]\w+)", (errors.__doc__ or "").split("::")[1], re.MULTILINE):
        while stack and stack[-1][0] >= len(indent):
            stack.pop()
        drawn[name] = stack[-1][1] if stack else "Exception"
        stack.append((len(indent), name))
    classes = {name: cls for name, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Exception)}
    assert drawn == {name: cls.__base__.__name__ for name, cls in classes.items()}


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: path.name)
def test_requirements_name_no_host(path: Path) -> None:
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host| @ ", path.read_text())


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_requirements_are_pinned_with_hashes(path: Path) -> None:
    entries = re.split(r"\n(?=\S)", path.read_text().strip())
    assert [entry for entry in entries if not re.match(r"[\w.-]+==\S+", entry) or "--hash=sha256:" not in entry] == []


def test_the_locked_versions_are_those_that_setup_cfg_allows() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "core.txt").read_text(), re.MULTILINE))
    declared = set(re.findall(r"^([\w.-]+)", setup["options"]["install_requires"], re.MULTILINE))
    assert declared <= locked, "make lock"


def anchors_of(document: Path) -> set[str]:
    """Return the anchors that a reader's browser knows: one for each heading."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_in_documents_lead_somewhere(document: Path) -> None:
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name) if name else document
        if not path.exists() or (anchor and anchor not in anchors_of(path)):
            dead.append(target)
    assert dead == []


def test_the_dockerfile_has_no_findings() -> None:
    ran = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_image_holds_no_tensorflow_and_every_file_it_copies_passes_the_ignore_file() -> None:
    assert not re.search(r"^(tensorflow|torch|ray)==", (ROOT / "requirements" / "core.txt").read_text(), re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    passed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {name for line in copied for name in line.split()} == passed
