"""Released weights, fetched, verified and converted: weights.source -> models/official."""

from pathlib import Path

from styleheat import files
from styleheat.errors import InputError
from styleheat.pipeline import Stage, main

FOLDER = Path("models/official")


def body(stage: Stage) -> None:
    """Leave a folder without weights for source `none`. Raises InputError for others, which nothing converts yet."""
    source = stage.params.weights.source
    if source != "none":
        raise InputError(f"params.yaml: weights.source: {source} can't be converted yet; only none is known")
    with files.atomic(FOLDER) as folder:
        folder.mkdir()
        (folder / "README.md").write_text("No released weights: `weights.source` in params.yaml is `none`.\n")


if __name__ == "__main__":
    main(body)
