"""Trackers: they take the records of a stage and send them to MLflow.

Each execution of the pipeline (a `dvc repro`, a `dvc exp run`, or one stage run by hand) is a parent run; each of its
stages is a child run. Runs lie in `mlruns/mlflow.db` at the top of the repository unless `MLFLOW_TRACKING_URI` says
otherwise. Records are sent by a thread of their own, so that a slow server never holds up the work; when the server is
down that is said once, and the work goes on. A training that goes on after a kill goes on in the same child run, and
repeats no step that this has: steps since the last checkpoint are computed twice, but sent once.
"""

import contextlib
import functools
import json
import logging
import os
import queue
import re
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from styleheat import files
from styleheat.tracking.execution import described, dvc_md5, execution_of_process, git, user
from styleheat.tracking.registry import DIGEST_TAG, PATH_TAG
from styleheat.tracking.store import connect, shown_uri, store_uri, without_password

CLOSING_S = 120.0
"""How long a finished stage waits for its last records to be taken."""
RETRY_S = 60.0
"""How long after a failure to reach the server it is tried again."""

Status = Literal["FINISHED", "FAILED", "KILLED"]


class Tracker:
    """Takes records of one stage and drops them: for tests, and for all but the first of several processes."""

    def reuse(self, note: Path) -> None:
        """Go on with the run that `note` names, left by a process that was killed, or keep the run's name there."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """A point of each curve, or without `step` single results."""

    def log_image(self, key: str, path: Path, step: int = 0) -> None:
        """An image; those with one key are shown as a series over their steps, and side by side between runs."""

    def log_artifact(self, path: Path) -> None:
        """Any other file."""

    def log_dataset(self, path: Path, context: str) -> None:
        """A data set that the stage reads, an output of an earlier stage. context: "training" or "evaluation"."""

    def log_model(self, folder: Path, metrics: Mapping[str, float]) -> None:
        """The model folder that a training leaves, with its scores: a record that names it, no copy."""

    def close(self, status: Status) -> None:
        """Send what is left and end the run."""


class MlflowTracker(Tracker):
    """Records of one stage in a child run, its curves and results also in the execution's parent run.

    root: top of the repository, where the default store lies. stage: `train`, `crop@vox`. params: the stage's own
    parameters, dotted names; all_params: everything in params.yaml that may change a result, for the parent run.
    """

    def __init__(self, root: Path, stage: str, params: Mapping[str, Any], all_params: Mapping[str, Any]) -> None:
        self.root = root
        self.stage = stage
        self.params, self.all_params = params, all_params
        self.prefix = stage.replace("@", "/") + "/"  # MLflow allows no @ in names of metrics
        self.note: Path | None = None
        self._began_ms = _now_ms()
        self._execution = execution_of_process()  # now: DVC may be killed while the stage works
        self._client: Any = None
        self._parent = self._child = ""
        self._last: dict[str, int] = {}  # the last step of each metric that a run gone on with has already
        self._images: set[tuple[str, int]] = set()  # key and step of its images
        self._retry_at = 0.0
        self._complained = False
        self._monitor: Any = None  # of the machine
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def reuse(self, note: Path) -> None:
        self.note = note
        self._put(lambda: None)  # the run shows from now on, not only with its first record

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._put(functools.partial(self._send_metrics, dict(metrics), step or 0, _now_ms()))

    def log_image(self, key: str, path: Path, step: int = 0) -> None:
        self._put(functools.partial(self._send_image, key, path, step))

    def log_artifact(self, path: Path) -> None:
        self._put(lambda: self._client.log_artifact(self._child, str(path)))

    def log_dataset(self, path: Path, context: str) -> None:
        self._put(functools.partial(self._send_dataset, path, context))

    def log_model(self, folder: Path, metrics: Mapping[str, float]) -> None:
        self._put(functools.partial(self._send_model, folder, files.digest(folder), dict(metrics)))

    def close(self, status: Status) -> None:
        self._put(lambda: self._end(status))
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(CLOSING_S)
            if self._thread.is_alive():
                self._complain(f"slow, records not taken after {CLOSING_S:.0f} s are dropped")

    def _put(self, job: Callable[[], None]) -> None:
        if self._thread is None:
            # Imported here, not in the thread: two threads that import packages at once can see them half made.
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
            os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
            import mlflow.tracking  # noqa: F401

            for name in ("mlflow", "alembic"):  # "Creating initial MLflow database tables..."
                logging.getLogger(name).setLevel(logging.WARNING)
            logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)  # we report a fault, once
            self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not self._child and time.monotonic() < self._retry_at:
                continue
            try:
                if not self._child:
                    self._open()
                job()
            except Exception as error:
                self._retry_at = time.monotonic() + RETRY_S
                said = without_password(" ".join(str(error).split()), store_uri(self.root))
                self._complain(f"not working ({said[:200]})")

    def _complain(self, fault: str) -> None:
        if not self._complained:
            print(f"tracking: MLflow at {shown_uri(self.root)} is {fault}; going on without it", file=sys.stderr)
        self._complained = True

    def _open(self) -> None:
        """Find or make the parent run and the child run. Raises whatever MLflow raises."""
        self._client, experiment = connect(self.root)
        execution, name = self._execution
        tags = {
            "dvc.exp_name": os.environ.get("DVC_EXP_NAME", ""),
            "dvc.exp_baseline": os.environ.get("DVC_EXP_BASELINE_REV", ""),
            "dvc.lock": files.digest("dvc.lock") if Path("dvc.lock").exists() else "",
            "git.dirty": str(bool(git("status", "--porcelain"))).lower(),
            "mlflow.source.git.commit": git("rev-parse", "HEAD"),
            "mlflow.source.type": "LOCAL",
            "mlflow.user": user(),
        }
        found = self._client.search_runs([experiment], f"tags.execution = '{execution}'", max_results=1)
        if found:
            self._parent = found[0].info.run_id
            self._client.update_run(self._parent, status="RUNNING")
        else:
            all_tags = tags | {"execution": execution} | described(None, tags)
            parent = self._client.create_run(experiment, self._began_ms, all_tags, name)
            self._parent = parent.info.run_id
            self._send_params(self._parent, self.all_params)
        tags |= {"stage": self.stage, "mlflow.parentRunId": self._parent} | described(self.stage, tags)
        left = self._left_run() if self.note else None
        if left is None:
            run = self._client.create_run(experiment, self._began_ms, tags, f"{self.stage} {name}")
            child = run.info.run_id
            self._send_params(child, self.params)
        else:
            child = left.info.run_id
            self._last = {metric.key: metric.step for metric in left.data.to_proto().metrics}
            self._images = set(self._left_images(child))
            self._end_left_parent(left.data.tags["mlflow.parentRunId"])
            self._client.update_run(child, status="RUNNING", name=f"{self.stage} {name}")
            for key, value in tags.items():
                self._client.set_tag(child, key, value)
        if self.note:
            files.write_json(self.note, {"run": child, "store": shown_uri(self.root)})
        self._child = child
        self._monitor = _monitor(child, store_uri(self.root))
        self._monitor.start()

    def _left_run(self) -> Any:
        """The run that `note` names, when it still exists in this store with the same parameters; else None."""
        from mlflow.exceptions import MlflowException

        assert self.note is not None
        if not self.note.exists():
            return None
        left = json.loads(self.note.read_text())
        if left["store"] != shown_uri(self.root):
            return None
        try:
            run = self._client.get_run(left["run"])
        except MlflowException:
            return None
        same = run.data.params == {key: str(value) for key, value in self.params.items()}
        return run if same and run.info.lifecycle_stage == "active" else None

    def _left_images(self, run: str) -> Iterator[tuple[str, int]]:
        """Key and step of the images that a run has, by the names that MLflow gives them."""
        for item in self._client.list_artifacts(run, "images"):
            named = re.match(r"images/(.+)[+%]step[+%](\d+)[+%]", item.path)  # older MLflow wrote %
            if named:
                yield named[1], int(named[2])

    def _end_left_parent(self, run: str) -> None:
        """End the parent run of a process that was killed before it could."""
        from mlflow.exceptions import MlflowException

        with contextlib.suppress(MlflowException):  # the run may be deleted
            if run != self._parent and self._client.get_run(run).info.status == "RUNNING":
                self._client.set_terminated(run, "KILLED")

    def _send_params(self, run: str, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        rows = [Param(key, str(value)) for key, value in params.items()]
        for first in range(0, len(rows), 100):  # the most that a server takes at once
            self._client.log_batch(run, params=rows[first : first + 100])

    def _send_metrics(self, metrics: dict[str, float], step: int, timestamp_ms: int) -> None:
        from mlflow.entities import Metric

        named = {re.sub(r"[^\w./ -]", "_", key): value for key, value in metrics.items()}  # others MLflow refuses
        new = {key: float(value) for key, value in named.items() if step > self._last.get(key, -1)}
        if not new:
            return
        for run, prefix in ((self._child, ""), (self._parent, self.prefix)):
            rows = [Metric(prefix + key, value, timestamp_ms, step) for key, value in new.items()]
            self._client.log_batch(run, metrics=rows)

    def _send_image(self, key: str, path: Path, step: int) -> None:
        from PIL import Image

        if (key, step) in self._images:
            return
        with Image.open(path) as image:
            for run, prefix in ((self._child, ""), (self._parent, self.prefix)):
                self._client.log_image(run, image, key=prefix.replace("/", "-") + key, step=step)

    def _send_dataset(self, path: Path, context: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = json.dumps({"path": path.as_posix()})
        dataset = Dataset(str(path), dvc_md5(path) or "not-in-dvc.lock", "local", source)
        given = DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
        self._client.log_inputs(self._child, datasets=[given])

    def _send_model(self, folder: Path, digest: str, metrics: dict[str, float]) -> None:
        from mlflow.entities import LoggedModelOutput

        experiment = self._client.get_run(self._child).info.experiment_id
        tags = {PATH_TAG: folder.as_posix(), DIGEST_TAG: digest}
        model = self._client.create_logged_model(experiment, folder.name, self._child, tags).model_id
        self._client.log_outputs(self._child, [LoggedModelOutput(model, 0)])
        for key, value in metrics.items():
            self._client.log_metric(self._child, f"model/{key}", value, model_id=model)
        self._client.finalize_logged_model(model, "READY")

    def _end(self, status: Status) -> None:
        """End the child. The parent ends with each of its stages, and runs again when the next one begins."""
        self._monitor.finish()
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        totals = {"system/wall_s": (_now_ms() - self._began_ms) / 1000, "system/peak_memory_mb": peak / 1024}
        for key, value in totals.items():
            self._client.log_metric(self._child, key, value)
        self._client.set_terminated(self._child, status)
        self._client.set_terminated(self._parent, status)
        if self.note and status == "FINISHED":
            self.note.unlink(missing_ok=True)


def _monitor(run: str, uri: str) -> Any:
    """MLflow's own thread that sends the load of CPU, memory, disk, network and GPU."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    return SystemMetricsMonitor(run, resume_logging=True, tracking_uri=uri)


def _now_ms() -> int:
    return int(time.time() * 1000)
