"""Score videos of any origin against those that they should be equal to, by the protocol same_identity of `evaluate`.

    python -m stages.score --videos generated --against originals

compares generated/anna#1.mp4 with originals/anna#1.mp4 and so on, and prints one row of a table, so that other methods
stand beside this one. Frames are compared at 256×256 pixels in FFHQ's framing, 25 per second. A person is the file's
name up to the first "#". No stage of the pipeline.
"""

import argparse
import json
import sys
from pathlib import Path

from tqdm import tqdm

from styleheat.errors import InputError
from styleheat.params import load_params
from styleheat.pipeline import Stage

COLUMNS = (
    "psnr",
    "ssim",
    "ms_ssim",
    "l1",
    "lpips",
    "fid",
    "kid",
    "landmarks",
    "akd",
    "aed",
    "apd",
    "identity",
    "mouth_correlation",
    "eyes_correlation",
    "lse_c",
    "lse_d",
)


def main(arguments: list[str] | None = None) -> None:
    """Leave the process: status 0, or 1 when a video could not be scored."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.score", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--against", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers into this file")
    given = parser.parse_args(arguments)
    import numpy as np

    from styleheat.evaluation import keypoints, learned, score
    from styleheat.evaluation.summary import distances, of_protocol
    from styleheat.inference.reader import face_reader

    results, failed = {}, 0
    try:
        stage = Stage("score", load_params())
        reader = face_reader(stage.params.infer, stage.device())
        networks = learned.opened(stage.params.evaluate.scores, stage.device())
        other = keypoints.opened(keypoints.backend(stage.params.infer.landmarks), stage.device())
        for name, (video, target) in tqdm(score.pairs(given.videos, given.against).items(), unit="video"):
            try:
                if target is None:
                    raise InputError(f"{video}: {given.against} has no video of this name; give it one")
                results[name] = score.score(video, target, reader, networks, other, name.partition("#")[0])
            except InputError as error:
                failed += 1
                tqdm.write(f"score: {error}", file=sys.stderr)
        if not results:
            raise InputError(f"{given.videos}: no video could be scored")
    except InputError as error:
        sys.exit(f"score: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    scored = list(results.values())
    numbers = of_protocol([one.result for one in scored])
    if networks is None:
        print(learned.LEFT_OUT, file=sys.stderr)
    else:
        features = [np.concatenate([getattr(one, key) for one in scored]) for key in ("generated", "target")]
        numbers |= distances(*features)
    if other is None:
        print(keypoints.LEFT_OUT, file=sys.stderr)
    if given.json:
        given.json.write_text(json.dumps(numbers, indent=2, sort_keys=True) + "\n")
    shown = [column for column in COLUMNS if column in numbers]
    print(f"| videos | clips | {' | '.join(shown)} |")
    print("|---" * (len(shown) + 2) + "|")
    print(f"| {given.videos.name} | {len(results)} | {' | '.join(f'{numbers[column]:.3f}' for column in shown)} |")
    sys.exit(int(failed > 0))


if __name__ == "__main__":
    main()
