"""Public functions say what comes in and out: shapes of arrays, and the errors that the user can fix."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent

SHAPE = re.compile(
    r"\(([^()]|\([^()]*\))*,([^()]|\([^()]*\))*\)"  # (T,68,2)
    r"|\(\.\.\.\)|×|\bscalars?\b"
    r"|\b[Aa]s\s+((for|in)\s+)?`|`Estimate`"  # as for `fit`
)
"""A shape such as (T,68,2) or (...,), S×S or a scalar, or another function or class that has it."""

ARRAY = re.compile(r"\b(Tensor|np\.ndarray)\b")


class Function(NamedTuple):
    """place: file and line. text: its docstring and that of its class. takes: its annotations. raises: InputError."""

    place: str
    text: str
    takes: str
    raises: bool


def functions() -> Iterator[Function]:
    """All public ones of the library."""
    for path in sorted((ROOT / "styleheat").rglob("*.py")):
        yield from _within(ast.parse(path.read_text(encoding="utf-8")).body, path.relative_to(ROOT), "")


def _within(body: list[ast.stmt], path: Path, above: str) -> Iterator[Function]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
            continue
        text = f"{above} {ast.get_docstring(node) or ''}"
        if isinstance(node, ast.ClassDef):
            yield from _within(node.body, path, text)
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        takes = [one.annotation for one in arguments] + [node.returns]
        raised = [one.exc for one in ast.walk(node) if isinstance(one, ast.Raise) and one.exc is not None]
        yield Function(
            f"{path}:{node.lineno} {node.name}",
            text,
            " ".join(ast.unparse(one) for one in takes if one is not None),
            any("InputError" in ast.unparse(one) for one in raised),
        )


def test_arrays_have_shapes() -> None:
    missing = [one.place for one in functions() if ARRAY.search(one.takes) and not SHAPE.search(one.text)]
    assert not missing, "no shape in the docstring of\n" + "\n".join(missing)


def test_errors_are_named() -> None:
    missing = [one.place for one in functions() if one.raises and not re.search(r"InputError|[Rr]aise", one.text)]
    assert not missing, "no InputError in the docstring of\n" + "\n".join(missing)


def test_what_the_lint_takes_for_a_shape() -> None:
    for text in (
        "(T,68,2)",
        "(..., 3)",
        "(N,)",
        "(B,C',s/2,s/2)",
        "(samples at RATE, len(MOUTH))",
        "S×S",
        "as for `fit`",
    ):
        assert SHAPE.search(text), text
    for text in ("an image", "(see below)", "its mask", "classes `a`"):
        assert not SHAPE.search(text), text
