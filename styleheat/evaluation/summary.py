"""Aggregates the results of single clips into `metrics/evaluate.json`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from styleheat.evaluation import keypoints, learned
from styleheat.evaluation.metrics import MAX_LAG, best_lag
from styleheat.evaluation.protocols import NEEDS, PROTOCOLS, REAL, Result

DIGITS = 4
"""Decimals: enough for any conclusion, few enough that the order of a sum of floats doesn't show."""

RESAMPLES, CONFIDENCE = 1000, 0.95
"""Of the bootstrap."""

LARGE_POSE = 15.0
"""Degrees between the heads of source and driver from which a pair counts as one of large pose (HyperReenact,
arXiv 2307.10797)."""


def summary(results: Mapping[str, Mapping[str, Result]], features: Path | None = None) -> dict[str, Any]:
    """Clips' results, by clip and protocol → numbers by protocol, and for protocols without any, what they need.

    features: the folder of `of_sets`; None: without the scores of networks. `left_out` names the scores that could not
    be had, and what they need.
    """
    numbers: dict[str, Any] = {}
    for protocol in PROTOCOLS:
        members = [found[protocol] for found in results.values() if protocol in found]
        if not members:
            numbers[protocol] = {"clips": 0, "missing": NEEDS.get(protocol, "no clip could be evaluated")}
            continue
        numbers[protocol] = of_protocol(members)
        if protocol == "cross_identity":
            large = [member for member in members if (member.pose_difference or 0) > LARGE_POSE]
            if large:
                numbers[protocol]["large_pose"] = of_protocol(large)
    left_out = [] if features else [learned.LEFT_OUT]
    if not any("akd" in found["same_identity"].scores for found in results.values() if "same_identity" in found):
        left_out.append(keypoints.LEFT_OUT)
    if features is not None:
        for protocol, sets in of_sets(features, results).items():
            numbers[protocol] |= sets
    return numbers | ({"left_out": "; ".join(left_out)} if left_out else {})


def of_sets(folder: Path, results: Mapping[str, Mapping[str, Result]]) -> dict[str, dict[str, float]]:
    """By protocol, FID and KID of all its generated frames against all frames of the clips, and the numbers of both;
    from the features that `protocols.Evaluator` left in a folder for each clip."""
    real = np.concatenate([np.load(folder / clip / REAL) for clip in results])
    numbers: dict[str, dict[str, float]] = {}
    for protocol in PROTOCOLS:
        clips = [clip for clip, found in results.items() if protocol in found]
        if clips:
            generated = np.concatenate([np.load(folder / clip / f"{protocol}.npy") for clip in clips])
            numbers[protocol] = distances(generated, real)
    return numbers


def distances(generated: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """FID and KID of Inception's features (N,2048), and how many images they are of."""
    scores = {"fid": learned.frechet(generated, real), "kid": learned.kernel(generated, real)}
    return {**_rounded(scores), "images": len(generated), "real_images": len(real)}


def of_protocol(members: Sequence[Result]) -> dict[str, Any]:
    """Means over clips; `trivial` and `ceiling` alike; the bounds of 95 % confidence (`low`, `high`); and the lag in
    frames at which the lips fit best, positive when the generated lips come late, with the mean correlation there.

    Scores that no clip has (no face found in any frame) are left out. Where voices are known, `voices` has the same of
    each.
    """
    numbers = _of_group(members)
    numbers |= _intervals(members)
    voices = sorted({member.voice for member in members if member.voice is not None})
    if voices:
        numbers["voices"] = {voice: _of_group([one for one in members if one.voice == voice]) for voice in voices}
    return numbers


def _of_group(members: Sequence[Result]) -> dict[str, Any]:
    tracks = np.array([member.lags for member in members], float)
    lags = np.ma.masked_invalid(tracks).mean(axis=0).filled(np.nan)
    lag = best_lag(lags)
    return {
        **_means([member.scores for member in members]),
        **_rounded({"lag_correlation": float(lags[lag + MAX_LAG])}),
        "lag": lag,
        "clips": len(members),
        "people": len({member.person for member in members}),
        "trivial": _means([member.trivial for member in members]),
        "ceiling": _means([member.ceiling for member in members]),
    }


def _means(scores: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """The mean of each score over the clips that have it."""
    found = {key: [value for one in scores if (value := one[key]) is not None] for key in scores[0]}
    return _rounded({key: float(np.mean(values)) for key, values in found.items() if values})


def _intervals(members: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Percentile bootstrap (Efron 1979) of the means, by person, as clips of one person are alike; none for one person
    alone."""
    people = sorted({member.person for member in members})
    if len(people) < 2:
        return {}
    drawn = np.random.default_rng(0).integers(len(people), size=(RESAMPLES, len(people)))
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for key in members[0].scores:
        sums, counts = np.zeros(len(people)), np.zeros(len(people))
        for member in members:
            value = member.scores[key]
            if value is not None:
                sums[people.index(member.person)] += value
                counts[people.index(member.person)] += 1
        total = counts[drawn].sum(1)
        if counts.any():
            means = (sums[drawn].sum(1) / np.maximum(total, 1))[total > 0]
            tails = 50 * (1 - CONFIDENCE)
            low[key], high[key] = (float(bound) for bound in np.percentile(means, [tails, 100 - tails]))
    return {"low": _rounded(low), "high": _rounded(high)}


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value, DIGITS) for key, value in scores.items() if np.isfinite(value)}
