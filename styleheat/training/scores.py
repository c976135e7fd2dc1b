"""Scores of driven images against their targets, and of the baseline that repeats the source."""

from torch import Tensor, nn

from styleheat.networks.warper import Warp
from styleheat.training.images import psnr, ssim
from styleheat.training.regions import FACE, PARTS, landmark_loss, part_image

HIGHER = {"psnr", "psnr_face", "psnr_mouth", "ssim"}
"""Scores of which more is better; of `perceptual` and `landmarks` less is, and `flow` is no judgement."""

REPEATED = "_repeated_source"


class ImageScores:
    """PSNR (dB) of image, face and mouth, SSIM, and perceptual distance; each again for the source repeated.

    One for each set of held-out pairs: what repeating the source scores is computed once.
    """

    def __init__(self) -> None:
        self._repeated: dict[str, float] = {}

    def __call__(
        self, made: Tensor, source: Tensor, target: Tensor, landmarks: Tensor, perceptual: nn.Module
    ) -> dict[str, float]:
        """made, source, target: (B,3,H,H) in [-1,1]. landmarks: (B,68,2) pixels of the target."""
        if not self._repeated:
            scores = _image_scores(source, target, landmarks, perceptual)
            self._repeated = {f"{key}{REPEATED}": score for key, score in scores.items()}
        return _image_scores(made, target, landmarks, perceptual) | self._repeated


def flow_scores(
    motion: Warp, source_landmarks: Tensor, target_landmarks: Tensor, size: int, released: bool
) -> dict[str, float]:
    """Landmark distance of the flow, as a share of the image's width, and of the source repeated; mean length of the
    flow, in pixels of F. Landmarks (B,68,2): pixels of images `size` wide."""
    still = (target_landmarks - source_landmarks)[:, 17:].abs().mean() / size
    return {
        "landmarks": round(float(landmark_loss(motion, source_landmarks, target_landmarks, size, released)), 5),
        f"landmarks{REPEATED}": round(float(still), 5),
        "flow": round(float(motion.flow.norm(dim=1).mean()), 4),
    }


def _image_scores(image: Tensor, target: Tensor, landmarks: Tensor, perceptual: nn.Module) -> dict[str, float]:
    return {
        "psnr": psnr(image, target),
        "psnr_face": psnr(part_image(image, landmarks, FACE), part_image(target, landmarks, FACE)),
        "psnr_mouth": psnr(part_image(image, landmarks, PARTS["mouth"]), part_image(target, landmarks, PARTS["mouth"])),
        "ssim": ssim(image, target),
        "perceptual": round(float(perceptual(image, target)), 5),
    }
