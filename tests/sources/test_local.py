"""A folder of videos as a source."""

import json
import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from styleheat import files
from styleheat.errors import InputError
from styleheat.media.audio import read_audio
from styleheat.media.video import probe, read_frames
from styleheat.sources import local


def put(video: Path, *places: Path) -> None:
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(video, place)


def listed(folder: Path, test_people: int = 1) -> list:
    return local.items(folder, test_people, folder / ".seen.json")


def by_id(folder: Path, test_people: int = 1) -> dict:
    return {item.id: item for item in listed(folder, test_people)}


def test_people_are_named_by_folders_and_files(video, tmp_path):
    names = ["anna.mp4", "anna#kitchen.mov", "bert/walk.mp4", "bert/deep/er.m4v", "é.mp4", "a#b/c.mp4", "anna.m4v"]
    put(video, *(tmp_path / name for name in names))
    people = {item.id: item.person for item in listed(tmp_path, 1)}
    assert people == {
        "anna#mp4": "anna",
        "anna": "anna",
        "anna#kitchen": "anna",
        "bert#walk": "bert",
        "bert#deep#er": "bert",
        "é": "é",
        "a_b#c": "a_b",
    }


def test_complete_people_are_held_out(video, tmp_path):
    put(video, *(tmp_path / f"person{k}" / f"{c}.mp4" for k in range(6) for c in range(2)))
    found = listed(tmp_path, test_people=2)
    test, train = ({item.person for item in found if item.split == split} for split in ("test", "train"))
    assert len(test) == 2 and len(train) == 4 and not test & train
    put(video, tmp_path / "person0" / "2.mp4")
    assert {item.person for item in listed(tmp_path, 2) if item.split == "test"} == test


def test_someone_is_left_to_train_on(video, tmp_path):
    put(video, tmp_path / "anna.mp4", tmp_path / "bert.mp4")
    assert sorted(item.split for item in listed(tmp_path, test_people=5)) == ["test", "train"]


def test_of_one_person_some_videos_are_held_out(video, tmp_path):
    put(video, *(tmp_path / "anna" / f"{k}.mp4" for k in range(8)))
    splits = [item.split for item in listed(tmp_path, 1)]
    assert (splits.count("train"), splits.count("test")) == (6, 2)


def test_of_one_video_the_end_is_held_out(video, tmp_path):
    put(video, tmp_path / "in" / "anna.mp4")
    (tmp_path / "in" / "notes.txt").write_text("hello")
    found = by_id(tmp_path / "in")
    assert {name: item.split for name, item in found.items() if not item.faulty} == {
        "anna#train": "train",
        "anna#test": "test",
    }
    ranges = {}
    for name in ("anna#train", "anna#test"):
        files = found[name].fetch(tmp_path / "out" / found[name].split / f"{name}.mp4")
        assert [path.suffix for path in files] == [".mp4", ".json"] and all(path.exists() for path in files)
        (segment,) = json.loads(files[1].read_text())["segments"]
        assert segment["clip"] == name and segment["person"] == "anna" and segment["crop"] is segment["face"] is None
        ranges[name] = segment["start"], segment["end"]
    assert ranges == {"anna#train": (0.0, 0.667), "anna#test": (0.667, None)}


def test_what_is_no_video_is_accounted_for_and_no_person(video, tmp_path):
    put(video, tmp_path / "anna.mp4", tmp_path / "bert.mp4")
    content = video.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "fake.mp4").write_text("hello\n" * 100)
    for name in (".hidden.mp4", "README.md", ".git/x.mp4"):
        put(video, tmp_path / name)
    found = by_id(tmp_path)
    assert set(found) == {"anna", "bert", "cut", "empty", "notes", "fake"}
    assert {name for name, item in found.items() if item.faulty} == {"cut", "empty", "notes", "fake"}
    assert sorted(found[name].split for name in ("anna", "bert")) == ["test", "train"]
    for name, fault in {"cut": "cut off", "empty": "0 bytes", "notes": "not a video", "fake": "not "}.items():
        with pytest.raises(InputError, match=fault):
            found[name].fetch(tmp_path / "out.mp4")


@pytest.mark.parametrize("empty", ["missing", "no files", "only text"])
def test_a_folder_without_videos_is_one_clear_line(empty, tmp_path):
    folder = tmp_path / "videos"
    if empty != "missing":
        folder.mkdir()
    if empty == "only text":
        (folder / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"^[^\n]*videos: (no such folder|holds no video)[^\n]*; [^\n]+$"):
        listed(folder, 1)


def test_only_new_and_changed_files_are_looked_at_again(video, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    put(video, folder / "anna.mp4", folder / "bert.mp4", folder / "cleo.mp4")
    (folder / "text.mp4").write_text("no video")
    first = by_id(folder)
    looked_at = []
    monkeypatch.setattr(local, "digest", lambda path: looked_at.append(path.name) or files.digest(path))
    assert [item.key for item in by_id(folder).values()] == [item.key for item in first.values()]
    assert looked_at == ["text.mp4"]

    old = (folder / "bert.mp4").stat()
    content = bytearray((folder / "bert.mp4").read_bytes())
    content[-1] ^= 1
    (folder / "bert.mp4").write_bytes(content)
    os.utime(folder / "bert.mp4", ns=(old.st_atime_ns, old.st_mtime_ns))  # as `cp --preserve` would
    put(video, folder / "dora.mp4")
    looked_at.clear()
    again = by_id(folder)
    assert looked_at == ["bert.mp4", "dora.mp4", "text.mp4"]
    assert again["bert"].key != first["bert"].key and again["anna"].key == first["anna"].key

    (folder / ".seen.json").write_text('{"anna.mp4": [[1, 2')
    assert by_id(folder)["anna"].key == first["anna"].key


def test_mp4_is_copied_byte_for_byte(video, tmp_path):
    put(video, tmp_path / "in/anna.mov", tmp_path / "in/bert.mp4")
    item = by_id(tmp_path / "in")["anna"]
    assert item.fetch(tmp_path / "out" / "anna.mp4") == [tmp_path / "out" / "anna.mp4"]
    assert (tmp_path / "out" / "anna.mp4").read_bytes() == video.read_bytes()


@pytest.mark.parametrize(
    "suffix, codec, audio, lossless",
    [
        (".mkv", "libx264", "aac", True),
        (".webm", "libvpx-vp9", "libopus", True),
        (".avi", "mpeg4", "libmp3lame", True),
        (".avi", "mjpeg", "pcm_s16le", False),
        (".mkv", "libx264", None, True),
    ],
)
def test_other_containers_become_mp4(suffix, codec, audio, lossless, tmp_path):
    original = write_other(tmp_path / "in" / f"anna{suffix}", codec, audio)
    path = tmp_path / "out" / "anna.mp4"
    local._fetch(original, path)
    info = probe(path)
    assert (info.width, info.height, info.has_audio) == (64, 48, audio is not None)
    before, after = list(read_frames(original)), list(read_frames(path))
    assert abs(len(before) - len(after)) <= 1
    difference = max(
        float(np.abs(a.astype(float) - b.astype(float)).mean()) for a, b in zip(before, after, strict=False)
    )
    assert difference == 0 if lossless else difference < 4
    if audio:
        assert abs(len(read_audio(path)) / 16000 - 1) < 0.1
    assert [entry.name for entry in path.parent.iterdir()] == ["anna.mp4"]


def write_other(path: Path, codec: str, audio: str | None) -> Path:
    """One second, 30 frames, by any encoder of FFmpeg's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as output:
        video = output.add_stream(codec, rate=30)
        video.width, video.height, video.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        track = output.add_stream(audio, rate=48000) if audio else None
        for k in range(30):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * k, np.uint8))
            frame.pts, frame.time_base = k, Fraction(1, 30)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if track:
            tone = 0.1 * np.sin(np.arange(48000) * 0.05, dtype=np.float32).reshape(1, -1)
            block = av.AudioFrame.from_ndarray(tone, format="flt", layout="mono")
            block.sample_rate, block.pts, block.time_base = 48000, 0, Fraction(1, 48000)
            resampler = av.AudioResampler(track.format.name, track.layout.name, 48000, track.frame_size or None)
            for part in [*resampler.resample(block), *resampler.resample(None)]:
                output.mux(track.encode(part))
            output.mux(track.encode(None))
    return path


def test_links_are_followed_and_circles_end(video, tmp_path):
    own, elsewhere = tmp_path / "own", tmp_path / "elsewhere"
    own.mkdir()
    elsewhere.mkdir()
    shutil.copy(video, elsewhere / "walk.mp4")
    (own / "anna").symlink_to(elsewhere)
    (own / "bert.mp4").symlink_to(elsewhere / "walk.mp4")
    (elsewhere / "round").symlink_to(own)
    (own / "nowhere.mp4").symlink_to(tmp_path / "gone.mp4")
    assert set(by_id(own, 1)) == {"anna#walk", "bert"}


def test_a_pattern_says_who_is_seen(video, tmp_path):
    for name in ("anna_1", "anna_2", "bert_1", "carla"):
        shutil.copy(video, tmp_path / f"{name}.mp4")
    found = local.items(tmp_path, 1, tmp_path / ".seen.json", r"([a-z]+)_\d+")
    assert {item.id: item.person for item in found} == {
        "anna_1": "anna",
        "anna_2": "anna",
        "bert_1": "bert",
        "carla": "carla",
    }
    found = local.items(tmp_path, 1, tmp_path / ".seen.json")
    assert {item.person for item in found} == {"anna_1", "anna_2", "bert_1", "carla"}
