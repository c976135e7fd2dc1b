"""Speech with the times of its phonemes, from eSpeak NG.

eSpeak NG is under the GPL, and repeated calls within one process differ slightly: each utterance is made by a process
of its own, this module run as a program, which reads a request from standard input and answers on standard output. It
therefore imports nothing slow.
"""

import ctypes
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from styleheat.constants import SAMPLE_RATE
from styleheat.errors import InputError

MISSING = "espeakng-loader: not installed, so synthetic heads cannot speak; pip install 'styleheat[speech]' gives it"


@dataclass(frozen=True)
class Phoneme:
    """One sound of eSpeak's inventory (`name`, for example "m", "aI", "_:" for a pause) and its time in seconds."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Speech:
    """`samples` float32 in [-1, 1] at 16 kHz, and its phonemes in order."""

    samples: np.ndarray
    phonemes: tuple[Phoneme, ...]


def speak(text: str, voice: str = "en-us", rate: int = 165, pitch: int = 50, liveliness: int = 50) -> Speech:
    """Speak `text`: voice an eSpeak name with an optional variant ("en-us+f3"), rate in words a minute, pitch and
    liveliness (the pitch's range) 0 to 100. The same request gives the same samples.

    Raises InputError when espeakng-loader is missing or eSpeak refuses the voice or the text.
    """
    from scipy.signal import resample_poly

    request = {"text": text, "voice": voice, "rate": rate, "pitch": pitch, "range": liveliness}
    answer = subprocess.run(
        [sys.executable, "-m", "styleheat.sources.synthetic.speech"],
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[3],  # so that the package is found whether or not it is installed
    )
    if answer.returncode != 0:
        message = answer.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {answer.returncode}"]
        raise InputError(message[-1])
    header, _, body = answer.stdout.partition(b"\n")
    facts = json.loads(header)
    samples = np.frombuffer(body, np.int16).astype(np.float64) / 32768
    samples = np.clip(resample_poly(samples, SAMPLE_RATE, facts["sample_rate"]), -1, 1)
    seconds = len(samples) / SAMPLE_RATE
    starts = [start / 1000 for start, _ in facts["phonemes"]]
    names = [name for _, name in facts["phonemes"]]
    phonemes = tuple(
        Phoneme(name, start, end)
        for name, start, end in zip(names, starts, [*starts[1:], seconds], strict=True)
        if end > start
    )
    return Speech(samples.astype(np.float32), phonemes)


class _Value(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """`espeak_EVENT` of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("value", _Value),
    )


_LIST_END, _PHONEME = 0, 7  # espeak_EVENT_TYPE
_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS
_PHONEME_EVENTS, _DONT_EXIT = 1, 1 << 15  # options of espeak_Initialize
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_UTF8 = 1  # espeakCHARS_UTF8


def _synthesise(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Run in the child: (facts, 16-bit samples)."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise InputError(MISSING) from error
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.espeak_Synth.argtypes = [
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    data = Path(espeakng_loader.get_data_path())
    home = data.parent if data.name == "espeak-ng-data" else data
    sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(home).encode(), _PHONEME_EVENTS | _DONT_EXIT)
    if sample_rate <= 0:
        raise InputError(f"{home}: eSpeak NG cannot read its voices there; reinstall espeakng-loader")
    sound: list[bytes] = []
    phonemes: list[tuple[int, str]] = []

    def receive(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            sound.append(ctypes.string_at(samples, count * 2))
        k = 0
        while events[k].type != _LIST_END:
            if events[k].type == _PHONEME:
                name = bytes(events[k].value.string).split(b"\0")[0].decode("utf8", "replace")
                phonemes.append((events[k].audio_position, name))
            k += 1
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))(
        receive
    )
    library.espeak_SetSynthCallback(callback)
    voice, text = str(request["voice"]), str(request["text"]).encode()
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise InputError(
            f"voice {voice}: eSpeak NG has no such voice; try en-us, en-gb, fr, de, optionally with +m1 or +f1"
        )
    for parameter, value in ((_RATE, request["rate"]), (_PITCH, request["pitch"]), (_RANGE, request["range"])):
        if library.espeak_SetParameter(parameter, int(value), 0) != 0:
            raise InputError(f"eSpeak NG refuses parameter {parameter} = {value}")
    if library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None) != 0 or library.espeak_Synchronize() != 0:
        raise InputError("eSpeak NG could not speak the text")
    if not sound:
        raise InputError("eSpeak NG made no sound of the text; give it at least one word")
    return {"sample_rate": sample_rate, "phonemes": phonemes}, b"".join(sound)


def main() -> int:
    """Answer one request: a line of JSON (sample rate, phonemes with their starts in ms), then the samples."""
    try:
        facts, sound = _synthesise(json.load(sys.stdin))
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n" + sound)
    return 0


if __name__ == "__main__":
    sys.exit(main())
