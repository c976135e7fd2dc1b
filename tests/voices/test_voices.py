"""Voices speak text, and the reported times of phonemes match the audio."""

import numpy as np
import pytest

from styleheat.errors import InputError
from styleheat.voices import PAUSE, Speech, espeak, neural, speak

pytest.importorskip("espeakng_loader")
pytest.importorskip("hibari")
SENTENCE = "She sells seashells, and six sharks chase the fishes. Papa made a map of my farm."
FRICATIVES, VOWELS = set("szʃʒ"), set("aeiouæɑɐɒɔəɚɛɜɪʊʌ")
VOICES = ["en-us+m3", "en-gb-x-rp+f1", neural.HEART, "jf_alpha", "jf_alpha:1+jm_kumo:3"]


def lag(said: Speech, letters: set[str], band: tuple[float, float], against: tuple[float, float] | None) -> float:
    """Seconds by which the audio's power in a band, relative to that of another, follows the phonemes' times."""
    hop, width = said.sample_rate // 200, said.sample_rate // 50
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(said.samples, width // 2), width)[::hop] * np.hanning(
        width
    )
    power = np.abs(np.fft.rfft(windows)) ** 2
    frequency = np.fft.rfftfreq(width, 1 / said.sample_rate)

    def level(low: float, high: float) -> np.ndarray:
        return np.log(power[:, (frequency >= low) & (frequency < high)].sum(1) + 1e-3)

    level_difference = level(*band) - (level(*against) if against else 0)
    spoken = np.zeros(len(level_difference))
    for phoneme in said.phonemes:
        if set(phoneme.name) & letters:
            spoken[round(phoneme.start * 200) : round(phoneme.end * 200)] = 1
    shifts = range(-24, 25)
    scores = [np.corrcoef(spoken[30:-30], np.roll(level_difference, -shift)[30:-30])[0, 1] for shift in shifts]
    assert max(scores) > 0.3, max(scores)
    return shifts[int(np.argmax(scores))] / 200


@pytest.mark.parametrize("voice", VOICES)
def test_phonemes_are_spoken_at_their_stated_times(voice: str) -> None:
    said = speak(SENTENCE, voice)
    assert said.samples.dtype == np.float32 and 0.1 < np.abs(said.samples).max() <= 1
    assert abs(lag(said, FRICATIVES, (4000, 8000), (200, 3000))) <= 0.03
    assert abs(lag(said, VOWELS, (200, 3000), None)) <= 0.03
    starts = [phoneme.start for phoneme in said.phonemes]
    assert starts == sorted(starts) and said.seconds - 0.1 < said.phonemes[-1].end <= said.seconds + 0.001
    assert PAUSE in {phoneme.name for phoneme in said.phonemes}
    assert sum(phoneme.stressed for phoneme in said.phonemes) >= 8


def test_voices_are_mixed() -> None:
    mixed, alone = (speak("Maybe tomorrow.", voice) for voice in ("jf_alpha+jm_kumo", "jm_kumo"))
    assert np.array_equal(alone.samples, speak("Maybe tomorrow.", "jm_kumo:2").samples)
    assert not np.array_equal(mixed.samples, alone.samples)
    for voice in ("heart+jm_kumo", "jf_alpha:0", "jf_alpha:x"):
        with pytest.raises(InputError, match="eSpeak NG has no such voice"):
            speak("Maybe tomorrow.", voice)


@pytest.mark.parametrize("voice", ["en-us+m3", "heart", "jf_alpha"])
def test_the_same_request_gives_the_same_samples(voice: str) -> None:
    said, again = (speak("Maybe tomorrow.", voice, speed=1.1, pitch=0.9) for _ in range(2))
    assert np.array_equal(said.samples, again.samples) and said.phonemes == again.phonemes


@pytest.mark.parametrize("voice", ["de", "heart"])
def test_speed_and_pitch(voice: str) -> None:
    usual = speak("Mama made a bumpy boat.", voice)
    fast, low = speak("Mama made a bumpy boat.", voice, speed=1.4), speak("Mama made a bumpy boat.", voice, pitch=0.8)
    assert fast.seconds < 0.85 * usual.seconds
    assert low.seconds == pytest.approx(usual.seconds, rel=0.1)
    assert _pitch(low) < 0.92 * _pitch(usual)


def _pitch(said: Speech) -> float:
    """Median fundamental frequency in Hz of the voiced blocks."""
    width, found = said.sample_rate // 20, []
    for block in said.samples[: len(said.samples) // width * width].reshape(-1, width):
        if np.square(block).mean() > 1e-3:
            similar = np.correlate(block, block, "full")[width - 1 :]
            low, high = said.sample_rate // 400, said.sample_rate // 70
            found.append(said.sample_rate / (low + int(np.argmax(similar[low:high]))))
    return float(np.median(found))


def test_refusals_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="voice klingonish: eSpeak NG has no such voice"):
        speak("Hello", "klingonish")
    for voice in ("en-us", "heart"):
        with pytest.raises(InputError, match="at least one word"):
            speak("  ", voice)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"espeakng-loader.*styleheat\[speech\]"):
        espeak.require()
    with pytest.raises(InputError, match=r"hibari-tts.*styleheat\[speech\]"):
        neural.require()
