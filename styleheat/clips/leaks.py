"""Finds people who are in both the train and the test clips, by their faces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HELD_AT_ONCE = 1 << 24
"""Similarities that are computed in one product of matrices: 64 MB."""


@dataclass(frozen=True)
class Known:
    """A clip, who is seen in it by name, and the face: (128,) float32 of length 1."""

    clip: str
    person: str
    face: np.ndarray


@dataclass(frozen=True)
class Leak:
    """The test clip that shows the person of a train clip, and how alike the two people are: cosine, 1 for one face."""

    clip: str
    likeness: float


def find_leaks(train: Sequence[Known], test: Sequence[Known], likeness: float) -> dict[str, Leak]:
    """The train clips whose people are in the test clips.

    likeness: cosine similarity from which two people are one. People are compared, each by the mean of all clips under
    one name, and all clips of a train person go together: of a person some clips would always stay below any limit.
    """
    if not train or not test:
        return {}
    train_numbers, train_people = _people(train)
    test_numbers, test_people = _people(test)
    faces = np.stack([known.face for known in test])
    rows = max(1, HELD_AT_ONCE // len(test_people))
    found: dict[int, Leak] = {}
    for begin in range(0, len(train_people), rows):
        alike = train_people[begin : begin + rows] @ test_people.T
        nearest = alike.argmax(axis=1)
        best = alike[np.arange(len(alike)), nearest]
        for row in np.flatnonzero(best >= likeness).tolist():
            theirs = np.flatnonzero(test_numbers == nearest[row])
            closest = theirs[np.argmax(faces[theirs] @ train_people[begin + row])]
            found[begin + row] = Leak(test[closest].clip, float(best[row]))
    leaks = ((known.clip, found.get(int(person))) for known, person in zip(train, train_numbers, strict=True))
    return {clip: leak for clip, leak in leaks if leak is not None}


def _people(clips: Sequence[Known]) -> tuple[np.ndarray, np.ndarray]:
    """The number of each clip's person, and the people's mean faces, (P, 128) float32 of length 1."""
    names, numbers = np.unique([known.person for known in clips], return_inverse=True)
    sums = np.zeros((len(names), len(clips[0].face)))
    np.add.at(sums, numbers, np.stack([known.face for known in clips]))
    return numbers, (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)
