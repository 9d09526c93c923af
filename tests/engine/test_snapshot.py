"""A snapshot is read back as it was written, and a damaged one is refused."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskweave import Engine, Policy, Snapshot, StateError
from riskweave.engine.snapshot import HEAD

POLICY = Policy.from_dict(
    {
        "events": {
            "payment": {"id": "id", "time": "at", "fields": {"id": "string", "at": "time", "who": "string"}}
        },
        "entities": {"customer": "who"},
        "features": {"n": 'customer.count("1d")', "before": "customer.last(who)"},
    }
)


def some_state() -> Engine:
    engine = Engine(POLICY)
    for number in range(20):
        engine.decide(
            {
                "id": str(number),
                "at": f"2026-01-01T10:{number:02d}:00Z",
                "who": "ann" if number % 2 else "bob",
            }
        )
    return engine


def test_it_survives_a_file(tmp_path):
    snapshot = some_state().snapshot()
    snapshot.write(tmp_path / "state.rw")
    again = Snapshot.read(tmp_path / "state.rw")
    assert again.meta == snapshot.meta
    assert set(again.arrays) == set(snapshot.arrays)
    assert all(np.array_equal(again.arrays[name], array) for name, array in snapshot.arrays.items())
    assert list(tmp_path.iterdir()) == [tmp_path / "state.rw"]


@given(st.integers(0, 10**9), st.integers(1, 255))
def test_any_changed_byte_is_refused(position, change):
    data = bytearray(_DATA)
    data[position % len(data)] ^= change
    with pytest.raises(StateError):
        Snapshot.from_bytes(bytes(data))


@given(st.integers(0, 10**9))
def test_a_cut_off_container_is_refused(position):
    with pytest.raises(StateError):
        Snapshot.from_bytes(_DATA[: position % len(_DATA)])


def test_another_policys_snapshot_is_refused():
    other = Policy.from_dict({"events": {"payment": {"time": "at", "fields": {"at": "time"}}}})
    with pytest.raises(StateError, match="version"):
        Engine.restore(other, some_state().snapshot())


def test_objects_are_not_read():
    with pytest.raises(StateError):
        Snapshot.from_bytes(_with_objects())


def _with_objects() -> bytes:
    """A container whose array would be unpickled by a careless reader."""
    stream, member = io.BytesIO(), io.BytesIO()
    np.save(member, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("meta.json", "{}")
        archive.writestr("features/x.npy", member.getvalue())
    data = stream.getvalue()
    return HEAD + hashlib.sha256(data).digest() + data


_DATA = some_state().snapshot().to_bytes()
