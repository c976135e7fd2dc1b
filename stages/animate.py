"""Animate portraits by drivers, each by each, with the models and options of params.yaml.

    python -m stages.animate --portrait anna.jpg bert.jpg --driver nod.mp4 speech.wav --out videos

writes videos/anna--nod.mp4 and so on. A driver is a video, an image, an audio file, a text (.txt), which is spoken
first, or a .mat of coefficients. Videos that are there already are left alone. No stage of the pipeline: DVC doesn't
know of the videos.
"""

import argparse
import sys
from pathlib import Path

from styleheat.errors import InputError
from styleheat.params import load_params
from styleheat.pipeline import Stage


def main(arguments: list[str] | None = None) -> None:
    """Leave the process: status 0, or 1 when a video could not be made."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.animate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--portrait", type=Path, nargs="+", required=True, metavar="IMAGE")
    parser.add_argument("--driver", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--again", action="store_true", help="make videos that are there already, too")
    args = parser.parse_args(arguments)
    from styleheat.inference.animator import Animator
    from styleheat.inference.batch import animate_all

    try:
        stage = Stage("animate", load_params())
        counts = animate_all(Animator(stage.params, stage.device()), args.portrait, args.driver, args.out, args.again)
    except InputError as error:
        sys.exit(f"animate: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(f"{args.out}: {counts['made']} made, {counts['there']} there already, {counts['failed']} failed")
    sys.exit(int(counts["failed"] > 0))


if __name__ == "__main__":
    main()
