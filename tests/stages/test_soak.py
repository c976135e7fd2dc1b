"""Many clips, one in ten of them bad, and runs that are killed again and again until one of them ends.

`python -m tests.stages.test_soak 300 20` does it with 300 clips and 20 kills, in some twenty minutes on two cores.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from styleheat.clips import index
from styleheat.clips.account import FOLDERS, read_account
from tests.stages.campaign import FRAMES, STAGES, content, face, run, start, write_video
from tests.stages.test_bad_videos import KINDS

BAD = [name for name, (_, stage, _) in KINDS.items() if stage]
DISTINCT = 20
"""Videos of a face; those of more clips are copies."""


def write_videos(folder: Path, clips: int) -> None:
    """So many videos, every tenth bad, all of different people."""
    folder.mkdir(parents=True)
    for number in range(clips):
        if number % 10 == 9:
            kind = BAD[number // 10 % len(BAD)]
            path = folder / f"bad{number:04d}.mp4"
            KINDS[kind][0](path)
            path.rename(path.with_suffix(Path(kind).suffix))
        elif number < DISTINCT:
            write_video(folder / f"p{number:04d}.mp4", [face(number + k // 8) for k in range(FRAMES)])
        else:
            like = number % DISTINCT - (number % DISTINCT % 10 == 9)
            shutil.copyfile(folder / f"p{like:04d}.mp4", folder / f"p{number:04d}.mp4")


def soak(top: Path, clips: int, kills: int, seed: int = 0) -> dict[str, int]:
    """Work on one project without a disturbance and on another until it is done, killed at random moments; what both
    hold is equal. The clips by what became of them."""
    rng = random.Random(seed)
    calm, rough = top / "calm", top / "rough"
    write_videos(calm / "in", clips)
    shutil.copytree(calm / "in", rough / "in")
    began = time.monotonic()
    assert run(calm, *STAGES, "account", workers=2) == (0, "")
    longest = (time.monotonic() - began) / max(1, kills) * 1.5
    killed = 0
    while killed < kills:
        process = start(rough, *STAGES, "account", workers=2)
        process.join(rng.uniform(0.2, 1) * longest)
        if process.exitcode is not None:
            break
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        killed += 1
    assert run(rough, *STAGES, "account", workers=2) == (0, "")
    for stage in STAGES:
        folder = f"data/vox/{FOLDERS[stage]}"
        assert content(rough / folder) == content(calm / folder), stage
    found = read_account(rough / "data/vox").metrics()["clips"]
    assert found == read_account(calm / "data/vox").metrics()["clips"]
    assert found["asked"] == found["packed"] + found["lost"] == clips
    assert not any(entry.transient for entry in index.read(rough / "data/vox/clips").values())
    return found | {"kills": killed}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nothing_is_lost_however_often_it_is_killed(tmp_path: Path) -> None:
    found = soak(tmp_path, clips=40, kills=6)
    assert found["kills"] > 2 and found["packed"] == 36


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(soak(Path(folder), int(sys.argv[1]), int(sys.argv[2])))
