"""Names, orders, and the subset of a set that parameters ask for."""

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from styleheat.errors import InputError
from styleheat.params import Source, Youtube
from styleheat.sources import Unavailable, items
from styleheat.sources.item import MAX_ID_BYTES, safe_name, shuffled

NOTES = Path("not-written.json")
ACCESS = Youtube(
    base_url="http://127.0.0.1:9", cookies=None, proxy=None, retries=0, pause=0.0, rate_limit=None, retry_lost=False
)


def source(**changes) -> Source:
    options = {
        "kind": "synthetic",
        "path": "data/sources/vox",
        "people": 3,
        "test_people": 2,
        "clips": 2,
        "seconds": 1.0,
        "size": 224,
        "limit": None,
        "person": None,
    }
    return Source(**(options | changes))


@given(st.text() | st.text(st.characters()))
def test_safe_names_are_file_names(text):
    name = safe_name(text)
    assert name and not name.startswith(".") and "/" not in name and "\\" not in name
    assert not any(ord(letter) < 32 for letter in name)
    assert len(name.encode()) <= MAX_ID_BYTES
    assert safe_name(name) == name


@given(st.text(alphabet="abc#é", min_size=200, max_size=210), st.text(alphabet="xyz", min_size=1, max_size=3))
def test_shortened_names_stay_apart(text, ending):
    assert safe_name(text) != safe_name(text + ending)


@given(st.lists(st.text(), unique=True), st.randoms(use_true_random=False))
def test_the_order_depends_on_the_names_alone(names, random):
    again = list(names)
    random.shuffle(again)
    assert shuffled(names) == shuffled(again + names)


def test_synthetic_people_do_not_depend_on_how_many_there_are():
    few = items(source(people=2), "vox", ACCESS, NOTES)
    many = items(source(people=5, test_people=4), "vox", ACCESS, NOTES)
    assert {item.id: item.key for item in few}.items() <= {item.id: item.key for item in many}.items()
    assert [item.id for item in few][:3] == ["vox-test-0000#0", "vox-test-0000#1", "vox-test-0001#0"]
    assert all(item.person == item.id.split("#")[0] for item in few)


def test_sets_and_splits_have_people_of_their_own():
    people = [{item.person for item in items(source(), name, ACCESS, NOTES)} for name in ("vox", "hdtf")]
    assert len(people[0] | people[1]) == len(people[0]) + len(people[1]) == 2 * (3 + 2)


def test_a_missing_synthesiser_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^espeakng-loader: not installed"):
        items(source(), "vox", ACCESS, NOTES)


@pytest.mark.parametrize("limit", [2, 3, 5])
def test_a_limited_set_has_both_splits(limit):
    found = items(source(limit=limit), "vox", ACCESS, NOTES)
    assert len(found) == limit
    assert {item.split for item in found} == {"train", "test"}
    smaller = items(source(limit=limit - 1), "vox", ACCESS, NOTES)
    assert {item.id for item in smaller} < {item.id for item in found}


def test_items_travel_to_other_processes():
    for item in items(source(), "vox", ACCESS, NOTES):
        assert pickle.loads(pickle.dumps(item)).key == item.key
    error = pickle.loads(pickle.dumps(Unavailable("private", "asked kindly", transient=True)))
    assert (error.reason, error.detail, error.transient) == ("private", "asked kindly", True)
