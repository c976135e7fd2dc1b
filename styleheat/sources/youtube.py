"""Fetching a video of YouTube by its id, with yt-dlp as a library.

yt-dlp reads no configuration file of the user's here, runs no external downloader and needs no ffmpeg: it fetches
video and audio as they are stored, and `repack` joins them. Failures become `Unavailable` with a reason from `REASONS`,
and whether another attempt may succeed.

From an address other than YouTube's (a mirror, a test's own server), `<base_url>/watch?v=<id>` must answer with the
video itself.
"""

import io
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from styleheat.clock import progress
from styleheat.errors import InputError
from styleheat.files import DISK_FULL
from styleheat.media.video import probe
from styleheat.params import Youtube
from styleheat.sources.item import LowResolution, Unavailable
from styleheat.sources.repack import repack
from styleheat.sources.segments import Segment, write_segments

VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")

STALLED_S = 30.0
"""Seconds without a byte after which a connection counts as lost."""

REFUSALS = 4
"""Consecutive refused requests, of all processes together, after which a run makes no more."""

FAR_FEWER = 0.7
"""Share of a video's listed height below which the fetched one counts as `LowResolution`."""

MAX_WAIT_S = 120.0
"""Maximum wait between two attempts at one video; each waits twice as long as the one before."""


class Reason(NamedTuple):
    """Why a video can't be fetched, and the messages of yt-dlp and YouTube by which that is recognised.

    transient: another run may succeed, by itself or with cookies or a proxy. The rest is unavailable to everyone.
    at_once: another attempt soon after may succeed.
    refused: YouTube refuses this client, whatever the video.
    """

    name: str
    pattern: str
    transient: bool = True
    at_once: bool = False
    refused: bool = False


REASONS = (  # the first match counts
    Reason("bot check", r"not a bot|captcha|unusual traffic", refused=True),
    Reason("rate limited", r"http error 429|too many requests|rate.?limited|try again later", refused=True),
    Reason("age restricted", r"confirm your age|age.restricted|inappropriate for some users"),
    Reason("geo-blocked", r"in your country|your location|geo.?restrict|http error 451"),
    Reason("private", r"private video|video is private|granted access to this video", transient=False),
    Reason("members only", r"members.only|join this channel|requires payment|\brent|purchase", transient=False),
    Reason("protected", r"\bdrm\b", transient=False),
    Reason("not a video", r"unsupported url|no video formats|requested format|only images"),
    # Only messages about removal by the owner or YouTube are final: available videos are called "unavailable" at times.
    Reason(
        "removed",
        r"(been|was) (removed|deleted|terminated)|removed (by|for|because)|account .*terminated|closed their|"
        r"no longer available (because|due)",
        transient=False,
    ),
    Reason(
        "unavailable",
        r"(?<!service )unavailable|no longer available|(isn't|is not) available|does not exist|http error (404|410)",
    ),
    Reason("not yet shown", r"premieres in|will begin in|is offline|live event"),
    Reason("no JavaScript runtime", r"javascript runtime|challenge solving failed"),
    Reason("forbidden", r"http error 40[13]", at_once=True),
    Reason(
        "network",
        r"http error 5\d\d|timed? ?out|unable to (download|connect)|connection|resolution|incomplete|more expected|"
        r"reset|refused|ssl|certificate|fragment|proxy|remote end|bytes",
        at_once=True,
    ),
)
OTHER = Reason("other", "")


@dataclass
class _Messages:
    """yt-dlp's logger: collects warnings, from which reasons are recognised, and prints nothing."""

    warnings: list[str] = field(default_factory=list)

    def debug(self, message: str) -> None:
        pass

    def info(self, message: str) -> None:
        pass

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    def error(self, message: str) -> None:
        pass


def check_access(access: Youtube) -> None:
    """Raise `InputError` when the cookies file can't be used, before any work starts."""
    if access.cookies is None:
        return
    if not Path(access.cookies).is_file():
        raise InputError(f"youtube.cookies: {access.cookies}: no such file; export one from the browser, or set null")
    _cookies(access.cookies)


def _cookies(path: str) -> str:
    """The content of a cookies file in Netscape's format: lines of seven fields, separated by tabs."""
    wrong = f"youtube.cookies: {path}: {{}}; expected a cookies.txt in Netscape's format, as browser add-ons export it"
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(wrong.format("not UTF-8 text")) from error
    if text.lstrip().startswith(("[", "{")):
        raise InputError(wrong.format("JSON"))
    lines = [line.removeprefix("#HttpOnly_") for line in text.splitlines()]
    cookies = [line for line in lines if line.strip() and not line.startswith("#")]
    if not cookies:
        raise InputError(wrong.format("no cookie in it"))
    odd = next((line for line in cookies if len(line.split("\t")) != 7), None)
    if odd is not None:
        raise InputError(
            wrong.format(f"line {lines.index(odd) + 1} has {len(odd.split(chr(9)))} fields between tabs, not 7")
        )
    return text if text.startswith(("# Netscape", "# HTTP")) else f"# Netscape HTTP Cookie File\n{text}"


def fetch(video: str, lines: int, access: Youtube, path: Path, scratch: Path) -> None:
    """Fetch a video into the mp4 `path`, atomically, at the highest resolution of at most `lines` lines.

    A video that has only higher resolutions is fetched at the lowest of them. scratch: a folder for partly fetched
    files, which another run resumes, and for the number of refusals, which all processes share. Raises `Unavailable`,
    and `OSError` when the disk is full.
    """
    if not VIDEO_ID.fullmatch(video):
        raise Unavailable("not a video id", f"{video!r}: expected 11 letters, digits, - or _")
    scratch.mkdir(parents=True, exist_ok=True)
    attempt = 0
    while True:
        if _refusals(scratch) >= REFUSALS:
            raise Unavailable("not asked for", f"the {REFUSALS} requests before were refused", transient=True)
        try:
            _attempt(video, lines, access, path, scratch)
        except _Failed as failure:
            reason = classify(str(failure), failure.warnings)
            if reason.refused:
                with _refusal_file(scratch).open("ab") as refused:
                    refused.write(b"x")
            if not reason.at_once or attempt == access.retries:
                if not reason.transient:
                    _forget(video, scratch)
                raise Unavailable(reason.name, str(failure), reason.transient) from failure
        else:
            _refusal_file(scratch).unlink(missing_ok=True)
            return _forget(video, scratch)
        time.sleep(min(MAX_WAIT_S, access.pause * 2**attempt))
        attempt += 1


def fetch_segments(
    video: str, segments: Sequence[Segment], lines: int, access: Youtube, scratch: Path, path: Path
) -> list[Path]:
    """`fetch` a video with its sidecar, and return both, as `LowResolution` if it has far fewer lines than listed:
    sometimes YouTube offers no others."""
    fetch(video, lines, access, path, scratch)
    files = [path, write_segments(path, segments)]
    known = [segment.size[1] for segment in segments if segment.size is not None and segment.size[1] > 1]
    had = probe(path).height
    return LowResolution(files, had) if known and had < FAR_FEWER * min(lines, *known) else files


def forget_refusals(scratch: Path) -> None:
    """Forget the refusals of an earlier run; to be called once before videos are fetched."""
    _refusal_file(scratch).unlink(missing_ok=True)


def _refusals(scratch: Path) -> int:
    file = _refusal_file(scratch)
    return file.stat().st_size if file.exists() else 0


def _refusal_file(scratch: Path) -> Path:
    """A file of as many bytes as there were consecutive refusals."""
    return scratch / "refused"


def _forget(video: str, scratch: Path) -> None:
    for part in scratch.glob(f"{video}.*"):
        part.unlink(missing_ok=True)


def classify(message: str, warnings: list[str]) -> Reason:
    """The reason for an error message of yt-dlp.

    Without a JavaScript runtime YouTube offers no formats, or forbidden ones: then the warnings contain the reason.
    """
    runtime = next(reason for reason in REASONS if reason.name == "no JavaScript runtime")
    found = next((reason for reason in REASONS if re.search(reason.pattern, _plain(message))), OTHER)
    if found.name in ("forbidden", "not a video") and any(re.search(runtime.pattern, _plain(w)) for w in warnings):
        return runtime
    return found


class _Failed(Exception):
    def __init__(self, message: str, warnings: list[str]) -> None:
        super().__init__(message)
        self.warnings = warnings


def _attempt(video: str, lines: int, access: Youtube, path: Path, scratch: Path) -> None:
    import yt_dlp

    messages = _Messages()
    try:
        with yt_dlp.YoutubeDL(_options(lines, access, scratch / video, messages)) as downloader:
            info = downloader.extract_info(f"{access.base_url.rstrip('/')}/watch?v={video}")
    except yt_dlp.utils.YoutubeDLError as error:
        _raise_disk_full(error)
        text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # colours
        text = text.partition("; please report this issue")[0]
        raise _Failed(" ".join(text.split()), messages.warnings) from error
    parts = [Path(part["filepath"]) for part in (info or {}).get("requested_downloads", ())]
    if not parts:
        raise _Failed("no video formats", messages.warnings)
    try:
        repack(parts[0], parts[-1], path)
    except InputError as error:
        _forget(video, scratch)
        detail = f"{video}: {str(error).partition(': ')[2]}"  # without the name of a temporary file
        raise Unavailable("not a video", detail, transient=True) from error


def _options(lines: int, access: Youtube, part: Path, messages: _Messages) -> dict[str, Any]:
    youtube = (urlsplit(access.base_url).hostname or "").endswith("youtube.com")
    cookies = None if access.cookies is None else io.StringIO(_cookies(access.cookies))
    return {
        "allowed_extractors": ["youtube$" if youtube else "generic"],
        "format": _choose,
        "format_sort": [f"res:{lines}", "vcodec:h264", "acodec:aac"],
        "outtmpl": str(part).replace("%", "%%") + ".%(format_id)s.%(ext)s",
        "noplaylist": True,
        "overwrites": False,
        "continuedl": True,
        "fixup": "never",
        "hls_prefer_native": True,
        "external_downloader": {"default": "native"},
        "js_runtimes": {"deno": {}, "node": {}, "bun": {}, "quickjs": {}},
        "cachedir": False,
        "cookiefile": cookies,  # a copy: yt-dlp writes changed cookies back
        "proxy": access.proxy,
        "ratelimit": access.rate_limit,
        "sleep_interval_requests": access.pause,
        "sleep_interval": access.pause,
        "socket_timeout": STALLED_S,
        "retries": 0,  # `fetch` counts the attempts, and waits between them
        "extractor_retries": 0,
        "fragment_retries": access.retries,
        "retry_sleep_functions": {"fragment": lambda n: min(MAX_WAIT_S, access.pause * 2**n)},
        "quiet": True,
        "noprogress": True,
        "logger": messages,
        "progress_hooks": [lambda _: progress()],
    }


def _choose(context: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The formats to fetch, of all sorted from worst to best: the best video, and the best audio if it has none."""
    formats = list(context["formats"])
    videos = [entry for entry in formats if entry.get("vcodec") != "none"]
    if not videos:
        return
    yield videos[-1]
    if videos[-1].get("acodec") == "none":
        audios = [entry for entry in formats if entry.get("vcodec") == "none" and entry.get("acodec") != "none"]
        yield from audios[-1:]


def _raise_disk_full(error: BaseException) -> None:
    cause: Any = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in DISK_FULL:
            raise cause
        cause = getattr(cause, "cause", None) or (getattr(cause, "exc_info", None) or (0, 0))[1] or cause.__cause__


def _plain(text: str) -> str:
    return text.lower().replace("’", "'")
