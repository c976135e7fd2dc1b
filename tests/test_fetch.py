"""Downloads from a server on this machine that misbehaves, and archives that do."""

import http.server
import io
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from styleheat import fetch
from styleheat.errors import InputError

CONTENT = bytes(range(256)) * 20_000  # 5 MB: several pieces


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` under every path. `script` holds what goes wrong with the next requests, in their order:
    a status, "html", or ("cut", bytes) to send so many bytes and hang up."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.etag: str | None = '"one"'
        self.script: list = []
        self.ranges: list[str | None] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/model.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        wrong = server.script.pop(0) if server.script else None
        if isinstance(wrong, int):
            self.send_error(wrong)
            return
        if wrong == "html":
            page = b"<!DOCTYPE html><html><body>Sign in</body></html>"
            self.answer(200, {"Content-Type": "text/html; charset=utf-8", "Content-Length": len(page)}, page)
            return
        size, start = len(server.content), int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if self.headers.get("If-Range") not in (None, server.etag):
            start = 0
        headers: dict = {"Content-Type": "application/octet-stream", "Content-Length": size - start}
        if server.etag:
            headers["ETag"] = server.etag
        if start >= size:
            self.answer(416, {"Content-Range": f"bytes */{size}", "Content-Length": 0}, b"")
            return
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        end = start + wrong[1] if wrong else size
        self.answer(206 if start else 200, headers, server.content[start:end])
        self.close_connection = True

    def answer(self, status: int, headers: dict, body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(fetch, "BACK_OFF", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def refused(call, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestDownload:
    def test_a_complete_file(self, server: Server, tmp_path: Path) -> None:
        fetch.download(server.address, tmp_path / "new" / "model.pth")
        assert (tmp_path / "new" / "model.pth").read_bytes() == CONTENT
        assert [p.name for p in (tmp_path / "new").iterdir()] == ["model.pth"]
        assert server.ranges == [None]

    @pytest.mark.parametrize("etag", ['"one"', None])
    def test_goes_on_after_a_cut_connection(self, server: Server, tmp_path: Path, etag: str | None) -> None:
        server.etag = etag
        server.script = [("cut", 3_000_000), ("cut", 1_000_000)]
        fetch.download(server.address, tmp_path / "model.pth")
        assert (tmp_path / "model.pth").read_bytes() == CONTENT
        assert server.ranges[0] is None and len(server.ranges) == 3
        assert all(int(asked.removeprefix("bytes=").rstrip("-")) > 0 for asked in server.ranges[1:] if asked)
        assert None not in server.ranges[1:]

    def test_goes_on_after_a_killed_run(self, server: Server, tmp_path: Path) -> None:
        server.script = [("cut", 3_000_000), *[500] * fetch.ATTEMPTS]
        assert "500" in refused(fetch.download, server.address, tmp_path / "model.pth")
        assert not (tmp_path / "model.pth").exists()
        kept = (tmp_path / "model.pth.part").stat().st_size
        assert kept > 0
        server.ranges.clear()
        fetch.download(server.address, tmp_path / "model.pth")
        assert (tmp_path / "model.pth").read_bytes() == CONTENT and set(server.ranges) == {f"bytes={kept}-"}

    @pytest.mark.parametrize(("etag", "changed"), [('"two"', CONTENT[::-1]), (None, CONTENT + b"more")])
    def test_another_file_is_not_glued_to_the_first(
        self, server: Server, tmp_path: Path, etag: str | None, changed: bytes
    ) -> None:
        server.etag = '"one"' if etag else None
        server.script = [("cut", 3_000_000), *[503] * fetch.ATTEMPTS]
        refused(fetch.download, server.address, tmp_path / "model.pth")
        server.content, server.etag = changed, etag
        fetch.download(server.address, tmp_path / "model.pth")
        assert (tmp_path / "model.pth").read_bytes() == changed

    def test_a_part_that_is_complete_needs_nothing_more(self, server: Server, tmp_path: Path) -> None:
        server.script = [("cut", 3_000_000), *[500] * fetch.ATTEMPTS]
        refused(fetch.download, server.address, tmp_path / "model.pth")
        (tmp_path / "model.pth.part").write_bytes(CONTENT)
        fetch.download(server.address, tmp_path / "model.pth")
        assert (tmp_path / "model.pth").read_bytes() == CONTENT

    def test_not_found_is_reported_at_once(self, server: Server, tmp_path: Path) -> None:
        server.script = [404]
        said = refused(fetch.download, server.address, tmp_path / "model.pth")
        assert "404" in said and server.address in said and str(tmp_path / "model.pth") in said
        assert len(server.ranges) == 1 and list(tmp_path.iterdir()) == []

    def test_a_busy_server_is_asked_again(self, server: Server, tmp_path: Path) -> None:
        server.script = [500, 429, 503]
        fetch.download(server.address, tmp_path / "model.pth")
        assert (tmp_path / "model.pth").read_bytes() == CONTENT and len(server.ranges) == 4

    def test_a_web_page_is_no_file(self, server: Server, tmp_path: Path) -> None:
        server.script = ["html"]
        assert "web page" in refused(fetch.download, server.address, tmp_path / "model.pth")
        assert list(tmp_path.iterdir()) == []

    def test_no_server(self, server: Server, tmp_path: Path) -> None:
        server.shutdown()
        server.server_close()
        assert "can't be reached" in refused(fetch.download, server.address, tmp_path / "model.pth")

    def test_a_full_disk(self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
        said = refused(fetch.download, server.address, tmp_path / "model.pth")
        assert "5 MB" in said and "has 1 MB" in said
        assert list(tmp_path.iterdir()) == []


def tar_with(path: Path, member: tarfile.TarInfo, content: bytes = b"") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return path


class TestUnpack:
    @pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
    def test_files_and_folders(self, tmp_path: Path, suffix: str) -> None:
        (tmp_path / "files" / "deep").mkdir(parents=True)
        (tmp_path / "files" / "a.pth").write_bytes(CONTENT)
        (tmp_path / "files" / "deep" / "b.pth").write_bytes(b"b")
        kind = {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar"}[suffix]
        archive = shutil.make_archive(str(tmp_path / "pack"), kind, tmp_path / "files")
        assert fetch.is_archive(archive)
        fetch.unpack(archive, tmp_path / "out", 10**8)
        assert (tmp_path / "out" / "a.pth").read_bytes() == CONTENT
        assert (tmp_path / "out" / "deep" / "b.pth").read_bytes() == b"b"

    def test_a_folder_around_everything_is_left_out(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "pack.zip", "w") as pack:
            pack.writestr("checkpoints/a.pth", "a")
            pack.writestr("checkpoints/deep/b.pth", "b")
        fetch.unpack(tmp_path / "pack.zip", tmp_path / "out", 10**8)
        assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.pth", "deep"]
        assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "pack.zip"]

    @pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "a/../../out.txt", "..\\out.txt", "C:\\out.txt"])
    @pytest.mark.parametrize("kind", ["zip", "tar"])
    def test_no_path_leaves_the_folder(self, tmp_path: Path, name: str, kind: str) -> None:
        archive = tmp_path / f"pack.{kind}"
        if kind == "zip":
            with zipfile.ZipFile(archive, "w") as pack:
                pack.writestr(name, "out")
        else:
            tar_with(archive, tarfile.TarInfo(name), b"out")
        assert "outside" in refused(fetch.unpack, archive, tmp_path / "in" / "out", 10**8)
        assert {p.name for p in tmp_path.rglob("*")} == {archive.name, "in"}

    def test_no_links(self, tmp_path: Path) -> None:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo("link")
            member.type, member.linkname = kind, "/etc/passwd"
            archive = tar_with(tmp_path / "pack.tar.gz", member)
            assert "link" in refused(fetch.unpack, archive, tmp_path / "out", 10**8)
        entry = zipfile.ZipInfo("link")
        entry.external_attr = 0o120777 << 16
        with zipfile.ZipFile(tmp_path / "pack.zip", "w") as pack:
            pack.writestr(entry, "/etc/passwd")
        assert "link" in refused(fetch.unpack, tmp_path / "pack.zip", tmp_path / "out", 10**8)
        assert not (tmp_path / "out").exists()

    def test_no_bombs(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "pack.zip", "w", zipfile.ZIP_DEFLATED) as pack:
            pack.writestr("zeros", bytes(30_000_000))
        assert (tmp_path / "pack.zip").stat().st_size < 100_000
        assert "more than 0.01 GB" in refused(fetch.unpack, tmp_path / "pack.zip", tmp_path / "out", 10_000_000)
        assert [p.name for p in tmp_path.iterdir()] == ["pack.zip"]

    def test_a_cut_archive(self, tmp_path: Path) -> None:
        for suffix in (".zip", ".tar.gz"):
            archive = tmp_path / f"pack{suffix}"
            if suffix == ".zip":
                with zipfile.ZipFile(archive, "w") as pack:
                    pack.writestr("a", CONTENT)
            else:
                tar_with(archive, tarfile.TarInfo("a"), CONTENT)
            archive.write_bytes(archive.read_bytes()[:-100])
            assert "not a complete" in refused(fetch.unpack, archive, tmp_path / "out", 10**8)
            assert not (tmp_path / "out").exists()
