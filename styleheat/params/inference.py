"""Evaluation and inference."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from styleheat.params.types import Amount, Count, FrameSize, Impossible, PathText, Positive, Section, Weight

NO_FILE = "data/none"
"""Stands for "none" where a file may be named: an empty folder, as DVC's `deps` can't be null."""


class Evaluate(Section):
    clips: Count
    """Held-out clips of each set that are evaluated, at most."""
    seconds: Positive
    """Length that is evaluated of each, at most."""
    scores: PathText
    """Folder of the networks that LPIPS, FID, KID, LSE-C and LSE-D need (`weights.models: [scores]`), or `models/none`:
    these scores are left out."""


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
            raise Impossible("strength", f"{self.strength:g}, but of no attribute; null, or an attribute")
        return self


Degrees = Annotated[list[Annotated[float, Field(ge=-60, le=60)]], Field(min_length=1)]
"""Angles at moments spread evenly over the video, in between which they are interpolated."""


class Drive(Section):
    """How much of a driver's motion the three inference stages take, and when. `evaluate` takes it as it is."""

    seconds: Annotated[tuple[Weight, Positive], Field(strict=False)] | None  # YAML has lists, not tuples
    """From when to when the driver is taken; null: all of it."""
    fps: Annotated[float, Field(ge=1, le=120)] | None
    """Frames per second of the video; null: the driver's. The networks were trained at 25."""
    relative: Literal["centred", "none", "expression", "pose", "all"]
    """`centred`: yaw, roll, position and size move around the portrait's own, as the driver's move around their mean;
    the pitch is the driver's, but its mean within 10° of the portrait's, and the head goes no further from its place
    than 8 % of the square. `none`: the pose is the driver's as it is. `expression`, `pose`, `all`: these take on what
    the driver changes since its first frame; the rest is the driver's as it is."""
    part: Literal["all", "expression", "pose", "lips", "eyes"]
    """What the driver moves; the rest stays as in the portrait. `lips` are the lower half of the face, `eyes` also
    the brows: both only in coefficients of our own face model."""
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
            raise Impossible("seconds", f"from {self.seconds[0]:g} to {self.seconds[1]:g}; the second must be later")
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
    """Pixels of the longer side of a `pasted` video, at most; null: as many as the photograph has, which few devices
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
            raise Impossible(
                "inversion.method", f"{self.inversion.method} can't be edited (edit.attribute); encoder can"
            )
        if self.drive.part in ("lips", "eyes") and self.coefficients != "fit":
            raise Impossible(
                "drive.part",
                f"{self.drive.part} is for coefficients of our own face model, fit, not {self.coefficients}",
            )
        if self.edit.sweep == "expression" and self.coefficients != "fit":
            raise Impossible(
                "edit.sweep", f"expression is for coefficients of our own face model, fit, not {self.coefficients}"
            )
        return self


class InferVideo(Section):
    portrait: PathText
    """An image, or a video, of which one frame is taken."""
    driver: PathText
    """A video whose expression and pose the portrait takes, and its audio; or a `.mat` of coefficients at 25 frames a
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
    """Speech: wav, mp3, m4a, or a video with audio; or a text (`.txt`, UTF-8), which is spoken by `voice`."""
    voice: Annotated[str, Field(pattern=r"^[A-Za-z0-9+_:.-]+$")]
    """Of a text: one of `voices.neural.VOICES`, or a mix of them ("jf_alpha:3+jm_kumo:1"), speaks English; an eSpeak
    voice ("de", "en-gb+f1") its own language."""
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
            raise Impossible("still", f"true, but {self.reference_pose} moves the head (reference_pose); one of both")
        return self
