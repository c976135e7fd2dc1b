"""Cut square clips of one face out of videos: `data/<set>/videos` to `data/<set>/clips/{train,test}/<clip>.mp4`.

Run as `python -m stages.crop --set vox`. Clips have 25 frames a second and the sound of their range. A video that
gives no clip is recorded in the index with its reason.
"""

from pathlib import Path

from styleheat.clips import index
from styleheat.clips.workers import Outcome, Task
from styleheat.code import code_of
from styleheat.face.crop import crop_video
from styleheat.face.landmarks import mediapipe
from styleheat.files import fingerprint
from styleheat.params import Crop
from styleheat.pipeline import Stage, main


def body(stage: Stage) -> None:
    assert stage.set is not None
    runtime = stage.params.runtime
    folder = Path("data") / stage.set / "clips"
    settings = getattr(stage.params.sets, stage.set).crop
    videos = index.outputs(folder.with_name("videos"), ".mp4")
    sidecars = index.outputs(folder.with_name("videos"), ".json")
    tasks = {}
    for name, video in videos.items():
        split = video.path.parent.name
        contents = [video.content, sidecars[name].content if name in sidecars else None]
        facts = fingerprint(code_of("stages.crop"), split, contents, settings.model_dump())
        tasks[name] = Task(facts, (video.path, folder / split, settings), {"person": video.facts["person"]})
    account = index.process(
        folder,
        tasks,
        crop,
        workers=runtime.workers,
        backend=runtime.backend,
        timeout_s=runtime.timeout_s,
        desc=stage.title,
    )
    account.require_some(stage.title)
    entries = [entry for entry in index.read(folder).values() if entry.ok]
    made = {
        "files": sum(len(entry.files) for entry in entries),
        "frames": sum(frames for entry in entries for frames, _ in entry.facts["clips"].values()),
        "videos_with_sound": sum(entry.facts["sound"] for entry in entries),
    }
    stage.write_metrics({**account.metrics(), **made})


def crop(name: str, video: Path, folder: Path, settings: Crop) -> Outcome:
    """Cut one video."""
    cropped = crop_video(video, folder, **settings.model_dump(), finder=mediapipe())
    return Outcome(cropped.files, cropped.reason, cropped.detail, facts=cropped.facts)


if __name__ == "__main__":
    main(body, sets=True)
