"""The four trainings."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from styleheat.params.types import Amount, Count, Impossible, PathText, Positive, Section, Weight


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
    """Mean of 1 − mask where, by geometry, the portrait shows the surface."""
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
            raise Impossible("mask_outside", f"its steps are {since}; they must rise from 0, where training begins")
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
    """Vary the voices' timbre and speed, and the audio mixed in (`media.augment`)."""
    losses: AudioLosses
