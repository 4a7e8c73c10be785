"""A module imports only from lines above its own (DESIGN, the layout)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import trioex

ROOT = Path(trioex.__file__).parent
TRIO = {"trio", "trio_websocket", "wsproto", "socket", "ssl", "httpx2"}

LAYERS: list[list[str]] = [
    ["urls", "speedups"],
    ["errors"],
    ["channels"],
    ["messages", "frames", "instrumentation.histogram"],
    ["events", "merge", "orderbook", "instrumentation.latency"],
    ["synchroniser"],
    ["config"],
    ["exchanges.base"],  # the questions; the venues that answer them are further down
    ["router", "subscriptions", "backoff", "staleness"],
    ["exchanges.keys"],
    ["exchanges"],
    ["transport", "http", "rest", "instrumentation"],
    ["recording"],
    ["binding", "handoff", "connection"],
    ["leg"],
    ["line"],
    ["books", "supervisor"],
    ["registry"],
    ["manager"],
    ["factory"],
    ["simulator"],
    ["testing"],
    ["cli"],
    ["__main__"],
]
PURE = {name for layer in LAYERS[:11] for name in layer}


def layer_of(module: str) -> int:
    """The line of `module`, by its longest known prefix."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        for number, layer in enumerate(LAYERS):
            if name in layer:
                return number
    raise LookupError(f"trioex.{module} stands on no line of tests/test_layers.py")


def modules() -> list[str]:
    found = []
    for path in ROOT.rglob("*.py"):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        if parts:
            found.append(".".join(parts))
    return sorted(found)


def source_of(module: str) -> tuple[Path, bool]:
    path = ROOT.joinpath(*module.split("."))
    package = path / "__init__.py"
    return (package, True) if package.exists() else (path.with_suffix(".py"), False)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(module: str) -> list[str]:
    """What a module imports at run time, absolute: `trioex.x` or a foreign name."""
    path, is_package = source_of(module)
    tree = ast.parse(path.read_text())
    skipped = {n for node in ast.walk(tree) if is_type_checking(node) for n in ast.walk(node)}
    found = []
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ["trioex", *module.split(".")]
            if node.level:
                base = base[: len(base) - node.level + is_package]
                stem = ".".join([*base, *filter(None, [node.module])])
            else:
                stem = node.module or ""
            found += [f"{stem}.{alias.name}" for alias in node.names]
    return found


def inner(name: str) -> str | None:
    """`trioex.a.b.C` -> `a.b`, the longest part that is a module."""
    parts = name.split(".")
    if parts[0] != "trioex":
        return None
    for length in range(len(parts), 1, -1):
        path = ROOT.joinpath(*parts[1:length])
        if path.with_suffix(".py").exists() or (path / "__init__.py").exists():
            return ".".join(parts[1:length])
    return None


@pytest.mark.parametrize("module", modules())
def test_imports_only_from_lines_above(module: str) -> None:
    own = layer_of(module)
    for name in imports(module):
        target = inner(name)
        if target is None or target.split(".")[:1] == module.split(".")[:1]:
            continue
        assert layer_of(target) < own, f"trioex.{module} imports {name}"


@pytest.mark.parametrize("module", [m for m in modules() if layer_of(m) < 10])
def test_pure_modules_do_no_io(module: str) -> None:
    path, _ = source_of(module)
    tree = ast.parse(path.read_text())
    used = {name.split(".")[0] for name in imports(module)}
    if module in {"config", "errors"}:
        used -= {"ssl"}  # only names types of it
    assert not used & TRIO
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef | ast.Await)]


@pytest.mark.parametrize("module", [m for m in modules() if m.startswith("simulator")])
def test_the_simulator_shares_no_codec_with_the_client(module: str) -> None:
    allowed = {"config", "channels", "errors", "simulator"}
    for name in imports(module):
        target = inner(name)
        assert target is None or target.split(".")[0] in allowed, name


def test_every_module_opens_with_what_it_is() -> None:
    for module in modules():
        path, _ = source_of(module)
        if path.name.endswith("_pb2.py"):
            continue
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_importing_trioex_loads_nothing_heavy() -> None:
    """What makes `import trioex` slow is imported when it is needed."""
    code = "import sys, trioex; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"httpx2", "google.protobuf", "rich", "cyclopts"} & set(loaded)
