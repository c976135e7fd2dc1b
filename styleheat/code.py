"""What a function's result depends on beside its arguments: the code that it reaches, and the libraries behind it.

A clip that was made by other code is made anew. Found by the imports in the files, without running anything; comments,
docstrings and layout count for nothing.
"""

import ast
import functools
import hashlib
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from styleheat.files import digest, fingerprint

ROOT = Path(__file__).parent.parent
OWN = ("styleheat", "stages")

APART = tuple(
    f"styleheat.{name}"
    for name in (
        "clips.index",
        "clips.packing",
        "clips.workers",
        "clock",
        "code",
        "errors",
        "files",
        "interrupts",
        "launch",
        "params",
        "params.data",
        "params.inference",
        "params.machine",
        "params.training",
        "params.types",
        "pipeline",
        "sources",
        "tracking",
        "tracking.execution",
        "tracking.store",
        "tracking.tracker",
    )
)
"""Modules that run the work, list what there is, or say what went wrong, and have no part in what it makes. What
params.yaml holds is in a clip's fingerprint by itself. Of a package named here, its own file is meant."""

LIBRARIES = {
    "av": "av", "cv2": "opencv-python", "ai_edge_litert": "ai-edge-litert", "face_alignment": "face-alignment",
    "torch": "torch", "espeakng_loader": "espeakng-loader", "hibari": "hibari-tts", "onnxruntime": "onnxruntime",
}  # fmt: skip
"""Packages whose version decides what comes out, by the name that they are imported by."""


@functools.cache
def code_of(module: str) -> str:
    """16 hex digits that stand for the modules that one reaches, their data files, and the versions of LIBRARIES that
    these import."""
    modules = reached(module)
    files = {name: _meaning(path) for name, path in modules.items()}
    for folder in sorted({path.parent for path in modules.values() if path.parent.parent != ROOT}):
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                files[path.relative_to(ROOT).as_posix()] = digest(path)
    imported = {name.partition(".")[0] for path in modules.values() for name in _imports(path)}
    versions = {name: _version(name) for name in sorted(imported & LIBRARIES.keys())}
    return fingerprint(files, versions)


def reached(module: str) -> dict[str, Path]:
    """The modules of this project that one of them imports, directly or by others, wherever in their files, and itself;
    but those APART."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if path is None or name in found or name in APART:
            continue
        found[name] = path
        waiting += [imported for imported in _imports(path) if imported.partition(".")[0] in OWN]
        waiting.append(name.rpartition(".")[0])  # a package's own file runs first
    return dict(sorted(found.items()))


def _file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if module and file.is_file()), None)


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(path: Path) -> Iterator[str]:
    """Modules that a file imports; of `from a import b` both a and a.b, of which one may be no module."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _meaning(path: Path) -> str:
    """The sha256 of a file's code without what says nothing to Python: comments, layout, and texts that stand alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [part for part in body if not _is_text(part)]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(LIBRARIES[name])
    except importlib.metadata.PackageNotFoundError:
        return None
