"""People who are trained on and tested on are found by their faces, whatever they are called."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stages import pack
from styleheat.clips import index, leaks
from styleheat.clips.leaks import Known, Leak, find_leaks
from styleheat.clips.workers import Outcome, Task
from styleheat.errors import InputError
from styleheat.face.landmarks import mediapipe
from styleheat.face.likeness import embed_clip
from styleheat.media.image import read_image
from styleheat.media.video import VideoWriter, read_frames
from styleheat.morphable.coefficients import write_landmarks, write_mat
from styleheat.params import check_params, read_yaml
from styleheat.pipeline import Stage

ROOT = Path(__file__).parents[2]
SIZE, FRAMES = 160, 6


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def clips_of(people: np.ndarray, names: str, clips: int, rng: np.random.Generator) -> list[Known]:
    """Some clips of each person, all a little different: `t3#1` is the second of the fourth."""
    return [
        Known(f"{names}{k}#{clip}", f"{names}{k}", unit(person + 0.03 * rng.normal(size=128)))
        for k, person in enumerate(people)
        for clip in range(clips)
    ]


def test_all_clips_of_a_person_are_found_however_the_person_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    people = unit(rng.normal(size=(40, 128)))
    train, test = clips_of(people[:30], "t", 3, rng), clips_of(people[25:], "x", 2, rng)
    found = find_leaks(train, test, 0.9)
    assert set(found) == {f"t{k}#{clip}" for k in range(25, 30) for clip in range(3)}
    for clip, leak in found.items():
        assert leak.clip.partition("#")[0] == f"x{int(clip[1:].partition('#')[0]) - 25}" and 0.9 <= leak.likeness <= 1
    monkeypatch.setattr(leaks, "HELD_AT_ONCE", 40)
    in_blocks = find_leaks(train, test, 0.9)
    assert {clip: leak.clip for clip, leak in in_blocks.items()} == {clip: leak.clip for clip, leak in found.items()}
    assert find_leaks(train, test, 1.0) == {} == find_leaks([], test, 0.5) == find_leaks(train, [], 0.5)


def test_a_clip_unlike_the_others_goes_with_its_person() -> None:
    axes = np.eye(128, dtype=np.float32)
    train = [Known("a#1", "a", axes[0]), Known("a#2", "a", axes[0]), Known("a#3", "a", unit(axes[0] + axes[1]))]
    test = [Known("x#1", "x", unit(axes[0] + 0.2 * axes[2])), Known("x#2", "x", axes[0])]
    assert set(find_leaks(train, test, 0.95)) == {"a#1", "a#2", "a#3"}
    assert {leak.clip for leak in find_leaks(train, test, 0.95).values()} == {"x#2"}
    assert find_leaks(train[:1], test[1:], 0.99) == {"a#1": Leak("x#2", 1.0)}


def test_the_face_of_a_clip_is_that_of_its_frames_with_one(astronaut: np.ndarray) -> None:
    points = mediapipe().landmarks(astronaut)
    assert points is not None
    landmarks = np.stack([np.full_like(points, -1), points, points])
    nobody = np.zeros_like(astronaut)
    face = embed_clip([nobody, astronaut, astronaut], landmarks)
    assert face.shape == (128,) and face.dtype == np.float32 and abs(np.linalg.norm(face) - 1) < 1e-6
    np.testing.assert_array_equal(embed_clip(iter([astronaut]), points[None]), face)
    with pytest.raises(InputError, match="no frame of the clip has a face"):
        embed_clip([nobody], landmarks[:1])


# --- the stage


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    import skimage.data

    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def faces(astronaut: np.ndarray) -> dict[str, np.ndarray]:
    """Squares around faces of three people, one of them twice."""
    mona = read_image(ROOT / "data/examples/mona_lisa.jpg")
    driver = next(read_frames(ROOT / "data/examples/driver.mp4"))
    woman = astronaut[:300, 75:375]
    return {
        "astronaut": woman,
        "astronaut again": cv2.GaussianBlur(woman[:, ::-1], (0, 0), 2),
        "mona": mona,
        "rendered": driver,
    }


SHOWN = {
    "vox": {"train": {"ann#1": "astronaut", "ann#2": "astronaut again", "bob#1": "rendered"}, "test": {"t#1": "mona"}},
    "hdtf": {"train": {"RD_1": "rendered"}, "test": {"RD_2": "astronaut again"}},
}


def write(clip: str, kind: str, path: Path, frame: np.ndarray) -> Outcome:
    scaled = cv2.resize(frame, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    if kind == "clips":
        with VideoWriter(path, (SIZE, SIZE)) as writer:
            for _ in range(FRAMES):
                writer.write(scaled)
    elif kind == "landmarks":
        points = mediapipe().landmarks(scaled)
        assert points is not None, clip
        write_landmarks(path, np.repeat(points[None], FRAMES, axis=0))
    else:
        write_mat(path, np.zeros((FRAMES, 257)), np.tile([256.0, 256, 1, 128, 128], (FRAMES, 1)))
    return Outcome([path])


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, faces: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Two sets as the stages before leave them; runs pack of `vox`, and returns its metrics."""
    monkeypatch.chdir(tmp_path)
    for name, splits in SHOWN.items():
        for kind, suffix in (("clips", ".mp4"), ("landmarks", ".txt"), ("coefficients", ".mat")):
            folder = Path("data", name, kind)
            tasks = {
                clip: Task(
                    clip,
                    (kind, folder / (split if kind == "clips" else "") / f"{clip}{suffix}", faces[face]),
                    {"person": clip.partition("#")[0]},
                )
                for split, clips in splits.items()
                for clip, face in clips.items()
            }
            index.process(folder, tasks, write)

    def run_with(**wanted: Any) -> dict[str, Any]:
        tree = read_yaml(ROOT / "params.yaml")
        tree["runtime"]["workers"] = 1
        tree["sets"]["vox"]["pack"] |= {"size": 64, "align_size": 48}
        tree["sets"]["vox"]["pack"]["leaks"] |= wanted
        stage = Stage("pack", check_params(tree), "vox")
        pack.body(stage)
        return json.loads(stage.metrics_path().read_text())

    return run_with


def test_train_clips_of_test_people_are_lost_by_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    database, entries = Path("data/vox/lmdb/64/data.mdb"), lambda: index.read("data/vox/lmdb")
    assert run()["ok"] == 4 and not Path(".work/pack@vox-faces").exists()
    before = database.read_bytes()
    assert run(likeness=0.92)["ok"] == 4 and database.read_bytes() == before

    metrics = run(likeness=0.92, other_set="data/hdtf/landmarks")
    assert (metrics["clips"], metrics["ok"], metrics["lost_by_reason"]) == (4, 2, {pack.LEAKED: 2})
    assert set(entries()) == {"ann#1", "ann#2", "bob#1", "t#1"}
    for clip in ("ann#1", "ann#2"):
        entry = entries()[clip]
        assert entry.reason == "a person of a test split" and not entry.transient
        assert entry.detail.startswith("data/hdtf/clips/test/RD_2.mp4 shows the same person (likeness 0.9")
    assert Path("data/vox/lmdb/train_list.txt").read_text() == "bob#1\n"
    with monkeypatch.context() as patched:
        patched.setattr(pack, "embed", lambda clip, *_: pytest.fail(clip))  # each clip is looked at once
        assert run(likeness=0.92, other_set="data/hdtf/landmarks") == metrics

    assert run()["ok"] == 4 and database.read_bytes() == before


def test_a_clip_that_cannot_be_compared_is_lost_for_that(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def embed(key: str, video: Path, points: Path, path: Path) -> Outcome:
        if key == "own/bob#1":
            raise InputError("identity similarity needs the package dlib; install styleheat[faces]")
        return original(key, video, points, path)

    original = pack.embed
    monkeypatch.setattr(pack, "embed", embed)
    assert run(likeness=0.92)["lost_by_reason"] == {"identity similarity needs the package dlib": 1}
    with pytest.raises(InputError, match=r"^data/none2/index.json: not there"):
        run(likeness=0.92, other_set="data/none2")
