"""Sources of videos: each kind of source lists its items, and each item can be fetched."""

from functools import partial
from pathlib import Path

from styleheat.code import code_of
from styleheat.params import Source, Youtube
from styleheat.sources.item import Item, Split, Unavailable, shuffled
from styleheat.sources.youtube import check_access, forget_refusals

__all__ = ["Item", "Split", "Unavailable", "items", "voice_of"]


def items(source: Source, set_name: str, access: Youtube, notes: Path) -> list[Item]:
    """The videos of a set, sorted by id, within `source.people`, `test_people` and `limit`.

    Faulty items, which are known to be unavailable, are listed in addition, so that the account counts them.

    Nothing is fetched here, only by an item's `fetch`. access: how YouTube is reached. notes: a file that stores what
    was found out about local videos, for the next listing; partly fetched videos are stored beside it. Either may be
    removed at any time.
    Raises `InputError` when the source's folder or lists are missing, or contain nothing usable.
    """
    folder, parts = Path(source.path), notes.parent / "parts"
    match source.kind:
        case "synthetic":
            found = _synthetic(source, set_name)
        case "local":
            from styleheat.sources import local

            assert source.test_people is not None
            found = local.items(folder, source.test_people, notes, source.person)
        case "voxceleb":
            from styleheat.sources import voxceleb

            check_access(access)
            forget_refusals(parts)
            found = voxceleb.items(folder, source.size, access, parts)
        case "hdtf":
            from styleheat.sources import hdtf

            check_access(access)
            forget_refusals(parts)
            assert source.test_people is not None
            found = hdtf.items(folder, source.size, source.test_people, access, parts)
    assert len({item.id for item in found}) == len(found), "ids must be unique within a set"
    usable = [item for item in found if not item.faulty]
    usable = _of_people(usable, "train", source.people)
    usable = _of_people(usable, "test", source.test_people)
    chosen = _limited(usable, source.limit) + [item for item in found if item.faulty]
    return sorted(chosen, key=lambda item: item.id)


def voice_of(source: Source, person: str) -> str | None:
    """The voice of a synthetic person; None for real people."""
    if source.kind != "synthetic":
        return None
    from styleheat.sources.synthetic.clip import person as made

    set_name, split, number = person.rsplit("-", 2)
    return made(set_name, "test" if split == "test" else "train", int(number)).voice


def _of_people(found: list[Item], split: Split, people: int | None) -> list[Item]:
    """The items without those of a split beyond `people` persons; the choice depends on the names only."""
    chosen = set(shuffled(item.person for item in found if item.split == split)[:people])
    return [item for item in found if item.split != split or item.person in chosen]


def _limited(found: list[Item], limit: int | None) -> list[Item]:
    """`limit` items in random but stable order, at least one of each split among them."""
    by_id = {item.id: item for item in found}
    order = [by_id[name] for name in shuffled(by_id)]
    first = [next((item for item in order if item.split == split), None) for split in ("train", "test")]
    leading = [item for item in first if item is not None]
    return (leading + [item for item in order if item not in leading])[:limit]


def _synthetic(source: Source, set_name: str) -> list[Item]:
    """Synthetic people. The k-th of a split depends on (set, split, k) only: no test person is trained on."""
    from styleheat import voices

    voices.require()
    # The code is a part of the key: after a change of the renderer or the writer, clips are rendered again.
    code = code_of("styleheat.sources.synthetic.clip")
    assert source.people is not None and source.test_people is not None
    splits: list[tuple[Split, int]] = [("train", source.people), ("test", source.test_people)]
    found = []
    for split, people in splits:
        for k in range(people):
            person = f"{set_name}-{split}-{k:04d}"
            for clip in range(source.clips):
                key = ["synthetic", code, person, clip, source.seconds, source.size]
                fetch = partial(_render, set_name, split, k, clip, source.seconds, source.size)
                found.append(Item(f"{person}#{clip}", person, split, key, fetch))
    return found


def _render(set_name: str, split: Split, k: int, clip: int, seconds: float, size: int, path: Path) -> list[Path]:
    from styleheat.sources.synthetic.clip import person, render_clip

    render_clip(person(set_name, split, k), seed=clip, seconds=seconds, size=size, path=path)
    return [path]
