"""The controls of a head's motion."""

import numpy as np

CONTROLS = (
    "jaw",  # 0 teeth together .. 1 as open as speech gets (about 22 mm between the lips) .. 2.2 wide open
    "close",  # 0 .. 1 lips brought together, whatever the jaw does
    "round",  # 0 .. 1 corners in, lips forward
    "spread",  # 0 .. 1 corners out
    "smile",  # -0.3 .. 1 corners up and out, cheeks up
    "press",  # 0 .. 1 lips rolled in
    "upper",  # 0 .. 1 upper lip raised
    "lower",  # 0 .. 1 lower lip lowered
    "tuck",  # 0 .. 1 lower lip under the upper teeth
    "tongue",  # 0 .. 1 tongue tip raised to the teeth
    "frown",  # 0 .. 1 corners down, chin up
    "sideways",  # -1 .. 1 mouth and chin shifted to the image's left or right
    "sneer",  # 0 .. 1 nose wrinkled, upper lip raised beside it
    "puff",  # 0 .. 1 cheeks blown up
    "brow",  # -1 .. 1.7 brows lowered or raised
    "furrow",  # 0 .. 1 brows drawn together
    "cock",  # -1 .. 1 one brow up, the other down
    "blink",  # 0 open .. 1 shut
    "squint",  # 0 .. 1 lower lids raised
    "wide",  # 0 .. 1 upper lids raised
    "wink",  # -1 .. 1 only the eye on the image's left or right shut
    "gaze_x",  # radians, towards the image's right
    "gaze_y",  # radians, up
    "yaw",  # radians, face turned towards the image's right
    "pitch",  # radians, up
    "roll",  # radians, crown towards the image's left
    "x",  # decimetres, to the image's right
    "y",  # up
    "z",  # towards the camera
)
"""What changes from frame to frame: a motion is an array (frames, len(CONTROLS)) in this order."""
INDEX = {name: i for i, name in enumerate(CONTROLS)}
JAW, CLOSE, SMILE, BROW, BLINK, SQUINT, WIDE, WINK, GAZE_Y = (
    INDEX[name] for name in ("jaw", "close", "smile", "brow", "blink", "squint", "wide", "wink", "gaze_y")
)
SHAPES = (
    "round", "spread", "smile", "press", "upper", "lower", "tuck", "frown", "sideways", "sneer", "puff", "brow",
    "furrow", "cock", "squint",
)  # fmt: skip
"""The controls that add a displacement of their own to the skin."""
SHAPE_CONTROLS = np.array([INDEX[name] for name in SHAPES])

JAW_HINGE = (-0.05, 0.05)
"""Height and depth of the axis that the jaw turns about: just before the ear canal."""
JAW_ANGLE = 0.235
"""Radians the jaw turns at control 1: 22 mm at the incisors, 0.95 dm away."""
NECK_PIVOT = np.array([0.0, -0.55, -0.15])
"""The point that the head turns about."""
