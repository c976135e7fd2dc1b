"""MLflow's registry of models: versions that name a model folder in DVC's cache, not copies of it."""

from pathlib import Path

from styleheat import files
from styleheat.errors import InputError
from styleheat.tracking.execution import dvc_md5, git
from styleheat.tracking.store import connect

PATH_TAG, DIGEST_TAG = "dvc.path", "digest"
"""Tags of a logged model: its folder, and the digest of the folder's files."""


def register(root: Path, name: str, folder: Path, alias: str) -> tuple[str, str]:
    """Make a model folder the next version of a registered model, and let an alias name this version.

    Returns the version, and the command that brings the folder back later. A folder that is registered already under
    this name keeps its version. Raises InputError when the folder is no output that DVC has recorded, the commit does
    not hold its record, or no training in the store made it.
    """
    from mlflow.exceptions import MlflowException

    md5 = dvc_md5(folder)
    if md5 is None:
        raise InputError(f"{folder}: dvc.lock doesn't have it; train it by `dvc repro`, then register it")
    if md5 not in git("show", "HEAD:dvc.lock"):
        raise InputError("dvc.lock: not committed as it is; commit it, so that the version can name a commit")
    client, experiment = connect(root)
    digest = files.digest(folder)
    found = [
        model
        for model in client.search_logged_models([experiment])
        if model.tags.get(DIGEST_TAG) == digest and model.tags.get(PATH_TAG) == folder.as_posix()
    ]
    if not found:
        raise InputError(
            f"{folder}: no training in MLflow's store made it as it is; train it, or restore it: dvc checkout"
        )
    commit = git("rev-parse", "HEAD")
    command = f"dvc get . {folder.as_posix()} --rev {commit} --out models/{alias}"
    try:
        client.create_registered_model(name, description="Versions name folders in DVC's cache.")
    except MlflowException:  # it is there
        client.get_registered_model(name)
    there = [
        version for version in client.search_model_versions(f"name='{name}'") if version.tags.get("dvc.md5") == md5
    ]
    if there:
        number = there[0].version
        command = there[0].description.partition("`")[2].partition("`")[0]
    else:
        model = found[0]
        tags = {PATH_TAG: folder.as_posix(), "dvc.md5": md5, "git.commit": commit}
        version = client.create_model_version(
            name,
            folder.as_posix(),
            model.source_run_id,
            tags,
            description=f"To have it: `{command}`",
            model_id=model.model_id,
        )
        number = version.version
    client.set_registered_model_alias(name, alias, number)
    return str(number), command
