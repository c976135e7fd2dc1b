"""Overlay a profile on params.yaml, keeping its comments: python -m stages.profile NAME.

A profile is a file of profiles/ with only the keys that differ from the committed params.yaml. With --args nothing is
written; the same is printed as options of `dvc exp run`.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, RoundTripRepresenter

from styleheat import files
from styleheat.errors import InputError
from styleheat.params import PARAMS_FILE, check_params, read_yaml
from styleheat.pipeline import flatten

PROFILES = Path("profiles")


class _Representer(RoundTripRepresenter):
    """Writes null as `null`, as params.yaml does, where ruamel would write nothing."""


_Representer.add_representer(type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null"))


def overlay(profile: Path, target: Path) -> dict[str, Any]:
    """Set the keys of `profile` in `target`, comments and order kept; return them with dotted names.

    Raises InputError, and writes nothing, when a key is unknown or the parameters that result are wrong.
    """
    changes = flatten(read_yaml(profile))
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # long lines stay one line
    yaml.Representer = _Representer
    read_yaml(target)
    tree = yaml.load(target.read_text())
    for key, value in changes.items():
        *groups, last = key.split(".")
        node = tree
        for group in groups:
            node = node.get(group) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last not in node or isinstance(node[last], dict):
            raise InputError(f"{profile}: {key}: unknown key")
        node[last] = value
    with files.atomic(target) as temporary:
        with temporary.open("w") as stream:
            yaml.dump(tree, stream)
        check_params(read_yaml(temporary), name=f"{profile} over {target}")
    return changes


def options(profile: Path) -> str:
    """The keys of `profile` as `-S key=value` options for `dvc exp run`."""
    return " ".join(
        f"-S {shlex.quote(f'{key}={value if isinstance(value, str) else json.dumps(value)}')}"
        for key, value in flatten(read_yaml(profile)).items()
    )


def main(arguments: list[str] | None = None) -> None:
    known = sorted(path.stem for path in PROFILES.glob("*.yaml"))
    parser = argparse.ArgumentParser(
        prog="python -m stages.profile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=known, metavar="NAME", help=", ".join(known))
    parser.add_argument("--args", action="store_true", help="print options of `dvc exp run` instead")
    chosen = parser.parse_args(arguments)
    profile = PROFILES / f"{chosen.name}.yaml"
    try:
        if chosen.args:
            print(options(profile))
        else:
            changes = overlay(profile, Path(PARAMS_FILE))
            print(f"{PARAMS_FILE}: {len(changes)} keys set as in {profile}; git checkout {PARAMS_FILE} undoes it")
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
