"""The report of an evaluation: a strip of sample frames, and a page of tables, distributions and videos."""

import html
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from styleheat import files
from styleheat.evaluation.clip import read_result
from styleheat.evaluation.panels import GAP
from styleheat.evaluation.protocols import PROTOCOLS, Result
from styleheat.media.image import read_image, write_image

SHOWN = 2
"""Clips of each protocol in the strip."""

QUALITY = 80
"""Of the strip as JPEG."""

CAPTION = 18
"""Pixels of a line of text in the strip."""

EXTREMES = 3
"""Best and worst clips of a protocol that the page shows."""

SORTED_BY = {"same_identity": "psnr", "cross_identity": "identity", "speech": "mouth_correlation"}
"""The score by which clips are best or worst; higher is better."""

BINS = 12
"""Of a distribution."""


def write_strip(path: str | Path, folder: Path, results: Mapping[str, Mapping[str, Result]]) -> None:
    """An image: for each protocol its name, and the rows of its first clips (`panels.write_rows`)."""
    parts: list[np.ndarray] = []
    for protocol in PROTOCOLS:
        clips = [clip for clip, found in results.items() if protocol in found][:SHOWN]
        rows = [read_image(folder / clip / f"{protocol}.png") for clip in clips]
        if rows:
            parts += [_caption(protocol, rows[0].shape[1]), *rows]
    write_image(path, np.concatenate(parts), QUALITY)


def write_page(
    out: str | Path, folder: Path, results: Mapping[str, Mapping[str, Result]], numbers: Mapping[str, Any], setup: str
) -> None:
    """A folder of all videos, `<protocol>_<number>.mp4`, and `report.html`, which shows them and the numbers of
    `summary`. setup: a line on what was scored. The folder can be copied anywhere."""
    with files.atomic(out) as made:
        made.mkdir()
        videos: dict[tuple[str, str], str] = {}
        for protocol in PROTOCOLS:
            for number, clip in enumerate(clip for clip, found in results.items() if protocol in found):
                videos[protocol, clip] = f"{protocol}_{number}.mp4"
                shutil.copy(folder / clip / f"{protocol}.mp4", made / videos[protocol, clip])
        (made / "report.html").write_text("\n".join(_page(results, numbers, videos, setup)), encoding="utf-8")


def all_results(folder: Path, clips: list[str]) -> dict[str, dict[str, Result]]:
    return {clip: read_result(folder, clip) for clip in clips}


def _caption(text: str, width: int) -> np.ndarray:
    line = np.full((CAPTION, width, 3), 255, np.uint8)
    return cv2.putText(line, text, (GAP, CAPTION - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)


# --- the page

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; } td, th { padding: .15rem .7rem; text-align: right; }
td:first-child, th:first-child { text-align: left; } tr:nth-child(even) { background: #f4f4f4; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem; }
figure { margin: 0; } video { width: 100%; background: #ddd; }
figcaption { font-size: .85rem; overflow-wrap: anywhere; }
.scores { display: flex; flex-wrap: wrap; gap: 1rem; } svg { display: block; } rect { fill: #4a7ab5; }
"""

EXPLANATION = {
    "same_identity": "A clip's first frame, driven by that clip.",
    "cross_identity": "A clip's first frame, driven by another person's clip.",
    "speech": "A clip's first frame, driven by the clip's audio.",
}


def _page(
    results: Mapping[str, Mapping[str, Result]],
    numbers: Mapping[str, Any],
    videos: Mapping[tuple[str, str], str],
    setup: str,
) -> Iterator[str]:
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Evaluation</title><style>{STYLE}</style>'
    yield f"</head><body><h1>Evaluation</h1><p>{html.escape(setup)}</p>"
    for protocol in PROTOCOLS:
        found = {clip: result[protocol] for clip, result in results.items() if protocol in result}
        yield f"<h2>{protocol}</h2><p>{EXPLANATION[protocol]}</p>"
        if not found:
            yield f"<p>Not evaluated: {html.escape(str(numbers[protocol].get('missing', '')))}.</p>"
            continue
        yield from _table(numbers[protocol])
        yield "<h3>Distributions over clips</h3><div class=scores>"
        for score in next(iter(found.values())).scores:
            values = [value for result in found.values() if (value := result.scores[score]) is not None]
            if len(values) > 1:
                yield _histogram(score, values)
        yield "</div>"
        yield from _clips(protocol, found, videos)
    yield "</body></html>"


def _table(numbers: Mapping[str, Any]) -> Iterator[str]:
    counted = f"{numbers['clips']} clips of {numbers['people']} people"
    yield f"<p>{counted}; lips fit best at a lag of {numbers['lag']} frames.</p>"
    yield "<table><tr><th>score<th>model<th>95 % confidence<th>source repeated<th>target itself</tr>"
    for score, value in numbers.items():
        if not isinstance(value, float):
            continue
        low, high = (numbers.get(bound, {}).get(score) for bound in ("low", "high"))
        between = "" if low is None or high is None else f"{low:.3f} … {high:.3f}"
        others = (numbers[group].get(score) for group in ("trivial", "ceiling"))
        cells = "".join("<td>" if other is None else f"<td>{other:.3f}" for other in others)
        yield f"<tr><td>{score}<td>{value:.3f}<td>{between}{cells}</tr>"
    yield "</table>"


def _histogram(score: str, values: list[float]) -> str:
    counts, edges = np.histogram(values, BINS)
    bars = "".join(
        f'<rect x="{10 * number}" y="{50 - 50 * count / counts.max():.1f}" width="9" '
        f'height="{50 * count / counts.max():.1f}"><title>{count} clips, {edges[number]:.3f} … {edges[number + 1]:.3f}'
        "</title></rect>"
        for number, count in enumerate(counts)
    )
    size = f'width="{10 * BINS}" height="52" viewBox="0 0 {10 * BINS} 52"'
    return f"<div><b>{score}</b><svg {size}>{bars}</svg>{edges[0]:.3f} … {edges[-1]:.3f}</div>"


def _clips(protocol: str, found: Mapping[str, Result], videos: Mapping[tuple[str, str], str]) -> Iterator[str]:
    score = SORTED_BY[protocol]

    def order(clip: str) -> float:
        value = found[clip].scores[score]
        return -np.inf if value is None else value

    ranked = sorted(found, key=order, reverse=True)
    if len(ranked) <= 2 * EXTREMES:
        groups = {f"All clips, best {score} first": ranked}
    else:
        groups = {f"Best by {score}": ranked[:EXTREMES], f"Worst by {score}": ranked[-EXTREMES:][::-1]}
    for title, clips in groups.items():
        yield f"<h3>{title}</h3><p>Source, target, generated.</p><div class=clips>"
        for clip in clips:
            value = found[clip].scores[score]
            said = "no face found" if value is None else f"{score} {value:.3f}"
            yield f'<figure><video src="{videos[protocol, clip]}#t=0.001" controls loop preload="metadata"></video>'
            yield f"<figcaption>{html.escape(found[clip].name)}: {said}</figcaption></figure>"
        yield "</div>"
