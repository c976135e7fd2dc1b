"""The stage speech: clips with audio but without frames are kept between runs and trained on."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages import speech
from styleheat.clips.pairs import SpeechClips
from styleheat.clips.store import ClipStore
from styleheat.errors import InputError
from styleheat.media.voice import LOUDNESS, loudness
from styleheat.morphable.coefficients import EXPRESSION, FRAME_SIZE
from styleheat.morphable.measures import mouth_opening
from styleheat.morphable.model import face_model
from styleheat.params import check_params, read_yaml
from styleheat.pipeline import Stage

pytest.importorskip("espeakng_loader")
pytest.importorskip("hibari")
ROOT = Path(__file__).parents[2]


def run(people: int) -> dict:
    content = read_yaml(ROOT / "params.yaml")
    content["runtime"]["workers"] = 1
    content["speech"] = {"people": people, "seconds": 2.0}
    speech.body(Stage("speech", check_params(content)))
    return json.loads(Path("metrics/speech.json").read_text())


def store() -> ClipStore:
    return ClipStore("data/speech/lmdb", FRAME_SIZE)


def test_speech_has_audio_and_lip_motion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(2)["hours"] == pytest.approx(4 / 3600, abs=1e-4)
    clips = store()
    assert clips.clips("train") == ("speech-train-00000", "speech-train-00001") and not clips.clips("test")
    for clip in clips.clips("train"):
        assert clips.length(clip) == 50 and len(clips.audio(clip)) == 32000
        assert loudness(clips.audio(clip)) == pytest.approx(LOUDNESS, abs=0.1)
        coefficients = np.zeros((50, 257))
        coefficients[:, EXPRESSION] = clips.coefficients(clip)[:, EXPRESSION]
        opening = mouth_opening(face_model().landmarks(coefficients))
        assert opening.min() < 0.04 and np.ptp(opening) > 0.1
        with pytest.raises(InputError, match="not in the LMDB"):
            clips.frame(clip, 0)
    sample = SpeechClips(clips, "train", 33, seed=0)[0]
    assert sample["mel"].shape == (33, 1, 80, 16)


def test_one_person_more_is_all_that_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(1)
    before = store().coefficients("speech-train-00000")
    made = []
    monkeypatch.setattr(speech, "make_clip", lambda clip, *rest: (made.append(clip), make(clip, *rest))[1])
    assert run(2)["ok"] == 2 and made == ["speech-train-00001"]
    np.testing.assert_array_equal(store().coefficients("speech-train-00000"), before)


make = speech.make_clip


def test_nobody_leaves_an_empty_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(1)
    assert run(0) == {"clips": 0, "hours": 0.0}
    assert store().clips("train") == ()


def test_coefficients_of_another_model_are_not_mixed_with_it() -> None:
    content = read_yaml(ROOT / "params.yaml")
    content["speech"]["people"] = 5
    content["sets"]["hdtf"]["coefficients"] = {"backend": "deep3d", "weights": "models/official/deep3d"}
    content["infer"]["coefficients"] = "deep3d"
    with pytest.raises(InputError, match=r"speech\.people: 5 .* 0$"):
        check_params(content)
