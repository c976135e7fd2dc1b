"""`params.yaml` as typed objects: what each stage takes, checked before any work starts.

`load_params` turns the file into a frozen `Params`. An unknown key, a wrong type or an impossible combination raises
`InputError` with one line that names the key as it stands in the file: `params.yaml: sets.vox.crop.size: ...`.

Cross-checks that need a network's architecture are made where networks are built, not here.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from styleheat.constants import FPS
from styleheat.errors import InputError

PARAMS_FILE = "params.yaml"

NO_FILE = "data/none"
"""Stands for "none" where a file may be named: an empty folder, as DVC's `deps` can't be null."""


class _Impossible(ValueError):
    """Parameters that are right one by one but not together; `key` is the one to fix, relative to the section."""

    def __init__(self, key: str, fault: str) -> None:
        super().__init__(fault)
        self.key = key


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even: H.264 in yuv420p has no odd sizes")
    return value


Count = Annotated[int, Field(ge=1)]
Amount = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Pixels = Annotated[int, Field(ge=16, le=4096), AfterValidator(_even)]
FrameSize = Annotated[int, Field(ge=64, le=1024), AfterValidator(_even)]
PathText = Annotated[str, Field(min_length=1)]
"""DVC templates these into `deps`, where an empty string is an opaque error; a folder stands for "none"."""


class Section(BaseModel):
    """What all groups of parameters share: no unknown keys, no silent conversions, no changes after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Runtime(Section):
    """How the machine is used. Never a DVC param: none of it changes a result."""

    workers: Count
    """Processes of the stages that work clip by clip."""
    backend: Literal["loky", "dask", "ray"]
    """Joblib's backend for them; dask and ray are the user's own clusters."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")]
    """`auto` is the first GPU when there is one, else the CPU. `cuda:1` is that GPU alone."""
    processes: Literal["auto"] | Count
    """Processes of a training: `auto` is one for each GPU that `device` (`auto` or `cuda`) allows, else one. Losses and
    weights are the same for any number of them. Ignored under `torchrun`, which starts its own."""
    loader_workers: Literal["auto"] | Amount
    """Processes that read samples for each process of a training; `auto` is `workers` with a GPU, else none."""
    timeout_s: Positive
    """Seconds one clip may take before it is recorded as lost."""


class Youtube(Section):
    """How videos are fetched. Never a DVC param: none of it changes a result."""

    base_url: PathText
    """Address of YouTube, or of a mirror with the same paths."""
    cookies: PathText | None
    """A cookies.txt of a browser, for videos that ask for a log-in."""
    proxy: PathText | None
    """Address of a proxy (http://, socks5://), as yt-dlp takes it."""
    retries: Amount
    """Further attempts of a request that failed."""
    pause: Weight
    """Seconds between requests."""
    rate_limit: Count | None
    """Bytes a second, at most."""
    retry_lost: bool
    """Ask for videos again that are known to be lost for good."""


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
    """`tube`: VoxCeleb's (video-preprocessing); `ffhq`: one fixed square in FFHQ's framing for a whole clip. Windows
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
            raise _Impossible("min_frames", f"{self.min_frames} is more than max_frames, {self.max_frames}")
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


class Landmarks(Section):
    backend: Literal["mediapipe", "face_alignment"]
    """What finds the 68 points; each places them in its own way."""
    smooth: Weight
    """Standard deviation, in frames, of the Gaussian that smooths the points over time; 0 for none."""
    quality: Quality


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


class Pack(Section):
    size: Pixels
    """Side of the frames stored, in the clip's own crop."""
    align_size: Pixels
    """Side of the FFHQ-aligned frames stored beside them."""
    shards: Annotated[int, Field(ge=1, le=999)]
    """Files that the clips are spread over. A clip more or less costs one of them; the references read 1."""


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
            raise _Impossible("pack.size", f"{pack.size} is more than crop.size, {crop.size}; at most as many pixels")
        if source.kind != "voxceleb" and source.test_people is None:
            raise _Impossible(
                "source.test_people", f"null, but a {source.kind} set has no official test split; at least 1"
            )
        if crop.method == "ratio" and source.kind != "hdtf":
            raise _Impossible("crop.method", f"ratio, but a {source.kind} source lists none; tube or ffhq")
        if source.kind == "synthetic":
            if source.people is None:
                raise _Impossible("source.people", "null, but synthetic people have to be made; at least 1")
            if crop.min_size > source.size:
                raise _Impossible(
                    "crop.min_size", f"{crop.min_size} would lose every face of pictures {source.size} wide"
                )
            frames = int(source.seconds * FPS)
            if frames < crop.min_frames:
                raise _Impossible(
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
    them under the same names, or a zip or tar archive of such a folder. What is fetched lies in data/sources/official.
    """
    models: Annotated[
        list[Literal["styleheat", "audio", "prior", "warper", "discriminator", "vgg19", "editing", "deep3d"]],
        Field(min_length=1),
    ]
    """Which model folders are made in `models/official`; only the files that these need are read or fetched."""


class Optimizer(Section):
    """Constants of Adam and of what follows its steps. The reference's values: StyleHEAT's training configurations."""

    beta1: Annotated[float, Field(ge=0, lt=1)]
    """Decay of the first moment (reference: 0.5)."""
    beta2: Annotated[float, Field(ge=0, lt=1)]
    """Decay of the second moment (reference: 0.999)."""
    eps: Positive
    """Added to the root of the second moment (reference: 1e-8)."""
    lr_gamma: Annotated[float, Field(gt=0, le=1)]
    """What the learning rate is multiplied by every `lr_every` steps (reference: 0.2)."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    """Decay of the exponential moving average of the weights (reference: 0.5^(32/10000) = 0.9977844)."""
    max_grad_norm: Positive | None
    """Gradients are clipped at this norm, each network's by itself; null: never (reference)."""


class Training(Section):
    """What all recipes share."""

    init: PathText
    """Folder of the model to start from; one without `model.safetensors` starts from scratch."""
    steps: Amount
    """Updates of the weights; 0 takes `init` as it is. More steps than last time continue from where training stopped.
    """
    batch: Count
    """Samples of one update, of all processes together."""
    micro_batch: Count | None
    """Samples that a process computes at once, at most: it accumulates the gradients of its share of the batch over as
    many passes as that takes. null: all of its share at once. Changes memory and speed, not the result."""
    lr: Positive
    """Adam's learning rate (reference: 1e-4)."""
    equalised: Positive
    """Learning rate of the equalised layers, as a multiple of `lr` (reference: 1)."""
    lr_every: Count
    """Steps between multiplications of the learning rate by `optimizer.lr_gamma` (reference: 300,000)."""
    optimizer: Optimizer
    precision: Literal["float32", "tf32", "bf16", "fp16"]
    """Of the networks' convolutions and matrix products; geometry and losses are float32 always. `tf32` rounds the
    inputs of float32 products to 10 bits on GPUs that can; `bf16` and `fp16` are autocast, the latter with scaled
    gradients."""
    checkpointing: bool
    """Keep fewer activations and compute them again in the backward pass: less memory, about a third more time."""
    compile: bool
    """Compile the networks with torch.compile: some minutes at the start, then faster steps on GPUs."""
    validate_every: Count
    """Steps between validations on held-out people."""
    validate_samples: Count
    """Samples of each validation."""
    score: str
    """The validation score that decides which state is the best; which there are: docs/training.md."""
    export: Literal["last", "best"]
    """Which state becomes the stage's model."""
    sample_every: Count
    """Steps between sample grids."""
    save_every: Count
    """Steps between checkpoints."""


class ImageTraining(Training):
    perceptual: Literal["vgg19", "gradient"]
    """The loss between images: VGG19's features, or without its weights a multi-scale L1 and gradient loss."""
    perceptual_weights: PathText
    """Folder of VGG19's weights (`gradient` reads nothing: `models/none`)."""


class PriorLosses(Section):
    l1: Weight
    """L1 between the reconstruction and the frame."""
    perceptual: Weight
    """Perceptual loss between the reconstruction and the frame."""
    adversarial: Weight
    """Generator loss; 0 trains no discriminator."""
    r1: Weight
    """R1 penalty: of the discriminator's gradient at real frames."""


class TrainPrior(ImageTraining):
    discriminator: PathText
    """Folder of the discriminator to start from; one without `model.safetensors` starts from scratch."""
    losses: PriorLosses


class TrainWarper(ImageTraining):
    lr_fan_in: Count | None
    """Weights with more inputs than this have a learning rate smaller in proportion (muP, arXiv 2203.03466); null: all
    alike (reference). From scratch, 256 lets `lr` be ten times as large."""
    mirrored: Annotated[float, Field(ge=0, le=1)]
    """Share of the steps whose second half is the mirrored source, driven by the source's own window to become the
    source, in place of the target driven to become the source (StyleHEAT: 0.5)."""


class StyleHeatLosses(Section):
    """Weights of StyleHEAT's stage two, in the order of its loss."""

    warped: Weight
    """Perceptual loss of the image painted from the warped feature alone."""
    masked: Weight
    """Perceptual loss of the final image under the soft mask."""
    style: Weight
    """Weight of the style (Gram) term within `masked` and `outside`."""
    outside: Weight
    """Keeps the calibrator from changing what lies outside the mask."""
    adversarial: Weight
    """Generator loss; 0 trains no discriminator."""
    mouth: Weight
    """As `adversarial`, of a discriminator that sees mouths alone, and learns from scratch (StyleHEAT: 0)."""
    local: Weight
    """L1 on the eyes and the mouth."""
    landmarks: Weight
    """L1 of where the flow takes the landmarks from, in widths of the image (StyleHEAT: 0)."""
    painted: Weight
    """Perceptual loss of what the generator paints, before the portrait's detail is put in. Only for networks that take
    detail from the portrait, as the next."""
    mask: Weight
    """Mean of 1 − mask where geometry knows that the portrait shows what belongs there."""
    r1: Weight
    """R1 penalty: of the discriminators' gradient at real frames."""


class Train(ImageTraining):
    lr_warper: Weight
    """Learning rate of the warper; `lr` is that of the calibrator (and of the prior, where it is trained too). 0 leaves
    the warper as it is (StyleHEAT's configuration: 0.00002; its code: 0)."""
    discriminator: PathText
    """Folder of the discriminator to start from; one without `model.safetensors` starts from scratch."""
    aligned_source: bool
    """Invert the FFHQ-aligned source frame (as StyleHEAT does) instead of the clip's own crop."""
    tune_prior: bool
    """Let the generator and its path to F learn along; StyleHEAT leaves its prior as it is."""
    mask_outside: list[Annotated[tuple[Amount, Weight], Field(strict=False)]]  # YAML has lists, not tuples
    """The soft mask's values outside eyes, nose and mouth, each after the step from which it holds (StyleHEAT: 0.2 at
    first, 0.05 after 500 steps, 0.005 after 2,000)."""
    losses: StyleHeatLosses

    @model_validator(mode="after")
    def _possible(self) -> "Train":
        since = [step for step, _ in self.mask_outside]
        if since[:1] != [0] or since != sorted(set(since)):
            raise _Impossible("mask_outside", f"its steps are {since}; they must rise from 0, where training begins")
        return self


class AudioLosses(Section):
    expression: Weight
    """L1 on the expression coefficients."""
    velocity: Weight
    """L1 on their changes from frame to frame."""
    lips: Weight
    """L1 on the landmarks that the coefficients put on the lips."""
    closure: Weight
    """L1 on the opening of the lips, several times as much where they are closed."""
    reconstruction: Weight
    """Squared error of the pose autoencoder."""
    divergence: Weight
    """Kullback-Leibler divergence of its latent from a normal distribution."""
    motion: Weight
    """Generator loss of the pose over time; 0 trains no discriminator."""


class TrainAudio(Training):
    augment: bool
    """Vary how the voices sound, how fast they speak, and what else is heard (`media.augment`)."""
    losses: AudioLosses


class Evaluate(Section):
    clips: Count
    """Held-out clips of each set that are judged, at most."""
    seconds: Positive
    """Length that is judged of each, at most."""


class Inversion(Section):
    """How the three inference stages invert a portrait. `evaluate` uses the encoder."""

    method: Literal["encoder", "optimise"]
    """`encoder`: one pass; `optimise`: then also gradient descent on the feature map and the upper codes, nearer to
    the portrait and much slower."""
    steps: Amount
    """Of the optimisation (StyleHEAT: 250)."""
    perceptual: Literal["vgg19", "gradient"]
    """The optimisation's loss between images: VGG19's features, or a multi-scale L1 and gradient loss."""
    perceptual_weights: PathText
    """Folder of VGG19's weights (`gradient` reads nothing: `models/none`)."""


class Edit(Section):
    """What the three inference stages show differently. `evaluate` edits nothing."""

    attribute: Literal["none", "young", "old", "pose", "beard", "lip"]
    """Changed in the portrait before it is animated; needs the directions of `infer.editing_weights`."""
    strength: float | None
    """How strongly; null is what shows it well (`STRENGTHS` in `networks/editing.py`). `beard` and `lip`: in standard
    deviations of the direction; the others: a factor of it. The opposite sign does the opposite."""
    sweep: Literal["none", "pose", "expression"]
    """Replace the driver's head pose, or its expression, by a walk through typical ones, as long as the video."""

    @model_validator(mode="after")
    def _possible(self) -> "Edit":
        if self.attribute == "none" and self.strength is not None:
            raise _Impossible("strength", f"{self.strength:g}, but of no attribute; null, or an attribute")
        return self


Degrees = Annotated[list[Annotated[float, Field(ge=-60, le=60)]], Field(min_length=1)]
"""Angles at moments spread evenly over the video, in between which they are interpolated."""


class Drive(Section):
    """How much of a driver's motion the three inference stages take, and when. `evaluate` takes it as it is."""

    seconds: Annotated[tuple[Weight, Positive], Field(strict=False)] | None  # YAML has lists, not tuples
    """From when to when the driver is taken; null: all of it."""
    fps: Annotated[float, Field(ge=1, le=120)] | None
    """Frames per second of the video; null: the driver's. The networks were trained at 25."""
    relative: Literal["none", "expression", "pose", "all"]
    """Of what the portrait keeps its own, and takes on what the driver changes since its first frame; the rest it takes
    as the driver has it."""
    part: Literal["all", "expression", "pose", "lips", "eyes"]
    """What the driver moves; the rest stays as in the portrait. `lips` are the whole lower face, `eyes` also the brows:
    both only in coefficients of our own face model."""
    expression_scale: Weight
    """1: expressions as strong as the driver's; 0: none."""
    pitch: Degrees | None
    """The head's pitch in degrees, positive downwards, instead of the driver's; key frames at equal distances."""
    yaw: Degrees | None
    """The head's yaw, positive to the image's right, as `pitch`."""
    roll: Degrees | None
    """The head's roll, positive counter-clockwise, as `pitch`."""
    smooth: Weight
    """Standard deviation, in frames, of the Gaussian that smooths the resulting motion; 0 for none."""

    @model_validator(mode="after")
    def _possible(self) -> "Drive":
        if self.seconds is not None and self.seconds[0] >= self.seconds[1]:
            raise _Impossible("seconds", f"from {self.seconds[0]:g} to {self.seconds[1]:g}; the second must be later")
        return self


class Infer(Section):
    """What the three inference stages share."""

    face: Amount
    """Which face of the portrait: 0 the largest, 1 the next smaller one."""
    driver_face: Amount
    """Which face of a driving video or image, in the first frame that has one; as `face`."""
    portrait_time: Weight | None
    """Of a portrait that is a video, the frame so many seconds after the first; null: the one that makes the best
    portrait."""
    size: FrameSize
    """Pixels of the frames, at most, of networks that take detail from the portrait: as many as it has of the square
    around the face, but no fewer than twice what the generator paints. Others paint frames of their own size."""
    result: Literal["aligned", "pasted", "beside"]
    """What the video shows: the animated square, that square back in the portrait's own photograph, or the portrait,
    the driver (if it is a video) and the square beside each other."""

    longest: Annotated[int, Field(ge=64)] | None
    """Pixels of the longer side of a `pasted` video, at most; null: as many as the photograph has, which few players
    support above 4096."""
    transparent: bool
    """For a `pasted` video of an image with transparent parts, also write a transparent .webm."""

    models: PathText
    """Model folder that animates: `models/styleheat`, `models/official`, or any other."""
    audio_models: PathText
    """Model folder that turns speech into coefficients."""
    landmarks: Literal["mediapipe", "face_alignment"]
    """Back end for portrait and driver: the one that the models were trained with."""
    coefficients: Literal["fit", "deep3d"]
    """Back end for portrait and driver: the one that the models were trained with."""
    smooth: Weight
    """Smoothing of a driver's landmarks, as in `Landmarks.smooth`: that which the models were trained with."""
    coefficients_weights: PathText
    """Folder of the regressor, as in `Coefficients.weights`."""
    inversion: Inversion
    drive: Drive
    edit: Edit
    editing_weights: PathText
    """Folder of the directions and statistics of the generator's codes (`models/official/editing`). Without
    `model.safetensors` in it, no attribute can be edited, and the optimisation may leave the usual codes."""

    @model_validator(mode="after")
    def _possible(self) -> "Infer":
        if self.edit.attribute != "none" and self.inversion.method != "encoder":
            raise _Impossible(
                "inversion.method", f"{self.inversion.method} can't be edited (edit.attribute); encoder can"
            )
        if self.drive.part in ("lips", "eyes") and self.coefficients != "fit":
            raise _Impossible(
                "drive.part",
                f"{self.drive.part} is for coefficients of our own face model, fit, not {self.coefficients}",
            )
        if self.edit.sweep == "expression" and self.coefficients != "fit":
            raise _Impossible(
                "edit.sweep", f"expression is for coefficients of our own face model, fit, not {self.coefficients}"
            )
        return self


class InferVideo(Section):
    portrait: PathText
    """An image, or a video, of which one frame is taken."""
    driver: PathText
    """A video whose expression and pose the portrait takes, and its sound; or a `.mat` of coefficients at 25 frames a
    second, as the stage `coefficients` writes them."""


class InferImage(Section):
    portrait: PathText
    """As `infer_video.portrait`."""
    driver: PathText
    """An image whose expression and pose the portrait eases into and out of."""
    seconds: Positive
    """Length of the video."""


class InferAudio(Section):
    portrait: PathText
    """As `infer_video.portrait`."""
    driver: PathText
    """Speech: wav, mp3, m4a, or a video with sound; or a text (`.txt`, UTF-8), which is spoken by `voice`."""
    voice: Annotated[str, Field(pattern=r"^[A-Za-z0-9+_-]+$")]
    """Of a text: one of `voices.neural.VOICES` speaks English, an eSpeak voice ("de", "en-gb+f1") its own language."""
    speed: Annotated[float, Field(ge=0.5, le=2)]
    """Of a text: 1 is the voice's own."""
    articulation: Annotated[float, Field(ge=0, le=3)]
    """How far the mouth moves: 1 as the network has it."""
    pose_style: Annotated[int, Field(ge=0, le=45)]
    """One of SadTalker's 46 ways to move the head."""
    still: bool
    """Keep the head as the portrait has it."""
    reference_pose: PathText
    """A video whose head movement, from its first frame on, the portrait's head makes; `data/none`: none."""
    reference_blink: PathText
    """A video of the eyes that the portrait blinks with; `data/none`: blinks are drawn from the seed. Either is played
    forth and back until the speech ends."""

    @model_validator(mode="after")
    def _possible(self) -> "InferAudio":
        if self.still and self.reference_pose != NO_FILE:
            raise _Impossible("still", f"true, but {self.reference_pose} moves the head (reference_pose); one of both")
        return self


class Params(Section):
    """The whole of `params.yaml`."""

    seed: Amount
    """Of everything random: weights, samples, held-out people, head motion and blinks from speech."""
    runtime: Runtime
    youtube: Youtube
    network: Literal["embedded", "full", "full_relative", "full_detail"]
    """Which architecture of `styleheat/networks/config.py` is trained."""
    sets: Sets
    speech: SpeechSet
    weights: Weights
    train_prior: TrainPrior
    train_warper: TrainWarper
    train: Train
    train_audio: TrainAudio
    evaluate: Evaluate
    infer: Infer
    infer_video: InferVideo
    infer_image: InferImage
    infer_audio: InferAudio

    @model_validator(mode="after")
    def _possible(self) -> "Params":
        for name in ("train_prior", "train_warper", "train", "train_audio"):
            init = getattr(self, name).init
            if self.network != "embedded" and init.startswith("models/embedded"):
                raise _Impossible(f"{name}.init", f"{init} holds weights of network embedded, not of {self.network}")
        trained = self.sets.hdtf
        if self.speech.people and trained.coefficients.backend != "fit":
            raise _Impossible(
                "speech.people",
                f"{self.speech.people} with coefficients of our own face model, but sets.hdtf.coefficients.backend is "
                f"{trained.coefficients.backend}; 0",
            )
        if self.infer.models == "models/styleheat":  # made by `train`, from this set's landmarks and coefficients
            if self.infer.landmarks != trained.landmarks.backend:
                raise _Impossible(
                    "infer.landmarks", f"must be sets.hdtf.landmarks.backend, {trained.landmarks.backend}"
                )
            if self.infer.coefficients != trained.coefficients.backend:
                raise _Impossible(
                    "infer.coefficients", f"must be sets.hdtf.coefficients.backend, {trained.coefficients.backend}"
                )
        return self


def load_params(path: str | Path = PARAMS_FILE) -> Params:
    """Read and check a parameter file.

    Raises `InputError` when the file is missing, is not YAML, or holds an unknown key, a wrong type or an impossible
    combination: one line, naming the first wrong key and saying how many more there are.
    """
    return check_params(read_yaml(path), name=str(path))


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML 1.2 file as DVC reads it (`1e-4` is a number), as plain dicts; duplicate keys are refused.

    Raises `InputError` when it is missing, is not YAML, or is not a mapping.
    """
    try:
        content = YAML(typ="safe", pure=True).load(Path(path).read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run from the top of the repository") from None
    except YAMLError as error:
        raise InputError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be a mapping of keys to values")
    return content


def check_params(content: dict[str, Any], name: str = PARAMS_FILE) -> Params:
    """Parameters from plain dicts; `name` is the file that errors speak of. Raises `InputError` as `load_params`."""
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        more = f" (and {len(others)} more wrong)" if others else ""
        raise InputError(f"{name}: {_describe(first)}{more}") from None


def _describe(fault: Any) -> str:
    """One fault of pydantic's as `key: what is wrong`."""
    key = ".".join(str(part) for part in fault["loc"] if not str(part).startswith("literal["))  # a union's branch
    match fault["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key"
        case "missing":
            return f"{key}: this key is missing"
        case "model_type":
            return f"{key}: must be a mapping of keys to values, not {fault['input']!r}"
        case "value_error":
            error = fault["ctx"]["error"]
            if isinstance(error, _Impossible):
                key = f"{key}.{error.key}" if key else error.key
            return f"{key}: {error}"
        case _:
            return f"{key}: {fault['msg'][0].lower()}{fault['msg'][1:]}, not {fault['input']!r}"
