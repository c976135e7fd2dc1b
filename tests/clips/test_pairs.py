"""What training draws: right, the same for a seed, persons alike, mirrored consistently."""

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from styleheat.clips.pairs import FramePairs, SpeechClips, sounding, to_tensor
from styleheat.clips.store import ClipStore, person_of
from styleheat.errors import InputError
from styleheat.morphable import coefficients as layout
from styleheat.morphable.model import face_model, mirror_landmarks
from tests.clips.samples import ALIGNED, SIZE


@pytest.fixture(scope="module")
def store(lmdb_folder: Path) -> ClipStore:
    return ClipStore(lmdb_folder, SIZE)


def frame_of(window: torch.Tensor) -> int:
    """Coefficient k of frame t is 1000 t + k; a window's middle column is its frame, its first row column 80."""
    return int(window[0, 13] - 80) // 1000


def test_a_pair_is_two_frames_of_one_clip_with_all_that_belongs_to_them(store: ClipStore) -> None:
    for index in range(20):
        pair = FramePairs(store, "train", SIZE, seed=0)[index]
        clip, source, target = pair["clip"], frame_of(pair["source_window"]), frame_of(pair["target_window"])
        assert source != target
        assert torch.equal(pair["source"], to_tensor(store.frame(clip, source)))
        assert torch.equal(pair["target"], to_tensor(store.frame(clip, target)))
        assert torch.equal(pair["source_align"], to_tensor(store.aligned(clip, source)))
        expected = layout.window(layout.descriptor(store.coefficients(clip)), target)
        np.testing.assert_array_equal(pair["target_window"], expected)
        for name, frame in (("source", source), ("target", target)):
            np.testing.assert_allclose(pair[f"{name}_landmarks"], store.landmarks(clip)[frame] * SIZE / 256)
        assert pair["source"].min() >= -1 and pair["source"].max() <= 1 and pair["source"].dtype == torch.float32


def test_the_same_seed_and_index_give_the_same_pair(store: ClipStore) -> None:
    one, same, other = (FramePairs(store, "train", SIZE, seed=seed, mirror=True) for seed in (1, 1, 2))
    later = [one[index] for index in range(50)][30:]
    resumed = [same[index] for index in range(30, 50)]
    assert all(torch.equal(a[key], b[key]) for a, b in zip(later, resumed, strict=True) for key in a if key != "clip")
    assert any(not torch.equal(one[index]["source"], other[index]["source"]) for index in range(10))


def test_persons_are_drawn_alike(store: ClipStore) -> None:
    """Ann has two clips, Bob has two, of more frames; the untitled Bob and bob#a are one person."""
    pairs = FramePairs(store, "train", SIZE, seed=0)
    drawn = Counter(pairs[index]["clip"] for index in range(400))
    persons = Counter(
        {person: sum(n for clip, n in drawn.items() if person_of(clip) == person) for person in ("ann", "bob")}
    )
    assert set(drawn) == {"ann#a", "ann#b", "bob#a", "bob"}
    assert 150 < persons["ann"] < 250


def test_half_of_the_pairs_are_mirrored_altogether(store: ClipStore) -> None:
    plain = FramePairs(store, "train", SIZE, seed=0)
    mirrored = FramePairs(store, "train", SIZE, seed=0, mirror=True)
    turned = 0
    for index in range(60):
        a, b = plain[index], mirrored[index]
        if torch.equal(a["source"], b["source"]):
            assert torch.equal(a["target_window"], b["target_window"])
            continue
        turned += 1
        for key in ("source", "target", "source_align"):
            assert torch.equal(a[key].flip(2), b[key])
        expected = face_model().mirror_descriptor(a["target_window"].numpy().T, SIZE).T
        np.testing.assert_allclose(b["target_window"], expected)
        for key in ("source_landmarks", "target_landmarks"):
            np.testing.assert_allclose(b[key], mirror_landmarks(a[key].numpy(), SIZE), atol=1e-4)
    assert 15 < turned < 45


def test_other_image_sizes_scale_pictures_and_landmarks(store: ClipStore) -> None:
    pair, native = (FramePairs(store, "train", size, seed=0)[3] for size in (SIZE // 2, SIZE))
    assert pair["source"].shape == (3, SIZE // 2, SIZE // 2) and pair["source_align"].shape == (3, ALIGNED, ALIGNED)
    np.testing.assert_allclose(pair["target_landmarks"] * 2, native["target_landmarks"], rtol=1e-6)


def test_loader_workers_give_what_one_process_gives(store: ClipStore) -> None:
    pairs = FramePairs(store, "train", SIZE, seed=0)
    pairs[0]  # the parent has the file open when it forks
    alone, shared = (list(DataLoader(pairs, 4, sampler=range(8), num_workers=n)) for n in (0, 2))
    assert all(torch.equal(a["source"], b["source"]) for a, b in zip(alone, shared, strict=True))


def test_speech_comes_with_what_is_heard(store: ClipStore) -> None:
    clips = SpeechClips(store, "train", frames=15, seed=0)
    assert clips.persons == ["ann", "bob"]
    for index in range(20):
        sample = clips[index]
        assert sample["clip"] in {"ann#a", "bob#a", "bob"}  # ann#b has no sound
        assert sample["mel"].shape == (15, 1, 80, 16) and sample["descriptors"].shape == (15, 73)
        assert clips.persons[sample["person"]] == person_of(sample["clip"])
        frames = (sample["descriptors"][:, 0] - 80) / 1000
        np.testing.assert_array_equal(np.diff(frames), 1)
        assert sample["blink"].min() >= 0 and sample["blink"].max() <= 1


def test_too_few_frames_are_one_clear_line(store: ClipStore) -> None:
    with pytest.raises(InputError, match=r"1000 frames or more.* train_list\.txt the longest clip with sound has \d+;"):
        SpeechClips(store, "train", frames=1000, seed=0)


def test_a_set_without_sound_is_one_clear_line(store: ClipStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClipStore, "mel", lambda store, clip: None)
    assert sounding(store, "train") == []
    with pytest.raises(InputError, match=r"no clip has sound; add videos in which people talk"):
        SpeechClips(store, "train", frames=10, seed=0)


def test_a_pair_takes_a_few_milliseconds(store: ClipStore) -> None:
    pairs = FramePairs(store, "train", SIZE, seed=0, mirror=True)
    pairs[0]
    start = time.process_time()
    for index in range(100):
        pairs[index]
    assert (time.process_time() - start) / 100 < 0.005
