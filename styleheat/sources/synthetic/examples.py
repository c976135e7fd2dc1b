"""Makes the committed inputs of the inference stages: `python -m styleheat.sources.synthetic.examples`.

Their people are of the set "examples", which is not part of any data set, so that no model was trained on them.
"""

from pathlib import Path

import numpy as np

from styleheat.media.audio import write_wav
from styleheat.media.image import write_image
from styleheat.renderer.controls import CONTROLS, INDEX
from styleheat.sources.synthetic.clip import conversation, frames, person, render_clip

FOLDER = Path("data/examples")
SIZE, PORTRAIT_SIZE = 320, 512
PORTRAIT, DRIVER, EXPRESSION = 9, 15, 11
"""The people of the set in each of the files."""


def main() -> None:
    """Write a portrait, speech in its voice, a video of another person talking, and a third person's smile."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    portrait, driver, expression = (person("examples", "test", k) for k in (PORTRAIT, DRIVER, EXPRESSION))
    rest = np.zeros((1, len(CONTROLS)))
    write_image(FOLDER / "portrait.png", next(frames(portrait, rest, PORTRAIT_SIZE)))
    speech, _ = conversation(portrait, seed=1, seconds=6.0)
    write_wav(FOLDER / "speech.wav", speech.samples)
    render_clip(driver, seed=0, seconds=4.0, size=SIZE, path=FOLDER / "driver.mp4")
    smile = rest.copy()
    for control, value in {"smile": 0.8, "jaw": 0.25, "brow": 0.4, "yaw": 0.2, "roll": 0.1}.items():
        smile[0, INDEX[control]] = value
    write_image(FOLDER / "expression.png", next(frames(expression, smile, SIZE)))


if __name__ == "__main__":
    main()
