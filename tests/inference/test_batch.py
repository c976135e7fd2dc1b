"""Portraits and drivers, each by each: what is made, what is reported, and what is made again."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stages import animate as command
from styleheat.constants import SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.inference import animate, batch
from styleheat.inference.animator import Animator
from styleheat.inference.batch import animate_all
from styleheat.media.audio import read_audio, write_wav
from styleheat.media.image import read_image, write_image
from styleheat.media.video import probe, read_frames
from styleheat.morphable.coefficients import write_mat
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.styleheat import StyleHEAT
from styleheat.params import Params, check_params, read_yaml

ROOT = Path(__file__).parents[2]

MakeParams = Callable[..., Params]


@pytest.fixture
def make_params(folder: Path, model: StyleHEAT, audio_model: Audio2Motion) -> MakeParams:
    """Parameters with the untrained models and some keys of `infer` changed."""

    def params(**infer: object) -> Params:
        tree = read_yaml(ROOT / "params.yaml")
        tree["infer"] |= {"models": str(folder / "styleheat"), "audio_models": str(folder / "audio")} | infer
        tree["infer_image"]["seconds"] = 0.2
        return check_params(tree)

    return params


@pytest.fixture(scope="module")
def short(folder: Path, astronaut: Path, driver: Path) -> dict[str, Path]:
    """A portrait, and one short driver of each kind."""
    files = {name: folder / "short" / name for name in ("face.png", "smile.jpg", "nod.mp4", "hum.wav", "numbers.mat")}
    for name in ("face.png", "smile.jpg"):
        write_image(files[name], read_image(astronaut))
    shutil.copy(driver, files["nod.mp4"])
    write_wav(files["hum.wav"], 0.1 * np.sin(np.arange(SAMPLE_RATE // 5) / 10))
    crop = np.tile([256, 256, 0.6, 128, 128], (4, 1))
    write_mat(files["numbers.mat"], 0.1 * np.random.default_rng(0).standard_normal((4, 257)), crop)
    return files


def test_every_portrait_by_every_driver(make_params: MakeParams, short: dict[str, Path], tmp_path: Path) -> None:
    portraits, drivers = [short["face.png"], short["smile.jpg"]], [short[f] for f in short if f != "face.png"]
    assert animate_all(Animator(make_params(), "cpu"), portraits, drivers, tmp_path) == {
        "made": 8,
        "there": 0,
        "failed": 0,
    }
    made = {path.name: probe(path) for path in tmp_path.iterdir()}
    assert {name: (info.frames, info.has_audio) for name, info in made.items() if name.startswith("face--")} == {
        "face--smile.mp4": (5, False),
        "face--nod.mp4": (14, True),
        "face--hum.mp4": (5, True),
        "face--numbers.mp4": (4, False),
    }
    assert {name for name in made if name.startswith("smile--")} == {
        name.replace("face--", "smile--") for name in made if name.startswith("face--")
    }


def test_a_text_is_spoken_first(make_params: MakeParams, short: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("hibari")
    words, nothing = tmp_path / "words.txt", tmp_path / "nothing.txt"
    words.write_text("Good day.")
    nothing.write_text(" … ")
    out = tmp_path / "videos"
    counts = animate_all(Animator(make_params(), "cpu"), [short["face.png"]], [words, nothing], out)
    assert counts == {"made": 1, "there": 0, "failed": 1}
    assert {path.name for path in out.iterdir()} == {"face--words.mp4", "words.txt.wav"}
    seconds = len(read_audio(out / "words.txt.wav")) / SAMPLE_RATE
    assert 0.5 < seconds < 3 and probe(out / "face--words.mp4").frames == round(seconds * 25)


def test_only_a_video_stands_beside_the_video(make_params: MakeParams, short: dict[str, Path], tmp_path: Path) -> None:
    animator = Animator(make_params(result="beside"), "cpu")
    animate_all(animator, [short["face.png"]], [short["nod.mp4"], short["numbers.mat"]], tmp_path)
    assert probe(tmp_path / "face--nod.mp4").width == 3 * 512
    assert probe(tmp_path / "face--numbers.mp4").width == 2 * 512


def test_what_is_there_is_left_alone(make_params: MakeParams, short: dict[str, Path], tmp_path: Path) -> None:
    animator, face, numbers = Animator(make_params(), "cpu"), short["face.png"], short["numbers.mat"]
    (tmp_path / "face--numbers.mp4").write_text("a video")
    assert animate_all(animator, [face], [numbers], tmp_path) == {"made": 0, "there": 1, "failed": 0}
    assert "model" not in vars(animator)  # nothing was opened
    assert animate_all(animator, [face], [numbers], tmp_path, again=True) == {"made": 1, "there": 0, "failed": 0}
    assert probe(tmp_path / "face--numbers.mp4").frames == 4


def test_failures_are_reported_and_the_rest_is_made(
    make_params: MakeParams, short: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wall, empty = tmp_path / "wall.png", tmp_path / "empty.mp4"
    write_image(wall, np.full((200, 200, 3), 90, np.uint8))
    empty.touch()
    out = tmp_path / "videos"
    counts = animate_all(Animator(make_params(), "cpu"), [wall, short["face.png"]], [empty, short["numbers.mat"]], out)
    assert counts == {"made": 1, "there": 0, "failed": 3}
    assert [path.name for path in out.iterdir()] == ["face--numbers.mp4"]
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("animate: ")]
    assert len(lines) == 2 and f"{wall}: no face" in lines[0] and f"{empty}: the file is empty" in lines[1]


def test_a_video_that_fails_does_not_end_the_rest(
    make_params: MakeParams, short: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = make_params().model_dump()
    tree["infer"]["drive"]["seconds"] = [0.3, 0.4]  # the coefficients end at 0.16 s
    drivers = [short["numbers.mat"], short["nod.mp4"]]
    counts = animate_all(Animator(check_params(tree), "cpu"), [short["face.png"]], drivers, tmp_path)
    assert counts == {"made": 1, "there": 0, "failed": 1}
    assert "infer.drive.seconds" in capsys.readouterr().err


def test_what_nobody_foresaw_is_one_line_too(
    make_params: MakeParams,
    short: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = Animator.portrait

    def portrait(animator: Animator, path: Path) -> object:
        if path == short["smile.jpg"]:
            raise TypeError("no such\nnumber")
        return usual(animator, path)

    monkeypatch.setattr(Animator, "portrait", portrait)
    faces = [short["smile.jpg"], short["face.png"]]
    counts = animate_all(Animator(make_params(), "cpu"), faces, [short["numbers.mat"]], tmp_path)
    assert counts == {"made": 1, "there": 0, "failed": 1}
    assert f"animate: {short['smile.jpg']}: TypeError: no such number\n" in capsys.readouterr().err


def test_names_of_any_length(make_params: MakeParams, short: dict[str, Path], tmp_path: Path) -> None:
    """Long ones are cut, and their distinguishing part is kept; the same command finds the videos again."""
    drivers = [tmp_path / f"{'ü' * 110}{end}.mat" for end in "ab"]
    for driver in drivers:
        shutil.copy(short["numbers.mat"], driver)
    animator, out = Animator(make_params(), "cpu"), tmp_path / "videos"
    assert animate_all(animator, [short["face.png"]], drivers, out) == {"made": 2, "there": 0, "failed": 0}
    assert all(len(path.name.encode()) < 250 for path in out.iterdir())
    assert animate_all(animator, [short["face.png"]], drivers, out) == {"made": 0, "there": 2, "failed": 0}


def test_ctrl_c_leaves_a_video_that_does_not_count(
    make_params: MakeParams, short: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> object:
        yield np.zeros((512, 512, 3), np.uint8)
        raise KeyboardInterrupt

    monkeypatch.setattr(animate, "animate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        animate_all(Animator(make_params(), "cpu"), [short["face.png"]], [short["numbers.mat"]], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["face--numbers.part.mp4"]
    assert len(list(read_frames(tmp_path / "face--numbers.part.mp4", fps=None))) == 1


def test_two_videos_of_one_name_are_refused(make_params: MakeParams, short: dict[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "face.jpg"
    with pytest.raises(InputError, match=r"face--hum\.mp4: two videos would have this name"):
        animate_all(Animator(make_params(), "cpu"), [short["face.png"], other], [short["hum.wav"]], tmp_path)
    with pytest.raises(InputError, match="not a folder"):
        animate_all(Animator(make_params(), "cpu"), [short["face.png"]], [short["hum.wav"]], short["face.png"])


@pytest.mark.parametrize(("failed", "status"), [(0, 0), (1, 1)])
def test_the_command_says_what_it_did(
    failed: int, status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def pretend(animator: Animator, *arguments: object) -> dict[str, int]:
        calls.append(arguments)
        return {"made": 2, "there": 1, "failed": failed}

    monkeypatch.setattr(batch, "animate_all", pretend)
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as left:
        command.main(["--portrait", "a.png", "b.png", "--driver", "x.mp4", "--out", str(tmp_path)])
    assert left.value.code == status
    assert calls == [([Path("a.png"), Path("b.png")], [Path("x.mp4")], tmp_path, False)]
    assert capsys.readouterr().out == f"{tmp_path}: 2 made, 1 there already, {failed} failed\n"
