"""Where MLflow keeps the runs."""

import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

EXPERIMENT = "styleheat"
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Opens MLflow's pages for training, not those for language models."""
STORE = "mlruns"


def store_uri(root: Path) -> str:
    """Where runs are kept: `MLFLOW_TRACKING_URI`, or a sqlite file under `root`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root.resolve() / STORE / 'mlflow.db'}"


def shown_uri(root: Path) -> str:
    """`store_uri` without the password that it may hold, for messages and files."""
    uri = store_uri(root)
    return without_password(uri, uri)


def without_password(text: str, uri: str) -> str:
    """A text in which the password of an address is hidden, as it stands there and as it is meant."""
    secret = urlsplit(uri).password
    for form in (secret, unquote(secret)) if secret else ():
        text = text.replace(form, "***")
    return text


def connect(root: Path) -> tuple[Any, str]:
    """An MLflow client of the store and the id of this project's experiment, both made when absent.

    Two processes that make a sqlite store at once damage it, so the second waits for the first.
    """
    from filelock import FileLock
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    folder = root.resolve() / STORE
    folder.mkdir(exist_ok=True)
    local = not os.environ.get("MLFLOW_TRACKING_URI")
    with FileLock(folder / "lock"):
        client = MlflowClient(store_uri(root))
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            place = (folder / "artifacts").as_uri() if local else None
            try:
                return client, client.create_experiment(EXPERIMENT, artifact_location=place, tags=KIND)
            except MlflowException:  # made by another machine in between
                experiment = client.get_experiment_by_name(EXPERIMENT)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage == "deleted":
            return client, _anew(client, experiment)
        return client, experiment.experiment_id


def _anew(client: Any, deleted: Any) -> str:
    """The id of an experiment in place of a deleted one: itself, restored, or where that may not be, another one."""
    from mlflow.exceptions import MlflowException

    try:
        client.restore_experiment(deleted.experiment_id)
    except MlflowException:
        name = f"{EXPERIMENT} {time.strftime('%Y-%m-%d %H:%M:%S')}"
        print(f"tracking: MLflow's experiment {EXPERIMENT} has been deleted; runs go to '{name}'", file=sys.stderr)
        return client.create_experiment(name, artifact_location=deleted.artifact_location, tags=KIND)
    print(f"tracking: MLflow's experiment {EXPERIMENT} had been deleted; it is restored", file=sys.stderr)
    return deleted.experiment_id
