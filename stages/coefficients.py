"""Find the 3DMM coefficients of every frame: `data/<set>/landmarks` to `data/<set>/coefficients/<clip>.mat`.

Run as `python -m stages.coefficients --set vox`. A file holds `coeff` (T, 257) and `transform_params` (T, 5) as
PIRenderer's do. Frames without a face take values between their neighbours'.
"""

from pathlib import Path

import numpy as np

from styleheat import morphable
from styleheat.clips import index
from styleheat.clips.index import Outcome, Task
from styleheat.errors import InputError
from styleheat.files import digest, fingerprint
from styleheat.media.video import probe
from styleheat.morphable.coefficients import read_landmarks, write_mat
from styleheat.morphable.fitting import fit
from styleheat.pipeline import Stage, main


def body(stage: Stage) -> None:
    assert stage.set is not None
    runtime = stage.params.runtime
    folder = Path("data") / stage.set / "coefficients"
    settings = stage.params.sets[stage.set].coefficients
    if settings.backend != "fit":
        raise InputError(
            f"params.yaml: sets.{stage.set}.coefficients.backend: {settings.backend} can't be run yet; fit"
        )

    clips = index.outputs(folder.with_name("clips"), ".mp4")
    # Fitting is quick and the model is code: when that changes, every clip is fitted anew.
    code = [digest(module) for module in sorted(Path(morphable.__file__).parent.glob("*.py"))]
    tasks = {
        clip: Task(
            fingerprint(code, clips[clip].content, points.content, settings.model_dump()),
            (clips[clip].path, points.path, folder),
        )
        for clip, points in index.outputs(folder.with_name("landmarks"), ".txt").items()
        if clip in clips
    }
    account = index.process(
        folder,
        tasks,
        fit_clip,
        workers=runtime.workers,
        backend=runtime.backend,
        timeout_s=runtime.timeout_s,
        desc=stage.title,
    )
    account.require_some(stage.title)
    facts = [entry.facts for entry in index.read(folder).values() if entry.ok]
    frames = sum(fact["frames"] for fact in facts)
    stage.write_metrics(
        {
            **account.metrics(),
            "frames": frames,
            "frames_filled_in": sum(fact["filled_in"] for fact in facts),
            "fit_error": round(sum(fact["error"] * fact["frames"] for fact in facts) / frames, 6),
        }
    )


def fit_clip(clip: str, video: Path, points: Path, folder: Path) -> Outcome:
    """Fit the face model to one clip's landmarks."""
    landmarks = read_landmarks(points)
    coefficients, transform_params, error = fit(landmarks, probe(video).width)
    path = folder / f"{clip}.mat"
    write_mat(path, coefficients, transform_params)
    facts = {
        "backend": "fit",
        "frames": len(landmarks),
        "filled_in": int(np.isnan(error).sum()),
        "error": round(float(np.nanmean(error)), 6),
    }
    return Outcome(files=[path], facts=facts)


if __name__ == "__main__":
    main(body, sets=True)
