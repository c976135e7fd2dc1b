"""The peak of memory in cropping a long video."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.data.common import ROOT, params, write_example
from styleheat.constants import FPS


def measure_memory(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    report = {}
    for name, seconds in (("a tenth", args.seconds / 10), ("complete", args.seconds)):
        path = Path(name.replace(" ", "_") + ".mp4")
        repeat(path, seconds)
        command = [sys.executable, "-m", "benchmarks.data", "--cropped", str(path.resolve())]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        report[name] = json.loads(done.stdout)
    return report


def repeat(path: Path, seconds: float) -> None:
    """A 1080p video of so many seconds with audio: a moment of it, its packets over and over.

    48 frames last as long as 30 packets of audio; what the encoders add at the ends is left out.
    """
    import av

    moment = 48 / FPS
    short = write_example(path.with_suffix(".short.mp4"), 1920, 1080, 48)
    with av.open(str(short)) as source, av.open(str(path), "w") as output:
        copies = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        packets = [packet for packet in source.demux() if packet.size]
        length = {number: round(moment / source.streams[number].time_base) for number in copies}
        begin: dict[int, int] = {}
        for packet in packets:
            begin.setdefault(packet.stream.index, packet.dts)
        for turn in range(max(1, round(seconds / moment))):
            for packet in packets:
                if packet.dts - begin[packet.stream.index] >= length[packet.stream.index]:
                    continue
                copy = av.Packet(bytes(packet))
                number = packet.stream.index
                copy.pts, copy.dts = packet.pts + turn * length[number], packet.dts + turn * length[number]
                copy.duration, copy.is_keyframe = packet.duration, packet.is_keyframe
                copy.time_base, copy.stream = packet.time_base, copies[number]
                output.mux(copy)


def crop_once(video: Path) -> dict[str, float]:
    """Crop a video, and say how much memory this process ever took."""
    from styleheat.face.crop import crop_video
    from styleheat.face.landmarks import mediapipe

    start = time.perf_counter()
    settings = params().sets.vox.crop.model_dump() | {"max_frames": 1024}
    made = crop_video(video, video.parent / "clips", **settings, finder=mediapipe())
    frames = sum(frames for frames, _ in made.facts["clips"].values())
    # Not getrusage's peak, which begins with that of the process that started this one.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024  # from kilobytes
    seconds = time.perf_counter() - start
    return {"frames": frames, "clips": len(made.files), "peak_memory_mb": round(peak, 1), "seconds": round(seconds, 1)}
