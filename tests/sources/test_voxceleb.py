"""VoxCeleb's annotations; the samples are made up, in the form of the real files."""

import json
import zipfile
from pathlib import Path

import pytest

from styleheat.errors import InputError
from styleheat.media.video import probe
from styleheat.sources import voxceleb
from styleheat.sources.item import Unavailable

HEADER = "video_id,start,end,bbox,fps,width,height,partition,person_id\n"
TABLE = (
    HEADER
    + """aaaaaaaaaaa,100,200,10-20-110-130,25,640,360,train,id10001
aaaaaaaaaaa,300,364,12-20-112-135,25,640,360,train,id10001
aaaaaaaaaaa,100,200,10-20-110-130,25,640,360,train,id10001
-bbbbbbbb_b,50,150,5-5-300-310,25,1280,720,train,id10280
-bbbbbbbb_b,500,650,5-5-300-310,25,1280,720,test,id10280
ccccccccccc,0,90,0-0-200-200,25,1280,720,test,id11111
ddddddddddd,0,90,0-0-200-200,25,1280,720,train,id11111
"""
)


def utterance(rows: str) -> str:
    about = "Identity  : \tid00012\nReference : \tx\nOffset    : \t-2\nFV Conf   : \t16.4\t(1)\nASD Conf  : \t4.4\n\n"
    return f"{about}FRAME \tX \tY \tW \tH \n{rows}"


def test_clip_table(server, tmp_path):
    (tmp_path / "vox-metadata.csv").write_text("\ufeff" + TABLE)
    found = {item.id: item for item in voxceleb.items(tmp_path, 720, server.access(), Path("parts"))}
    assert {name: item.split for name, item in found.items()} == {
        "aaaaaaaaaaa": "train",
        "-bbbbbbbb_b": "test",  # an official test person, whatever a line says
        "ccccccccccc": "test",
        "ddddddddddd": "test",  # as their other video is
    }
    files = found["aaaaaaaaaaa"].fetch(tmp_path / "out" / "aaaaaaaaaaa.mp4")
    assert probe(files[0]).frames == 25
    first, second = json.loads(files[1].read_text())["segments"]  # the line that is there twice is one clip
    assert first == {
        "clip": "id10001#aaaaaaaaaaa#000100#000200",
        "person": "id10001",
        "start": 4.0,
        "end": 8.0,
        "size": [640.0, 360.0],
        "crop": [10.0, 20.0, 110.0, 130.0],
        "face": None,
        "ratio": None,
    }
    assert second["clip"] == "id10001#aaaaaaaaaaa#000300#000364"


@pytest.mark.parametrize(
    "line",
    [
        "aaaaaaaaaaa,100,200,10-20-110,25,640,360,train,id10001",
        "aaaaaaaaaaa,200,100,10-20-110-130,25,640,360,train,id10001",
        "aaaaaaaaaaa,x,100,10-20-110-130,25,640,360,train,id10001",
        "../../../etc,0,100,10-20-110-130,25,640,360,train,id10001",
        "aaaaaaaaaaa,0,100",
    ],
)
def test_a_bad_line_is_named(line, tmp_path):
    path = tmp_path / "vox-metadata.csv"
    path.write_text(TABLE + line + "\n")
    with pytest.raises(InputError, match=r"vox-metadata\.csv: line 9 is not a clip .*expected video_id,start,end"):
        voxceleb.read_table(path)


def test_people_cannot_leave_the_folder(tmp_path):
    path = tmp_path / "vox-metadata.csv"
    path.write_text(HEADER + "aaaaaaaaaaa,0,100,10-20-110-130,25,640,360,train,../../x\n")
    ((segment, _),) = voxceleb.read_table(path)["aaaaaaaaaaa"]
    assert "/" not in segment.clip and not segment.clip.startswith(".")


def test_utterances_of_both_versions():
    second = voxceleb.read_utterance(
        utterance("000262 \t0.25 \t0.125 \t0.25 \t0.5\n000263 \t0.3 \t0.2 \t0.2 \t0.4\n"), "id00012", "v" * 11, "00001"
    )
    assert second is not None
    assert (second.clip, second.start, second.end) == (f"id00012#{'v' * 11}#00001", 262 / 25, 264 / 25)
    assert (second.size, second.face, second.crop) == ((1, 1), (0.25, 0.125, 0.5, 0.625), None)
    first = voxceleb.read_utterance(utterance("7675 \t215 \t65 \t110 \t112\n"), "id10001", "v" * 11, "00003")
    assert first is not None and (first.size, first.face) == ((None, 360), (215, 65, 325, 177))
    assert voxceleb.read_utterance(utterance(""), "id10001", "v" * 11, "00004") is None


def write_archives(folder: Path) -> None:
    rows = "000262 \t0.25 \t0.125 \t0.25 \t0.5\n000362 \t0.3 \t0.2 \t0.2 \t0.4\n"
    with zipfile.ZipFile(folder / "vox2_dev_txt.zip", "w") as pack:
        pack.writestr("txt/id00012/aaaaaaaaaaa/00001.txt", utterance(rows))
        pack.writestr("txt/id00012/aaaaaaaaaaa/00002.txt", utterance(rows))
        pack.writestr("txt/id00012/aaaaaaaaaaa/00003.txt", utterance(""))
        pack.writestr("txt/id00012/bbbbbbbbbbb/00001.txt", utterance(""))
        pack.writestr("txt/readme.txt", "hello")
    unpacked = folder / "vox2_test_txt" / "txt" / "id00017" / "ccccccccccc"
    unpacked.mkdir(parents=True)
    (unpacked / "00001.txt").write_text(utterance(rows))


def test_archives_are_read_packed_and_unpacked(server, tmp_path):
    write_archives(tmp_path)
    found = {item.id: item for item in voxceleb.items(tmp_path, 720, server.access(), Path("parts"))}
    assert {name: (item.person, item.split) for name, item in found.items()} == {
        "aaaaaaaaaaa": ("id00012", "train"),
        "bbbbbbbbbbb": ("id00012", "train"),
        "ccccccccccc": ("id00017", "test"),
    }
    files = found["aaaaaaaaaaa"].fetch(tmp_path / "out" / "aaaaaaaaaaa.mp4")
    clips = [segment["clip"] for segment in json.loads(files[1].read_text())["segments"]]
    assert clips == ["id00012#aaaaaaaaaaa#00001", "id00012#aaaaaaaaaaa#00002"]
    assert found["ccccccccccc"].fetch(tmp_path / "out" / "ccccccccccc.mp4")
    asked = sum(server.requests.values())
    with pytest.raises(Unavailable, match="no frames listed"):
        found["bbbbbbbbbbb"].fetch(tmp_path / "out" / "bbbbbbbbbbb.mp4")
    assert sum(server.requests.values()) == asked


def test_a_changed_utterance_changes_its_video_alone(server, tmp_path):
    write_archives(tmp_path)
    before = {item.id: item.key for item in voxceleb.items(tmp_path, 720, server.access(), Path("parts"))}
    (path,) = (tmp_path / "vox2_test_txt").rglob("00001.txt")
    path.write_text(utterance("1 \t0.1 \t0.1 \t0.2 \t0.2\n"))
    after = {item.id: item.key for item in voxceleb.items(tmp_path, 720, server.access(), Path("parts"))}
    assert {name for name in before if before[name] != after[name]} == {"ccccccccccc"}


def test_a_broken_archive_is_named(server, tmp_path):
    (tmp_path / "vox1_dev_txt.zip").write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(InputError, match=r"vox1_dev_txt\.zip: not a complete zip file"):
        voxceleb.items(tmp_path, 720, server.access(), Path("parts"))


def test_the_table_is_fetched_when_it_is_not_there(server, tmp_path, monkeypatch):
    import hashlib

    server.content = TABLE.encode()
    monkeypatch.setattr(voxceleb, "METADATA_URL", f"{server.url}/watch?v=table")
    monkeypatch.setattr(voxceleb, "METADATA_SHA256", "0" * 64)
    with pytest.raises(InputError, match=r"vox-metadata\.csv: .* holds another file than expected"):
        voxceleb.items(tmp_path, 720, server.access(), Path("parts"))
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(voxceleb, "METADATA_SHA256", hashlib.sha256(TABLE.encode()).hexdigest())
    assert len(voxceleb.items(tmp_path, 720, server.access(), Path("parts"))) == 4
    assert (tmp_path / "vox-metadata.csv").read_text() == TABLE
    server.behaviour["table"] = "404"
    assert len(voxceleb.items(tmp_path, 720, server.access(), Path("parts"))) == 4
    (tmp_path / "vox-metadata.csv").unlink()
    with pytest.raises(InputError, match=r"vox-metadata\.csv: not there, .* put it there by hand"):
        voxceleb.items(tmp_path, 720, server.access(), Path("parts"))
