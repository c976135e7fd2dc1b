"""What preparing data costs: `python -m benchmarks.data`, each part beside the usual way to do it, in one run.

    crop    frames a second of cutting listed windows out of 1080p videos with sound, two workers, against a loop of
            imageio and scikit-image's resize, as in video-preprocessing
    pack    frames a second of packing clips of twice the size into an LMDB, two workers, against Pillow frame by frame:
            bicubic and JPEG, one transaction a clip, as PIRenderer does it, and the aligned frames as FFHQ makes them
            with Pillow; then against the same loop without aligned frames, which is half of the work
    loader  samples a second by no worker and by two: pairs as train_warper and train read them, the latter with both
            aligned frames, against a data set that decodes source, target and one aligned frame of every pair with
            Pillow, to float32; and stretches of speech, against a data set that cuts them from the mel windows of
            whole clips of 1024 frames
    one     what one more clip takes where a thousand are done, for each stage, against that clip alone
    memory  the peak of a process that crops a long 1080p video, at a tenth of the length and at the whole
    index   seconds to plan, list and resume each stage of a set of 150,000 clips

The videos show scikit-image's astronaut. `--only NAME` runs one part. On a busy machine ratios hold, rates don't.
"""

import argparse
import contextlib
import functools
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np
from PIL import Image

from stages import account, coefficients, crop, download, landmarks, pack
from styleheat.clips import index, store, writer
from styleheat.clips.account import FOLDERS
from styleheat.clips.workers import Entry, Outcome, Task
from styleheat.constants import FPS, LANDMARKS, PACKED_COEFFICIENTS, SAMPLE_RATE
from styleheat.face.align import ffhq_alignment
from styleheat.media.video import VideoWriter
from styleheat.morphable.coefficients import (
    FRAME_SIZE,
    descriptor,
    read_landmarks,
    read_mat,
    window,
    write_landmarks,
    write_mat,
)
from styleheat.params import PARAMS_FILE, Params, check_params, read_yaml
from styleheat.pipeline import Stage

ROOT = Path(__file__).parent.parent
STAGES = {"download": download, "crop": crop, "landmarks": landmarks, "coefficients": coefficients, "pack": pack}
WORKERS = 2
SIZE = 256


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=list(PARTS), help="run this part alone")
    parser.add_argument("--frames", type=int, default=250, help="of each video of the parts crop and pack")
    parser.add_argument("--clips", type=int, default=1000, help="that are done when one more comes")
    parser.add_argument("--seconds", type=float, default=7200, help="length of the video of the part memory")
    parser.add_argument("--indexed", type=int, default=150_000, help="clips of the part index")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--cropped", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if min(args.frames, args.clips, args.seconds, args.indexed) < 1:
        parser.error("--frames, --clips, --seconds and --indexed must be 1 or more")
    if args.cropped:
        print(json.dumps(crop_once(args.cropped)))
        return
    names = [args.only] if args.only else list(PARTS)
    report = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder, working_in(folder):
            report[name] = PARTS[name](args)
    print(json.dumps(report, indent=2) if args.json else "\n\n".join(table(name, report[name]) for name in report))


# --- what is worked on


def params(size: int = SIZE, packed: int | None = None) -> Params:
    """A local source, clips of a size, and frames of the same or another one."""
    tree = read_yaml(ROOT / PARAMS_FILE)
    tree["runtime"]["workers"] = WORKERS
    tree["sets"]["vox"] |= {
        "source": tree["sets"]["vox"]["source"] | {"kind": "local", "path": "in", "people": None, "test_people": 1},
        "crop": tree["sets"]["vox"]["crop"] | {"size": size, "max_frames": 1_000_000},
        "pack": tree["sets"]["vox"]["pack"] | {"size": packed or size, "align_size": packed or size},
    }
    return check_params(tree)


def run(name: str, args: Params) -> None:
    module = account if name == "account" else STAGES[name]
    module.body(Stage(name, args, "vox"))


@contextlib.contextmanager
def working_in(folder: str) -> Iterator[None]:
    """Be in a folder, and have joblib's workers start there anew: they stay where they were started."""
    from joblib.externals.loky import get_reusable_executor

    with contextlib.chdir(folder):
        get_reusable_executor().shutdown(wait=True)
        yield


@functools.cache
def head() -> np.ndarray:
    import skimage.data

    return skimage.data.astronaut()[:300, 75:375]


def example_frames(width: int, height: int, frames: int, person: int = 0) -> Iterator[np.ndarray]:
    """A head that moves about in the middle of a still, coarse pattern; another one for each person."""
    y, x = np.mgrid[:height, :width]
    pattern = 110 + 40 * np.sin(x / (30 + person)) * np.cos(y / 40)
    back = np.repeat(pattern[..., None], 3, axis=2).astype(np.uint8)
    side = height * 3 // 5
    face = cv2.resize(head(), (side, side), interpolation=cv2.INTER_AREA)
    for number in range(frames):
        frame = back.copy()
        left = (width - side) // 2 + round(side / 20 * np.sin(number / 9 + person))
        frame[height // 5 : height // 5 + side, left : left + side] = face
        yield frame


def write_example(path: Path, width: int, height: int, frames: int, person: int = 0) -> Path:
    sound = 0.1 * np.sin(np.arange(frames * 640) * 0.1)
    with VideoWriter(path, (width, height), samples=sound) as writer:
        for frame in example_frames(width, height, frames, person):
            writer.write(frame)
    return path


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rates(frames: int, ours: float, usual: dict[str, float]) -> dict[str, float]:
    """Frames a second, and how many times as fast as each usual way that is. Those did one video of the two."""
    report = {"ours": round(2 * frames / ours, 1)}
    for name, seconds in usual.items():
        report[name] = round(frames / seconds, 1)
        report[f"ratio to {name}"] = round(2 * seconds / ours, 2)
    return report


# --- crop


def measure_crop(args: argparse.Namespace) -> dict[str, float]:
    box = [510, 90, 1410, 990]
    for person in range(2):
        video = write_example(Path("data/vox/videos/train", f"{person}.mp4"), 1920, 1080, args.frames, person)
        segment = {"clip": video.stem, "start": 0, "end": None, "size": None, "crop": box, "face": None, "ratio": None}
        video.with_suffix(".json").write_text(json.dumps({"segments": [segment]}))
    fetched(Path("data/vox/videos"))
    warm_up()
    ours = timed(lambda: run("crop", params()))
    usual = timed(lambda: imageio_loop(Path("data/vox/videos/train/0.mp4"), box, Path("usual.mp4")))
    return rates(args.frames, ours, {"imageio": usual})


def imageio_loop(video: Path, box: list[int], path: Path) -> None:
    """All frames in a list, each cropped and resized by scikit-image, then saved."""
    import imageio.v3 as iio
    from skimage import img_as_ubyte
    from skimage.transform import resize

    left, top, right, bottom = box
    frames = [frame[top:bottom, left:right] for frame in iio.imiter(video, plugin="pyav")]
    small = [img_as_ubyte(resize(frame, (SIZE, SIZE), anti_aliasing=True)) for frame in frames]
    iio.imwrite(path, np.stack(small), plugin="pyav", codec="libx264", fps=25)


def fetched(folder: Path) -> None:
    """Write the index that the download stage leaves."""
    entries: dict[str, Entry] = {}
    for path in sorted(folder.glob("*/*")):
        entry = entries.setdefault(path.stem, Entry("f", facts={"person": path.stem, "split": "train", "clips": 1}))
        files = {**entry.files, path.relative_to(folder).as_posix(): index.digest(path)[:32]}
        entries[path.stem] = replace(entry, files=files)
    index.write(folder, entries)


def warm_up() -> None:
    """Start joblib's workers and let them import, which a run of a thousand clips doesn't notice."""
    tasks = {str(number): Task("f") for number in range(4 * WORKERS)}
    index.process("warm", tasks, imported, workers=WORKERS)


def imported(clip: str) -> Outcome:
    from styleheat.face.landmarks import mediapipe
    from styleheat.media.mel import mel_spectrogram

    mediapipe()
    mel_spectrogram(np.zeros(16_000))
    time.sleep(0.2)  # so that each worker takes some
    return Outcome()


# --- pack


def measure_pack(args: argparse.Namespace) -> dict[str, float]:
    clips = [write_clip(f"{person}", args.frames, 2 * SIZE) for person in range(2)]
    warm_up()
    ours = timed(lambda: run("pack", params(2 * SIZE, packed=SIZE)))
    usual = {
        "Pillow": timed(lambda: pillow_loop(clips[0], Path("usual_aligned"), aligned=True)),
        "Pillow, nothing aligned": timed(lambda: pillow_loop(clips[0], Path("usual"), aligned=False)),
    }
    return rates(args.frames, ours, usual)


def write_clip(name: str, frames: int, size: int) -> Path:
    """A clip with its landmarks and coefficients, as the stages before pack leave them."""
    data = Path("data/vox")
    clip = write_example(data / "clips/train" / f"{name}.mp4", size, size, frames, int(name))
    points = np.tile(some_landmarks(size), (frames, 1, 1)) + np.sin(np.arange(frames) / 9)[:, None, None]
    write_landmarks(data / "landmarks" / f"{name}.txt", points)
    transform = np.tile(np.float32([256, 256, 1, 128, 128]), (frames, 1))
    write_mat(data / "coefficients" / f"{name}.mat", np.zeros((frames, 257)), transform)
    for folder, suffix in (("clips", ".mp4"), ("landmarks", ".txt"), ("coefficients", ".mat")):
        paths = sorted((data / folder).rglob(f"*{suffix}"))
        entries = {path.stem: made_of(data / folder, path) for path in paths}
        index.write(data / folder, entries)
    return clip


def made_of(folder: Path, *paths: Path) -> Entry:
    files = {path.relative_to(folder).as_posix(): index.digest(path)[:32] for path in paths}
    return Entry("f", files, facts={"person": paths[0].stem})


@functools.cache
def some_landmarks(size: int) -> np.ndarray:
    """(68, 2): those of the mean face, in the middle of a frame."""
    from styleheat.morphable.points import MEAN

    flat = MEAN[:, :2] * (1, -1)
    return (flat - flat.mean(0)) / np.ptp(flat, axis=0).max() * size * 0.45 + size / 2


def pillow_loop(clip: Path, folder: Path, aligned: bool) -> None:
    """Each frame by Pillow, all of a clip put in one transaction."""
    name = clip.stem
    data = clip.parents[2]
    points = read_landmarks(data / "landmarks" / f"{name}.txt")
    folder.mkdir()
    environment = lmdb.open(str(folder / "data.mdb"), map_size=1 << 30, subdir=False, lock=False)
    capture = cv2.VideoCapture(str(clip))
    with environment.begin(write=True) as transaction:
        for number in itertools.count():
            found, frame = capture.read()
            if not found:
                break
            picture = Image.fromarray(frame[..., ::-1])
            pictures = {store.frame_key(name, number): picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC)}
            if aligned:
                alignment = ffhq_alignment(points[number], picture.width, picture.height, SIZE)
                upright = Image.fromarray(alignment.apply(np.asarray(picture)))
                pictures[store.frame_key(name, number, aligned=True)] = upright
            for key, one in pictures.items():
                buffer = io.BytesIO()
                one.save(buffer, "JPEG", quality=store.JPEG_QUALITY, subsampling=0)
                transaction.put(key.encode(), buffer.getvalue())
        transaction.put(f"{name}-keypoint".encode(), points.tobytes())
        transaction.put(f"{name}-coeff_3dmm".encode(), read_mat(data / "coefficients" / f"{name}.mat")[0].tobytes())
    environment.close()


# --- loader

ROUNDS = 3
STRETCH = 33
"""Frames of a sample of train_audio."""


def measure_loader(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    import torch

    from styleheat.clips.pairs import FramePairs, SpeechClips

    torch.set_num_threads(1)  # as DataLoader does in its workers
    for person in range(4):
        write_clip(str(person), args.frames, SIZE)
    run("pack", params())
    clips = store.ClipStore("data/vox/lmdb", SIZE)
    speech = speech_clips(params().sets.hdtf.crop.max_frames)
    windows = ("source", "target", "source_window", "target_window")
    everything = (*windows, "source_landmarks", "target_landmarks", "source_align", "target_align")

    def pairs(reads: tuple[str, ...], workers: int) -> dict[str, float]:
        # LMDB opens a file but once a process.
        copy = shutil.copy(clips.folder / str(SIZE) / store.DATABASE, f"usual{len(reads)}{workers}.mdb")
        ours = FramePairs(clips, "train", SIZE, seed=0, reads=reads)
        return compared(ours, PillowPairs(clips, copy), 4 * args.frames, workers, batch=16)

    def stretches(workers: int) -> dict[str, float]:
        ours, usual = SpeechClips(speech, "train", STRETCH, seed=0), WholeClips(speech, "train", STRETCH, seed=0)
        return compared(ours, usual, 512, workers, batch=64)

    report: dict[str, dict[str, float]] = {"warper": {}, "StyleHEAT": {}, "speech": {}}
    for workers in (0, WORKERS):
        report["warper"] |= pairs(windows, workers)
        report["StyleHEAT"] |= pairs(everything, workers)
        report["speech"] |= stretches(workers)
    return report


def compared(ours: Any, usual: Any, count: int, workers: int, batch: int) -> dict[str, float]:
    """Samples a second of two data sets, and their ratio: medians of rounds in which they take turns."""
    found = np.array([[rate(dataset, count, workers, batch) for dataset in (ours, usual)] for _ in range(ROUNDS)])
    medians = np.median(found, axis=0)
    names = ("ours", "usual", "ratio")
    values = (round(medians[0], 1), round(medians[1], 1), round(medians[0] / medians[1], 2))
    return {f"{name}, {workers} workers": float(value) for name, value in zip(names, values, strict=True)}


def rate(dataset: Any, count: int, workers: int, batch: int) -> float:
    """Samples a second, without the time that the workers take to start and to read a batch each."""
    from torch.utils.data import DataLoader

    first = max(workers, 1)
    loader = iter(DataLoader(dataset, batch, sampler=range(first * batch + count), num_workers=workers))
    for _ in range(first):
        next(loader)
    return count / timed(lambda: [None for _ in loader])


def speech_clips(frames: int) -> store.ClipStore:
    """Four clips with audio; their images are small, as train_audio reads none."""
    rng = np.random.default_rng(0)
    names, side = [f"{person}#" for person in range(4)], 16
    for name in names:
        with writer.ClipWriter(Path(f"{name}.zip"), name) as shard:
            image = np.zeros((side, side, 3), np.uint8)
            for _ in range(frames):
                shard.add_frame(image, image)
            points = some_landmarks(SIZE) + rng.normal(size=(frames, LANDMARKS, 2))
            sound = 0.1 * rng.normal(size=frames * SAMPLE_RATE // FPS)
            shard.finish(rng.normal(size=(frames, PACKED_COEFFICIENTS)), points, sound, name, source="made up")
    writer.write_lmdb("speech", side, dict.fromkeys(names, "train"), {name: Path(f"{name}.zip") for name in names})
    return store.ClipStore("speech", side)


class WholeClips:
    """The same samples as `SpeechClips`, cut from what is computed of the whole clip."""

    def __init__(self, clips: store.ClipStore, split: str, frames: int, *, seed: int) -> None:
        self.clips, self.frames, self.seed = clips, frames, seed
        self.names = {clip: clips.length(clip) for clip in clips.clips(split)}
        self.persons = [clips.person(clip) for clip in self.names]

    def __getitem__(self, number: int) -> dict[str, Any]:
        import torch

        from styleheat.media.mel import mel_spectrogram, mel_windows
        from styleheat.morphable.measures import blink_track

        rng = np.random.default_rng([self.seed, number])
        clip = list(self.names)[rng.integers(len(self.names))]
        start = int(rng.integers(self.names[clip] - self.frames + 1))
        stretch = slice(start, start + self.frames)
        mel = mel_spectrogram(self.clips.sound(clip))
        return {
            "mel": torch.from_numpy(mel_windows(mel, self.names[clip])[stretch]),
            "descriptors": torch.from_numpy(descriptor(self.clips.coefficients(clip))[stretch]),
            "blink": torch.from_numpy(blink_track(self.clips.landmarks(clip))[stretch].astype(np.float32)),
            "person": self.persons.index(self.clips.person(clip)),
            "clip": clip,
        }


class PillowPairs:
    """Pairs with all items but the target's aligned frame, by Pillow and torchvision: images as float32 in [-1, 1], one
    read transaction a value."""

    def __init__(self, clips: store.ClipStore, path: str) -> None:
        """path: a copy of the LMDB, as LMDB opens a file but once a process."""
        self.path = path
        self.names = {clip: clips.length(clip) for clip in clips.clips("train")}
        self.environment: lmdb.Environment | None = None

    def __getitem__(self, number: int) -> dict[str, Any]:
        import torch
        from torchvision import transforms

        if self.environment is None:
            self.environment = lmdb.open(self.path, subdir=False, readonly=True, lock=False, readahead=False)
        rng = np.random.default_rng([0, number])
        clip = list(self.names)[rng.integers(len(self.names))]
        source, target = (int(frame) for frame in rng.choice(self.names[clip], 2, replace=False))
        as_tensor = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])

        def value(key: str) -> bytes:
            with self.environment.begin(write=False) as transaction:
                return transaction.get(key.encode())

        def picture(frame: int, aligned: bool = False) -> torch.Tensor:
            return as_tensor(Image.open(io.BytesIO(value(store.frame_key(clip, frame, aligned)))).convert("RGB"))

        descriptors = descriptor(np.frombuffer(value(f"{clip}-coeff_3dmm"), np.float32).reshape(-1, 260))
        points = np.frombuffer(value(f"{clip}-keypoint"), np.float32).reshape(-1, 68, 2) * (SIZE / FRAME_SIZE)
        return {
            "source": picture(source),
            "target": picture(target),
            "source_align": picture(source, aligned=True),
            "source_window": torch.from_numpy(window(descriptors, source).copy()),
            "target_window": torch.from_numpy(window(descriptors, target).copy()),
            "source_landmarks": torch.from_numpy(points[source]),
            "target_landmarks": torch.from_numpy(points[target]),
        }


# --- one more clip


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


# --- memory


def measure_memory(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    report = {}
    for name, seconds in (("a tenth", args.seconds / 10), ("whole", args.seconds)):
        path = Path(name.replace(" ", "_") + ".mp4")
        repeat(path, seconds)
        command = [sys.executable, "-m", "benchmarks.data", "--cropped", str(path.resolve())]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        report[name] = json.loads(done.stdout)
    return report


def repeat(path: Path, seconds: float) -> None:
    """A 1080p video of so many seconds with sound: a moment of it, its packets over and over.

    48 frames last as long as 30 packets of sound; what the encoders add at the ends is left out.
    """
    import av

    moment = 48 / FPS
    short = write_example(path.with_suffix(".short.mp4"), 1920, 1080, 48)
    with av.open(str(short)) as source, av.open(str(path), "w") as output:
        copies = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        packets = [packet for packet in source.demux() if packet.size]
        length = {number: round(moment / source.streams[number].time_base) for number in copies}
        begin: dict[int, int] = {}
        for packet in packets:
            begin.setdefault(packet.stream.index, packet.dts)
        for turn in range(max(1, round(seconds / moment))):
            for packet in packets:
                if packet.dts - begin[packet.stream.index] >= length[packet.stream.index]:
                    continue
                copy = av.Packet(bytes(packet))
                number = packet.stream.index
                copy.pts, copy.dts = packet.pts + turn * length[number], packet.dts + turn * length[number]
                copy.duration, copy.is_keyframe = packet.duration, packet.is_keyframe
                copy.time_base, copy.stream = packet.time_base, copies[number]
                output.mux(copy)


def crop_once(video: Path) -> dict[str, float]:
    """Crop a video, and say how much memory this process ever took."""
    from styleheat.face.crop import crop_video
    from styleheat.face.landmarks import mediapipe

    start = time.perf_counter()
    settings = params().sets.vox.crop.model_dump() | {"max_frames": 1024}
    made = crop_video(video, video.parent / "clips", **settings, finder=mediapipe())
    frames = sum(frames for frames, _ in made.facts["clips"].values())
    # Not getrusage's peak, which begins with that of the process that started this one.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024  # from kilobytes
    seconds = time.perf_counter() - start
    return {"frames": frames, "clips": len(made.files), "peak_memory_mb": round(peak, 1), "seconds": round(seconds, 1)}


# --- index


class Planned(Exception):
    """Thrown where a stage hands over its tasks."""


def measure_index(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Stages of a set that is done but for the index of each, whose journal says so: a run killed at its end."""
    from styleheat.clips.account import read_account

    own = params(128)
    report = {"download": index_of_archive(args.indexed)}
    names = [f"id{number // 100:05d}#video{number // 8:06d}#{number:06d}" for number in range(args.indexed)]
    data = Path("data/vox")
    videos = {name: made_up(name, ".mp4", "train", person=name[:7]) for name in names}
    index.write(folder_of(data, "download"), videos)
    touch(data / "videos", videos.values())
    for stage, suffix in (("crop", ".mp4"), ("landmarks", ".txt"), ("coefficients", ".mat")):
        folder = folder_of(data, stage)
        tasks = {}
        planned = spent("plan", lambda stage=stage, tasks=tasks: tasks.update(tasks_of(stage, own)))
        record_all(folder, tasks, suffix)
        resumed = spent("resume", lambda stage=stage: run(stage, own))
        report[stage] = planned | resumed | spent("list", lambda f=folder, suffix=suffix: index.outputs(f, suffix))
    tasks = {}
    planned = spent("plan", lambda: tasks.update(tasks_of("pack", own)))
    pack_all(folder_of(data, "pack"), tasks, own)
    resumed = spent("resume", lambda: run("pack", own))
    report["pack"] = planned | resumed | spent("list", lambda: store.ClipStore(data / "lmdb", 128).clips("train"))
    report["account"] = spent("list", lambda: read_account(data).page("x"))
    return report


def spent(what: str, work: Callable[[], Any]) -> dict[str, float]:
    """Seconds by the clock, and of this process alone: what it takes where nothing else runs, but for the disk."""
    start = time.process_time()
    seconds = timed(work)
    return {what: round(seconds, 1), f"{what}, CPU": round(time.process_time() - start, 1)}


def record_all(folder: Path, tasks: dict[str, Task], suffix: str) -> None:
    """What a run leaves that is killed when all is made and recorded, but the index not written."""
    made = {name: replace(made_up(name, suffix, "train"), fingerprint=task.fingerprint) for name, task in tasks.items()}
    touch(folder, made.values())
    with index._journal(folder) as record:
        record(made.items())


def pack_all(folder: Path, tasks: dict[str, Task], args: Params) -> None:
    """What `pack` leaves that is killed before it writes its index; each clip has one frame, of one pixel."""
    pixel = store.encode_image(np.zeros((1, 1, 3), np.uint8))
    path = folder / str(args.sets.vox.pack.size) / store.DATABASE
    path.parent.mkdir()
    with writer._Writer(path) as database:
        for clip, task in tasks.items():
            values = {
                store.frame_key(clip, 0): pixel,
                store.frame_key(clip, 0, aligned=True): pixel,
                f"{clip}-coeff_3dmm": bytes(4 * PACKED_COEFFICIENTS),
                f"{clip}-keypoint": bytes(8 * LANDMARKS),
                f"{clip}-length": b"0000001",
                f"{clip}-source": task.fingerprint.encode(),
            }
            database.put((key.encode(), value) for key, value in values.items())
        database.put([(b"length", f"{len(tasks):07d}".encode())])
    for split in store.SPLITS:
        (folder / f"{split}_list.txt").write_text("".join(f"{clip}\n" for clip in tasks if split == "train"))


def index_of_archive(clips: int) -> dict[str, float]:
    """The first stage, on an archive of VoxCeleb's form with so many utterances, eight a video."""
    tree = params(128).model_dump()
    tree["sets"]["vox"]["source"] |= {"kind": "voxceleb", "path": "archives"}
    own = check_params(tree)
    Path("archives").mkdir()
    with zipfile.ZipFile("archives/vox2_dev_txt.zip", "w") as archive:
        for number in range(clips):
            video = f"video{number // 8:06d}"
            archive.writestr(f"txt/id{number // 100:05d}/{video}/{number % 8:05d}.txt", "FRAME X Y W H\n0 0 0 9 9\n")
    tasks: dict[str, Task] = {}
    planned = spent("plan", lambda: tasks.update(tasks_of("download", own)))
    folder = folder_of(Path("data/vox"), "download")
    record_all(folder, tasks, ".mp4")
    resumed = spent("resume", lambda: run("download", own))
    return planned | resumed | spent("list", lambda: index.outputs(folder, ".mp4"))


def folder_of(data: Path, stage: str) -> Path:
    folder = data / FOLDERS[stage]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def made_up(name: str, suffix: str, split: str, **facts: Any) -> Entry:
    file = f"{split}/{name}{suffix}" if suffix == ".mp4" else f"{name}{suffix}"
    pose = {axis: {"0": 90, "10": 10} for axis in ("pitch", "yaw", "roll")}
    known = {
        "split": split, "clips": {name: [100, 256]}, "sound": True, "frames": 100, "faces": 100,
        "backend": "fit", "filled_in": 0, "error": 0.01, "pose": pose,
    }  # fmt: skip
    return Entry("f", {file: name.ljust(32)}, facts=known | facts)


def touch(folder: Path, made: Iterable[Entry]) -> None:
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True, exist_ok=True)
    for entry in made:
        for name in entry.files:
            Path(f"{folder}/{name}").touch()


def tasks_of(stage: str, args: Params) -> dict[str, Task]:
    """What a stage would hand to its workers."""
    caught: dict[str, Task] = {}

    def catch(folder: Path, tasks: dict[str, Task], *_: Any, **__: Any) -> None:
        caught.update(tasks)
        raise Planned

    original, index.process = index.process, catch
    try:
        run(stage, args)
    except Planned:
        pass
    finally:
        index.process = original
    return caught


# --- the report

PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "crop": measure_crop,
    "pack": measure_pack,
    "loader": measure_loader,
    "one": measure_one,
    "memory": measure_memory,
    "index": measure_index,
}


def table(name: str, report: dict[str, Any]) -> str:
    rows = report if all(isinstance(row, dict) for row in report.values()) else {"": report}
    heads = list(dict.fromkeys(head for row in rows.values() for head in row))
    widths = [max(len(head), 9) + 3 for head in heads]
    lines = [name.ljust(16) + "".join(head.rjust(width) for head, width in zip(heads, widths, strict=True))]
    for row, cells in rows.items():
        texts = [f"{cells[head]:g}" if head in cells else "" for head in heads]
        lines.append(row.ljust(16) + "".join(text.rjust(width) for text, width in zip(texts, widths, strict=True)))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
