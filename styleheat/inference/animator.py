"""Animates portraits by drivers, with the models and options of params.yaml, which are opened once."""

import functools
from pathlib import Path

from styleheat.inference import drive, speech
from styleheat.inference.adjust import adjust
from styleheat.inference.animate import inspect, load_audio2motion, load_styleheat, open_portrait, write_video
from styleheat.inference.drive import Driver
from styleheat.inference.edit import sweep
from styleheat.inference.operations import keep_memory
from styleheat.inference.portrait import Portrait
from styleheat.inference.reader import face_reader
from styleheat.media.audio import write_wav
from styleheat.media.container import opened, video_stream
from styleheat.media.image import is_animation, is_still_image
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.styleheat import StyleHEAT
from styleheat.params import NO_FILE, Params


class Animator:
    """Opens portraits and drivers, and makes videos of them. Each raises InputError when a file can't be used.

    Portraits are best opened before the first video: opening one takes a second model into memory.
    """

    def __init__(self, params: Params, device: str) -> None:
        if device == "cpu":
            keep_memory()  # before there are threads, whose memory is kept apart and given back
        self.params, self.device = params, device
        self.reader = face_reader(params.infer, device)

    @functools.cached_property
    def model(self) -> StyleHEAT:
        return load_styleheat(self.params.infer.models, self.device)

    @functools.cached_property
    def audio_model(self) -> Audio2Motion:
        return load_audio2motion(self.params.infer.audio_models, self.device)

    @functools.cached_property
    def options(self) -> speech.SpeechOptions:
        """How portraits speak. Raises InputError when a reference video can't be used."""
        given = self.params.infer_audio
        pose, blink = given.reference_pose, given.reference_blink
        return speech.SpeechOptions(
            given.pose_style,
            self.params.seed,
            given.still,
            None if pose == NO_FILE else speech.poses_of(pose, self.reader),
            None if blink == NO_FILE else speech.blinks_of(blink, self.reader),
            given.articulation,
            self.reader.own_face_model,
        )

    def portrait(self, path: str | Path) -> Portrait:
        return open_portrait(path, self.params.infer, self.reader, self.device)

    def video(self, path: str | Path) -> Driver:
        """A video, or a `.mat` of coefficients."""
        return drive.from_coefficients(path) if is_coefficients(path) else drive.from_video(path, self.reader)

    def image(self, path: str | Path) -> Driver:
        return drive.from_image(path, self.reader, self.params.infer_image.seconds)

    def audio(self, path: str | Path) -> Driver:
        """An audio file, or a video's audio."""
        return speech.from_audio(path, self.audio_model, self.options)

    def read_aloud(self, text: str | Path, path: str | Path) -> None:
        """Write the speech that a text becomes, as a wav file."""
        given = self.params.infer_audio
        write_wav(path, *speech.read_aloud(text, given.voice, given.speed))

    def driver(self, path: str | Path) -> Driver:
        """The driver of a file: coefficients by the file's name; an image, a video or audio by its content."""
        if is_coefficients(path):
            return drive.from_coefficients(path)
        if is_still_image(path):
            return self.image(path)
        if is_animation(path):
            return self.video(path)
        with opened(path) as container:
            moves = video_stream(container) is not None
        return self.video(path) if moves else self.audio(path)

    def write(self, path: str | Path, portrait: Portrait, driver: Driver) -> None:
        """Write the video of a portrait moved by a driver (`animate.write_video`)."""
        infer, start = self.params.infer, portrait.descriptor
        motion = sweep(adjust(driver.motion(start), start, infer.drive), start, infer.edit.sweep)
        shown = driver.frames(infer.drive) if driver.frames and infer.result == "beside" else None
        write_video(path, self.model, portrait, motion, infer.result, shown, infer.longest, infer.transparent)

    def inspect(self, path: str | Path) -> dict[str, float | int]:
        """`animate.inspect` of a video."""
        return inspect(path, self.reader.landmarker)


def is_coefficients(path: str | Path) -> bool:
    return Path(path).suffix.lower() == ".mat"
