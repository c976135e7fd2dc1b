"""The reference of parameters, `docs/parameters.md`, from the types of `styleheat/params/`: python -m docs.parameters

A class's docstring introduces its group, and the string below a field describes it.
"""

import ast
import inspect
import itertools
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from styleheat import params
from styleheat.params import Params, Training, read_yaml
from styleheat.params.data import Set

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "parameters.md"

HEAD = """# Parameters

Every key of `params.yaml`, with its type and the committed value. This page is made from the types of
`styleheat/params/` by `python -m docs.parameters`. `dvc exp run -S train.lr=0.0005` changes one for a single
experiment; `python -m stages.profile NAME` applies the values of a profile.
"""


def page() -> str:
    """The complete page, Markdown."""
    values = read_yaml(ROOT / "params.yaml")
    parts = [HEAD, "## General\n", table(dict.fromkeys(("seed", "network"), Params), values)]
    for name, field in Params.model_fields.items():
        if section := _section(field.annotation):
            if name == "sets":  # both have the same keys
                parts += ["## The data sets\n", "`sets.vox` has the same keys as `sets.hdtf`.\n"]
                parts += _groups("sets.hdtf", Set, values["sets"]["hdtf"], 3)
            elif issubclass(section, Training):
                if name == "train_prior":
                    parts += [
                        "## All trainings\n",
                        "`train_prior`, `train_warper` and `train_audio` have these, too.\n",
                    ]
                    parts += _groups("train", Training, values["train"], 3)
                parts += _groups(name, section, values[name], 2, beyond=Training)
            else:
                parts += _groups(name, section, values[name], 2)
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _groups(
    path: str, section: type[BaseModel], values: dict[str, Any], depth: int, beyond: type[BaseModel] = BaseModel
) -> list[str]:
    """A group's heading, its description, the table of its plain fields, and the groups in it; fields of the group
    `beyond`, which it extends, are left out."""
    parts = [f"{'#' * depth} `{path}`\n"]
    if about := _about(section):
        parts.append(about + "\n")
    fields = {name: field for name, field in section.model_fields.items() if name not in beyond.model_fields}
    plain = {name: section for name, field in fields.items() if _section(field.annotation) is None}
    if plain:
        parts.append(table(plain, values))
    for name, field in fields.items():
        if inner := _section(field.annotation):
            parts += _groups(f"{path}.{name}", inner, values[name], min(depth + 1, 4))
    return parts


def table(fields: dict[str, type[BaseModel]], values: dict[str, Any]) -> str:
    """A row per field: name, type, committed value, description."""
    rows = ["| key | type | value | description |", "|---|---|---|---|"]
    for name, section in fields.items():
        cells = (f"`{name}`", _type(section, name), f"`{_shown(values[name])}`", descriptions(section).get(name, ""))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def descriptions(section: type[BaseModel]) -> dict[str, str]:
    """The strings below the fields of a group and of those that it extends, by field."""
    found: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if not base.__module__.startswith(params.__name__):
            continue
        (definition,) = ast.parse(inspect.getsource(base)).body
        assert isinstance(definition, ast.ClassDef)
        for field, below in itertools.pairwise(definition.body):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                assert isinstance(field.target, ast.Name) and isinstance(below.value, ast.Constant)
                found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def _about(section: type[BaseModel]) -> str:
    own = section.__dict__.get("__doc__")
    return " ".join(own.split()) if own else ""


def _section(annotation: Any) -> type[BaseModel] | None:
    """The group that a field holds, if it does."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _type(section: type[BaseModel], name: str) -> str:
    """A field's type as JSON has it, with its limits or choices."""
    schema = section.model_json_schema()["properties"][name]
    return " or ".join(_of_schema(option) for option in schema.get("anyOf", [schema]))


LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def _of_schema(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema["type"] == "array":
        inner = schema.get("items") or {}
        entries = schema.get("prefixItems") or ([inner] if inner.get("type") else [])
        return "list of " + ", ".join(_of_schema(entry) for entry in entries)
    limits = ", ".join(f"{sign} {schema[key]:g}" for key, sign in LIMITS.items() if key in schema)
    name = {"string": "text", "number": "number", "integer": "integer", "boolean": "true or false", "null": "null"}
    return f"{name[schema['type']]} {limits}".strip()


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


if __name__ == "__main__":
    PAGE.write_text(page())
