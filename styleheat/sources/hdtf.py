"""HDTF: politicians' addresses and radio hosts on YouTube, in high resolution (CC BY 4.0).

Each part (RD, WDA, WRA) has five lists, fetched when they are missing: `video_url`, `resolution`,
`annotion_time` (sic: the ranges of each video), `crop_wh` (a crop window for each range) and `crop_ratio` (by how
much a detected face box is enlarged instead). Full videos are fetched, and a sidecar lists what the crop stage cuts.

Irregularities of the lists: a byte-order mark, `&t=6s` on addresses, trailing blanks, `.mp4` on names in some, videos
without ranges, ranges without a window, a resolution of 0, one video under two names.
"""

import re
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from styleheat.errors import InputError
from styleheat.params import Youtube
from styleheat.sources import youtube
from styleheat.sources.item import Item, Split, Unavailable, faulty, safe_name, shuffled
from styleheat.sources.lists import obtain, read_text
from styleheat.sources.segments import Segment

LISTS_URL = "https://raw.githubusercontent.com/MRzzm/HDTF/bbde889bbab954c9a9ebcabe9962885c29f2165e/HDTF_dataset/"
LISTS_SHA256 = {
    "RD_annotion_time.txt": "6e0e3b8139697d64ce92f252c9eb62d268b9262c628682803b9aed282f2068a7",
    "RD_crop_ratio.txt": "4d40ce76731d2796f5415fcbba4a173551d634cbcca49862cfaac9cd8a2c6370",
    "RD_crop_wh.txt": "5887006297bc96b91af5f2dae51ffc2f46816dcf1018325666fda756dabeb6f6",
    "RD_resolution.txt": "b4797a0fada19918ffef4f39447675fe1187f48d1292955ecfb7e7754092e384",
    "RD_video_url.txt": "ae197ad34dc155082897637db41a298fe19fa937df4bfdc1b6aad021fcf2418e",
    "WDA_annotion_time.txt": "b7fb834e95918d6e87deb7afc9da8dc1c1c17ab454dc33887fe16fe945586f61",
    "WDA_crop_ratio.txt": "0445c39a50b264636f5c04ea236e53aea17afdbed9c48b516bc04e94ae42736a",
    "WDA_crop_wh.txt": "3a2c1ba0255e05ec4a3d2a47180f16b0eba1e60976ee146d0162b872e473e151",
    "WDA_resolution.txt": "b9dbc35320b09b57771ec79c1aedc3624bda872c51390232631cce3444e0c10d",
    "WDA_video_url.txt": "a8cee0c92ac59f27fead5a2e6a5387beadcca8b80134f7dcb433f18f1ee86586",
    "WRA_annotion_time.txt": "7a49a55a841a45ab41cd1ff64f18bb83e79fa5799d1178d3ca36490eed54f1ed",
    "WRA_crop_ratio.txt": "a4ff43641aca3435bc5cfb34d1038c735afcad1557442bd4a600c6dddf8688d0",
    "WRA_crop_wh.txt": "fd08b34596f0b5d3df7859bac7f4fd339aaf35b466ee018b3fdb8feab75838f2",
    "WRA_resolution.txt": "10108707a870259fde4f404eb3ab1617bbece3bbb8a176eb1120db1c7d3d9fc5",
    "WRA_video_url.txt": "04fd736a4c312a25309071d4b9e55c1989de5e3f37d2e54081c8bfc4dad84def",
}
PARTS = ("RD", "WDA", "WRA")

UNNAMED = "Radio"
"""The videos of RD are called Radio1, Radio2…: it is not known which show the same person, so none is held out."""


def items(folder: Path, lines: int, test_people: int, access: Youtube, scratch: Path) -> list[Item]:
    """One item a video, whose id is YouTube's; `test_people` people are held out, the same ones for every subset.

    lines: maximum height of a fetched video.
    Raises `InputError` when a list can't be read.
    """
    for name, sha256 in LISTS_SHA256.items():
        obtain(folder / name, LISTS_URL + name, sha256)
    videos: dict[str, list[Segment]] = {}
    people: dict[str, str] = {}  # of each video
    for part in PARTS:
        for video, name, segments in read_part(folder, part):
            person = _person(name)
            people[video] = min(person, people.get(video, person))  # one video under two names
            videos.setdefault(video, []).extend(segments)

    named = (people[video] for video, segments in videos.items() if segments and people[video] != UNNAMED)
    held_out = set(shuffled(named)[:test_people])
    found = []
    for video, segments in videos.items():
        split: Split = "test" if people[video] in held_out else "train"
        key = ["hdtf", video, lines, [list(vars(segment).values()) for segment in segments]]
        if not segments:
            fault = Unavailable("not in the crop lists", f"{video}: HDTF lists no range with a window for it")
            found.append(faulty(video, people[video], key, fault, clips=0))
            continue
        fetch = partial(youtube.fetch_segments, video, segments, lines, access, scratch)
        found.append(Item(video, people[video], split, key, fetch, clips=len(segments)))
    return found


def read_part(folder: Path, part: str) -> list[tuple[str, str, list[Segment]]]:
    """(YouTube id, name, clips) of each video of a part. Clips without a window in the lists were rejected by HDTF.

    Raises `InputError` that names the file and the line that can't be read.
    """
    urls = _table(folder / f"{part}_video_url.txt", r"\S+")
    ranges = _table(folder / f"{part}_annotion_time.txt", r"(?:\d+:\d+-\d+:\d+\s*)+")
    resolutions = _table(folder / f"{part}_resolution.txt", r"\d+")
    windows = _table(folder / f"{part}_crop_wh.txt", r"\d+\s+\d+\s+\d+\s+\d+")
    ratios = _table(folder / f"{part}_crop_ratio.txt", r"\d+(?:\.\d+)?")
    found = []
    for name, url in urls.items():
        video = parse_qs(urlsplit(url).query).get("v", [""])[0]
        if not youtube.VIDEO_ID.fullmatch(video):
            raise InputError(f"{folder}/{part}_video_url.txt: {name}: {url} is not the address of a YouTube video")
        height = int(resolutions.get(name, "0"))
        segments = []
        for index, text in enumerate(ranges.get(name, "").split()):
            clip = f"{name}_{index}"
            if clip not in windows:
                continue
            x, width, y, depth = (int(side) for side in windows[clip].split())
            start, end = (_seconds(time) for time in text.split("-"))
            segments.append(
                Segment(
                    clip=safe_name(clip),
                    person=_person(name),
                    start=start,
                    end=end,
                    size=(None, height) if height else None,
                    crop=(x, y, x + width, y + depth),
                    ratio=float(ratios[clip]) if clip in ratios else None,
                )
            )
        found.append((video, name, segments))
    return found


def _table(path: Path, pattern: str) -> dict[str, str]:
    """`name value` lines as a mapping, names without `.mp4`."""
    table = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        name, _, value = line.strip().partition(" ")
        if not re.fullmatch(pattern, value.strip()):
            raise InputError(f"{path}: line {number} is not understood: {line.strip()!r}")
        table[name.removesuffix(".mp4")] = value.strip()
    return table


def _seconds(time: str) -> float:
    minutes, seconds = time.split(":")
    return 60.0 * int(minutes) + int(seconds)


def _person(name: str) -> str:
    """DebFischer1 is DebFischer's second video."""
    return re.sub(r"\d+$", "", name)
