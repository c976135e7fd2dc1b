"""Publish trained models with a model card, their scores and the licence: in a folder, or on Hugging Face.

    python -m stages.publish --to published
    python -m stages.publish --to hf://anna/talking-heads

`weights.source: published` (or the hf:// address) with `weights.models: [styleheat, audio]` brings them into another
checkout. No stage of the pipeline.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from styleheat.errors import InputError
from styleheat.pipeline import root


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.publish", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", required=True, metavar="PLACE", help="a folder that is made, or hf://user/name")
    parser.add_argument("--models", type=Path, default=Path("models/styleheat"), metavar="FOLDER")
    parser.add_argument("--audio-models", type=Path, default=Path("models/audio"), metavar="FOLDER")
    given = parser.parse_args(arguments)
    from styleheat import publication
    from styleheat.tracking.execution import git

    def make(folder: Path) -> None:
        models = {"styleheat": given.models, "audio": given.audio_models}
        scores, licence = root() / "metrics" / "evaluate.json", root() / "LICENSE"
        publication.make(folder, models, scores, licence, git("rev-parse", "HEAD"))

    try:
        if not given.to.startswith(publication.HUB):
            make(Path(given.to))
            print(f"{given.to}: published")
            return
        publication.address_of(given.to)
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder, "models"))
            print(publication.upload(Path(folder, "models"), given.to.removeprefix(publication.HUB)))
    except InputError as error:
        sys.exit(f"publish: {error}")


if __name__ == "__main__":
    main()
