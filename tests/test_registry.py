"""Trained models in MLflow's registry, with a real store and git."""

import subprocess
from pathlib import Path

import pytest

from stages import register
from styleheat.tracking import MlflowTracker, connect
from tests.test_tracking import finish, runs


def test_a_trained_model_is_logged_and_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = tmp_path
    folder = Path("models/styleheat")
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")

    def git(*arguments: str) -> None:
        person = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *person, *arguments], check=True, capture_output=True)

    def lock(md5: str) -> None:
        out = f"{{path: models/styleheat, md5: {md5}}}"
        Path("dvc.lock").write_text(f"schema: '2.0'\nstages: {{train: {{cmd: x, outs: [{out}]}}}}\n")

    def refused() -> str:
        with pytest.raises(SystemExit) as end:
            register.main(["--name", "ours"])
        return str(end.value)

    assert "dvc.lock doesn't have it" in refused()
    lock("aa.dir")
    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message", "start")
    assert "not committed" in refused()
    git("add", "dvc.lock")
    git("commit", "--quiet", "--message", "trained")
    assert "no training in MLflow's store made it" in refused()

    tracker = MlflowTracker(store, "train", {}, {})
    tracker.log_model(folder, {"psnr": 20.5})
    finish(tracker)
    client, experiment = connect(store)
    (model,) = client.search_logged_models([experiment])
    assert model.name == "styleheat" and model.tags["dvc.path"] == "models/styleheat"
    assert [(metric.key, metric.value) for metric in model.metrics] == [("model/psnr", 20.5)]

    for _ in range(2):  # again, it is the same version
        register.main(["--name", "ours"])
        out = capsys.readouterr().out
        assert "version 1 of ours, champion" in out and "dvc get . models/styleheat --rev " in out
    version = client.get_model_version_by_alias("ours", "champion")
    assert version.tags["dvc.md5"] == "aa.dir" and version.run_id == runs(store)["train"].info.run_id

    (folder / "model.safetensors").write_bytes(b"better weights")
    lock("bb.dir")
    git("commit", "--quiet", "--all", "--message", "trained again")
    tracker = MlflowTracker(store, "train", {}, {})
    tracker.log_model(folder, {"psnr": 21.0})
    finish(tracker)
    register.main(["--name", "ours", "--alias", "challenger"])
    assert "version 2 of ours, challenger" in capsys.readouterr().out
    assert client.get_model_version_by_alias("ours", "champion").version == 1
