"""Text to speech, offline: neural voices for English, eSpeak NG's for English and some hundred other languages."""

from styleheat.voices import espeak, neural
from styleheat.voices.phonemes import PAUSE, Phoneme, Speech

__all__ = ["PAUSE", "Phoneme", "Speech", "require", "speak"]


def speak(text: str, voice: str, speed: float = 1.0, pitch: float = 1.0) -> Speech:
    """Speak `text` by one of `neural.VOICES`, a mix of them ("jf_alpha:3+jm_kumo:1"), or an eSpeak voice ("en-us+f3").

    speed and pitch are factors of the voice's own; with neural voices, pitch scales the formants too. The same request
    gives the same samples. Raises InputError when the voice's package is missing, or it can't speak the text.
    """
    return (neural if neural.known(voice) else espeak).speak(text, voice, speed, pitch)


def require() -> None:
    """Raises InputError where a package of voices is missing."""
    espeak.require()
    neural.require()
