"""Where videos come from: each kind of source lists its items, and each item knows how to fetch itself."""

from pathlib import Path

from styleheat.files import digest, fingerprint
from styleheat.params import Source, Youtube
from styleheat.sources.item import Item, Split, Unavailable, shuffled
from styleheat.sources.youtube import check_access

__all__ = ["Item", "Split", "Unavailable", "items"]


def items(source: Source, set_name: str, access: Youtube) -> list[Item]:
    """The videos of a set, sorted by id, within `source.people`, `test_people` and `limit`.

    Faulty items, known not to be had, come on top of these, to be accounted for.

    Lists only: no video is fetched before an item's `fetch` is called. `access` tells how YouTube is reached.
    Raises `InputError` when the source's folder or lists are missing, or hold nothing to use.
    """
    folder = Path(source.path)
    match source.kind:
        case "synthetic":
            found = _synthetic(source, set_name)
        case "local":
            from styleheat.sources import local

            assert source.test_people is not None
            found = local.items(folder, source.test_people)
        case "voxceleb":
            from styleheat.sources import voxceleb

            check_access(access)
            found = voxceleb.items(folder, source.size, access)
        case "hdtf":
            from styleheat.sources import hdtf

            check_access(access)
            assert source.test_people is not None
            found = hdtf.items(folder, source.size, source.test_people, access)
    assert len({item.id for item in found}) == len(found), "ids must be unique within a set"
    usable = [item for item in found if not item.faulty]
    usable = _of_people(usable, "train", source.people)
    usable = _of_people(usable, "test", source.test_people)
    chosen = _limited(usable, source.limit) + [item for item in found if item.faulty]
    return sorted(chosen, key=lambda item: item.id)


def _of_people(found: list[Item], split: Split, people: int | None) -> list[Item]:
    """Without all but `people` of a split: the same ones whatever else changes."""
    chosen = set(shuffled(item.person for item in found if item.split == split)[:people])
    return [item for item in found if item.split != split or item.person in chosen]


def _limited(found: list[Item], limit: int | None) -> list[Item]:
    """`limit` items in random but stable order, the first of each split among them."""
    by_id = {item.id: item for item in found}
    order = [by_id[name] for name in shuffled(by_id)]
    first = [next((item for item in order if item.split == split), None) for split in ("train", "test")]
    leading = [item for item in first if item is not None]
    return (leading + [item for item in order if item not in leading])[:limit]


def _synthetic(source: Source, set_name: str) -> list[Item]:
    """Made people: the k-th of a split depends on (set, split, k) alone, so that no profile trains on a test person."""
    from functools import partial

    from styleheat.sources import synthetic

    # A change of the renderer must render anew, which no parameter would tell.
    code = fingerprint([digest(module) for module in sorted(Path(synthetic.__file__).parent.rglob("*.py"))])
    found = []
    assert source.people is not None and source.test_people is not None
    splits: list[tuple[Split, int]] = [("train", source.people), ("test", source.test_people)]
    for split, people in splits:
        for k in range(people):
            person = f"{set_name}-{split}-{k:04d}"
            for clip in range(source.clips):
                seed = int(fingerprint(person, clip)[:8], 16)
                found.append(
                    Item(
                        id=f"{person}#{clip}",
                        person=person,
                        split=split,
                        key=["synthetic", code, set_name, split, k, seed, source.seconds, source.size],
                        fetch=partial(_render, set_name, split, k, seed=seed, seconds=source.seconds, size=source.size),
                    )
                )
    return found


def _render(set_name: str, split: Split, k: int, path: Path, *, seed: int, seconds: float, size: int) -> list[Path]:
    from styleheat.sources.synthetic import clip

    clip.render_clip(clip.person(set_name, split, k), seed=seed, seconds=seconds, size=size, path=path)
    return [path]
