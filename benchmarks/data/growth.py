"""One more clip where many are done."""

import argparse
import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data.common import STAGES, params, run, timed, working_in, write_example
from benchmarks.data.crop import warm_up
from styleheat.clips import index
from styleheat.clips.workers import Entry


def measure_one(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """A clip alone, then the same clip where many are done: copies of another one under names of their own."""
    own = params(128)
    with inside("alone"):
        write_example(Path("in/one.mp4"), 320, 240, 100, 1)
        write_example(Path("in/other.mp4"), 320, 240, 50, 2)
        alone = {stage: timed(lambda stage=stage: run(stage, own)) for stage in (*STAGES, "account")}
    with inside("many"):
        write_example(Path("in/k0.mp4"), 320, 240, 50, 3)
        write_example(Path("in/k1.mp4"), 320, 240, 50, 3)
        for stage in STAGES:
            run(stage, own)
        multiply(args.clips)
        for stage in STAGES:  # brings the names of those held out into line
            run(stage, own)
        shutil.copy("../alone/in/one.mp4", "in/one.mp4")
        grown = {stage: timed(lambda stage=stage: run(stage, own)) for stage in (*STAGES, "account")}
    return {
        stage: {
            "alone": round(alone[stage], 2),
            "one more": round(grown[stage], 2),
            "overhead": round(grown[stage] - alone[stage], 2),
        }
        for stage in grown
    }


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """Work in a folder of its own, with workers that have imported all."""
    Path(name, "in").mkdir(parents=True)
    with working_in(name):
        warm_up()
        yield


def multiply(count: int) -> None:
    """Give a project of one finished clip `count` of them: hard links, and entries of the indexes."""
    videos = index.read(Path("data/vox/videos"))
    name = next(clip for clip, entry in videos.items() if entry.facts["split"] == "train")  # as nearly all will be
    for number in range(2, count):
        os.link(f"in/{name}.mp4", f"in/k{number}.mp4")
    for folder in ("videos", "clips", "landmarks", "coefficients"):
        data = Path("data/vox", folder)
        entries = index.read(data)
        for number in range(2, count):
            entry = entries[name]
            text = json.dumps(vars(entry)).replace(name, f"k{number}")
            copy = Entry(**json.loads(text))
            for file, theirs in zip(entry.files, copy.files, strict=True):
                os.link(data / file, data / theirs)
            entries[f"k{number}"] = copy
        index.write(data, entries)
