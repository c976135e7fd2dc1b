"""Published models: made, put on a server that speaks as Hugging Face does, and brought into another checkout."""

import base64
import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from stages import publish, weights
from styleheat import checkpoints, fetch, files, publication
from styleheat.errors import InputError
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.styleheat import StyleHEAT
from tests.stages.test_weights import Handler, run
from tests.test_checkpoints import TINY

SCORES = {"same_identity": {"psnr": 20.5, "aed": 0.1, "clips": 4, "people": 3, "trivial": {"psnr": 16.25}}}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with trained models, to be in."""
    torch.manual_seed(0)
    monkeypatch.chdir(tmp_path)
    for name, module in (("styleheat", StyleHEAT(TINY)), ("audio", Audio2Motion(TINY))):
        checkpoints.save_model(Path("models", name), module, TINY, {"stage": "train", "steps": 7})
    Path("metrics").mkdir()
    Path("metrics/evaluate.json").write_text(json.dumps(SCORES))
    Path("LICENSE").write_text("MIT")
    return tmp_path


@pytest.fixture
def address(work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(fetch, "BACK_OFF", 0.001)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(work))) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_folder_and_its_card(work: Path) -> None:
    publish.main(["--to", "published"])
    made = {path.relative_to("published").as_posix() for path in Path("published").rglob("*") if path.is_file()}
    models = {f"{name}/{file}" for name in publication.MODELS for file in (checkpoints.WEIGHTS, checkpoints.CONFIG)}
    assert made == models | {"README.md", "LICENSE", publication.MANIFEST}
    card = Path("published/README.md").read_text()
    assert card.startswith("---\nlicense: mit\n") and "| psnr | 20.500 | 16.250 |" in card
    assert "4 clips of 3 people" in card and "| `audio` | `train` | 7 |" in card
    with pytest.raises(SystemExit, match="publish: published: exists"):
        publish.main(["--to", "published"])
    Path("models/audio/model.safetensors").unlink()
    with pytest.raises(SystemExit, match=r"models/audio/model\.safetensors: missing"):
        publish.main(["--to", "other"])
    assert not Path("other").exists()


def test_published_models_are_brought_complete(work: Path, address: str) -> None:
    publish.main(["--to", "published"])
    for source in ("published", f"{address}/published"):
        run(source, ["styleheat", "audio"])
        for name in publication.MODELS:
            assert files.digest(weights.FOLDER / name) == files.digest(Path("models", name))
    with pytest.raises(InputError, match=r"published\.json has no warper/model\.safetensors; it has models audio, sty"):
        run("published", ["warper"])
    with Path("published/audio/model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match=r"audio/model\.safetensors: not the published file"):
        run("published", ["audio"])


def test_addresses_of_the_hub() -> None:
    assert publication.address_of("hf://anna/heads") == "https://huggingface.co/anna/heads/resolve/main"
    assert publication.address_of("release") == "release"
    for wrong in ("hf://heads", "hf://a/b/c", "hf://../b"):
        with pytest.raises(InputError, match="not hf://user/name"):
            publication.address_of(wrong)


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of Hugging Face's interface as a client that uploads small files asks for."""

    files: dict[str, bytes]

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, content: Any, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer({"id": "anna/heads", "sha": "0" * 40, "siblings": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != "Bearer hf_token":
            self.answer({"error": "Unauthorized"}, 401)
        elif self.path == "/api/repos/create":
            self.answer({"url": f"http://{self.headers['Host']}/anna/heads", "id": "anna/heads"})
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif self.path.endswith("/preupload/main"):
            paths = [file["path"] for file in json.loads(body)["files"]]
            self.answer({"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]})
        elif self.path.endswith("/commit/main"):
            for line in map(json.loads, body.decode().splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            made = f"http://{self.headers['Host']}/anna/heads/commit/{'1' * 40}"
            self.answer({"success": True, "commitOid": "1" * 40, "commitUrl": made})
        else:
            self.answer({"error": self.path}, 404)


def test_upload(work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants

    monkeypatch.setenv("HF_TOKEN", "hf_token")
    handler = type("Handler", (Hub,), {"files": {}})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        publish.main(["--to", "hf://anna/heads"])
        assert "anna/heads" in capsys.readouterr().out
        publish.main(["--to", "copy"])
        there = {path.relative_to("copy").as_posix(): path.read_bytes() for path in Path("copy").rglob("*.*")}
        assert handler.files == there | {"LICENSE": b"MIT"}
        monkeypatch.setenv("HF_TOKEN", "hf_other")
        with pytest.raises(SystemExit, match=r"publish: hf://anna/heads: not published: .*log in by"):
            publish.main(["--to", "hf://anna/heads"])
        server.shutdown()
