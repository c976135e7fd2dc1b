"""Track the 68 points of the face in every clip of a set: `data/<set>/clips` to `data/<set>/landmarks/<clip>.txt`.

Run as `python -m stages.landmarks --set vox`. A file has 68 lines "x y" in pixels of the clip for each frame, −1 in
frames without a face. Clips that are not as `quality` wants them are lost here, each for a reason.
"""

from pathlib import Path

from styleheat.clips import index
from styleheat.clips.workers import Outcome, Task, gpu_of_worker
from styleheat.code import code_of
from styleheat.face.landmarks import has_face, landmarker, smooth, stack
from styleheat.face.quality import fault
from styleheat.files import fingerprint
from styleheat.media.video import read_frames
from styleheat.morphable.coefficients import write_landmarks
from styleheat.params import Landmarks
from styleheat.pipeline import Stage, main


def body(stage: Stage) -> None:
    assert stage.set is not None
    runtime = stage.params.runtime
    folder = Path("data") / stage.set / "landmarks"
    settings = getattr(stage.params.sets, stage.set).landmarks
    device = stage.worker_device() if settings.backend == "face_alignment" else "cpu"
    tasks = {}
    for clip, made in index.outputs(folder.with_name("clips"), ".mp4").items():
        facts = fingerprint(code_of("stages.landmarks"), made.content, settings.model_dump())
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
    finder = landmarker(settings.backend, gpu_of_worker(device))
    points = smooth(stack(finder.track(read_frames(video))), settings.smooth)
    facts = {"frames": len(points), "faces": int(has_face(points).sum())}
    if facts["faces"] == 0:
        return Outcome(reason="no face", facts=facts)
    reason = fault(read_frames(video), points, finder, settings.quality)
    if reason is not None:
        return Outcome(reason=reason, facts=facts)
    path = folder / f"{clip}.txt"
    write_landmarks(path, points)
    return Outcome([path], facts=facts)


if __name__ == "__main__":
    main(body, sets=True)
