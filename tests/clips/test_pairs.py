"""What training draws: right, only what is read, the same for a seed, persons alike, mirrored consistently."""

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from styleheat.clips.pairs import DRAWS, ITEMS, FramePairs, SpeechClips, sounding
from styleheat.clips.store import ClipStore
from styleheat.clips.writer import ClipWriter, write_lmdb
from styleheat.errors import InputError
from styleheat.media.mel import mel_spectrogram, mel_windows
from styleheat.morphable import coefficients as layout
from styleheat.morphable.geometry import CHANNELS, GRID
from styleheat.morphable.measures import blink_track, mirror_landmarks
from styleheat.morphable.model import face_model
from tests.clips.samples import ALIGNED, SIZE, sample_image


@pytest.fixture(scope="module")
def store(lmdb_folder: Path) -> ClipStore:
    return ClipStore(lmdb_folder, SIZE)


def pairs_of(store: ClipStore, size: int = SIZE, seed: int = 0, reads: Iterable[str] = ITEMS, **options) -> FramePairs:
    return FramePairs(store, "train", size, seed=seed, reads=reads, **options)


def frame_of(window: torch.Tensor) -> int:
    """Coefficient k of frame t is 1000 t + k; a window's middle column is its frame, its first row column 80."""
    return int(window[0, 13] - 80) // 1000


def test_a_pair_is_two_frames_of_one_clip_with_all_that_belongs_to_them(store: ClipStore) -> None:
    for index in range(20):
        pair = pairs_of(store)[index]
        assert set(pair) == {*ITEMS, "clip", "draw"} and 0 <= pair["draw"] < DRAWS
        clip, source, target = pair["clip"], frame_of(pair["source_window"]), frame_of(pair["target_window"])
        assert source != target
        for name, frame in (("source", source), ("target", target)):
            np.testing.assert_array_equal(pair[name], store.frame(clip, frame))
            np.testing.assert_array_equal(pair[f"{name}_align"], store.aligned(clip, frame))
            expected = layout.window(layout.descriptor(store.coefficients(clip)), frame)
            np.testing.assert_array_equal(pair[f"{name}_window"], expected)
            np.testing.assert_allclose(pair[f"{name}_landmarks"], store.landmarks(clip)[frame] * SIZE / 256)
            assert pair[name].dtype == pair[f"{name}_align"].dtype == torch.uint8
            assert pair[f"{name}_window"].dtype == pair[f"{name}_landmarks"].dtype == torch.float32


def test_a_sample_holds_what_is_read_and_nothing_else_is_decoded(
    store: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = pairs_of(store, mirror=True)
    samples = [complete[index] for index in range(10)]
    for method in ("frame", "aligned", "landmarks"):
        monkeypatch.delattr(ClipStore, method)
    some = pairs_of(store, reads=["target_window"], mirror=True)
    for index, sample in enumerate(samples):
        assert set(some[index]) == {"target_window", "clip", "draw"}
        assert torch.equal(some[index]["target_window"], sample["target_window"])
        assert some[index]["clip"] == sample["clip"] and some[index]["draw"] == sample["draw"]


def test_an_unknown_item_is_refused(store: ClipStore) -> None:
    with pytest.raises(ValueError, match=r"reads: source_mask, target_: no items of a pair; these are: source, "):
        pairs_of(store, reads=["source", "target_", "source_mask"])


def test_each_sample_has_a_random_number_of_its_own(store: ClipStore) -> None:
    pairs, speech = pairs_of(store, reads=[]), SpeechClips(store, "train", frames=15, seed=0)
    for dataset in (pairs, speech):
        assert len({dataset[index]["draw"] for index in range(50)}) == 50


def test_pairs_of_a_seed_stay_what_they_were(store: ClipStore) -> None:
    """Numbers of a run before items could be chosen: what was trained on these pairs can be resumed."""
    plain, mirrored = pairs_of(store, seed=7), pairs_of(store, seed=7, mirror=True)
    for index, expected in enumerate(
        [("bob#a", 12, 17, True), ("bob#a", 2, 16, False), ("ann#a", 13, 4, True), ("bob#a", 17, 10, False)]
    ):
        pair = plain[index]
        turned = not torch.equal(pair["source"], mirrored[index]["source"])
        frames = frame_of(pair["source_window"]), frame_of(pair["target_window"])
        assert (pair["clip"], *frames, turned) == expected


def test_the_same_seed_and_index_give_the_same_pair(store: ClipStore) -> None:
    one, same, other = (pairs_of(store, seed=seed, mirror=True) for seed in (1, 1, 2))
    later = [one[index] for index in range(50)][30:]
    resumed = [same[index] for index in range(30, 50)]
    for a, b in zip(later, resumed, strict=True):
        assert all(torch.equal(a[key], b[key]) for key in ITEMS) and (a["clip"], a["draw"]) == (b["clip"], b["draw"])
    assert any(not torch.equal(one[index]["source"], other[index]["source"]) for index in range(10))


def test_persons_are_drawn_alike(store: ClipStore) -> None:
    """Ann has two clips, Bob has two, of more frames; the untitled Bob and bob#a are one person."""
    pairs = pairs_of(store, reads=[])
    drawn = Counter(pairs[index]["clip"] for index in range(400))
    persons = Counter(
        {person: sum(n for clip, n in drawn.items() if store.person(clip) == person) for person in ("ann", "bob")}
    )
    assert set(drawn) == {"ann#a", "ann#b", "bob#a", "bob"}
    assert 150 < persons["ann"] < 250


def test_half_of_the_pairs_are_mirrored_altogether(store: ClipStore) -> None:
    plain, mirrored = pairs_of(store), pairs_of(store, mirror=True)
    turned = 0
    for index in range(60):
        a, b = plain[index], mirrored[index]
        if torch.equal(a["source"], b["source"]):
            assert torch.equal(a["target_window"], b["target_window"])
            continue
        turned += 1
        for key in ("source", "target", "source_align", "target_align"):
            assert torch.equal(a[key].flip(1), b[key])
        for key in ("source_window", "target_window"):
            expected = face_model().mirror_descriptor(a[key].numpy().T, SIZE).T
            np.testing.assert_allclose(b[key], expected)
        for key in ("source_landmarks", "target_landmarks"):
            np.testing.assert_allclose(b[key], mirror_landmarks(a[key].numpy(), SIZE), atol=1e-4)
    assert 15 < turned < 45


def test_other_image_sizes_scale_images_and_landmarks(store: ClipStore) -> None:
    pair, native = (pairs_of(store, size)[3] for size in (SIZE // 2, SIZE))
    assert pair["source"].shape == (SIZE // 2, SIZE // 2, 3) and pair["source_align"].shape == (ALIGNED, ALIGNED, 3)
    np.testing.assert_allclose(pair["target_landmarks"] * 2, native["target_landmarks"], rtol=1e-6)


def test_loader_workers_give_what_one_process_gives(store: ClipStore) -> None:
    pairs = pairs_of(store)
    pairs[0]  # the parent has the file open when it forks
    alone, shared = (list(DataLoader(pairs, 4, sampler=range(8), num_workers=n)) for n in (0, 2))
    for a, b in zip(alone, shared, strict=True):
        assert all(torch.equal(a[key], b[key]) for key in (*ITEMS, "draw")) and a["clip"] == b["clip"]


def test_speech_comes_with_its_mel_windows(store: ClipStore) -> None:
    clips = SpeechClips(store, "train", frames=15, seed=0)
    assert clips.persons == ["ann", "bob"]
    for index in range(20):
        sample = clips[index]
        assert sample["clip"] in {"ann#a", "bob#a", "bob"}  # ann#b has no audio
        assert sample["mel"].shape == (15, 1, 80, 16) and sample["descriptors"].shape == (15, 73)
        assert clips.persons[sample["person"]] == store.person(sample["clip"])
        frames = (sample["descriptors"][:, 0] - 80) / 1000
        np.testing.assert_array_equal(np.diff(frames), 1)
        assert sample["blink"].min() >= 0 and sample["blink"].max() <= 1


def test_a_stretch_is_what_its_clip_gives_at_these_frames(tmp_path: Path) -> None:
    """The full clip decides how far the eyes usually open, and what is beyond the ends of a stretch is not cut off."""
    rng, length = np.random.default_rng(0), 40
    with ClipWriter(tmp_path / "shard.zip", "ann#a") as shard:
        for frame in range(length):
            shard.add_frame(sample_image(frame, SIZE), sample_image(frame, ALIGNED))
        coefficients, landmarks = rng.normal(size=(length, 260)), rng.normal(size=(length, 68, 2))
        shard.finish(coefficients, landmarks, 0.1 * rng.normal(size=length * 640), "ann", source="made up")
    write_lmdb(tmp_path / "lmdb", SIZE, {"ann#a": "train"}, {"ann#a": tmp_path / "shard.zip"})
    store = ClipStore(tmp_path / "lmdb", SIZE)
    mel = mel_spectrogram(store.audio("ann#a"))
    descriptors = layout.descriptor(store.coefficients("ann#a"))
    blink = blink_track(store.landmarks("ann#a")).astype(np.float32)
    windows = mel_windows(mel, length)
    clips, starts = SpeechClips(store, "train", frames=15, seed=0), set()
    for index in range(30):
        sample = clips[index]
        start = int(np.flatnonzero((descriptors == sample["descriptors"][0].numpy()).all(1))[0])
        starts.add(start)
        for name, complete in (("mel", windows), ("descriptors", descriptors), ("blink", blink)):
            np.testing.assert_allclose(sample[name].numpy(), complete[start : start + 15], atol=1e-5, strict=True)
        assert (descriptors[:, :64] == sample["reference"].numpy()).all(1).any()
    assert len(starts) > 10


def test_a_varied_stretch_keeps_its_time(tmp_path: Path) -> None:
    """Audio and coefficients of a stretch that is played at another speed belong together still."""
    length = 60
    level = np.sin(np.arange(length) / 4) ** 2  # of each frame
    with ClipWriter(tmp_path / "shard.zip", "ann#a") as shard:
        for frame in range(length):
            shard.add_frame(sample_image(frame, SIZE), sample_image(frame, ALIGNED))
        coefficients = np.repeat(level[:, None], 260, axis=1)
        loud = np.interp(np.arange(length * 640) / 640, np.arange(length) + 0.5, level)
        audio = 0.2 * loud * np.random.default_rng(0).normal(size=len(loud))
        landmarks = np.random.default_rng(1).normal(size=(length, 68, 2))
        shard.finish(coefficients, landmarks, audio, "ann", source="made up")
    write_lmdb(tmp_path / "lmdb", SIZE, {"ann#a": "train"}, {"ann#a": tmp_path / "shard.zip"})
    clips = SpeechClips(ClipStore(tmp_path / "lmdb", SIZE), "train", frames=33, seed=0, augment=True)
    scores, speeds = [], set()
    for index in range(30):
        sample = clips[index]
        assert sample["mel"].shape == (33, 1, 80, 16) and sample["descriptors"].shape == (33, 73)
        audio, seen = sample["mel"].mean((1, 2, 3)).numpy(), sample["descriptors"][:, 0].numpy()
        scores.append(np.corrcoef(audio, seen)[0, 1])
        speeds.add(round(float(np.abs(np.diff(seen)).max()), 4))
        again = clips[index]
        assert torch.equal(sample["mel"], again["mel"]) and torch.equal(sample["descriptors"], again["descriptors"])
    assert np.median(scores) > 0.6 and len(speeds) > 10


def test_a_changed_sample_changes_no_other(store: ClipStore) -> None:
    clips = SpeechClips(store, "train", frames=12, seed=0)
    before = clips[0]["blink"].clone()
    clips[0]["blink"].add_(1)
    assert torch.equal(clips[0]["blink"], before)


def test_too_few_frames_are_one_clear_line(store: ClipStore) -> None:
    with pytest.raises(InputError, match=r"1000 frames or more.* train_list\.txt the longest clip with audio has \d+;"):
        SpeechClips(store, "train", frames=1000, seed=0)


def test_a_set_without_audio_is_one_clear_line(store: ClipStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClipStore, "has_audio", lambda store, clip: False)
    assert sounding(store, "train") == []
    with pytest.raises(InputError, match=r"no clip has audio; add videos in which people talk"):
        SpeechClips(store, "train", frames=10, seed=0)


def test_a_pair_takes_a_few_milliseconds(store: ClipStore) -> None:
    reads = [item for item in ITEMS if not item.endswith("_geometry")]  # which takes some more
    pairs = pairs_of(store, reads=reads, mirror=True)
    pairs[0]
    start = time.process_time()
    for index in range(100):
        pairs[index]
    assert (time.process_time() - start) / 100 < 0.005


def test_geometry_leads_from_the_other_frame_to_this_one(store: ClipStore) -> None:
    pairs = pairs_of(store, reads=["source_landmarks", "target_landmarks", "source_geometry", "target_geometry"])
    for index in range(4):
        pair = {key: value.numpy() for key, value in pairs[index].items() if key not in ("clip", "draw")}
        assert pair["target_geometry"].shape == (CHANNELS, GRID, GRID)
        for here, there in (("target", "source"), ("source", "target")):
            nose = pair[f"{here}_landmarks"][30]
            x, y = np.clip((nose + 0.5) / SIZE * GRID, 0, GRID - 1).astype(int)
            moved = nose + pair[f"{here}_geometry"][:2, y, x] * SIZE
            assert np.abs(moved - pair[f"{there}_landmarks"][30]).max() < 0.06 * SIZE


def test_mirrored_geometry_is_the_mirror_image(store: ClipStore) -> None:
    reads = ["source", "target_geometry"]
    plain, mirrored = (pairs_of(store, reads=reads, mirror=mirror) for mirror in (False, True))
    turned = 0
    for index in range(12):
        one, other = plain[index], mirrored[index]
        if torch.equal(one["source"], other["source"]):
            torch.testing.assert_close(one["target_geometry"], other["target_geometry"])
            continue
        turned += 1
        assert torch.equal(one["source"].flip(1), other["source"])
        wanted = one["target_geometry"].flip(2)
        wanted[0] *= -1
        torch.testing.assert_close(other["target_geometry"], wanted)
    assert 2 < turned < 10
