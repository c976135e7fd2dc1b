"""Real synthesised speech, and the mouth that goes with it."""

import numpy as np
import pytest

from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.sources.synthetic import speech as speech_module
from styleheat.sources.synthetic.head import INDEX
from styleheat.sources.synthetic.motion import SHAPE_OF, VISEMES, Manner, loudness, mouth_track, shapes_of, talk
from styleheat.sources.synthetic.sentences import paragraph
from styleheat.sources.synthetic.speech import Phoneme, Speech, speak

pytest.importorskip("espeakng_loader")
SENTENCE = "Mama, the map of my farm. Papa made a bumpy boat for everybody."


@pytest.fixture(scope="module")
def speech() -> Speech:
    return speak(SENTENCE, "en-us+m3", rate=140)


def test_same_words_same_samples(speech: Speech) -> None:
    again = speak(SENTENCE, "en-us+m3", rate=140)
    assert np.array_equal(speech.samples, again.samples) and speech.phonemes == again.phonemes
    assert not np.array_equal(speech.samples[:8000], speak(SENTENCE, "en-us+f1", rate=140).samples[:8000])


def test_phonemes_fill_the_sound_in_order(speech: Speech) -> None:
    assert speech.samples.dtype == np.float32 and 0.1 < np.abs(speech.samples).max() <= 1
    starts = [p.start for p in speech.phonemes]
    assert starts == sorted(starts) and len(starts) > 30
    assert speech.phonemes[-1].end == pytest.approx(len(speech.samples) / SAMPLE_RATE)


def test_every_phoneme_of_the_sentences_has_a_mouth_shape() -> None:
    text = paragraph(np.random.default_rng(0), 400)
    for voice in ("en-us", "en-gb-x-rp"):
        names = {p.name.lstrip("',") for p in speak(text, voice).phonemes}
        unknown = {name for name in names if name not in SHAPE_OF}
        assert len(unknown) <= 0.1 * len(names), unknown
    assert all(shape in VISEMES for shapes in SHAPE_OF.values() for shape in shapes)
    assert shapes_of(Phoneme("'aI", 0, 1)) == ("a", "I") and shapes_of(Phoneme("??", 0, 1)) == ("schwa",)


def test_lips_close_on_m_and_open_on_a(speech: Speech) -> None:
    seconds = len(speech.samples) / SAMPLE_RATE
    motion = talk(speech, seconds, np.random.default_rng(0))
    times = (np.arange(len(motion)) + 0.5) / FPS
    closed = [p for p in speech.phonemes if p.name in ("m", "p", "b")]
    wide = [p for p in speech.phonemes if shapes_of(p)[0] in ("a", "ae") and p.end - p.start > 0.08]
    assert len(closed) > 8 and len(wide) > 3
    for p in closed:
        near = motion[(times > p.start - 0.045) & (times < p.end + 0.02)]
        assert near[:, INDEX["close"]].max() > 0.9, p
    for p in wide:
        near = motion[(times > p.start - 0.02) & (times < p.end)]
        opened = near[:, INDEX["jaw"]] * (1 - near[:, INDEX["close"]])
        assert opened.max() > 0.3, p


def test_mouth_is_in_step_with_the_sound() -> None:
    said = speak(paragraph(np.random.default_rng(1), 60), "en-us")
    seconds = len(said.samples) / SAMPLE_RATE
    track = mouth_track(said.phonemes, seconds, Manner())
    opened, level = track[:, 0] * (1 - track[:, 1]), loudness(said.samples, seconds)[: len(track)]
    lags = range(-24, 25)  # at 200 a second
    scores = [np.corrcoef(np.roll(opened, lag)[50:-50], level[50:-50])[0, 1] for lag in lags]
    assert abs(lags[int(np.argmax(scores))]) <= 4 and max(scores) > 0.4


def test_refusals_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="voice klingonish: eSpeak NG has no such voice"):
        speak("Hello", "klingonish")
    monkeypatch.setitem(__import__("sys").modules, "espeakng_loader", None)
    with pytest.raises(InputError, match="espeakng-loader"):
        speech_module._synthesise({"text": "Hello", "voice": "en-us", "rate": 160, "pitch": 50, "range": 50})
