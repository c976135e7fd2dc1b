"""The numbers that data sets and released networks agree on, each named once with its source."""

FPS = 25
"""Frames a second of every clip: VoxCeleb's and HDTF's rate, and that of SadTalker's audio networks."""

SAMPLE_RATE = 16_000
"""Sample rate in Hz of the audio networks' input (SadTalker `hparams.sample_rate`)."""

MEL_BANDS = 80
MEL_FPS = 80
"""Mel bands and mel frames a second: hop 200 at 16 kHz (SadTalker `hparams.num_mels`, `hop_size`)."""

MEL_WINDOW = 16
"""Mel frames in the window of one video frame: 0.2 s (SadTalker `syncnet_mel_step_size`)."""

LANDMARKS = 68
"""Points of the iBUG 300-W annotation scheme."""

NO_FACE = -1.0
"""Fills the landmarks of a frame without a face (PIRenderer's files)."""

WINDOW_RADIUS = 13
WINDOW = 2 * WINDOW_RADIUS + 1
"""Frames on each side of, and in, the window of coefficients that drives one frame (StyleHEAT `semantic_radius`)."""

IDENTITY, EXPRESSION, TEXTURE, ANGLE, GAMMA, TRANSLATION = 80, 64, 80, 3, 27, 3
COEFFICIENTS = IDENTITY + EXPRESSION + TEXTURE + ANGLE + GAMMA + TRANSLATION
"""257 numbers of one frame's 3DMM coefficients, in this order (Deep3DFaceRecon `split_coeff`)."""

CROP = 3
PACKED_COEFFICIENTS = COEFFICIENTS + CROP
"""260: the coefficients and the crop's (ratio, t0, t1), as PIRenderer's LMDB stores them."""

DESCRIPTOR = EXPRESSION + ANGLE + TRANSLATION + CROP
"""73: what drives the warper, expression · angle · translation · crop (StyleHEAT `transform_semantic`)."""

assert (COEFFICIENTS, PACKED_COEFFICIENTS, DESCRIPTOR, WINDOW) == (257, 260, 73, 27)
