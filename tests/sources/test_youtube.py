"""Real yt-dlp against a server on loopback."""

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from styleheat.clock import time_limit
from styleheat.errors import InputError
from styleheat.media.audio import read_audio
from styleheat.media.video import probe
from styleheat.sources import youtube
from styleheat.sources.item import Unavailable

ID = "abcdefghij-"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("behaviour", ["ok", "redirect", "cut once"])
def test_fetches_the_complete_video_with_its_audio(behaviour, server, tmp_path):
    server.behaviour[ID] = behaviour
    youtube.fetch(ID, 720, server.access(), tmp_path / "it.mp4", tmp_path / "parts")
    assert files(tmp_path) == ["it.mp4"]
    info = probe(tmp_path / "it.mp4")
    assert (info.width, info.height, info.frames, info.has_audio) == (64, 48, 25, True)
    assert abs(read_audio(tmp_path / "it.mp4")).max() > 0.05


@pytest.mark.parametrize(
    "behaviour, reason, transient, requests",
    [  # an answer that is media is asked for twice: to see what it is, and to fetch it
        ("404", "unavailable", True, 1),
        ("410", "unavailable", True, 1),
        ("403", "forbidden", True, 2),
        ("429", "rate limited", True, 1),
        ("503", "network", True, 2),
        ("cut", "network", True, 4),
        ("stall", "network", True, 4),
        ("html", "not a video", True, 1),
        ("html as video", "not a video", True, 2),
    ],
)
def test_failures_have_reasons(behaviour, reason, transient, requests, server, tmp_path, monkeypatch):
    monkeypatch.setattr(youtube, "STALLED_S", 0.4)
    server.behaviour[ID] = behaviour
    with pytest.raises(Unavailable) as lost:
        youtube.fetch(ID, 720, server.access(retries=1), tmp_path / "it.mp4", tmp_path / "parts")
    assert (lost.value.reason, lost.value.transient) == (reason, transient)
    assert "tmp" not in lost.value.detail
    assert server.requests[ID] == requests
    assert all(name.startswith("parts/") for name in files(tmp_path))


def test_joins_video_and_audio_within_the_lines_asked_for(server, tmp_path):
    server.behaviour[ID] = "manifest"
    youtube.fetch(ID, 720, server.access(), tmp_path / "it.mp4", tmp_path / "parts")
    assert set(server.requests) == {ID, "small------", "audio------"}
    info = probe(tmp_path / "it.mp4")
    assert (info.frames, info.has_audio) == (25, True)
    assert files(tmp_path) == ["it.mp4"]


def test_retries_are_counted_and_wait_longer_each_time(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(youtube.time, "sleep", waits.append)
    server.behaviour[ID] = "503"
    with pytest.raises(Unavailable):
        youtube.fetch(ID, 720, server.access(retries=3, pause=0.01), tmp_path / "it.mp4", tmp_path / "parts")
    assert server.requests[ID] == 4
    assert [wait for wait in waits if wait >= 0.01][-3:] == [0.01, 0.02, 0.04]


def test_refusals_end_the_requests(server, tmp_path):
    """YouTube refuses whoever asks: a dozen videos don't cost a dozen requests, and the next run begins anew."""
    names = [f"video-----{k:x}" for k in range(12)]
    server.behaviour = dict.fromkeys(names, "429")
    reasons = []
    for name in names:
        with pytest.raises(Unavailable) as lost:
            youtube.fetch(name, 720, server.access(), tmp_path / f"{name}.mp4", tmp_path / "parts")
        reasons.append(lost.value.reason)
        assert lost.value.transient
    assert reasons == ["rate limited"] * 4 + ["not asked for"] * 8
    assert sum(server.requests.values()) == 4
    youtube.forget_refusals(tmp_path / "parts")
    server.behaviour.clear()
    youtube.fetch(names[0], 720, server.access(), tmp_path / "it.mp4", tmp_path / "parts")


def test_what_was_fetched_before_is_not_fetched_again(server, tmp_path, monkeypatch):
    """Of a run that was killed, or a connection that broke off."""
    server.behaviour[ID] = "cut"
    with pytest.raises(Unavailable):
        youtube.fetch(ID, 720, server.access(retries=0), tmp_path / "it.mp4", tmp_path / "parts")
    assert [name for name in files(tmp_path) if name.endswith(".part")]
    server.behaviour[ID] = "ok"
    server.starts.clear()
    youtube.fetch(ID, 720, server.access(), tmp_path / "it.mp4", tmp_path / "parts")
    assert files(tmp_path) == ["it.mp4"] and probe(tmp_path / "it.mp4").frames == 25
    assert server.starts[-1] > 0  # near where the connection broke off


def test_a_slow_video_takes_longer_than_the_limit_without_progress(server, tmp_path):
    server.behaviour[ID] = "slow"
    with time_limit(0.3, may_exit=False):
        youtube.fetch(ID, 720, server.access(), tmp_path / "it.mp4", tmp_path / "parts")
    assert probe(tmp_path / "it.mp4").frames == 25


def test_nobody_listening_is_the_network(server, tmp_path):
    access = server.access(base_url="http://127.0.0.1:9", retries=0)
    with pytest.raises(Unavailable) as lost:
        youtube.fetch(ID, 720, access, tmp_path / "it.mp4", tmp_path / "parts")
    assert (lost.value.reason, lost.value.transient) == ("network", True)


def test_cookies_are_sent_and_left_as_they_are(server, tmp_path):
    cookies = tmp_path / "cookies.txt"
    text = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t4102444800\ttoken\tabc\n"
    cookies.write_text(text)
    youtube.fetch(ID, 720, server.access(cookies=str(cookies)), tmp_path / "it.mp4", tmp_path / "parts")
    assert server.cookies == {"token=abc"}
    assert cookies.read_text() == text


def test_missing_cookies_are_reported_before_any_work(server):
    with pytest.raises(InputError, match=r"youtube\.cookies: nowhere\.txt: no such file"):
        youtube.check_access(server.access(cookies="nowhere.txt"))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'[{"domain": ".youtube.com"}]', "JSON"),
        ("# Netscape\n.youtube.com\tTRUE".encode("utf-16"), "not UTF-8"),
        (b"", "no cookie in it"),
        (b"# Netscape HTTP Cookie File\n", "no cookie in it"),
        (b"# Netscape HTTP Cookie File\n.youtube.com TRUE / FALSE 0 a b\n", "line 2 has 1 fields"),
    ],
)
def test_cookies_in_another_form_are_reported_before_any_work(content, line, server, tmp_path):
    (tmp_path / "cookies.txt").write_bytes(content)
    with pytest.raises(InputError, match=rf"youtube\.cookies: .*cookies\.txt: {line}.*Netscape's format"):
        youtube.check_access(server.access(cookies=str(tmp_path / "cookies.txt")))


def test_a_byte_order_mark_is_no_fault_of_cookies(server, tmp_path):
    cookies = tmp_path / "cookies.txt"
    text = "\ufeff# Netscape HTTP Cookie File\n#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t4102444800\ttoken\tabc\n"
    cookies.write_text(text, encoding="utf-8")
    access = server.access(cookies=str(cookies))
    youtube.check_access(access)
    youtube.fetch(ID, 720, access, tmp_path / "it.mp4", tmp_path / "parts")
    assert server.cookies == {"token=abc"}


def test_user_configuration_is_ignored(server, tmp_path, monkeypatch):
    """The format "worst", or a download archive, of the user's own must not touch a data set."""
    (tmp_path / "home/.config/yt-dlp").mkdir(parents=True)
    (tmp_path / "home/.config/yt-dlp/config").write_text("--simulate\n--exec 'touch ran'\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home/.config"))
    youtube.fetch(ID, 720, server.access(), tmp_path / "it.mp4", tmp_path / "parts")
    assert (tmp_path / "it.mp4").exists()
    assert not Path("ran").exists()


def test_a_full_disk_ends_the_run(server, tmp_path, monkeypatch):
    import yt_dlp

    def full(*_, **__):
        cause = OSError(errno.ENOSPC, "No space left on device")
        raise yt_dlp.utils.DownloadError("unable to write data", (OSError, cause, None))

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", full)
    with pytest.raises(OSError) as caught:
        youtube.fetch(ID, 720, server.access(), tmp_path / "it.mp4", tmp_path / "parts")
    assert caught.value.errno == errno.ENOSPC


@given(st.text(max_size=14).filter(lambda text: not youtube.VIDEO_ID.fullmatch(text)))
def test_only_video_ids_are_asked_for(text):
    with pytest.raises(Unavailable) as lost:
        youtube.fetch(text, 720, None, Path("nowhere"), Path("nowhere"))  # type: ignore[arg-type]  # never looked at
    assert (lost.value.reason, lost.value.transient) == ("not a video id", False)


@pytest.mark.parametrize(
    "message, reason",
    [
        ("ERROR: [youtube] x: Sign in to confirm you’re not a bot. Use --cookies", "bot check"),
        ("Video unavailable. The uploader has not made this video available in your country", "geo-blocked"),
        ("Video unavailable. It contains content from X, who has blocked it in your country", "geo-blocked"),
        ("Private video. Sign in if you've been granted access to this video", "private"),
        ("This video has been removed by the uploader", "removed"),
        ("Video unavailable. The account associated with this video has been terminated.", "removed"),
        ("Video unavailable", "unavailable"),
        ("This video is no longer available", "unavailable"),
        ("Sign in to confirm your age. This video may be inappropriate for some users.", "age restricted"),
        ("This content isn't available, try again later. The session has been rate-limited", "rate limited"),
        ("Join this channel to get access to members-only content", "members only"),
        ("Premieres in 3 hours", "not yet shown"),
        ("<urlopen error [Errno -3] Temporary failure in name resolution>", "network"),
        ("Something nobody has ever said", "other"),
    ],
)
def test_messages_are_distinguished(message, reason):
    assert youtube.classify(message, []).name == reason


def test_a_missing_javascript_runtime_is_named():
    """YouTube then hands out no formats, which by itself would look like a fault of the video."""
    warning = "No supported JavaScript runtime could be found. Only deno is enabled by default"
    message = "ERROR: [youtube] x: Requested format is not available"
    assert youtube.classify(message, [warning]).name == "no JavaScript runtime"
    assert youtube.classify(message, []).name == "not a video"
    assert youtube.classify("Private video", [warning]).name == "private"


def test_formats_chosen():
    audio = {"format_id": "140", "vcodec": "none", "acodec": "aac"}
    poor = {"format_id": "18", "vcodec": "h264", "acodec": "aac"}
    fine = {"format_id": "137", "vcodec": "h264", "acodec": "none"}
    unknown = {"format_id": "0"}

    def chosen(*formats):
        return [entry["format_id"] for entry in youtube._choose({"formats": formats})]

    assert chosen(audio, poor, fine) == ["137", "140"]
    assert chosen(audio, poor) == ["18"]
    assert chosen(fine) == ["137"]
    assert chosen(unknown) == ["0"]
    assert chosen(audio) == []
