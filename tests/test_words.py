"""The project uses the terms of its field: image, video and discriminator, not picture, film and critic."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent

WORDS = {
    "sound": "audio",
    "sounds": "audio",
    "whole": "complete or full",
    "film": "video",
    "films": "videos",
    "picture": "image or frame",
    "pictures": "images or frames",
    "told": "given, reported or conditioned on",
    "heard": "audio, or the field's verb",
    "hear": "take",
    "hears": "takes",
    "mend": "fix",
    "mended": "fixed",
    "spoil": "damage",
    "spoils": "damages",
    "spoilt": "damaged",
    "wreck": "break",
    "critic": "discriminator",
    "critics": "discriminators",
    "critic_size": "discriminator_size",
    "critic_channels": "discriminator_channels",
    "pose_critic": "pose_discriminator",
    "examiner": "evaluator",
    "manner": "way or options",
    "mover": "warper",
    "repairer": "calibrator",
}
"""Words that must not occur, also as parts of names, and what to write instead."""

ALLOWED = {
    "styleheat/sources/synthetic/sentences.py": "sentences for synthetic speech, in several languages",
    "docs/packages.md": "names of packages",
    "tests/parity/test_training.py": "keys of the reference's outputs in tests/parity/golden",
    "styleheat/networks/config.py": "field names of published config.json files",
}
"""Files that quote such words, and why."""


def test_plain_words() -> None:
    # A name such as same_picture is split at its underscores; critic_size is looked for as it is.
    pattern = re.compile(rf"(?<![A-Za-z])({'|'.join(sorted(WORDS, key=len, reverse=True))})(?![A-Za-z])", re.IGNORECASE)
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.yaml"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = [
        f"{name}:{number}: {match[0]}; write {WORDS[match[0].lower()]}"
        for name in listed.stdout.splitlines()
        if name not in ALLOWED and ROOT / name != Path(__file__) and (ROOT / name).is_file()
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        for match in pattern.finditer(line)
    ]
    assert not found, "\n".join(found)
