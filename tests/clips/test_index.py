"""The index of a per-clip stage: what runs, what is kept, and what survives a kill."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.clips import index
from styleheat.clips.index import Account, process
from styleheat.clips.workers import Outcome, Task
from styleheat.errors import InputError
from styleheat.files import atomic


def write_text(clip: str, folder: Path, text: str) -> Outcome:
    with atomic(folder / "train" / f"{clip}.txt") as temporary:
        temporary.write_text(text)
    with (folder.parent / "worked.log").open("a") as log:
        log.write(f"{clip}\n")
    return Outcome(files=[folder / "train" / f"{clip}.txt"], facts={"letters": len(text)})


def misbehave(clip: str, folder: Path) -> Outcome:
    match clip:
        case "absent face":
            return Outcome(reason="no face", detail="in none of 20 frames")
        case "bad file":
            raise InputError("a.mp4: no video stream; a video file is needed")
        case "bug":
            raise KeyError("nose")
        case "not finite":
            return Outcome(facts={"share": float("nan")})
        case "network":
            return Outcome(reason="network", transient=True)
        case "hangs":
            time.sleep(60)
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hangs natively":
            # Holds off the alarm as a call into native code does that never returns.
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            time.sleep(60)
    return write_text(clip, folder, clip)


def tasks_of(folder: Path, texts: dict[str, str]) -> dict[str, Task]:
    return {clip: Task(text, (folder, text)) for clip, text in texts.items()}


def worked(folder: Path) -> list[str]:
    log = folder.parent / "worked.log"
    names = sorted(log.read_text().split()) if log.exists() else []
    log.unlink(missing_ok=True)
    return names


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("workers", [1, 2])
def test_only_what_changed_is_done(tmp_path: Path, workers: int) -> None:
    folder = tmp_path / "out"
    texts = {f"clip{k}": f"text {k}" for k in range(6)}
    assert process(folder, tasks_of(folder, texts), write_text, workers=workers) == Account(6, 6, 0, {})
    assert worked(folder) == sorted(texts)
    first = (folder / index.INDEX).read_bytes()

    assert process(folder, tasks_of(folder, texts), write_text, workers=workers) == Account(6, 6, 6, {})
    assert worked(folder) == []
    assert (folder / index.INDEX).read_bytes() == first

    texts = {"clip1": "text 1", "clip2": "changed", "new": "text"}
    (folder / "train" / "clip3.txt").unlink()
    assert process(folder, tasks_of(folder, texts), write_text, workers=workers) == Account(3, 3, 1, {})
    assert worked(folder) == ["clip2", "new"]
    assert files_in(folder) == {"index.json", "train/clip1.txt", "train/clip2.txt", "train/new.txt"}
    assert {clip: out.facts["letters"] for clip, out in index.outputs(folder, ".txt").items()} == {
        "clip1": 6,
        "clip2": 7,
        "new": 4,
    }


@settings(max_examples=25, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["1", "2"])), min_size=1, max_size=4))
def test_history_leaves_no_trace(tmp_path_factory: pytest.TempPathFactory, history: list[dict[str, str]]) -> None:
    """Whatever was in the folder before, it ends with the bytes that a fresh run makes."""
    used, fresh = (tmp_path_factory.mktemp("history") / name for name in ("used", "fresh"))
    for texts in history:
        process(used, tasks_of(used, texts), write_text)
    process(fresh, tasks_of(fresh, history[-1]), write_text)
    assert files_in(used) == files_in(fresh)
    assert all((used / name).read_bytes() == (fresh / name).read_bytes() for name in files_in(fresh))


def test_bad_clips_are_recorded_with_their_reasons(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    clips = [
        "absent face",
        "bad file",
        "bug",
        "not finite",
        "network",
        "hangs",
        "dies",
        "hangs natively",
        "good",
        "well",
    ]
    tasks = {clip: Task(clip, (folder,)) for clip in clips}
    account = process(folder, tasks, misbehave, workers=2, timeout_s=2.0)
    assert (account.asked, account.ok) == (10, 2)
    assert account.lost == {
        "network": 1,
        "no face": 1,
        "no video stream": 1,
        "took too long": 2,
        "unexpected KeyError": 1,
        "unexpected ValueError": 1,
        "worker died": 1,
    }
    entries = index.read(folder)
    assert entries["bad file"].detail == "a.mp4: no video stream; a video file is needed"
    assert "test_index.py:" in entries["bug"].detail
    assert not entries["absent face"].transient and entries["network"].transient and entries["bug"].transient
    assert files_in(folder) == {"index.json", "train/good.txt", "train/well.txt"}

    # A failure that would repeat is left alone; a transient one is tried again.
    worked(folder)
    again = {clip: tasks[clip] for clip in ("absent face", "bad file", "network", "good")}
    assert process(folder, again, misbehave).kept == 3


def test_what_is_known_of_a_clip_is_recorded_whatever_becomes_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    clips = ("good", "absent face", "bad file", "bug")
    process(folder, {clip: Task("", (folder,), {"person": "ann"}) for clip in clips}, misbehave)
    assert {clip: entry.facts for clip, entry in index.read(folder).items()} == {
        "good": {"person": "ann", "letters": 4},
        "absent face": {"person": "ann"},
        "bad file": {"person": "ann"},
        "bug": {"person": "ann"},
    }
    worked(folder)
    process(folder, {"good": Task("", (folder,), {"person": "bob"})}, misbehave)
    assert worked(folder) == [] and index.read(folder)["good"].facts == {"person": "bob", "letters": 4}


def full_disk(clip: str, folder: Path) -> Outcome:
    if clip == "c":
        raise OSError(errno.ENOSPC, "No space left on device")
    return write_text(clip, folder, clip)


def test_a_full_disk_ends_the_run_and_keeps_what_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    tasks = {clip: Task("", (folder,)) for clip in "abcd"}
    with pytest.raises(InputError, match="disk is full"):
        process(folder, tasks, full_disk)
    worked(folder)
    assert process(folder, tasks, misbehave) == Account(4, 4, 2, {})
    assert worked(folder) == ["c", "d"]


def test_a_single_worker_has_a_time_limit_too(tmp_path: Path) -> None:
    account = process(tmp_path / "out", {"hangs": Task("", (tmp_path / "out",))}, misbehave, timeout_s=0.2)
    assert account.lost == {"took too long": 1}


def test_no_clip_at_all_is_an_error_with_reasons(tmp_path: Path) -> None:
    account = process(tmp_path / "out", {"absent face": Task("", (tmp_path / "out",))}, misbehave)
    with pytest.raises(InputError, match=r"vox: none of 1 clips can be used: no face \(1\)"):
        account.require_some("vox")


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with index.sole_owner(folder), pytest.raises(InputError, match="another process"):
        process(folder, {}, write_text)


KILLED = """
import sys, time
from pathlib import Path
from styleheat.clips.index import process
from styleheat.clips.workers import Task
from tests.clips.test_index import slowly
folder = Path(sys.argv[1])
process(folder, {f"clip{k:02d}": Task("same", (folder, f"text {k}")) for k in range(12)}, slowly, workers=2)
"""


def slowly(clip: str, folder: Path, text: str) -> Outcome:
    time.sleep(0.1)
    return write_text(clip, folder, text)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without(*_: object) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(index.fcntl, "flock", without)
    with index.sole_owner(tmp_path):
        pass
    assert capsys.readouterr().err.count("knows no locks") == 1
    with pytest.raises(BlockingIOError), index.sole_owner(tmp_path):
        raise BlockingIOError  # of the work itself


def test_lost_clips_are_tried_again_when_that_is_wanted(tmp_path: Path) -> None:
    tasks = {"a": Task("1")}
    process(tmp_path, tasks, _lost)
    assert not process(tmp_path, tasks, _found).ok
    assert process(tmp_path, tasks, _found, retry_lost=True).ok


def _lost(clip: str) -> Outcome:
    return Outcome(reason="removed")


def _found(clip: str) -> Outcome:
    return Outcome()


def test_a_kill_loses_only_the_clips_in_hand(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stderr=subprocess.DEVNULL)
    journal = folder / index.JOURNAL
    deadline = time.monotonic() + 60
    while not journal.exists() or journal.read_text().count("clip") < 2 * 4:  # a record names its clip twice
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.01)
    run.kill()
    run.wait()
    time.sleep(0.5)  # its workers end
    recorded = {json.loads(line)[0] for line in journal.read_text().splitlines() if line.endswith("}]")}
    assert 4 <= len(recorded) < 12 and not (folder / index.INDEX).exists()
    (folder / "train" / ".clip99.123.tmp.txt").write_text("half")
    worked(folder)

    tasks = {f"clip{k:02d}": Task("same", (folder, f"text {k}")) for k in range(12)}
    account = process(folder, tasks, write_text)
    assert account == Account(12, 12, len(recorded), {})
    assert set(worked(folder)) == tasks.keys() - recorded
    assert files_in(folder) == {"index.json", *(f"train/{clip}.txt" for clip in tasks)}


def test_a_torn_journal_and_forgotten_clips(tmp_path: Path) -> None:
    """A kill between writing new content and recording it must not let the old entry vouch for it."""
    folder = tmp_path / "out"
    process(folder, tasks_of(folder, {"a": "old", "b": "b"}), write_text)
    (folder / index.JOURNAL).write_text('["a", null]\n["b", {"fingerpr')
    (folder / "train" / "a.txt").write_text("new, not recorded")
    worked(folder)
    process(folder, tasks_of(folder, {"a": "old", "b": "b"}), write_text)
    assert worked(folder) == ["a"] and (folder / "train" / "a.txt").read_text() == "old"


def test_a_thousand_clips_cost_little(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    texts = {f"clip{k:05d}": "text" for k in range(1000)}
    process(folder, tasks_of(folder, texts), write_text)
    start = time.process_time()
    account = process(folder, tasks_of(folder, {**texts, "one more": "text"}), write_text)
    assert account.kept == 1000 and time.process_time() - start < 1.0


def fails_half_way(clip: str, folder: Path) -> Outcome:
    write_text(clip, folder, "half of what was to be made")
    raise InputError("a.mp4: damaged; download it again")


def test_what_no_entry_lists_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    process(folder, tasks_of(folder, {"a": "a", "b": "b"}), write_text)
    (folder / "train" / "orphan.txt").write_text("of a clip that a killed run had forgotten, but not removed")
    process(folder, {**tasks_of(folder, {"a": "a"}), "half": Task("", (folder,))}, fails_half_way)
    assert files_in(folder) == {"index.json", "train/a.txt"}
    assert index.read(folder)["half"].reason == "damaged"


def test_a_link_that_leads_nowhere_is_no_result(tmp_path: Path) -> None:
    """A folder of links into a cache of which files were lost."""
    folder = tmp_path / "out"
    process(folder, tasks_of(folder, {"a": "a", "b": "b"}), write_text)
    for name in ("a", "orphan"):
        (folder / "train" / f"{name}.txt").unlink(missing_ok=True)
        (folder / "train" / f"{name}.txt").symlink_to(tmp_path / "gone")
    assert process(folder, tasks_of(folder, {"a": "a", "b": "b"}), write_text) == Account(2, 2, 1, {})
    assert sorted(path.name for path in (folder / "train").iterdir()) == ["a.txt", "b.txt"]
    assert (folder / "train" / "a.txt").read_text() == "a" and not (tmp_path / "gone").exists()


def test_a_broken_index_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / index.INDEX).write_text("{")
    with pytest.raises(InputError, match=r"index\.json: not an index"):
        index.read(tmp_path)
    with pytest.raises(InputError, match="run the stage"):
        index.outputs(tmp_path / "nothing", ".mp4")


STARTED_AS_MODULE = """
import functools
from pathlib import Path
from styleheat.clips.index import process
from styleheat.clips.workers import Outcome, Task

@functools.cache
def model():
    with open("loaded.log", "a") as log:
        log.write("loaded\\n")
    return 7

def work(clip):
    return Outcome(facts={"value": model()})

if __name__ == "__main__":
    process("out", {f"clip{k}": Task("") for k in range(20)}, work, workers=2)
"""


def test_a_stage_s_function_keeps_its_model_between_tasks(tmp_path: Path) -> None:
    """Run as `python -m`, whose functions belong to `__main__`, which workers don't have."""
    (tmp_path / "stage_like.py").write_text(STARTED_AS_MODULE)
    path = os.pathsep.join([str(tmp_path), str(Path(index.__file__).parents[2])])
    subprocess.run(
        [sys.executable, "-m", "stage_like"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=True
    )
    entries = index.read(tmp_path / "out")
    assert len(entries) == 20 and all(entry.facts == {"value": 7} for entry in entries.values())
    assert 1 <= len((tmp_path / "loaded.log").read_text().split()) <= 2  # once a worker


def test_some_clips_only(tmp_path: Path) -> None:
    """The others stay as they are, also those that would be tried again."""
    folder = tmp_path / "out"
    tasks = {clip: Task("1", (folder,)) for clip in ("fine", "network", "other")}
    process(folder, tasks, misbehave)
    before = index.read(folder)
    tasks |= {clip: Task("2", (folder,)) for clip in ("fine", "other")}
    account = process(folder, tasks, lambda clip, _: write_text(clip, folder, "anew"), only={"fine"})
    assert (account.asked, account.ok, account.lost) == (3, 2, {"network": 1})
    entries = index.read(folder)
    assert entries["fine"].fingerprint == "2" and entries["fine"].facts == {"letters": 4}
    assert {clip: entries[clip] for clip in ("network", "other")} == {c: before[c] for c in ("network", "other")}
