"""Where videos come from: each kind of source lists its items, and each item knows how to fetch itself."""

from pathlib import Path

from styleheat.files import digest, fingerprint
from styleheat.params import Source
from styleheat.sources.item import Item, Split, Unavailable, shuffled

__all__ = ["Item", "Split", "Unavailable", "items"]


def items(source: Source, set_name: str) -> list[Item]:
    """The videos of a set, sorted by id: at most `source.limit`, of both splits when there are two at all.

    Lists only; nothing is fetched before an item's `fetch` is called.
    Raises `InputError` when the source's folder or lists are missing, or hold nothing to use.
    """
    match source.kind:
        case "synthetic":
            found = _synthetic(source, set_name)
        case "local":
            from styleheat.sources import local

            found = local.items(Path(source.path), source.test_people)
    return sorted(_limited(found, source.limit), key=lambda item: item.id)


def _limited(found: list[Item], limit: int | None) -> list[Item]:
    """`limit` items in random but stable order, the first of each split among them."""
    by_id = {item.id: item for item in found}
    assert len(by_id) == len(found), "ids must be unique within a set"
    order = [by_id[name] for name in shuffled(by_id)]
    first = [next((item for item in order if item.split == split), None) for split in ("train", "test")]
    leading = [item for item in first if item is not None]
    return (leading + [item for item in order if item not in leading])[:limit]


def _synthetic(source: Source, set_name: str) -> list[Item]:
    """Made people: the k-th of a split depends on (set, split, k) alone, so that no profile trains on a test person."""
    import functools

    from styleheat.sources import synthetic

    # A change of the renderer must render anew, which no parameter would tell.
    code = fingerprint([digest(module) for module in sorted(Path(synthetic.__file__).parent.rglob("*.py"))])
    found = []
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
                        fetch=functools.partial(
                            _render, set_name, split, k, seed=seed, seconds=source.seconds, size=source.size
                        ),
                    )
                )
    return found


def _render(set_name: str, split: Split, k: int, path: Path, *, seed: int, seconds: float, size: int) -> list[Path]:
    from styleheat.sources import synthetic

    synthetic.render_clip(synthetic.person(set_name, split, k), seed=seed, seconds=seconds, size=size, path=path)
    return [path]
