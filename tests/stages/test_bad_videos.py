"""A folder of videos as people have them, good and bad, from the first stage to the account."""

import csv
import shutil
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from styleheat.clips.account import read_account
from styleheat.media.audio import write_wav
from tests.stages.campaign import FRAMES, STAGES, content, face, run, write_video


def encode(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    form: str = "yuv420p",
    moments: Sequence[Fraction] = (),
    rotation: int = 0,
    options: dict[str, str] | None = None,
    container: str = "mp4",
) -> None:
    """H.264 as our own writer doesn't make it."""
    with av.open(str(path), "w", format=container) as output:
        height, width = frames[0].shape[:2]
        stream = output.add_stream("libx264", rate=25, width=width, height=height, pix_fmt=form, options=options or {})
        stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
            moment = moments[number] if moments else Fraction(number, 25)
            frame.pts, frame.time_base = round(moment * 1000), Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def people(size: int = 160) -> list[np.ndarray]:
    return [face(k // 8, size) for k in range(FRAMES)]


def empty(path: Path) -> None:
    path.touch()


def truncated(path: Path, percent: int = 75) -> None:
    """Its first image takes half of the file."""
    complete = write_video(path.with_name("complete.tmp.mp4"), people()).read_bytes()
    path.with_name("complete.tmp.mp4").unlink()
    path.write_bytes(complete[: len(complete) * percent // 100])


def stump(path: Path) -> None:
    truncated(path, percent=30)


def text(path: Path) -> None:
    path.write_text("not a video\n" * 50)


def page(path: Path) -> None:
    path.write_text("<html><body>Sign in to confirm</body></html>" * 20)


def still(path: Path) -> None:
    Image.fromarray(face(0)).save(path, "JPEG")


def audio_only(path: Path) -> None:
    write_wav(path.with_suffix(".wav"), 0.1 * np.sin(np.arange(16_000) * 0.1))
    path.with_suffix(".wav").rename(path)


def nobody(path: Path) -> None:
    write_video(path, [np.full((96, 96, 3), 90 + k, np.uint8) for k in range(FRAMES)])


def tiny(path: Path) -> None:
    write_video(path, people(32))


def one_frame(path: Path) -> None:
    write_video(path, people()[:1])


def two_people(path: Path) -> None:
    write_video(path, [np.concatenate([frame, frame[:, ::-1]], axis=1) for frame in people()])


def corrupt_middle(path: Path) -> None:
    """Ten images are noise."""
    content = bytearray(write_video(path, people() * 3).read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for start, size in packets[40:50]:
        content[start : start + size] = np.random.default_rng(0).bytes(size)
    path.write_bytes(content)


def uneven(path: Path) -> None:
    encode(path, people(), moments=[Fraction(k * k, 500) for k in range(FRAMES)])


def turned(path: Path) -> None:
    encode(path, [np.rot90(frame, -1) for frame in people()], rotation=90)


def interlaced(path: Path) -> None:
    encode(path, people(), options={"flags": "+ilme+ildct"})


def ten_bit(path: Path) -> None:
    encode(path, people(), form="yuv420p10le")


def odd_size(path: Path) -> None:
    encode(path, people(161), form="yuv444p")


def other_container(path: Path) -> None:
    encode(path, people(), container="matroska")


def fine(path: Path) -> None:
    write_video(path, people())


KINDS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "empty.mp4": (empty, "download", "the file is empty"),
    "truncated.mp4": (truncated, "download", "the file is cut off"),
    "stump.mp4": (stump, "download", "damaged"),
    "text.mp4": (text, "download", "not a readable video or audio file"),
    "page.mp4": (page, "download", "not a readable video or audio file"),
    "still.mp4": (still, "download", "not a video or audio file"),
    "audio.mp4": (audio_only, "download", "holds no video"),
    "extension.txt": (fine, "download", "not a video"),
    "nobody.mp4": (nobody, "crop", "no face"),
    "tiny.mp4": (tiny, "crop", "too small"),
    "one.mp4": (one_frame, "crop", "too short"),
    "two.mp4": (two_people, "crop", "several faces"),
    "corrupt.mp4": (corrupt_middle, "", ""),
    "uneven.mp4": (uneven, "", ""),
    "turned.mp4": (turned, "", ""),
    "interlaced.mp4": (interlaced, "", ""),
    "ten_bit.mp4": (ten_bit, "", ""),
    "odd.mp4": (odd_size, "", ""),
    "container.mp4": (other_container, "", ""),
    "fine.mp4": (fine, "", ""),
    "again.mp4": (fine, "", ""),
}
"""Name → what writes it, the stage that loses it, and the reason; or none of these."""


def write_kinds(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, (write, _, _) in KINDS.items():
        path = folder / f"{Path(name).stem}.mp4"  # writers choose formats by the suffix
        write(path)
        path.rename(folder / name)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("bad") / "project"
    write_kinds(project / "in")
    assert run(project, *STAGES, "account") == (0, "")
    return project


def test_every_video_ends_as_it_should(project: Path) -> None:
    rows = list(csv.DictReader((project / "data/vox/account/clips.csv").open()))
    fates = {row["video"]: (row["lost"], row["reason"]) for row in rows}
    assert fates == {Path(name).stem: (stage, reason) for name, (_, stage, reason) in KINDS.items()}
    assert len(rows) == len(KINDS)
    numbers = read_account(project / "data/vox").metrics()
    packed = sum(not stage for _, stage, _ in KINDS.values())
    assert numbers["clips"] == {"asked": len(KINDS), "packed": packed, "lost": len(KINDS) - packed}
    assert numbers["face_rate"] == 1
    same = {row["clip"] for row in rows if row["duplicate_of"]}
    assert same == {"fine"}  # `again` comes first


def test_nothing_is_done_twice_and_nothing_half_written_is_left(project: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(project, tmp_path / "project")
    before = {path: path.stat().st_mtime_ns for path in copy.glob("data/vox/*/**/*") if path.suffix in (".mp4", ".mdb")}
    results = [content(copy / name) for name in ("data", "metrics")]
    assert all(results)
    assert run(copy, *STAGES, "account") == (0, "")
    assert [content(copy / name) for name in ("data", "metrics")] == results
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(copy.rglob("*.tmp*"))
