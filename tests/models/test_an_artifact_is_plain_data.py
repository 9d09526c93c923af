"""An artifact comes back as it was written, and a hostile one runs nothing and is refused."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from riskweave.errors import ModelError
from riskweave.models import arrays
from riskweave.models.artifact import (
    About,
    Artifact,
    Blend,
    Calibration,
    Curve,
    Feature,
    Linear,
    Lstm,
    Mlp,
    Part,
    Trees,
    read,
    write,
)  # fmt: skip
from riskweave.models.scorer import Scorer

RAN = []


def linear(weight=2.0, **more):
    about = About(model=Linear(), features=(Feature(name="amount"),), **more)
    return Artifact(about, {"coefficients": np.array([weight]), "intercept": np.array([-1.0])})


def stump(**changes):
    weights = {
        "tree_start": np.array([0, 3], np.int32),
        "feature": np.array([0, -1, -1], np.int32),
        "threshold": np.array([0.5, 0.0, 0.0]),
        "left": np.array([1, 0, 0], np.int32),
        "right": np.array([2, 0, 0], np.int32),
        "missing_left": np.array([1, 0, 0], np.uint8),
        "value": np.array([0.0, -1.0, 2.0]),
        "cover": np.array([10.0, 4.0, 6.0]),
        "category": np.array([-1, -1, -1], np.int32),
        "category_start": np.array([0], np.int32),
        "category_words": np.array([], np.uint32),
    }
    about = About(model=Trees(), features=(Feature(name="amount"),))
    return Artifact(about, {**weights, **{name: np.asarray(each) for name, each in changes.items()}})


def test_what_is_written_is_read(tmp_path):
    curve = Curve(kind="isotonic", x=(-1.0, 0.5), y=(0.1, 0.7))
    artifact = linear(
        calibration=Calibration(curve=curve, segment="customer.segment", segments={"gold": Curve()}),
        metrics={"auc": 0.9}, seeds={"split": 1}, libraries={"scikit-learn": "1.9"},
    )  # fmt: skip
    first = write(tmp_path / "a", artifact)
    again = read(tmp_path / "a")
    assert again.hash == artifact.hash == first == write(tmp_path / "b", again)
    assert again.about.calibration.curve == curve
    assert again.weights["coefficients"].tolist() == [2.0]
    assert first != write(tmp_path / "c", linear(2.5))
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["model.json", "weights.npz"]


def test_a_blend_holds_its_parts(tmp_path):
    blend = Artifact(
        About(model=Blend(parts=(Part(name="a", weight=0.25), Part(name="b", weight=0.75)))),
        parts={"a": linear(), "b": stump()},
    )
    first = write(tmp_path, blend)
    assert read(tmp_path).hash == first
    X = np.array([[0.2], [3.0], [np.nan]])
    parts = 0.25 * Scorer(linear()).score(X) + 0.75 * Scorer(stump()).score(X)
    assert np.allclose(Scorer(read(tmp_path)).score(X), parts, atol=1e-12)
    write(tmp_path / "parts" / "a", linear(9.0))  # a part that was swapped
    with pytest.raises(ModelError, match="changed after it was written"):
        read(tmp_path)


@pytest.mark.parametrize("file", ["model.json", "weights.npz"])
def test_a_changed_byte_is_refused_or_another_hash(tmp_path, file):
    first = write(tmp_path, linear())
    data = bytearray((tmp_path / file).read_bytes())
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1
        (tmp_path / file).write_bytes(changed)
        try:
            found = read(tmp_path)
        except ModelError:
            continue
        # Another model (another feature's name, say), or bytes that say nothing (a zip's attributes).
        assert (found.hash != first) == (file == "model.json")


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return RAN.append, ("ran",)


def stored(members, method=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def member(array, **more):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **more)
    return stream.getvalue()


def header(text, body=b""):
    line = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + body


HOSTILE = {
    "a pickle": pickle.dumps(Bomb()),
    "an object array": stored([("coefficients.npy", member(np.array([Bomb()], object), allow_pickle=True))]),
    "a bare pickle as a member": stored([("coefficients.npy", pickle.dumps(Bomb()))]),
    "a record array": stored([("a.npy", member(np.zeros(1, [("x", "f8"), ("y", "O")]), allow_pickle=True))]),
    "a compressed member": stored([("a.npy", member(np.zeros(10**6)))], zipfile.ZIP_DEFLATED),
    "a way out of the folder": stored([("../../a.npy", member(np.zeros(1)))]),
    "an absolute path": stored([("/etc/a.npy", member(np.zeros(1)))]),
    "no array's name": stored([("a.txt", b"")]),
    "a huge claim": stored(
        [("a.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"))]
    ),
    "a negative shape": stored(
        [("a.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1), }", bytes(8)))]
    ),
    "a header that is code": stored([("a.npy", header("__import__('os').system('true')"))]),
    "too many members": stored([(f"a{k}.npy", member(np.zeros(1))) for k in range(300)]),
    "text kinds": stored([("a.npy", member(np.array(["a"])))]),
    "nothing": b"",
    "half a file": stored([("a.npy", member(np.zeros(100)))])[:300],
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_weights_run_nothing(tmp_path, what):
    write(tmp_path, linear())
    (tmp_path / "weights.npz").write_bytes(HOSTILE[what])
    with pytest.raises(ModelError):
        read(tmp_path)
    assert RAN == []


def test_a_member_named_twice_is_refused():
    with pytest.warns(UserWarning, match="Duplicate"):
        data = stored([("a.npy", member(np.zeros(1))), ("a.npy", member(np.ones(1)))])
    with pytest.raises(ModelError, match="no array's name"):
        arrays.from_bytes(data)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"{}", b'{"format": 1}', b'{"format": 2}', b"[" * 100_000,
        b'{"format": 1, "model": {"kind": "pickle"}}',
        b'{"format": 1, "model": {"kind": "linear", "run": "rm"}}',
    ],
)  # fmt: skip
def test_a_hostile_description_is_refused(tmp_path, text):
    write(tmp_path, linear())
    (tmp_path / "model.json").write_bytes(text)
    with pytest.raises(ModelError):
        read(tmp_path)


def test_a_part_cannot_lead_out_of_the_folder(tmp_path):
    blend = Artifact(About(model=Blend(parts=(Part(name="a", weight=1.0),))), parts={"a": linear()})
    write(tmp_path, blend)
    text = json.loads((tmp_path / "model.json").read_text())
    text["model"]["parts"][0]["name"] = "../../a"
    (tmp_path / "model.json").write_text(json.dumps(text))
    with pytest.raises(ModelError, match="no part's name"):
        read(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"model\.json cannot be read"):
        read(tmp_path)


INT = np.int32
BROKEN = {
    "a circle": stump(left=np.array([0, 0, 0], INT)),
    "a child outside": stump(right=np.array([7, 0, 0], INT)),
    "a child twice": stump(left=np.array([2, 0, 0], INT)),
    "an input outside": stump(feature=np.array([1, -1, -1], INT)),
    "a set outside": stump(category=np.array([0, -1, -1], INT)),
    "no trees": stump(tree_start=np.array([0], INT)),
    "another kind": stump(value=np.array([0, 1, 2], INT)),
    "another length": stump(cover=np.array([1.0])),
    "a NaN threshold": stump(threshold=np.array([np.nan, 0, 0])),
    "a NaN leaf": stump(value=np.array([0.0, np.nan, 0])),
    "an array too many": stump(more=np.zeros(1)),
    "a NaN weight": linear(np.nan),
    "a zero scale": Artifact(linear().about, {**linear().weights, "input_scale": np.zeros(1)}),
    "layers that do not fit": Artifact(
        About(model=Mlp(activations=("identity",)), features=(Feature(name="a"),)),
        {"weight_0": np.zeros((1, 2)), "bias_0": np.zeros(1)},
    ),
    "a lasting sequence": Artifact(
        About(model=Lstm(entity="c", steps=10**9), features=(Feature(name="a"),)), {}
    ),
    "weights that do not add up": Artifact(
        About(model=Blend(parts=(Part(name="a", weight=0.3),))), parts={"a": linear()}
    ),
    "a falling curve": linear(
        calibration=Calibration(curve=Curve(kind="isotonic", x=(0.0, 1.0), y=(0.5, 0.1)))
    ),
    "a feature twice": Artifact(
        About(model=Linear(), features=(Feature(name="a"), Feature(name="a"))), linear().weights
    ),
    "a number in one-hot": Artifact(
        About(model=Linear(), features=(Feature(name="a", encoding="one_hot"),)), linear().weights
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_a_kernel_could_not_follow_is_refused(tmp_path, what):
    with pytest.raises(ModelError):
        write(tmp_path, BROKEN[what])
    assert not list(tmp_path.iterdir())


def test_the_room_unpickles_nothing():
    room = Path(arrays.__file__).parent
    for path in room.rglob("*.py"):
        text = path.read_text()
        for word in ("import pickle", "joblib", "allow_pickle=True", "torch.load"):
            assert word not in text, path
