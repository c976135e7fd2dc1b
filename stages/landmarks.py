"""Track the 68 points of the face in every clip of a set: `data/<set>/clips` to `data/<set>/landmarks/<clip>.txt`.

Run as `python -m stages.landmarks --set vox`. A file has 68 lines "x y" in pixels of the clip for each frame, −1 in
frames without a face. Clips that are not as `quality` wants them are lost here, each for a reason.
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from styleheat.clips import index
from styleheat.clips.workers import Outcome, Task, gpu_of_worker
from styleheat.code import code_of
from styleheat.face.landmarks import landmarker, smooth, stack
from styleheat.face.quality import fault
from styleheat.files import digest, fingerprint
from styleheat.media.audio import read_audio
from styleheat.media.container import has_audio
from styleheat.media.video import probe, read_frames
from styleheat.morphable.coefficients import has_face, write_landmarks
from styleheat.params import Landmarks
from styleheat.pipeline import Stage, main

if TYPE_CHECKING:
    from styleheat.face.sync import LipSync


def body(stage: Stage) -> None:
    assert stage.set is not None
    runtime = stage.params.runtime
    folder = Path("data") / stage.set / "landmarks"
    settings = getattr(stage.params.sets, stage.set).landmarks
    scored = settings.quality.audio_offset is not None
    if scored:
        lip_sync(settings.scores, "cpu")  # what is wrong with it stops the stage here, not each clip
    device = stage.worker_device() if settings.backend == "face_alignment" or scored else "cpu"
    code = [code_of("stages.landmarks"), digest(Path(settings.scores) / "model.safetensors") if scored else None]
    tasks = {}
    for clip, made in index.outputs(folder.with_name("clips"), ".mp4").items():
        facts = fingerprint(code, made.content, settings.model_dump())
        tasks[clip] = Task(facts, (made.path, folder, settings, device), {"backend": settings.backend})
    account = index.process(
        folder,
        tasks,
        track,
        workers=runtime.workers,
        backend=runtime.backend,
        timeout_s=runtime.timeout_s,
        desc=stage.title,
    )
    account.require_some(stage.title)
    entries = index.read(folder).values()
    frames, faces = (sum(entry.facts.get(fact, 0) for entry in entries) for fact in ("frames", "faces"))
    stage.write_metrics({**account.metrics(), "frames": frames, "face_rate": faces / frames})


def track(clip: str, video: Path, folder: Path, settings: Landmarks, device: str) -> Outcome:
    """Track one clip."""
    device = gpu_of_worker(device)
    finder = landmarker(settings.backend, device)
    points = smooth(stack(finder.track(read_frames(video))), settings.smooth)
    facts = {"frames": len(points), "faces": int(has_face(points).sum())}
    if facts["faces"] == 0:
        return Outcome(reason="no face", facts=facts)
    reason = fault(read_frames(video), points, finder, settings.quality)
    limit = settings.quality.audio_offset
    if reason is None and limit is not None and out_of_step(video, points, lip_sync(settings.scores, device), limit):
        reason = "audio out of step"
    if reason is not None:
        return Outcome(reason=reason, facts=facts)
    path = folder / f"{clip}.txt"
    write_landmarks(path, points)
    return Outcome([path], facts=facts)


@functools.lru_cache(maxsize=1)
def lip_sync(folder: str, device: str) -> "LipSync":
    """SyncNet, opened once in each process."""
    from styleheat.face.sync import LipSync  # imports torch

    return LipSync.open(folder, device)


def out_of_step(video: Path, points: np.ndarray, network: "LipSync", limit: int) -> bool:
    """Whether the audio of a clip is more than `limit` frames early or late; no without audio or for a fraction of a
    second. points: (T,68,2)."""
    from styleheat.face.sync import offset

    if not has_audio(video):
        return False
    found = network.distances(read_frames(video), probe(video).width, points, read_audio(video))
    return found is not None and abs(offset(found)) > limit


if __name__ == "__main__":
    main(body, sets=True)
