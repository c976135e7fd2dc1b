"""Find the 3DMM coefficients of every frame: `data/<set>/landmarks` to `data/<set>/coefficients/<clip>.mat`.

Run as `python -m stages.coefficients --set vox`. A file holds `coeff` (T, 257) and `transform_params` (T, 5) as
PIRenderer's do. Frames without a face take values between their neighbours'.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from styleheat.clips import index
from styleheat.clips.account import pose_histogram
from styleheat.clips.workers import Outcome, Task, gpu_of_worker
from styleheat.code import code_of
from styleheat.files import digest, fingerprint
from styleheat.media.video import probe, read_frames
from styleheat.morphable.coefficients import ANGLE, has_face, read_landmarks, write_mat
from styleheat.morphable.fitting import fit
from styleheat.pipeline import Stage, main


def body(stage: Stage) -> None:
    assert stage.set is not None
    runtime = stage.params.runtime
    folder = Path("data") / stage.set / "coefficients"
    settings = stage.params.sets[stage.set].coefficients
    work: Callable[..., Outcome] = fit_clip
    weights: tuple[Any, ...] = ()
    if settings.backend == "deep3d":
        from styleheat.morphable.deep3d import open_deep3d

        work, weights = regress_clip, (settings.weights, stage.worker_device())
        open_deep3d(settings.weights, stage.device())  # what is wrong with it stops the stage here, not each clip

    clips = index.outputs(folder.with_name("clips"), ".mp4")
    # When the weights of a back end change, every clip is done anew, so that a set never has coefficients of two kinds.
    code = [code_of("stages.coefficients"), digest(Path(settings.weights) / "model.safetensors") if weights else None]
    tasks = {
        clip: Task(
            fingerprint(code, clips[clip].content, points.content, settings.model_dump()),
            (clips[clip].path, points.path, folder, *weights),
            {"backend": settings.backend},
        )
        for clip, points in index.outputs(folder.with_name("landmarks"), ".txt").items()
        if clip in clips
    }
    account = index.process(
        folder,
        tasks,
        work,
        workers=runtime.workers,
        backend=runtime.backend,
        timeout_s=runtime.timeout_s,
        desc=stage.title,
    )
    account.require_some(stage.title)
    facts = [entry.facts for entry in index.read(folder).values() if entry.ok]
    frames = sum(fact["frames"] for fact in facts)
    metrics = {"frames": frames, "frames_filled_in": sum(fact["filled_in"] for fact in facts)}
    if settings.backend == "fit":
        metrics["fit_error"] = round(sum(fact["error"] * fact["frames"] for fact in facts) / frames, 6)
    stage.write_metrics({**account.metrics(), **metrics})


def fit_clip(clip: str, video: Path, points: Path, folder: Path) -> Outcome:
    """Fit the face model to one clip's landmarks."""
    landmarks = read_landmarks(points)
    coefficients, transform_params, error = fit(landmarks, probe(video).width)
    path = folder / f"{clip}.mat"
    write_mat(path, coefficients, transform_params)
    facts = {
        "frames": len(landmarks),
        "filled_in": int(np.isnan(error).sum()),
        "error": round(float(np.nanmean(error)), 6),
        "pose": pose_histogram(coefficients[:, ANGLE]),
    }
    return Outcome(files=[path], facts=facts)


def regress_clip(clip: str, video: Path, points: Path, folder: Path, weights: str, device: str) -> Outcome:
    """Find one clip's coefficients by the released regressor, which each worker reads once."""
    from styleheat.morphable.deep3d import open_deep3d, regress

    landmarks = read_landmarks(points)
    found = has_face(landmarks)
    info = probe(video)
    if info.frames != len(landmarks):
        return Outcome(reason=f"{info.frames} frames, but landmarks of {len(landmarks)}")
    path = folder / f"{clip}.mat"
    network = open_deep3d(weights, gpu_of_worker(device))
    coefficients, transform_params = regress(network, read_frames(video), landmarks, info.width)
    write_mat(path, coefficients, transform_params)
    facts = {
        "frames": len(landmarks),
        "filled_in": int((~found).sum()),
        "pose": pose_histogram(coefficients[:, ANGLE]),
    }
    return Outcome(files=[path], facts=facts)


if __name__ == "__main__":
    main(body, sets=True)
