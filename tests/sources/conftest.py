"""Small videos, and a server on loopback that stands in for YouTube."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from styleheat.media.video import VideoWriter
from styleheat.params import Youtube


def write_video(path: Path, seconds: float = 1.0, size: tuple[int, int] = (64, 48), shade: int = 0) -> Path:
    """A video with audio of a square that moves; `shade` makes it another video."""
    audio = 0.1 * np.sin(np.arange(int(16000 * seconds)) * 0.1)
    with VideoWriter(path, size, samples=audio) as writer:
        for k in range(int(25 * seconds)):
            frame = np.full((size[1], size[0], 3), shade, np.uint8)
            frame[8:24, k % 40 : k % 40 + 16] = 200
            writer.write(frame)
    return path


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "video.mp4")


MANIFEST = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"><Period>
<AdaptationSet mimeType="video/mp4">
<Representation id="small" codecs="avc1.64001f" width="64" height="48" bandwidth="1000">
<BaseURL>watch?v=small------</BaseURL></Representation>
<Representation id="large" codecs="avc1.64001f" width="1920" height="1440" bandwidth="9000">
<BaseURL>watch?v=large------</BaseURL></Representation>
</AdaptationSet>
<AdaptationSet mimeType="audio/mp4">
<Representation id="audio" codecs="mp4a.40.2" audioSamplingRate="16000" bandwidth="500">
<BaseURL>watch?v=audio------</BaseURL></Representation>
</AdaptationSet></Period></MPD>"""
"""Separate video and audio, as YouTube delivers them."""

HTML = b"<html><title>hello</title><p>no video</p></html>"
PAGES = {
    "html": ("text/html", HTML),
    "html as video": ("video/mp4", HTML * 50),
    "manifest": ("application/dash+xml", MANIFEST.encode()),
}
"""Kind and content of what is no video."""


@dataclass
class Server:
    """Answers `/watch?v=<id>` by the behaviour named for the id: "ok" by default."""

    content: bytes
    behaviour: dict[str, str] = field(default_factory=dict)
    requests: Counter = field(default_factory=Counter)
    cookies: set[str] = field(default_factory=set)
    url: str = ""
    starts: list[int] = field(default_factory=list)

    def access(self, **changes) -> Youtube:
        options = {"base_url": self.url, "cookies": None, "proxy": None, "retries": 2, "pause": 0.0}
        options |= {"rate_limit": None, "retry_lost": False}
        return Youtube(**(options | changes))


class Handler(BaseHTTPRequestHandler):
    """Answers for `server.state`, a `Server`."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(head=True)

    def do_GET(self) -> None:
        self.answer(head=False)

    def answer(self, head: bool) -> None:
        state: Server = self.server.state
        name = self.path.partition("v=")[2]
        state.requests[name] += 1
        if "Cookie" in self.headers:
            state.cookies.add(self.headers["Cookie"])
        behaviour = state.behaviour.get(name, "ok")
        if behaviour == "busy once":
            behaviour = "429" if state.requests[name] == 1 else "ok"
        if behaviour == "cut once":
            behaviour = "cut" if state.requests[name] <= 2 else "ok"
        if behaviour.isdigit():
            self.say(int(behaviour), "text/plain", b"no")
        elif behaviour == "redirect":
            self.send_response(302)
            self.send_header("Location", f"{state.url}/watch?v=other------")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif behaviour in PAGES:
            self.say(200, *PAGES[behaviour])
        else:
            self.video(state, behaviour, head)

    def say(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def video(self, state: Server, behaviour: str, head: bool) -> None:
        content = state.content
        start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].split("-")[0])
        state.starts.append(start)
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(content) - start))
        if "Range" in self.headers:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if head:
            return
        if behaviour == "cut":
            self.wfile.write(content[start : start + 3000])
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif behaviour == "stall":
            self.wfile.write(content[start : start + 3000])
            self.wfile.flush()
            time.sleep(3)
            self.close_connection = True
        elif behaviour == "slow":
            for at in range(start, len(content), 2000):
                self.wfile.write(content[at : at + 2000])
                time.sleep(0.1)
        else:
            self.wfile.write(content[start:])


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, state: Server) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = state

    def handle_error(self, *_) -> None:
        pass  # clients that hang up are part of the tests


@pytest.fixture
def server(video: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Server(video.read_bytes())
    httpd = Quiet(state)
    state.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield state
    httpd.shutdown()
    thread.join()
    httpd.server_close()
