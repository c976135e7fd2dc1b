"""The mouth that goes with synthesised speech."""

import numpy as np
import pytest

from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.renderer.controls import INDEX
from styleheat.sources.synthetic.motion import loudness, talk
from styleheat.sources.synthetic.mouth import SHAPE_OF, VISEMES, mouth_track, shapes_of
from styleheat.sources.synthetic.sentences import LANGUAGES, paragraph
from styleheat.voices import PAUSE, Speech, speak

pytest.importorskip("espeakng_loader")
pytest.importorskip("hibari")
SENTENCE = "Mama, the map of my farm. Papa made a bumpy boat for everybody."


@pytest.fixture(scope="module", params=["en-us+m3", "heart"])
def speech(request: pytest.FixtureRequest) -> Speech:
    return speak(SENTENCE, request.param, speed=0.85).at(SAMPLE_RATE)


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_every_letter_of_the_sentences_has_a_mouth_shape(language: str) -> None:
    said = speak(paragraph(np.random.default_rng(0), 150, language), language)
    letters = "".join(phoneme.name for phoneme in said.phonemes)
    known = [letter in SHAPE_OF for letter in letters if letter.isalpha() and letter not in "ːʲʰ"]
    assert np.mean(known) > 0.97, {letter for letter in letters if letter not in SHAPE_OF}


def test_shapes_of_names() -> None:
    assert set(SHAPE_OF.values()) <= set(VISEMES)
    assert shapes_of("aɪ") == ("a", "I") and shapes_of("iː") == ("i",) and shapes_of("??") == ("schwa",)
    assert shapes_of("tʃ") == ("postalveolar",) and shapes_of("pf") == ("bilabial", "labiodental")
    assert shapes_of("ɐ̃ʊ") == ("V", "U") and shapes_of(PAUSE) == ("pause",)


def test_lips_close_on_m_and_open_on_a(speech: Speech) -> None:
    seconds = len(speech.samples) / SAMPLE_RATE
    motion = talk(speech, seconds, np.random.default_rng(0))
    times = (np.arange(len(motion)) + 0.5) / FPS
    closed = [p for p in speech.phonemes if p.name in ("m", "p", "b")]
    wide = [p for p in speech.phonemes if shapes_of(p.name)[0] in ("a", "ae") and p.end - p.start > 0.08]
    assert len(closed) > 8 and len(wide) > 3
    for p in closed:
        near = motion[(times > p.start - 0.045) & (times < p.end + 0.02)]
        assert near[:, INDEX["close"]].max() > 0.9, p
    for p in wide:
        near = motion[(times > p.start - 0.02) & (times < p.end)]
        opened = near[:, INDEX["jaw"]] * (1 - near[:, INDEX["close"]])
        assert opened.max() > 0.3, p


@pytest.mark.parametrize("voice", ["en-us", "heart", "jf_alpha"])
def test_mouth_is_in_step_with_the_audio(voice: str) -> None:
    said = speak(paragraph(np.random.default_rng(1), 60), voice).at(SAMPLE_RATE)
    track = mouth_track(said.phonemes, said.seconds)
    opened, level = track[:, 0] * (1 - track[:, 1]), loudness(said.samples, said.seconds)[: len(track)]
    lags = range(-24, 25)  # at 200 a second
    scores = [np.corrcoef(np.roll(opened, lag)[50:-50], level[50:-50])[0, 1] for lag in lags]
    # A vowel is loudest where it begins, and the mouth is widest in its middle.
    assert -14 <= lags[int(np.argmax(scores))] <= 2 and max(scores) > 0.3
