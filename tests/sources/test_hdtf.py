"""HDTF's lists, with each of their quirks; the samples are made up, in the form of the real files."""

import json
from pathlib import Path

import pytest

from styleheat.errors import InputError
from styleheat.sources import hdtf
from styleheat.sources.item import Unavailable

WATCH = "https://www.youtube.com/watch?v="
LISTS = {
    "RD_video_url": f"Radio1 {WATCH}aaaaaaaaaaa\nRadio2 {WATCH}bbbbbbbbbbb&t=6s\n",
    "RD_resolution": "Radio1.mp4 720\nRadio2.mp4 1080\n",
    "RD_annotion_time": "Radio1.mp4 00:20-01:35\n",
    "RD_crop_wh": "Radio1_0.mp4 466 535 0 535\n",
    "RD_crop_ratio": "Radio1_0.mp4 1.2\n",
    "WDA_video_url": f"\ufeffAnnaFoo0 {WATCH}ccccccccccc\nAnnaFoo1 {WATCH}d-_dddddddd\nBertBar {WATCH}eeeeeeeeeee\n",
    "WDA_resolution": "AnnaFoo0.mp4 720\nAnnaFoo1.mp4 1080\nBertBar.mp4 0\n",
    "WDA_annotion_time": "AnnaFoo0.mp4 00:05-00:45 01:00-02:00 \nAnnaFoo1.mp4 10:00-12:30 \nBertBar.mp4 00:01-00:31\n",
    "WDA_crop_wh": "AnnaFoo0_1.mp4 400 500 10 500\nAnnaFoo1_0.mp4 300 600 20 600\nBertBar_0.mp4 30 60 20 60\n",
    "WDA_crop_ratio": "AnnaFoo0_1.mp4 1.2\nAnnaFoo1_0.mp4 0.85\nBertBar_0.mp4 1.0\n",
    "WRA_video_url": f"CleoBaz {WATCH}fffffffffff\nWhipBertBar {WATCH}eeeeeeeeeee&t=5s\n",
    "WRA_resolution": "CleoBaz.mp4 720\nWhipBertBar.mp4 720\n",
    "WRA_annotion_time": "CleoBaz.mp4 00:05-00:45\nWhipBertBar.mp4 00:05-00:45\n",
    "WRA_crop_wh": "WhipBertBar_0.mp4 1 500 2 500\nCleoBaz_0.mp4 1 500 2 500\n",
    "WRA_crop_ratio": "WhipBertBar_0.mp4 1.2\n\nCleoBaz_0.mp4 1.2\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "lists"
    path.mkdir()
    for name, text in LISTS.items():
        (path / f"{name}.txt").write_text(text)
    return path


def test_videos_people_and_splits(folder, server):
    found = {item.id: item for item in hdtf.items(folder, 1080, 1, server.access(), Path("parts"))}
    assert {name: item.person for name, item in found.items()} == {
        "aaaaaaaaaaa": "Radio",
        "bbbbbbbbbbb": "Radio",
        "ccccccccccc": "AnnaFoo",
        "d-_dddddddd": "AnnaFoo",
        "eeeeeeeeeee": "BertBar",  # one video under two names
        "fffffffffff": "CleoBaz",
    }
    for test_people in (1, 2):
        split = {
            item.person: item.split for item in hdtf.items(folder, 1080, test_people, server.access(), Path("parts"))
        }
        assert list(split.values()).count("test") == test_people
        assert split["Radio"] == "train"


def test_clips_of_a_video(folder, server, tmp_path):
    found = {item.id: item for item in hdtf.items(folder, 1080, 1, server.access(), Path("parts"))}
    files = found["ccccccccccc"].fetch(tmp_path / "out" / "ccccccccccc.mp4")
    (clip,) = json.loads(files[1].read_text())["segments"]  # AnnaFoo0_0 has no window: HDTF rejected it
    assert clip == {
        "clip": "AnnaFoo0_1",
        "person": "AnnaFoo",
        "start": 60.0,
        "end": 120.0,
        "size": [None, 720],
        "crop": [400, 10, 900, 510],
        "face": None,
        "ratio": 1.2,
    }
    files = found["eeeeeeeeeee"].fetch(tmp_path / "out" / "eeeeeeeeeee.mp4")
    clips = {clip["clip"]: clip["size"] for clip in json.loads(files[1].read_text())["segments"]}
    assert clips == {"BertBar_0": None, "WhipBertBar_0": [None, 720]}


def test_a_video_without_clips_is_not_fetched(folder, server, tmp_path):
    found = {item.id: item for item in hdtf.items(folder, 1080, 1, server.access(), Path("parts"))}
    assert [name for name, item in found.items() if item.faulty] == ["bbbbbbbbbbb"]
    with pytest.raises(Unavailable, match="not in the crop lists"):
        found["bbbbbbbbbbb"].fetch(tmp_path / "out.mp4")
    assert not server.requests


@pytest.mark.parametrize(
    "name, line",
    [
        ("RD_annotion_time", "Radio9.mp4 00:20"),
        ("WDA_crop_wh", "AnnaFoo0_0.mp4 1 2 3"),
        ("WRA_crop_ratio", "CleoBaz_1.mp4 much"),
        ("WRA_resolution", "CleoBaz.mp4"),
    ],
)
def test_a_bad_line_is_named(name, line, folder, server):
    path = folder / f"{name}.txt"
    number = len(path.read_text().splitlines()) + 1
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=rf"{name}\.txt: line {number} is not understood: '{line}'"):
        hdtf.items(folder, 1080, 1, server.access(), Path("parts"))


def test_an_address_elsewhere_is_refused(folder, server):
    (folder / "WRA_video_url.txt").write_text("CleoBaz https://example.com/watch?v=../../../../x\n")
    with pytest.raises(InputError, match=r"CleoBaz: .* is not the address of a YouTube video"):
        hdtf.items(folder, 1080, 1, server.access(), Path("parts"))
