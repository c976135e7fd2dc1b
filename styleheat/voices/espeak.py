"""Speech with the times of its phonemes, from eSpeak NG.

eSpeak NG is under the GPL, and repeated calls within one process differ slightly: each utterance is made by a process
of its own, this module run as a program, which reads a request from standard input and answers on standard output. It
therefore imports nothing slow.
"""

import ctypes
import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from styleheat.errors import InputError
from styleheat.voices.phonemes import NO_WORD, PAUSE, Speech, phonemes_of

MISSING = "espeakng-loader: not installed, so there is nobody to speak; pip install 'styleheat[speech]' gives it"


EARLY = 0.02
"""Seconds that eSpeak's phoneme times are early against its audio: 0.04 by the power of fricatives above 4 kHz, 0.01
by that of vowels below 3 kHz."""

WORDS_A_MINUTE = 165
"""At speed 1."""

PITCH, PITCH_AN_OCTAVE = 50, 70
"""eSpeak's usual pitch, of 0 to 100, and about how many of these double it."""

LIVELINESS = 65
"""Range of the pitch, of 0 to 100; eSpeak's own is 50."""


def speak(text: str, voice: str, speed: float = 1.0, pitch: float = 1.0) -> Speech:
    """Speak `text` by an eSpeak voice with an optional variant ("en-us+f3"); speed and pitch are factors of the usual.

    The same request gives the same samples. Raises InputError when espeakng-loader is missing or eSpeak refuses the
    voice or the text.
    """
    request = {
        "text": text,
        "voice": voice,
        "rate": round(WORDS_A_MINUTE * speed),
        "pitch": round(min(max(PITCH + PITCH_AN_OCTAVE * math.log2(pitch), 0), 100)),
        "range": LIVELINESS,
    }
    answer = subprocess.run(
        [sys.executable, "-m", "styleheat.voices.espeak"],
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[2],  # so that the package is found whether or not it is installed
    )
    if answer.returncode != 0:
        message = answer.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {answer.returncode}"]
        raise InputError(message[-1])
    header, _, body = answer.stdout.partition(b"\n")
    facts = json.loads(header)
    samples = (np.frombuffer(body, np.int16) / 32768).astype(np.float32)
    seconds = len(samples) / facts["sample_rate"]
    starts = [min(start / 1000 + EARLY, seconds) for start, _ in facts["phonemes"]]
    names = [name for _, name in facts["phonemes"]]
    phonemes = phonemes_of(zip(names, starts, [*starts[1:], seconds], strict=True))
    if all(phoneme.name == PAUSE for phoneme in phonemes):
        raise InputError(NO_WORD)
    return Speech(samples, facts["sample_rate"], phonemes)


def require() -> None:
    """Raises InputError where espeakng-loader is missing."""
    if importlib.util.find_spec("espeakng_loader") is None:
        raise InputError(MISSING)


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
_PHONEME_EVENTS, _IN_IPA, _DONT_EXIT = 1, 2, 1 << 15  # options of espeak_Initialize
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
    sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(home).encode(), _PHONEME_EVENTS | _IN_IPA | _DONT_EXIT)
    if sample_rate <= 0:
        raise InputError(f"{home}: eSpeak NG cannot read its voices there; reinstall espeakng-loader")
    audio: list[bytes] = []
    phonemes: list[tuple[int, str]] = []

    def receive(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            audio.append(ctypes.string_at(samples, count * 2))
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
            f"voice {voice}: eSpeak NG has no such voice; try en-us, en-gb-x-rp, fr, de, optionally with +m1 or +f1"
        )
    for parameter, value in ((_RATE, request["rate"]), (_PITCH, request["pitch"]), (_RANGE, request["range"])):
        if library.espeak_SetParameter(parameter, int(value), 0) != 0:
            raise InputError(f"eSpeak NG refuses parameter {parameter} = {value}")
    if library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None) != 0 or library.espeak_Synchronize() != 0:
        raise InputError("eSpeak NG could not speak the text")
    if not audio:
        raise InputError(NO_WORD)
    return {"sample_rate": sample_rate, "phonemes": phonemes}, b"".join(audio)


def main() -> int:
    """Answer one request: a line of JSON (sample rate, phonemes with their starts in ms), then the samples."""
    try:
        facts, audio = _synthesise(json.load(sys.stdin))
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n" + audio)
    return 0


if __name__ == "__main__":
    sys.exit(main())
