"""Set params.yaml as a profile has it: python -m stages.profile NAME.

A profile is a file of profiles/. It is laid over the committed params.yaml (git show HEAD:params.yaml), so nothing of
an earlier profile stays; `default` is the committed file itself. Your own edits of keys that no profile sets are kept.
With --args nothing is written; the options of `dvc exp run` that make the same changes are printed.
"""

import argparse
import io
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML, RoundTripRepresenter
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import YAMLError

from styleheat import files
from styleheat.errors import InputError
from styleheat.params import PARAMS_FILE, check_params, read_yaml
from styleheat.pipeline import flatten

PROFILES = Path("profiles")
DEFAULT = "default"
"""The name that stands for no profile."""

Values = dict[str, Any]
"""Parameters by dotted names."""


class _Representer(RoundTripRepresenter):
    """Writes null as `null`, as params.yaml does, where ruamel would write nothing."""


_Representer.add_representer(type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null"))


class Result(NamedTuple):
    """What a profile makes of params.yaml.

    text: of the new file. changes: the keys that the profile sets. differences: the keys whose present values differ
    from the new ones, with the new ones. kept, undone: the user's own edits of the present file.
    """

    text: str
    changes: Values
    differences: Values
    kept: Values
    undone: Values


def overlay(profile: Path, target: Path) -> Values:
    """Set the keys of `profile` in the file `target`, comments and order kept; return them.

    Raises InputError, and writes nothing, when a key is unknown or the parameters that result are wrong.
    """
    changes = _read(profile)
    read_yaml(target)  # for its errors
    text = _edit(target.read_text(), changes, profile)
    _check(text, f"{profile} over {target}")
    _write(target, text)
    return changes


def resolve(name: str) -> Result:
    """The profile `name` over the committed params.yaml, with the user's own edits of keys that no profile sets.

    An edit is a value of the present params.yaml that neither the committed file nor any profile has. Raises InputError
    when there is no committed file, a key is unknown, or the parameters that result are wrong.
    """
    text = committed()
    base, present = flatten(_yaml().load(text)), _read(Path(PARAMS_FILE))
    if unknown := [key for key in present if key not in base]:
        raise InputError(f"{PARAMS_FILE}: {unknown[0]}: unknown key; the committed {PARAMS_FILE} has none of that name")
    profile = PROFILES / f"{name}.yaml"
    changes = {} if name == DEFAULT else _read(profile)
    profiles = [flatten(read_yaml(path)) for path in sorted(PROFILES.glob("*.yaml"))]
    settled = set().union(*profiles)
    edits = {
        key: value
        for key, value in present.items()
        if all(value != values.get(key, base[key]) for values in (base, *profiles))
    }
    kept = {key: value for key, value in edits.items() if key not in settled}
    text = _edit(text, kept | changes, profile)
    _check(text, f"{PARAMS_FILE} with profile {name}")
    values = base | kept | changes
    differences = {key: value for key, value in values.items() if key not in present or present[key] != value}
    undone = {key: value for key, value in edits.items() if key in differences}
    return Result(text, changes, differences, kept, undone)


def committed() -> str:
    """The text of params.yaml as it was last committed. Raises InputError when git has none."""
    fault = f"{PARAMS_FILE}: a profile starts from the committed file, but"
    try:
        done = subprocess.run(["git", "show", f"HEAD:./{PARAMS_FILE}"], capture_output=True, text=True)
    except FileNotFoundError:
        raise InputError(f"{fault} git is not installed") from None
    if done.returncode:
        raise InputError(f"{fault} git has none: {done.stderr.splitlines()[0]}")
    try:
        _yaml().load(done.stdout)
    except YAMLError as error:
        raise InputError(f"{fault} it is not readable as YAML: {' '.join(str(error).split())}") from None
    return done.stdout


def options(values: Mapping[str, Any]) -> str:
    """Parameters as `-S key=value` options for `dvc exp run`."""
    return " ".join(
        f"-S {shlex.quote(f'{key}={value if isinstance(value, str) else json.dumps(value)}')}"
        for key, value in values.items()
    )


def _yaml() -> YAML:
    """Keeps comments, order, quotes and how numbers and lists are written."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # long lines stay one line
    yaml.Representer = _Representer
    return yaml


def _read(path: Path) -> Values:
    """The parameters of a file, which know how they are written there. Raises InputError as `read_yaml`."""
    read_yaml(path)  # for its errors
    return flatten(_yaml().load(path.read_text()))


def _edit(text: str, changes: Values, origin: Path) -> str:
    """`text` with other values. Raises InputError, naming `origin`, when a key is unknown."""
    yaml = _yaml()
    tree = yaml.load(text)
    for key, value in changes.items():
        *groups, last = key.split(".")
        node = tree
        for group in groups:
            node = node.get(group) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last not in node or isinstance(node[last], dict):
            raise InputError(f"{origin}: {key}: unknown key")
        if isinstance(value, CommentedSeq):
            value.ca.comment = None  # the comment beside it in its own file
        node[last] = value
    stream = io.StringIO()
    yaml.dump(tree, stream)
    return stream.getvalue()


def _check(text: str, name: str) -> None:
    check_params(YAML(typ="safe", pure=True).load(text), name=name)


def _write(target: Path, text: str) -> None:
    with files.atomic(target) as temporary:
        temporary.write_text(text)


def _summary(name: str, result: Result) -> str:
    """One line on what was set, kept and undone."""
    done = "as committed" if name == DEFAULT else f"{len(result.changes)} keys set as in {PROFILES / name}.yaml"
    parts = [f"{PARAMS_FILE}: {done}"]
    if result.kept:
        parts.append(f"your own, kept: {', '.join(result.kept)}")
    if result.undone:
        undone = ", ".join(f"{key} (was {json.dumps(value)})" for key, value in result.undone.items())
        parts.append(f"your own, undone: {undone}")
    if name != DEFAULT:
        parts.append(f"python -m stages.profile {DEFAULT} goes back")
    return "; ".join(parts)


def main(arguments: list[str] | None = None) -> None:
    known = [DEFAULT, *sorted(path.stem for path in PROFILES.glob("*.yaml"))]
    parser = argparse.ArgumentParser(
        prog="python -m stages.profile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=known, metavar="NAME", help=", ".join(known))
    parser.add_argument("--args", action="store_true", help="print options of `dvc exp run` instead")
    chosen = parser.parse_args(arguments)
    try:
        result = resolve(chosen.name)
    except InputError as error:
        sys.exit(str(error))
    if chosen.args:
        print(options(result.differences))
    else:
        _write(Path(PARAMS_FILE), result.text)
        print(_summary(chosen.name, result))


if __name__ == "__main__":
    main()
