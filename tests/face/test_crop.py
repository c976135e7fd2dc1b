import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from styleheat.face.align import ffhq_box
from styleheat.face.crop import Cropped, Method, crop_video, cut_out, to_cut
from styleheat.face.detect import overlap
from styleheat.face.landmarks import MediaPipe
from styleheat.face.segments import read_segments
from styleheat.media.audio import read_audio
from styleheat.media.video import VideoWriter, probe, read_frames

RATE = 16_000
Maker = Callable[..., Path]


@pytest.fixture
def video_of(tmp_path: Path, astronaut: np.ndarray) -> Maker:
    """Writes a video of 640×360 in which heads, 180 pixels wide with hair, stand at given places in each frame."""
    head = cv2.resize(astronaut[:300, 75:375], (240, 240), interpolation=cv2.INTER_AREA)

    def make(places: list[list[int]], name: str = "take", fps: float = 25, **options: Any) -> Path:
        path = tmp_path / "videos" / f"{name}.mp4"
        with VideoWriter(path, (640, 360), fps, **options) as writer:
            for xs in places:
                frame = np.full((360, 640, 3), 90, np.uint8)
                for x in xs:
                    frame[60:300, x : x + 240] = head
                writer.write(frame)
        return path

    return make


def cut(video: Path, finder: MediaPipe, method: Method = "tube", **changes: Any) -> Cropped:
    settings = {"size": 128, "min_size": 100, "min_frames": 25, "max_frames": 1024, "codec": "h264"} | changes
    return crop_video(video, video.parent.parent / "clips", method, finder=finder, **settings)


def only_file(cropped: Cropped) -> Path:
    assert cropped.reason is None, cropped
    (path,) = cropped.files
    return Path(path)


def side(cropped: Cropped) -> int:
    """Of the only clip's square, in pixels of the video."""
    ((_, pixels),) = cropped.facts["clips"].values()
    return pixels


@pytest.mark.parametrize("method", ["tube", "ffhq"])
def test_a_clip_shows_the_head_and_keeps_every_frame(video_of: Maker, finder: MediaPipe, method: Method) -> None:
    path = only_file(cut(video_of([[100 + k // 4] for k in range(60)]), finder, method))
    assert path.name == "take.mp4"
    info = probe(path)
    assert (info.width, info.height, info.fps, info.frames, info.has_audio) == (128, 128, 25, 60, False)
    for frame in list(read_frames(path))[::20]:
        (face,) = finder.detect_all(frame)
        assert 50 < face.size < 85  # of 128
        assert face.box.min() > 10 and face.box.max() < 122


def test_the_tube_holds_the_face_wherever_it_moves(video_of: Maker, finder: MediaPipe) -> None:
    still = cut(video_of([[100]] * 50), finder)
    moving = cut(video_of([[100 + k] for k in range(50)]), finder)
    assert side(moving) > side(still) + 25
    found = [finder.detect_all(frame)[0].box for frame in read_frames(only_file(moving))]
    assert np.min(found) > 0 and np.max(found) < 128


def test_ffhq_framing_is_that_of_the_median_landmarks(video_of: Maker, finder: MediaPipe) -> None:
    video = video_of([[100]] * 50)
    points = finder.landmarks(next(read_frames(only_file(cut(video, finder, "ffhq", size=256)))))
    assert points is not None
    assert overlap(ffhq_box(points), np.array([0, 0, 256, 256])) > 0.93


def test_what_lies_beyond_the_image_is_mirrored(astronaut: np.ndarray, tmp_path: Path, finder: MediaPipe) -> None:
    video = tmp_path / "videos" / "near.mp4"
    with VideoWriter(video, (200, 200)) as writer:
        for _ in range(30):
            writer.write(np.ascontiguousarray(astronaut[40:240, 130:330]))  # hair and chin touch the edges
    cropped = cut(video, finder, "ffhq", size=256, min_size=50)
    assert side(cropped) > 170
    frame = next(read_frames(only_file(cropped)))
    assert frame[:, :3].std() > 10 and frame[:3].std() > 10  # no flat border
    assert len(finder.detect_all(frame)) == 1


@pytest.mark.parametrize("size", [132, 130])
def test_png_clips_are_what_was_cut(size: int, video_of: Maker, finder: MediaPipe) -> None:
    """A square not twice as large as the clip is cut out and scaled; another one is scaled while it is converted."""
    video, box = video_of([[100 + k] for k in range(30)]), (90, 40, 350, 300)
    write_sidecar(video, {"clip": "take", "crop": box})
    path = only_file(cut(video, finder, size=size, codec="png"))
    if size == 132:
        wanted = [cut_out(frame, np.array(box), size) for frame in read_frames(video)]
    else:
        wanted = list(read_frames(video, part=box, size=(size, size)))
    assert len(wanted) == 30 and np.array_equal(list(read_frames(path)), wanted)


@pytest.mark.parametrize("corner", [(200, 60), (201, 61), (400, 110)])
def test_large_squares_are_cut_where_small_ones_are(
    corner: tuple[int, int], video_of: Maker, finder: MediaPipe
) -> None:
    """Three times as large as the clip, at even and odd pixels, and beyond the image's edge: points fit the clip."""
    x, y = corner
    box, size = np.array([x, y, x + 241, y + 241]), 80
    path = video_of([[x]] * 30)
    write_sidecar(path, {"clip": "large", "crop": box.tolist()})
    clip = only_file(cut(path, finder, size=size, codec="png"))
    points = finder.landmarks(next(read_frames(path)))
    frame = next(read_frames(clip))
    wanted = cut_out(next(read_frames(path)), box, size)
    assert np.abs(frame.astype(int) - wanted).mean() < 1.5
    found = finder.landmarks(frame)
    assert points is not None and found is not None
    assert np.abs(found - to_cut(points, box, size)).mean() < 1.0


def test_audio_stays_with_its_frames(video_of: Maker, finder: MediaPipe) -> None:
    """A head that is there from 2 to 4 s, and a tone that changes each second."""
    time = np.arange(6 * RATE) / RATE
    tone = 0.4 * np.sin(2 * np.pi * 200 * (1 + time.astype(int)) * time)
    places: list[list[int]] = [[]] * 50 + [[200]] * 50 + [[]] * 50
    video = video_of(places, samples=tone)
    path = only_file(cut(video, finder))
    samples = read_audio(path)
    frames = probe(path).frames
    assert 45 <= frames <= 50 and abs(len(samples) - frames * RATE // 25) <= 1024
    lags = np.arange(-800, 801, 8)
    start = round(2 * RATE)
    likeness = [np.dot(samples[1000:25_000], tone[start + 1000 + lag : start + 25_000 + lag]) for lag in lags]
    assert abs(lags[int(np.argmax(likeness))]) <= 8
    assert cut(video, finder).facts["audio"]


def test_any_frame_rate_becomes_25(video_of: Maker, finder: MediaPipe) -> None:
    for fps, count in ((50, 100), (30000 / 1001, 60), (12.5, 25)):
        path = only_file(cut(video_of([[100]] * count, fps=fps), finder))
        assert probe(path).fps == 25 and probe(path).frames == pytest.approx(count / fps * 25, abs=1)


def test_long_takes_become_several_clips(video_of: Maker, finder: MediaPipe) -> None:
    cropped = cut(video_of([[100]] * 110), finder, max_frames=40)
    assert [path.name for path in cropped.files] == ["take#000.mp4", "take#001.mp4", "take#002.mp4"]
    assert [probe(path).frames for path in cropped.files] == [37, 36, 37]


def test_a_face_that_leaves_its_place_begins_a_new_clip(video_of: Maker, finder: MediaPipe) -> None:
    cropped = cut(video_of([[20]] * 50 + [[380]] * 50), finder)
    assert [probe(path).frames for path in cropped.files] == [50, 40]  # two looks to make sure it is gone
    assert max(side for _, side in cropped.facts["clips"].values()) < 230


def test_a_face_lost_for_a_moment_does_not_end_the_clip(video_of: Maker, finder: MediaPipe) -> None:
    path = only_file(cut(video_of([[100]] * 30 + [[]] * 8 + [[100]] * 30), finder))
    assert probe(path).frames == 68


def test_what_cannot_be_cut_is_a_reason(video_of: Maker, finder: MediaPipe, tmp_path: Path) -> None:
    assert cut(video_of([[]] * 40), finder).reason == "no face"
    assert cut(video_of([[20, 320]] * 40), finder).reason == "several faces"
    assert cut(video_of([[100]] * 20), finder).reason == "too short"
    assert cut(video_of([[100]] * 40), finder, min_size=400).reason == "too small"
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"\0" * 4000)
    broken = cut(tmp_path / "videos" / "broken.mp4", finder)
    assert broken.reason == "unreadable" and "broken.mp4" in broken.detail
    assert not list(tmp_path.glob("clips/*"))


def test_somebody_passing_by_changes_nothing(video_of: Maker, finder: MediaPipe) -> None:
    path = only_file(cut(video_of([[20]] * 40 + [[20, 320]] * 10 + [[20]] * 40), finder))
    assert probe(path).frames == 90


def test_a_sidecar_defines_what_to_cut(video_of: Maker, finder: MediaPipe) -> None:
    video = video_of([[20, 320]] * 40 + [[20]] * 60)
    segments = [
        {"clip": "a#exact", "start": 0.4, "end": 1.2, "size": [1280, 720], "crop": [100, 50, 500, 450], "face": None},
        {"clip": "b#range", "start": 2.0, "end": 4.0, "size": None, "crop": None, "face": None},
        {"clip": "c#empty", "start": 3.0, "end": 3.2, "size": None, "crop": None, "face": None},
    ]
    video.with_suffix(".json").write_text(json.dumps({"video": "take", "segments": segments}))
    exact, ranged, _ = read_segments(video)
    assert exact.crop == (50, 25, 250, 225) and (ranged.start, ranged.end) == (2, 4)
    cropped = cut(video, finder, min_frames=20)
    assert [path.name for path in cropped.files] == ["a#exact.mp4", "b#range.mp4"]
    assert [probe(path).frames for path in cropped.files] == [20, 50]
    assert cropped.facts["clips"] == {"a#exact": (20, 200), "b#range": (50, cropped.facts["clips"]["b#range"][1])}
    assert cropped.facts["lost"] == {"c#empty": "too short"}
    complete = next(read_frames(video, start=0.4))
    window = cv2.resize(complete[25:225, 50:250], (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(next(read_frames(cropped.files[0])).astype(int) - window).mean() < 4


def write_sidecar(video: Path, *segments: dict[str, Any]) -> None:
    complete = {"start": 0, "end": None, "size": None, "crop": None, "face": None, "ratio": None}
    video.with_suffix(".json").write_text(json.dumps({"segments": [complete | segment for segment in segments]}))


def test_a_listed_ratio_enlarges_the_square_around_the_head(video_of: Maker, finder: MediaPipe) -> None:
    """HDTF's two ways: the finished window, or the head of the complete range, however it moves, times the ratio."""
    video = video_of([[20]] * 40 + [[200]] * 40)
    window = [10, 30, 210, 230]
    write_sidecar(
        video, *({"clip": f"A_{k}", "crop": window, "ratio": ratio} for k, ratio in enumerate((1.0, 1.5, None)))
    )
    windows = cut(video, finder, "ffhq")
    assert windows.facts["clips"] == {"A_0": (80, 200), "A_1": (80, 200), "A_2": (80, 200)}
    ratio = cut(video, finder, "ratio")
    (frames, plain), (_, enlarged) = ratio.facts["clips"].values()
    assert list(ratio.facts["clips"]) == ["A_0", "A_1"] and ratio.facts["lost"] == {"A_2": "no crop ratio listed"}
    assert frames == 80 and plain > 260 and enlarged == pytest.approx(1.5 * plain, abs=1)
    found = [finder.detect_all(frame)[0].box for frame in list(read_frames(ratio.files[0]))[::20]]
    assert np.min(found) > 0 and np.max(found) < 128 and abs(found[0][0] - found[-1][0]) > 40


def test_a_long_listed_window_becomes_several_clips(video_of: Maker, finder: MediaPipe) -> None:
    video = video_of([[100]] * 90)
    write_sidecar(video, {"clip": "A_0", "crop": [10, 30, 210, 230], "end": 3.6})
    assert cut(video, finder, max_frames=50).facts["clips"] == {"A_0#000": (45, 200), "A_0#001": (45, 200)}


def test_every_clip_asked_for_is_made_or_has_a_reason(video_of: Maker, finder: MediaPipe) -> None:
    video = video_of([[100]] * 50 + [[]] * 50)
    ranges = {"face": (0, 2), "nobody": (2.2, 4), "after": (9, 10), "short": (0, 0.4), "half": (1, 4)}
    write_sidecar(video, *({"clip": clip, "start": start, "end": end} for clip, (start, end) in ranges.items()))
    facts = cut(video, finder).facts
    assert set(facts["clips"]) == {"face", "half"}
    assert facts["lost"] == {"nobody": "no face", "after": "beyond the video's end", "short": "too short"}
    video.write_bytes(video.read_bytes()[:5000])
    assert cut(video, finder).facts == {"lost": dict.fromkeys(ranges, "unreadable")}


def test_lost_parts_of_a_segment_are_listed_by_their_frames(video_of: Maker, finder: MediaPipe) -> None:
    facts = cut(video_of([[20]] * 50 + [[]] * 20 + [[380]] * 10), finder).facts
    assert list(facts["clips"]) == ["take"] and facts["lost"] == {"take@70-80": "too short"}


def test_a_sidecar_may_point_at_the_face_to_follow(video_of: Maker, finder: MediaPipe, astronaut: np.ndarray) -> None:
    video = video_of([[20, 320]] * 10 + [[320]] * 60)
    segment = {"clip": "x", "start": 0, "end": 2.8, "size": None, "crop": None, "face": [380, 110, 480, 210]}
    video.with_suffix(".json").write_text(json.dumps({"segments": [segment]}))
    assert probe(only_file(cut(video, finder))).frames == 70
    video.with_suffix(".json").write_text("{}")
    assert cut(video, finder).reason == "unreadable"


def test_cutting_again_gives_the_same_bytes(carphone: Path, tmp_path: Path, finder: MediaPipe) -> None:
    contents = []
    for name in ("one", "two"):
        video = tmp_path / name / "videos" / "carphone.mp4"
        video.parent.mkdir(parents=True)
        shutil.copy(carphone, video)
        cropped = cut(video, MediaPipe() if contents else finder, min_size=50)
        assert cropped.reason is None and sum(probe(path).frames for path in cropped.files) > 80
        contents.append([Path(path).read_bytes() for path in cropped.files])
    assert contents[0] == contents[1]
