"""A long video is cropped in several tasks, which make the bytes that one task makes."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stages import crop
from styleheat.clips import index
from styleheat.clips.workers import Entry, Outcome, Task
from styleheat.errors import InputError
from styleheat.face import crop as cutting
from styleheat.face import follow
from styleheat.face.crop import Cropped, Method, crop_video
from styleheat.face.landmarks import MediaPipe
from styleheat.media.video import VideoWriter
from styleheat.params import check_params, read_yaml
from styleheat.pipeline import Stage

ROOT = Path(__file__).parents[2]
SPAN = 2
VIDEOS, CLIPS, PARTS = Path("data/vox/videos"), Path("data/vox/clips"), Path(".work/crop@vox")
SETTINGS: dict[str, Any] = {"size": 64, "min_size": 60, "min_frames": 10, "max_frames": 40, "codec": "h264"}


def write_video(path: Path, places: list[list[int]], astronaut: np.ndarray) -> None:
    """Heads 120 pixels wide stand at these places of each frame of 320×180; a tone that changes each second."""
    head = cv2.resize(astronaut[:300, 75:375], (120, 120), interpolation=cv2.INTER_AREA)
    time = np.arange(len(places) * 640) / 16_000
    tone = 0.4 * np.sin(2 * np.pi * 200 * (1 + time.astype(int)) * time)
    with VideoWriter(path, (320, 180), samples=tone) as writer:
        for xs in places:
            frame = np.full((180, 320, 3), 90, np.uint8)
            for x in xs:
                frame[30:150, x : x + 120] = head
            writer.write(frame)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray, finder: MediaPipe) -> tuple[Path, Cropped]:
    """A long video: a head that moves across the ends of spans, nobody, two heads, one elsewhere; and a short one; and
    what one task makes of the long one."""
    folder = tmp_path_factory.mktemp("example")
    places = [[20 + k // 4] for k in range(90)] + [[]] * 18 + [[10, 190]] * 20 + [[190]] * 47
    write_video(folder / VIDEOS / "train/long.mp4", places, astronaut)
    write_video(folder / VIDEOS / "test/short.mp4", [[100]] * 30, astronaut)
    return folder, crop_video(
        folder / VIDEOS / "train/long.mp4", folder / "once/train", "tube", **SETTINGS, finder=finder
    )


@pytest.fixture
def checkout(tmp_path: Path, example: tuple[Path, Cropped], monkeypatch: pytest.MonkeyPatch) -> Cropped:
    """Both videos as the stage before leaves them; what one task, which reads it in one go, makes of the long one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(follow, "SPAN", SPAN)
    shutil.copytree(example[0] / "data", "data")
    record_videos()
    return example[1]


def record_videos() -> None:
    def store(name: str, path: Path) -> Outcome:
        return Outcome([path, *path.parent.glob(f"{name}.json")])

    tasks = {
        path.stem: Task(
            str(path.stat().st_mtime_ns), (path,), {"person": path.stem, "split": path.parent.name, "clips": 1}
        )
        for path in VIDEOS.glob("*/*.mp4")
    }
    (VIDEOS / index.INDEX).unlink(missing_ok=True)
    index.process(VIDEOS, tasks, store)


def run(method: Method = "tube") -> Entry:
    """Run the stage in this process; what became of the long video."""
    tree = read_yaml(ROOT / "params.yaml")
    tree["runtime"] |= {"workers": 1}
    tree["sets"]["vox"]["crop"] = SETTINGS | {"method": method}
    tree["sets"]["vox"]["pack"]["size"] = SETTINGS["size"]
    if method == "ratio":
        tree["sets"]["vox"]["source"] |= {"kind": "hdtf"}
    crop.body(Stage("crop", check_params(tree), "vox"))
    return index.read(CLIPS)["long"]


def at_once(finder: MediaPipe, method: Method = "tube") -> Cropped:
    return crop_video(VIDEOS / "train/long.mp4", Path("once/train"), method, **SETTINGS, finder=finder)


def assert_equal(entry: Entry, once: Cropped) -> None:
    """The index and the bytes of the stage are those of one task."""
    detail = once.detail.replace("once/", f"{CLIPS}/")
    assert (entry.reason, entry.detail, entry.transient) == (once.reason, detail, False)
    facts = {name: fact for name, fact in entry.facts.items() if name != "person"}
    assert facts == json.loads(json.dumps(once.facts))
    assert set(entry.files) == {f"train/{path.name}" for path in once.files}
    for path in once.files:
        assert (CLIPS / "train" / path.name).read_bytes() == path.read_bytes(), path.name


Counts = dict[str, list[str]]


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """Which parts were done, and what was cropped in one task."""
    counts: Counts = {"look": [], "write": [], "crop": []}

    def counting(name: str, function: Callable[..., Outcome]) -> Callable[..., Outcome]:
        return lambda key, *args: (counts[name].append(key), function(key, *args))[1]

    for name in counts:
        monkeypatch.setattr(crop, name, counting(name, getattr(crop, name)))
    return counts


@pytest.mark.parametrize("method", ["tube", "ffhq"])
def test_several_tasks_make_what_one_makes(
    method: Method, checkout: Cropped, finder: MediaPipe, worked: Counts
) -> None:
    entry = run(method)
    assert len(worked["look"]) == 4 and len(worked["write"]) == len(entry.files) >= 4
    assert [frames for frames, _ in entry.facts["clips"].values()][:3] == [30, 30, 30]  # the second crosses two seconds
    assert "several faces" in entry.facts["lost"].values()
    assert_equal(entry, at_once(finder, method))
    if method == "tube":
        assert_equal(entry, checkout)
    assert not PARTS.exists()
    assert run(method) == entry and len(worked["look"]) == 4  # nothing is done twice


def test_segments_of_a_long_video_are_tasks_too(checkout: Cropped, finder: MediaPipe, worked: Counts) -> None:
    complete = {"start": 0, "end": None, "size": None, "crop": None, "face": None, "ratio": None}
    segments = [
        {"clip": "a#window", "start": 0.4, "end": 3.2, "crop": [10, 20, 140, 150]},
        {"clip": "b#followed", "start": 4.4, "face": [220, 60, 270, 110]},
        {"clip": "c#beyond", "start": 30, "end": 40},
        {"clip": "d#nobody", "start": 3.8, "end": 4.2},
        {"clip": "e#listed", "start": 0.2, "end": 2.6, "ratio": 1.2},
    ]
    sidecar = VIDEOS / "train/long.json"
    sidecar.write_text(json.dumps({"segments": [complete | segment for segment in segments]}))
    record_videos()
    entry = run()
    assert set(entry.facts["lost"]) == {"b#followed@110-142", "c#beyond", "d#nobody"} and len(entry.files) == 5
    assert len(worked["look"]) == 2 + 1 + 2  # not the window, not what is beyond the end
    assert_equal(entry, at_once(finder))
    entry = run("ratio")
    assert set(entry.facts["clips"]) == {"e#listed#000", "e#listed#001"}
    assert_equal(entry, at_once(finder, "ratio"))


class Killed(BaseException):
    pass


def dying(function: Callable[..., Any], calls: int) -> Callable[..., Any]:
    """The function, until it is called so many times."""
    left = iter(range(calls))

    def call(*args: Any) -> Any:
        if next(left, None) is None:
            raise Killed
        return function(*args)

    return call


@pytest.mark.parametrize(("point", "looks", "clips"), [("look", 2, None), ("write", 4, 2), ("move", 4, None)])
def test_a_killed_run_goes_on_with_its_parts(
    point: str, looks: int, clips: int | None, checkout: Cropped, worked: Counts
) -> None:
    """After two looks, after two clips, and after two clips were taken to their places."""
    with pytest.MonkeyPatch.context() as patched:
        owner, name = (crop.shutil, "move") if point == "move" else (crop, point)
        patched.setattr(owner, name, dying(getattr(owner, name), 2))
        with pytest.raises(Killed):
            run()
    assert len(worked["look"]) == looks and (clips is None or len(worked["write"]) == clips)
    entry = run()
    assert len(worked["look"]) == 4
    assert len(worked["write"]) == len(entry.files) + (2 if point == "move" else 0)
    assert_equal(entry, checkout)
    assert worked["crop"].count("short") == 1 and not PARTS.exists()


def at_three_seconds(act: Callable[[], Iterator[np.ndarray]]) -> Callable[..., Iterator[np.ndarray]]:
    """`read_frames`, but for what begins before that moment and ends after it."""
    read = cutting.read_frames

    def read_frames(path: Path, fps: float, start: float, end: float, *args: Any, **kwargs: Any) -> Any:
        return (
            act()
            if path.stem == "long" and start <= 3.0 < (end or 99)
            else read(path, fps, start, end, *args, **kwargs)
        )

    return read_frames


def away() -> Iterator[np.ndarray]:
    raise OSError("the network drive is away")


def test_a_part_that_fails_for_now_costs_the_video_until_the_next_run(checkout: Cropped, worked: Counts) -> None:
    for owner, looks in ((follow, 4), (cutting, 5)):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(owner, "read_frames", at_three_seconds(away))
            entry = run()
        assert (entry.reason, entry.transient, entry.files) == ("unexpected OSError", True, {})
        assert "the network drive is away" in entry.detail
        assert len(worked["look"]) == looks and PARTS.exists() and index.read(CLIPS)["short"].ok
    entry = run()
    assert len(worked["look"]) == 5 and len(worked["write"]) == len(entry.files) + 1
    assert_equal(entry, checkout)


def damaged() -> Iterator[np.ndarray]:
    raise InputError("long.mp4: damaged; download it again")


@pytest.mark.parametrize("owner", [follow, cutting])
@pytest.mark.parametrize("fault", [damaged, lambda: iter(())])
def test_what_cannot_be_read_is_lost_as_by_one_task(
    owner: Any, fault: Callable[[], Iterator[np.ndarray]], checkout: Cropped, finder: MediaPipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(owner, "read_frames", at_three_seconds(fault))
    assert_equal(run(), at_once(finder))


def test_rows_hold_what_was_seen() -> None:
    boxes = [np.array([1.1, 2, 3, 4]), np.array([5, 6, 7, 1 / 3])]
    framings = [None, np.array([0.1, 0.2, 0.3, 0.7])]
    seen = [follow.Seen(7, boxes, framings.__getitem__), follow.Seen(9, boxes[1:], framings[1:].__getitem__)]
    one, other = follow.from_rows(follow.to_rows(seen))
    assert (one.number, other.number) == (7, 9) and len(one.boxes) == 2
    assert np.array_equal(one.boxes, boxes) and np.array_equal(other.boxes, boxes[1:])
    assert one.framing(0) is None and np.array_equal(one.framing(1), framings[1])
    assert list(follow.from_rows(follow.to_rows([]))) == []


def test_spans_cover_a_range() -> None:
    assert follow.spans(0, None, 300) == [follow.Span(0, 0, None)]
    assert follow.spans(10, 620, 700) == [
        follow.Span(0, 10, 310),
        follow.Span(1500, 310, 610),
        follow.Span(3000, 610, 620),
    ]
    assert follow.spans(10, 9999, 400) == [follow.Span(0, 10, 310), follow.Span(1500, 310, 9999)]
