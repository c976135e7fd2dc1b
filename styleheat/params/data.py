"""The data sets: where videos come from, and their way to the LMDB; released weights."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from styleheat.constants import FPS
from styleheat.params.types import Amount, Count, Impossible, PathText, Pixels, Section, Weight


class Source(Section):
    """Where a set's videos come from. Keys that a kind has no use for are ignored by it."""

    kind: Literal["synthetic", "voxceleb", "hdtf", "local"]
    """`synthetic`: rendered people; `voxceleb` and `hdtf`: videos of these sets from YouTube; `local`: your own files.
    """
    path: PathText
    """Folder of what the source reads: the videos of `local`, the annotation files of `voxceleb` and `hdtf`."""
    people: Count | None
    """People to train on, at most; null takes all there are (synthetic: made, so not null)."""
    test_people: Count | None
    """People of the test split, never trained on: made besides `people` (synthetic), held out of those there are
    (local, hdtf), or taken from the official test split (voxceleb, where null takes all of them)."""
    clips: Count
    """Synthetic: clips of each person."""
    seconds: Annotated[float, Field(gt=0, le=600)]
    """Synthetic: length of each clip."""
    size: Pixels
    """Synthetic: side of the rendered image, which the crop stage then crops. From YouTube: most lines of a video."""
    limit: Count | None
    """Take this many videos at most; null takes all."""
    person: str | None
    """Local: regular expression for a clip's id, whose first group is the person (`([a-z]+)_[0-9]+`: anna_1 and anna_2
    are one); null, or where it does not fit: the id up to its first "#"."""

    @field_validator("person")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        try:
            if pattern is not None and re.compile(pattern).groups < 1:
                raise ValueError("a pattern without a group; put what names the person in brackets, as ([a-z]+)_.*")
        except re.error as error:
            raise ValueError(f"no regular expression ({error})") from error
        return pattern


class Crop(Section):
    method: Literal["tube", "ffhq", "ratio"]
    """`tube`: VoxCeleb's (video-preprocessing); `ffhq`: one fixed square in FFHQ's framing for each clip. Windows
    listed in the source (HDTF's, and those of VoxCeleb's clip table) are cut as they are, whatever stands here, but for
    `ratio`: HDTF's second way, the square around the head enlarged by the listed ratio."""
    size: Pixels
    """Side of the clips written."""
    min_size: Annotated[int, Field(ge=1)]
    """Crops smaller than this many pixels of the source video are lost, not enlarged."""
    min_frames: Count
    """Frames at 25 a second; shorter clips are lost."""
    max_frames: Count
    """Frames at 25 a second; longer clips become several."""
    codec: Literal["h264", "png"]
    """Of the clips' frames: `h264`, or `png`, which is lossless and takes 30 to 50 times the space."""

    @model_validator(mode="after")
    def _possible(self) -> "Crop":
        if self.min_frames > self.max_frames:
            raise Impossible("min_frames", f"{self.min_frames} is more than max_frames, {self.max_frames}")
        return self


class Quality(Section):
    """What a clip must be to be learnt from; null: whatever it is (as the references do)."""

    face_rate: Annotated[float, Field(ge=0, le=1)] | None
    """Least share of frames with a face."""
    sharpness: Weight | None
    """Least median, over frames, of the variance of the Laplacian of the face at 128 pixels."""
    other_faces: Annotated[float, Field(ge=0, le=1)] | None
    """Largest share of frames with another face that is not small."""
    likeness: Annotated[float, Field(ge=0, le=1)] | None
    """Least cosine similarity of any frame's face to the clip's median, by dlib's embedding (strangers have 0.8)."""
    occlusion: Annotated[float, Field(ge=0, le=1)] | None
    """Largest share of the inner face that is hidden in any frame, by the colours that are usual in the clip."""
    audio_offset: Annotated[int, Field(ge=0, le=14)] | None
    """Most frames by which the audio is early or late, by SyncNet (`landmarks.scores`)."""


class Landmarks(Section):
    backend: Literal["mediapipe", "face_alignment"]
    """What finds the 68 points; each places them in its own way."""
    smooth: Weight
    """Standard deviation, in frames, of the Gaussian that smooths the points over time; 0 for none."""
    quality: Quality
    scores: PathText
    """Folder made by `weights.models: [scores]`, whose SyncNet `quality.audio_offset` needs (`models/none`: none)."""


class Coefficients(Section):
    backend: Literal["fit", "deep3d"]
    """`fit`: our face model fitted to the landmarks; `deep3d`: the released regressor on the frames."""
    weights: PathText
    """Folder of the regressor (`fit` reads nothing: `models/none`)."""


class SpeechSet(Section):
    """Synthetic people with speech and without images, from whom `train_audio` learns instead of `hdtf`; their
    coefficients are those of our own face model."""

    people: Amount
    """How many; 0: `train_audio` learns from `hdtf`."""
    seconds: Annotated[float, Field(ge=2, le=60)]
    """Length of each person's clip."""


class Leaks(Section):
    """Train clips of people whom a test split shows, under whatever names; null: they stay (as in the references)."""

    likeness: Annotated[float, Field(ge=0, le=1)] | None
    """Cosine similarity of dlib's embeddings from which two people are one (strangers have 0.8 to 0.9)."""
    other_set: PathText
    """Landmarks of another set, whose test split counts beside the set's own: `data/hdtf/landmarks`; `data/none`: no
    other."""


class Pack(Section):
    size: Pixels
    """Side of the frames stored, in the clip's own crop."""
    align_size: Pixels
    """Side of the FFHQ-aligned frames stored beside them."""
    shards: Annotated[int, Field(ge=1, le=999)]
    """Files that the clips are spread over. A clip more or less costs one of them; the references read 1."""
    leaks: Leaks


class Set(Section):
    """One data set and its way from videos to LMDB."""

    source: Source
    crop: Crop
    landmarks: Landmarks
    coefficients: Coefficients
    pack: Pack

    @model_validator(mode="after")
    def _possible(self) -> "Set":
        source, crop, pack = self.source, self.crop, self.pack
        if pack.size > crop.size:
            raise Impossible("pack.size", f"{pack.size} is more than crop.size, {crop.size}; at most as many pixels")
        if source.kind != "voxceleb" and source.test_people is None:
            raise Impossible(
                "source.test_people", f"null, but a {source.kind} set has no official test split; at least 1"
            )
        if crop.method == "ratio" and source.kind != "hdtf":
            raise Impossible("crop.method", f"ratio, but a {source.kind} source lists none; tube or ffhq")
        if source.kind == "synthetic":
            if source.people is None:
                raise Impossible("source.people", "null, but synthetic people have to be made; at least 1")
            if crop.min_size > source.size:
                raise Impossible("crop.min_size", f"{crop.min_size} would lose every face of images {source.size} wide")
            frames = int(source.seconds * FPS)
            if frames < crop.min_frames:
                raise Impossible(
                    "crop.min_frames", f"{crop.min_frames} would lose every clip: source.seconds is {frames} frames"
                )
        return self


class Sets(Section):
    """The two data sets; `sets["vox"]` is `sets.vox`."""

    vox: Set
    """Many people, VoxCeleb's framing: the warper's set."""
    hdtf: Set
    """Speech at a higher resolution: StyleHEAT's and the audio driver's set."""

    def __getitem__(self, name: str) -> Set:
        return getattr(self, name)


class Weights(Section):
    source: PathText
    """`none`; `release`, where the authors gave the files out; or a folder or an address (http://, https://) that has
    them under the same names, or a zip or tar archive of such a folder; or what `stages.publish` made: a folder, an
    address, or `hf://user/name`. What is fetched lies in data/sources/official.
    """
    models: Annotated[
        list[Literal["styleheat", "audio", "prior", "warper", "discriminator", "vgg19", "editing", "deep3d", "scores"]],
        Field(min_length=1),
    ]
    """Which model folders are made in `models/official`; only the files that these need are read or fetched."""
