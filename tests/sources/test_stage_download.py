"""The download stage on a user's folder and on a server in YouTube's place."""

import json
import shutil
from pathlib import Path

import pytest

from stages import download
from styleheat.clips import index
from styleheat.errors import InputError
from styleheat.params import check_params, read_yaml
from styleheat.pipeline import Stage
from tests.sources.conftest import write_video

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the stage in an empty project, with a source of one's own; returns the metrics."""
    params = read_yaml(ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)

    def run_with(access=None, **source):
        params["sets"]["vox"]["source"] |= source
        params["runtime"]["workers"] = 1
        if access is not None:
            params["youtube"] = access.model_dump()
        download.body(Stage("download", check_params(params), "vox"))
        return json.loads(Path("metrics/vox/download.json").read_text())

    return run_with


def files() -> list[str]:
    folder = Path("data/vox/videos")
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_folder_of_videos(run, video, capsys):
    Path("in").mkdir()
    for name in ("anna", "bert", "cleo"):
        shutil.copyfile(video, f"in/{name}.mp4")
    Path("in/notes.txt").write_text("hello")
    Path("in/cut.mp4").write_bytes(video.read_bytes()[:3000])
    metrics = run(kind="local", path="in", people=None, test_people=1)
    assert (metrics["clips"], metrics["ok"], metrics["lost"]) == (5, 3, 2)
    found = index.read("data/vox/videos")
    assert found["notes"].reason == "not a video" and not found["cut"].ok
    held_out = [name for name, entry in found.items() if entry.ok and entry.facts["split"] == "test"]
    assert len(held_out) == 1
    splits = {name: "test" if name in held_out else "train" for name in ("anna", "bert", "cleo")}
    assert files() == sorted(["index.json", *(f"{split}/{name}.mp4" for name, split in splits.items())])

    before = Path("data/vox/videos/index.json").read_bytes()
    inode = Path(f"data/vox/videos/test/{held_out[0]}.mp4").stat().st_ino
    assert run() == metrics
    assert Path("data/vox/videos/index.json").read_bytes() == before
    assert Path(f"data/vox/videos/test/{held_out[0]}.mp4").stat().st_ino == inode
    assert "tried" not in capsys.readouterr().out


def test_a_rerun_asks_only_for_what_may_succeed(run, server, capsys):
    Path("lists").mkdir()
    header = "video_id,start,end,bbox,fps,width,height,partition,person_id\n"
    names = ["good-------", "gone-------", "busy-------"]
    rows = [
        f"{name},0,20,0-0-40-40,25,64,48,{part},id{part}"
        for name, part in zip(names, ("train", "train", "test"), strict=True)
    ]
    Path("lists/vox-metadata.csv").write_text(header + "\n".join(rows) + "\n")
    server.behaviour = {"gone-------": "404", "busy-------": "429"}
    metrics = run(server.access(retries=0), kind="voxceleb", path="lists", people=None, test_people=None, size=720)
    assert metrics["lost_by_reason"] == {"rate limited": 1, "unavailable": 1}
    assert files() == ["index.json", "train/good-------.json", "train/good-------.mp4"]
    assert "2 videos failed for now" in capsys.readouterr().out

    server.requests.clear()
    server.behaviour["busy-------"] = "ok"
    metrics = run()
    assert set(server.requests) == {"busy-------", "gone-------"}
    assert (metrics["ok"], metrics["lost_by_reason"]) == (2, {"unavailable": 1})

    server.requests.clear()
    with Path("lists/vox-metadata.csv").open("a") as table:
        table.write("more-------,0,20,0-0-40-40,25,64,48,train,idtrain\n")
    assert run()["ok"] == 3
    assert set(server.requests) == {"more-------", "gone-------"}


def test_nothing_to_be_had_is_one_clear_line(run, server):
    Path("lists").mkdir()
    table = "video_id,start,end,bbox,fps,width,height,partition,person_id\nx----------,0,9,0-0-9-9,25,64,48,train,id1\n"
    Path("lists/vox-metadata.csv").write_text(table)
    server.behaviour["x----------"] = "404"
    with pytest.raises(InputError, match=r"^download@vox: none of 1 clips can be used: unavailable \(1\)$"):
        run(server.access(retries=0), kind="voxceleb", path="lists", people=None, test_people=None, size=720)


def test_a_smaller_image_than_the_list_has_stays_until_a_better_one_comes(run, server, tmp_path, capsys):
    Path("lists").mkdir()
    header = "video_id,start,end,bbox,fps,width,height,partition,person_id\n"
    Path("lists/vox-metadata.csv").write_text(f"{header}less-------,0,20,0-0-40-40,25,320,240,train,idx\n")
    options = {"kind": "voxceleb", "path": "lists", "people": None, "test_people": None, "size": 720}
    assert run(server.access(retries=0), **options)["ok"] == 1
    kept = Path("data/vox/videos/train/less-------.mp4")
    small, entry = kept.read_bytes(), index.read("data/vox/videos")["less-------"]
    assert entry.transient and entry.facts["lines"] == 48
    assert "1 videos came in smaller images" in capsys.readouterr().out

    server.behaviour["less-------"] = "404"
    assert run()["ok"] == 1
    assert kept.read_bytes() == small and index.read("data/vox/videos")["less-------"] == entry

    server.behaviour["less-------"] = "ok"
    server.content = write_video(tmp_path / "large.mp4", size=(320, 240)).read_bytes()
    assert run()["ok"] == 1
    entry = index.read("data/vox/videos")["less-------"]
    assert kept.read_bytes() != small and not entry.transient and "lines" not in entry.facts

    server.requests.clear()
    assert run()["ok"] == 1
    assert not server.requests
