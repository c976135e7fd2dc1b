"""What a run is part of: an execution of the pipeline, a DVC experiment, a revision; and how it is repeated."""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def execution_of_process() -> tuple[str, str]:
    """What the stages of one execution have in common, and a name for people.

    In an experiment of DVC it is the experiment's name; in `dvc repro` it is the process of DVC. A stage run by hand is
    an execution of its own.
    """
    import psutil

    experiment = os.environ.get("DVC_EXP_NAME")
    if experiment:
        return f"exp {experiment} {os.environ.get('DVC_EXP_BASELINE_REV', '')}", experiment
    dvc = dvc_process()
    process = dvc or psutil.Process()
    started = process.create_time()
    key = f"{os.uname().nodename} {process.pid} {started:.2f}"
    kind = "repro" if dvc else "by hand"
    return key, f"{kind} {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(started))}"


def dvc_process() -> Any:
    """DVC's process (a `psutil.Process`), when this is one of its stages: the nearest ancestor that has no `DVC_STAGE`,
    which DVC gives to each stage it starts. None for a stage run by hand, and in a container that DVC started."""
    import psutil

    if "DVC_STAGE" not in os.environ:
        return None
    for ancestor in psutil.Process().parents():
        try:
            if "DVC_STAGE" not in ancestor.environ():
                return ancestor
        except psutil.Error:  # a process we may not look into is none of DVC's stages
            return ancestor
    return None


def dvc_md5(path: Path) -> str | None:
    """DVC's md5 of an output, as `dvc.lock` has it; None for what is no output of a stage that has run."""
    import yaml

    lock = Path("dvc.lock")
    stages = (yaml.safe_load(lock.read_text()) or {}).get("stages", {}) if lock.exists() else {}
    outs = (out for stage in stages.values() for out in stage.get("outs", ()))
    return next((out.get("md5") for out in outs if out.get("path") == path.as_posix()), None)


def described(stage: str | None, tags: Mapping[str, str]) -> dict[str, str]:
    """What MLflow shows of a run: where it came from, and a note on what it is and how to repeat it. stage: None for
    the execution."""
    experiment, revision = tags["dvc.exp_name"], tags["mlflow.source.git.commit"]
    by_dvc = "DVC_STAGE" in os.environ
    module, _, chosen = (stage or "").partition("@")
    by_hand = f"python -m stages.{module}" + (f" --set {chosen}" if chosen else "")
    if not by_dvc:
        source = by_hand if stage else "by hand"
        command = by_hand if stage else "see the runs below"
    else:
        source = "dvc exp run" if experiment else "dvc repro"
        command = " ".join(filter(None, ["dvc repro", stage]))
    start = f"dvc exp apply {experiment}" if experiment else f"git checkout {revision or 'REVISION'}"
    what = f"Stage `{stage}`" if stage else "One execution of the pipeline; its stages are the runs within this one"
    changed = " The working tree had changes that were not committed." if tags["git.dirty"] == "true" else ""
    repeat = f"{start}\n{command}" if by_dvc or stage else start
    note = f"{what}, started by `{source}`.{changed}\n\nTo repeat it:\n\n```sh\n{repeat}\n```\n"
    return {"mlflow.source.name": source, "mlflow.note.content": note}


def user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return str(os.getuid())


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
