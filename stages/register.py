"""Put a trained model into MLflow's registry: the next version of a name, under an alias.

    python -m stages.register --name styleheat

registers models/styleheat as the alias `champion`; dvc.lock has to be committed. The version names the commit and the
folder in DVC's cache; nothing is copied. No stage of the pipeline.
"""

import argparse
import sys
from pathlib import Path

from styleheat.errors import InputError
from styleheat.pipeline import root


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.register", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", required=True, help="of the registered model")
    parser.add_argument("--model", type=Path, default=Path("models/styleheat"), metavar="FOLDER")
    parser.add_argument("--alias", default="champion", help="that shall name this version from now on")
    given = parser.parse_args(arguments)
    from styleheat.tracking.registry import register

    try:
        version, command = register(root(), given.name, given.model, given.alias)
    except InputError as error:
        sys.exit(f"register: {error}")
    print(f"{given.model}: version {version} of {given.name}, {given.alias}. To have it later, for infer.models:")
    print(f"  {command}")


if __name__ == "__main__":
    main()
