"""Snapshots of a solver's run: gone on from to the bit, and believed in nothing unchecked."""

import numpy as np
import pytest
from solver_settings import SOLVERS

from structsvm import ChainModel, MulticlassModel
from structsvm.exceptions import ModelFileError
from structsvm.solvers import BCFW, BlockDual


def forged(array):
    """This array changed in every way that a file may have it, with what was done."""
    integer = array.dtype.kind in "iu"
    yield "another type", np.ones(array.shape, np.float32 if integer else np.int32)
    yield "another byte order", array.astype(array.dtype.newbyteorder())
    yield "text", array.astype(str)
    yield "more dimensions", array[None]
    yield "fewer elements", array[:-1] if array.ndim else np.zeros(0, array.dtype)
    if not integer:
        yield "nan", np.full_like(array, np.nan)
        yield "inf", np.full_like(array, np.inf)
        yield "-inf", np.full_like(array, -np.inf)
    elif array.dtype != np.uint32:
        yield "most", np.full_like(array, np.iinfo(array.dtype).max)
        yield "least", np.full_like(array, np.iinfo(array.dtype).min)


#: What entries may be after all: reported numbers, and infinite bounds. Without a dual there are
#: no values of one.
MAY_BE = {
    "met_hinge": {"nan", "inf"}, "history": {"nan", "inf", "-inf"}, "best_primal": {"inf"},
    "best_dual": {"-inf"}, "kappa_scale_limit": {"inf"}, "online/hinge": {"nan", "inf"},
}  # fmt: skip
MAY_BE |= {name: {"inf"} for name in ("gap", "watched_gap", "gaps", "remaining")}
MAY_BE |= {f"coarse/{name}": {"inf"} for name in ("gap", "block_rate", "cut_rate")}
MAY_BE["_dual_at_look"] = {"-inf"}
MAY_BE["blocks/labels"] = {"least"}  # planes of other outputs
NO_DUAL = {name: {"nan", "inf", "-inf"} for name in ("best_primal", "best_dual", "estimate")}
MAY_LACK = {"best_weights", "previous", "exact", "_n_checked"}  # not in version 0.1
MAY_LACK |= {"_next_look", "_look_share", "best_mean_hinge"}
MAY_LACK |= {"smooth", "mixed", "mixed_loss", "best_met_dual", "caution", "_loss"}


@pytest.mark.parametrize("name", [*SOLVERS, "block_dual"])
def test_every_entry_of_a_snapshot_is_checked_before_its_use(words, name):
    X, y = words
    model = ChainModel()
    if name == "block_dual":
        model, X, y = MulticlassModel(), np.concatenate(X), np.concatenate(y)
    model.initialize(X, y)
    problem, solver = model.bind(X, y), (SOLVERS | {"block_dual": BlockDual()})[name]
    C = 1.0 if name == "perceptron" else 2.0
    snapshots = []

    def solve(snapshot=None, callback=None):
        return solver.solve(
            problem, C, tol=None, max_iter=6, random_state=np.random.RandomState(0),
            callback=callback, snapshot=snapshot,
        )  # fmt: skip

    whole = solve(callback=lambda progress: snapshots.append(progress.snapshot()))
    snapshot = snapshots[2]
    assert np.array_equal(solve(dict(snapshot)).weights, whole.weights)
    may_be = MAY_BE | (NO_DUAL if name in ("perceptron", "passive_aggressive") else {})
    for entry, array in snapshot.items():
        for done, value in forged(array):
            same = value.dtype == array.dtype and np.array_equal(value, array)
            if same or done in may_be.get(entry, ()):
                continue
            with pytest.raises(ModelFileError, match="the snapshot "):
                assert solve(snapshot | {entry: value}) is None, f"{entry} may be {done}"
        if entry not in MAY_LACK:
            with pytest.raises(ModelFileError, match=f"{entry} is missing"):
                solve({key: value for key, value in snapshot.items() if key != entry})
    with pytest.raises(ModelFileError, match="other is there, which is of another fit"):
        solve(snapshot | {"other": np.zeros(1)})
    for entry, value, message in (
        ("n_iter", -(2**63), "n_iter is -9223372036854775808, expected a number from 1"),
        ("n_iter", 2, "its numbers are not from 2 iterations"),
        ("_certified_at", 4, "its numbers are not from 3 iterations"),
        ("_next_level", np.inf, "_next_level is inf, expected a number from 0 to 1"),
        ("_next_level", np.nan, "_next_level is nan"),
        ("random/pos", 625, "no state of a random generator: random/pos is 625"),
        ("random/pos", -1, "no state of a random generator: random/pos is -1"),
    ):
        with pytest.raises(ModelFileError, match=message):
            solve(snapshot | {entry: np.array(value)})


@pytest.fixture
def form():
    """How planes are kept."""
    return "labels"


@pytest.fixture
def solve(words, form, request):
    if form == "vectors":
        request.getfixturevalue("planes_as_vectors")
    model = ChainModel()
    model.initialize(*words)
    problem = model.bind(*words)

    def solve(**options):
        state = np.random.RandomState(0)
        return BCFW().solve(problem, 2.0, tol=None, max_iter=6, random_state=state, **options)

    return solve


@pytest.fixture
def snapshot(solve):
    snapshots = []
    solve(callback=lambda progress: snapshots.append(progress.snapshot()))
    return snapshots[-1]


@pytest.mark.parametrize(
    ("form", "entry", "change"),
    [
        ("vectors", "blocks/indices", lambda a: a + 10**6),
        ("vectors", "blocks/indices", lambda a: a - 1000),
        ("vectors", "blocks/values", lambda a: a[:-1]),
        ("vectors", "blocks/counts", lambda a: a * 2),
        ("labels", "blocks/labels", lambda a: a + 3),
        ("labels", "blocks/labels", lambda a: a[:-1]),
        *(
            (form, entry, change)
            for form in ("vectors", "labels")
            for entry, change in (
                ("blocks/sizes", lambda a: a + 1),
                ("blocks/sizes", lambda a: -a),
                ("blocks/counts", lambda a: np.where([[False, True, False]], 2**62, a)),
                ("blocks/gram", lambda a: a[1:]),
                ("blocks/planes", lambda a: a[:, :2].copy()),
                ("blocks/weights", lambda a: a[1:]),
                ("blocks/hinges", lambda a: a[1:]),
            )
        ),
    ],
)
def test_arrays_that_would_lead_out_of_bounds_are_refused(solve, snapshot, entry, change):
    with pytest.raises(ModelFileError, match="does not fit this problem"):
        solve(snapshot=snapshot | {entry: change(snapshot[entry])})


def test_a_forged_dual_value_or_dual_point_is_no_certificate(solve, snapshot):
    heavier = snapshot["blocks/planes"].copy()
    heavier[0, 0] += 0.5
    for entry, value in (
        ("best_dual", 2 * snapshot["best_primal"] + 1.0),
        ("blocks/truth", np.clip(snapshot["blocks/truth"] + 0.5, 0.0, 1.0)),
        ("blocks/planes", heavier),
        ("blocks/planes", -snapshot["blocks/planes"]),
        ("blocks/numbers", np.zeros(2)),
    ):
        with pytest.raises(ModelFileError, match="does not fit this problem"):
            solve(snapshot=snapshot | {entry: np.asarray(value)})
