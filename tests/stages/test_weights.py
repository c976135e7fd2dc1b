"""The stage `weights`: from a folder, a server, an archive; and what it refuses. Networks are tiny."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from stages import weights
from styleheat import checkpoints, fetch, releases
from styleheat.errors import InputError
from styleheat.files import sha256
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS, NetworkConfig
from styleheat.networks.styleheat import StyleHEAT
from styleheat.networks.warper import VideoWarper
from styleheat.releases import editing, files, inversion
from styleheat.releases.files import Published
from tests.test_checkpoints import TINY, same, write_released

MODELS = ["styleheat", "audio", "warper"]


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder to be in, and beside it a folder of small released files."""
    monkeypatch.setitem(NETWORKS, "full", TINY)  # type: ignore[attr-defined]
    torch.manual_seed(0)
    folder, work = tmp_path / "released", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    write_released(folder, StyleHEAT(TINY), ())
    audio = Audio2Motion(TINY)
    torch.save({"model": audio.audio2exp.state_dict()}, folder / releases.EXPRESSION.name)
    torch.save({"model": audio.audio2pose.state_dict()}, folder / releases.POSE.name)
    return folder


@pytest.fixture
def address(released: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(fetch, "BACK_OFF", 0.001)
    handler = functools.partial(Handler, directory=str(released))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run(source: str | Path, models: list[str] = MODELS) -> None:
    settings = SimpleNamespace(source=str(source), models=models)
    weights.body(SimpleNamespace(params=SimpleNamespace(weights=settings)))  # type: ignore[arg-type]


def refused(source: str | Path) -> str:
    with pytest.raises(InputError) as caught:
        run(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def config_of(name: str) -> NetworkConfig:
    return checkpoints.read_config(weights.FOLDER / name)[0]


def test_none_leaves_a_folder_and_reads_nothing(released: Path) -> None:
    run("none")
    assert [p.name for p in weights.FOLDER.iterdir()] == ["README.md"]
    assert not weights.FETCHED.exists()


def test_a_folder(released: Path) -> None:
    run(released)
    assert sorted(p.name for p in weights.FOLDER.iterdir()) == sorted(MODELS)
    model = checkpoints.open_model(weights.FOLDER / "styleheat", StyleHEAT)
    assert same(model.video_warper, checkpoints.open_model(weights.FOLDER / "warper", VideoWarper))
    assert config_of("audio") == TINY
    record = json.loads(weights.RECORD.read_text())
    assert len(record) == 6 and record["hfgi.pth"] == sha256(released / "hfgi.pth")
    facts = checkpoints.read_config(weights.FOLDER / "audio")[1]
    assert facts["sha256"] == {name: record[name] for name in (releases.EXPRESSION.name, releases.POSE.name)}
    assert [p.name for p in weights.FETCHED.iterdir()] == ["sha256.json"]


def test_a_server_is_asked_once(released: Path, address: str) -> None:
    run(address)
    assert (weights.FETCHED / "hfgi.pth").read_bytes() == (released / "hfgi.pth").read_bytes()
    shutil.rmtree(weights.FOLDER)
    for file in released.iterdir():
        file.unlink()
    run(address + "/")
    assert config_of("styleheat") == TINY


def test_the_authors_release(released: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file from its own address, and those of an archive out of it."""
    (released / "inside" / "interfacegan_directions").mkdir(parents=True)
    for name, shape in (("age", (1, TINY.style_dim)), ("pose", (TINY.style_dim,))):
        torch.save(torch.zeros(shape), released / "inside" / "interfacegan_directions" / f"{name}.pt")
    archive = released / editing.DIRECTIONS
    shutil.make_archive(str(archive.with_suffix("")), "zip", released / "inside")
    downloads: list[str] = []
    download = fetch.download

    def redirected(asked: str, path: Path) -> None:
        assert asked.startswith("https://github.com/OpenTalker/")
        downloads.append(asked)
        download(f"{address}/{asked.rpartition('/')[2]}", path)

    monkeypatch.setattr(fetch, "download", redirected)
    monkeypatch.setattr(weights, "check_published", lambda *given, **options: None)  # of the real files
    monkeypatch.setitem(releases.RELEASED, "editing", lambda folder: {  # type: ignore[attr-defined]
        "age": files.read_released(folder, releases.AGE)[files.BARE]})  # fmt: skip
    for file in (releases.GANSPACE, releases.PULSE):
        (released / file.name).write_bytes(b"x")
    run("release", ["audio", "editing"])
    assert downloads.count(releases.AGE.address) == 1 and len(downloads) == 5
    assert (weights.FOLDER / "editing" / "model.safetensors").is_file()


@pytest.mark.parametrize("served", [False, True])
def test_an_archive(released: Path, address: str, served: bool) -> None:
    pack = shutil.make_archive(str(released.parent / "pack"), "zip", released.parent, "released")
    if served:
        Path(pack).replace(released / "pack.zip")
    run(f"{address}/pack.zip" if served else pack)
    assert config_of("styleheat") == TINY


def test_files_are_held_to_what_was_published_of_them(
    released: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a file fetched from its address, others are refused; a user's own may be another, and one line says so."""
    path = released / releases.EXPRESSION.name
    size, content = path.stat().st_size, sha256(path)
    for known, fault in (
        (Published(size, content, True), None),
        (Published(9, content, True), f"{size} bytes, not 9"),
        (Published(size, "00", True), "sha256 .*, not 00"),
    ):
        file = replace(releases.EXPRESSION, published=known)
        if fault is None:
            weights.check_published(file, path, refuse=True)
            assert not capsys.readouterr().err
            continue
        with pytest.raises(InputError, match=f"not the released file: {fault}; remove it"):
            weights.check_published(file, path, refuse=True)
        weights.check_published(file, path, refuse=False)
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "going on with it" in said
    uncertain = replace(releases.EXPRESSION, published=Published(9, "00", False))
    weights.check_published(uncertain, path, refuse=True)


def test_a_file_that_is_not_at_its_first_address_is_looked_for_at_the_next(released: Path, address: str) -> None:
    weights.fetched([f"{address}/gone.pth", f"{address}/hfgi.pth"], released / "copy.pth")
    assert (released / "copy.pth").read_bytes() == (released / "hfgi.pth").read_bytes()
    with pytest.raises(InputError, match=r"gone\.pth: the server answers 404"):
        weights.fetched([f"{address}/gone.pth", f"{address}/lost.pth"], released / "other.pth")
    assert releases.POSE.addresses[1].startswith("https://huggingface.co/vinthony/SadTalker/resolve/")


def test_files_are_held_to_their_first_use(released: Path, address: str) -> None:
    run(released)
    record = weights.RECORD.read_text()
    write_released(released, StyleHEAT(TINY), ())
    for source in (released, address):
        said = refused(source)
        assert "not the file of its first use" in said and str(weights.RECORD) in said
    assert weights.RECORD.read_text() == record


def test_errors_are_reported_and_nothing_is_left(released: Path, address: str) -> None:
    complete = (released / "hfgi.pth").read_bytes()
    (released / "hfgi.pth").write_bytes(complete[: len(complete) // 2])
    said = refused(released)
    assert "hfgi.pth: not weights, or cut short" in said and inversion.HFGI.address in said
    shutil.copy(released / "StyleGAN_e4e.pth", released / "hfgi.pth")
    assert "hfgi.pth: has no section `aligner`" in refused(released)
    (released / "hfgi.pth").write_text("<html>Quota exceeded</html>")
    assert "hfgi.pth: a web page" in refused(released)
    (released / "hfgi.pth").unlink()
    assert f"get it from {inversion.HFGI.address}" in refused(released)
    assert "404" in refused(address)
    assert "no such folder" in refused(released / "gone")
    assert "no such archive" in refused(released / "gone.zip")
    assert not weights.FOLDER.exists() and not weights.RECORD.exists()
    shutil.copy(released / "StyleGAN_e4e.pth", released / "hfgi.pth")
    assert "remove it, and it is fetched again" in refused(address)
    (weights.FETCHED / "hfgi.pth").unlink()
    (released / "hfgi.pth").write_bytes(complete)
    run(address)
    assert config_of("styleheat") == TINY


def test_a_full_disk_is_reported_before_anything_is_converted(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    assert "model styleheat takes" in refused(released)
    assert not weights.FOLDER.exists()
