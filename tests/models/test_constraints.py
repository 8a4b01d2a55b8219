"""Forbidden transitions, in training and in prediction."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from structsvm import (
    ChainModel,
    ChainSVM,
    PackedSequences,
    SequenceTagger,
    StructSVM,
    StructuredModel,
    load,
)
from structsvm.exceptions import LabelError, TrivialFitWarning
from structsvm.metrics import spans
from structsvm.models.allowed import allowed_labels
from structsvm.models.constraints import screen_labels

IOB = np.array(["B-A", "B-B", "I-A", "I-B", "O"])
IOBES = np.array(["B-A", "E-A", "E-B", "I-A", "O", "S-B"])
PAIRS = [("x", "x"), (None, "y"), ("z", None), ("y", "z")]


def by_rule(constraints, tags):
    """Whether a sequence may be, said in another way."""
    if constraints == "iob2":
        lenient = [span for span in spans(tags)]
        return spans(tags, scheme="iob2") == lenient and all(
            tags[start].startswith("B") for _, start, _ in lenient
        )
    if constraints == "iobes":
        covered = sum(stop - start for _, start, stop in spans(tags, scheme="iobes"))
        return covered == sum(tag != "O" for tag in tags)
    pairs = itertools.pairwise([None, *tags, None])
    return not any(pair in PAIRS for pair in pairs)


CASES = [("iob2", IOB), ("iobes", IOBES), (PAIRS, np.array(["x", "y", "z"]))]


@pytest.mark.parametrize(("constraints", "classes"), CASES)
def test_masks_allow_what_the_rule_allows(constraints, classes):
    allowed = allowed_labels(constraints, classes)
    for length in (1, 2, 3):
        for labels in itertools.product(range(len(classes)), repeat=length):
            good = allowed.start[labels[0]] and allowed.end[labels[-1]]
            good = good and all(allowed.transition[i, j] for i, j in itertools.pairwise(labels))
            assert good == by_rule(constraints, classes[list(labels)].tolist()), labels


@given(
    case=st.sampled_from(CASES),
    boundary=st.booleans(),
    length=st.integers(1, 4),
    seed=st.integers(0, 10**6),
    data=st.data(),
)
def test_oracles_equal_brute_force_over_what_is_allowed(case, boundary, length, seed, data):
    constraints, classes = case
    rng = np.random.default_rng(seed)
    model = ChainModel(constraints=constraints, boundary=boundary)
    model.resize(classes, 2)
    outputs = [
        np.array(tags)
        for tags in itertools.product(classes, repeat=length)
        if by_rule(constraints, tags)
    ]
    y = outputs[data.draw(st.integers(0, len(outputs) - 1))]
    x = rng.integers(-1, 2, size=(length, 2)).astype(float)
    w = rng.choice([0.0, 1.0, -1.0, 0.3, 100.0], size=model.n_weights)
    scores = np.array([w @ model.joint_feature(x, z) for z in outputs])
    losses = np.array([model.loss(y, z) for z in outputs])
    truth = w @ model.joint_feature(x, y)
    for answer in (model.inference(x, w), model.batch_inference([x], w)[0]):
        assert by_rule(constraints, answer.tolist())
        assert w @ model.joint_feature(x, answer) == pytest.approx(scores.max(), abs=1e-9)
    hinges = {
        "margin": (losses + scores - truth).max(),
        "slack": (losses * (1 + scores - truth)).max(),
    }
    for rescaling, want in hinges.items():
        problem = model.bind([x], [y])
        problem.set_rescaling(rescaling)
        indices, values, loss = problem.oracle(0, w)
        assert loss - values @ w[indices] == pytest.approx(want, abs=1e-7)
    violator = model.loss_augmented_inference(x, y, w)
    assert by_rule(constraints, violator.tolist())
    assert model.loss(y, violator) + w @ model.joint_feature(x, violator) == pytest.approx(
        (losses + scores).max(), abs=1e-9
    )


def tagged(n=60):
    rng = np.random.default_rng(0)
    X, y = [], []
    for _ in range(n):
        tags = []
        while len(tags) < 8:
            kind, size = rng.choice(["A", "B"]), rng.integers(1, 4)
            tags += ["O"] if rng.random() < 0.4 else [f"B-{kind}"] + [f"I-{kind}"] * (size - 1)
        y.append(tags)
        codes = np.array([np.flatnonzero(tag == IOB)[0] for tag in tags])
        X.append(np.eye(5)[codes] + rng.normal(scale=1.2, size=(len(tags), 5)))
    return X, y


def test_trained_and_loaded_models_predict_well_formed_tags_only(tmp_path):
    X, y = tagged()
    free = ChainSVM(C=0.1, random_state=0).fit(X[:30], y[:30])
    assert not all(by_rule("iob2", tags.tolist()) for tags in free.predict(X))
    svm = ChainSVM(C=0.1, constraints="iob2", random_state=0).fit(X[:30], y[:30])
    assert svm.dual_gap_ <= 1e-3
    assert all(by_rule("iob2", tags.tolist()) for tags in svm.predict(X))
    forbidden = ~allowed_labels("iob2", svm.classes_).transition
    assert not svm.transition_coef_[forbidden].any()
    svm.save(tmp_path / "model")
    copy = load(tmp_path / "model")
    assert copy.constraints == "iob2"
    assert all(np.array_equal(a, b) for a, b in zip(copy.predict(X), svm.predict(X), strict=True))
    listed = ChainSVM(constraints=[("O", "I-A"), (None, "I-B")], random_state=0)
    listed.fit(X, y).save(tmp_path / "listed")
    again = load(tmp_path / "listed").predict(X)
    assert all(np.array_equal(a, b) for a, b in zip(listed.predict(X), again, strict=True))


def test_the_python_methods_train_to_the_same_optimum():
    class Python(ChainModel):
        bind = StructuredModel.bind

    X, y = tagged(20)
    options = {"C": 0.1, "tol": 1e-5, "max_iter": 5000, "random_state": 0}
    compiled = StructSVM(ChainModel(constraints="iob2"), **options).fit(X, y)
    python = StructSVM(Python(constraints="iob2"), **options)
    # Its batch methods would bind to the compiled code.
    Python.batch_loss_augmented_inference = StructuredModel.batch_loss_augmented_inference
    assert python.fit(X, y).objective_ == pytest.approx(compiled.objective_, rel=2e-5)


@pytest.mark.parametrize(
    ("constraints", "change", "message"),
    [
        ("iob2", ["I-A", "O"], r"y\[1\]\[0\] is I-A at the start, which constraints forbid"),
        ("iob2", ["O", "I-A"], r"y\[1\]\[1\] is I-A after O, which constraints forbid"),
        ([("O", None)], ["B-A", "O"], r"y\[1\]\[-1\] is O at the end, which constraints forbid"),
        ("iob2", ["Z-A", "O"], "tag 3 is 'Z-A'; scheme 'iob2' has the prefixes B, I, O"),
        ("bio", ["O", "O"], "unknown constraints 'bio': expected 'iob2', 'iobes', 'bilou', one"),
        ([("O", "X")], ["O", "O"], r"constraints\[0\] names 'X', which is no label; the known"),
        (["OX"], ["O", "O"], r"constraints\[0\] is 'OX', expected a pair \(from, to\)"),
        ([(None, None)], ["O", "O"], r"constraints\[0\] is \(None, None\)"),
    ],
)
def test_what_does_not_fit_is_refused(constraints, change, message):
    y = [["B-A", "I-A", "B-A"], change, []]
    X = [np.zeros((len(tags), 2)) for tags in y]
    with pytest.raises(ValueError, match=message):
        ChainSVM(constraints=constraints).fit(X, y)


BAD_TAGS = [["B-A", "I-A", "O"], ["O", "I-A", "I-A"], ["B-A", "I-B"], [], ["O", "B-B", "I-B"]]
BAD_X = [np.eye(5)[: len(tags)] for tags in BAD_TAGS]


def plainly(**params):
    return ChainSVM(C=1.0, random_state=0, **params)


def test_sequences_that_break_constraints_may_be_left_out():
    svm = plainly(constraints="iob2", on_violation="skip")
    message = (
        r"^2 of 5 sequences break the constraints and were left out; the first is y\[1\], where "
        "label 1 is I-A after O$"
    )
    weights = [[1.0] * len(tags) for tags in BAD_TAGS]
    with pytest.warns(UserWarning, match=message) as told:
        svm.fit(BAD_X, BAD_TAGS, [1, 2, 3, 4, 5], weights)
    assert len(told) == 1
    kept = [0, 3, 4]
    want = plainly(constraints="iob2").fit(
        [BAD_X[i] for i in kept], [BAD_TAGS[i] for i in kept], [1, 4, 5], [weights[i] for i in kept]
    )
    np.testing.assert_array_equal(svm.coef_, want.coef_)
    assert (svm.n_violations_, want.n_violations_) == (2, 0)
    assert svm.classes_.tolist() == ["B-A", "B-B", "I-A", "I-B", "O"]


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("edges", [False, True])
def test_packed_rows_of_sequences_left_out(order, edges):
    rows = sp.csr_array(np.concatenate(BAD_X))
    offsets = np.cumsum([0, *map(len, BAD_TAGS)])
    packed = PackedSequences(rows, offsets, rows if edges else None)
    svm = plainly(constraints="iob2", on_violation="skip", order=order)
    with pytest.warns(UserWarning, match="2 of 5 sequences break"):
        svm.fit(packed, BAD_TAGS)
    kept = [packed[i] for i in (0, 3, 4)]
    want = plainly(constraints="iob2", order=order)
    want.fit(kept, [BAD_TAGS[i] for i in (0, 3, 4)])
    np.testing.assert_array_equal(svm.coef_, want.coef_)


@pytest.mark.parametrize(
    ("constraints", "tags", "repaired"),
    [
        ("iob2", "O I-A I-A", "O B-A I-A"),
        ("iob2", "B-A I-B I-A", "B-A B-B B-A"),
        ("iob2", "I-A I-A B-A", "B-A I-A B-A"),
        ("iob2", "I O I I", "B O B I"),
        ("iob2", "S-A B-A E-A", "B-A B-A I-A"),
        ("iobes", "B-A I-A O", "B-A E-A O"),
        ("iobes", "I-A O B-B", "S-A O S-B"),
        ("iobes", "O E-A S-A E-A", "O S-A S-A S-A"),
        ("iobes", "B-A B-A I-B E-B", "S-A S-A B-B E-B"),
        ([("a", "b"), (None, "c"), ("b", None)], "a b", "a a"),
        ([("a", "b")], "a b a b c", "a a a a c"),
        ([(None, "c")], "c c a", "a c a"),
    ],
)
def test_sequences_that_break_constraints_may_be_repaired(constraints, tags, repaired):
    good = {"iob2": "B-A I-A O", "iobes": "S-A O"}.get(str(constraints), "a a c b a")
    y = [good.split(), tags.split(), repaired.split()]
    X = [np.eye(6)[: len(labels)] for labels in y]
    svm = plainly(constraints=constraints, on_violation="repair")
    with pytest.warns(
        UserWarning, match=r"^1 of 3 sequences break .* repaired; the first is y\[1\]"
    ):
        svm.fit(X, y)
    assert svm.n_violations_ == 1
    want = plainly(constraints=constraints).fit(X, [y[0], repaired.split(), y[2]])
    np.testing.assert_array_equal(svm.coef_, want.coef_)
    assert y[1] == tags.split()


@given(
    st.sampled_from(["iob2", "iobes"]),
    st.lists(st.sampled_from(["O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B"]), min_size=1),
)
def test_a_repaired_sequence_has_the_same_spans(scheme, tags):
    repaired = screen_labels(scheme, "repair", [tags, ["O"]]).y[0]
    assert by_rule(scheme, list(repaired))
    assert spans(repaired) == spans(tags)
    again = screen_labels(scheme, "repair", [repaired, ["O"]])
    assert again.n_violations == 0
    of_scheme = scheme == "iobes" or not {"E-A", "S-A"} & {*tags}
    if of_scheme and by_rule(scheme, tags):
        assert list(repaired) == tags


def changes(a, b):
    return sum(x != y for x, y in zip(a, b, strict=True))


@given(st.lists(st.sampled_from("xyz"), min_size=1, max_size=5))
def test_a_list_of_pairs_is_kept_with_the_fewest_changes(labels):
    repaired = screen_labels(PAIRS, "repair", [labels, ["x"], ["y"], ["z"]]).y[0]
    assert by_rule(PAIRS, list(repaired))
    least = min(
        changes(labels, other)
        for other in itertools.product("xyz", repeat=len(labels))
        if by_rule(PAIRS, other)
    )
    assert changes(labels, repaired) == least


def test_held_out_sequences_and_pieces_are_seen_to_likewise():
    X, y = BAD_X[:1], BAD_TAGS[:1]
    for what in ("skip", "repair"):
        svm = plainly(constraints="iob2", on_violation=what)
        with pytest.warns(UserWarning, match="^in X_val and y_val: 2 of 5 sequences break"):
            svm.fit(X, y, X_val=BAD_X, y_val=BAD_TAGS)
        assert svm.n_violations_ == 0
        online = plainly(constraints="iob2", on_violation=what, solver="perceptron")
        for _ in range(2):
            with pytest.warns(UserWarning, match="2 of 5"):
                online.partial_fit(BAD_X, BAD_TAGS)
        assert online.n_violations_ == 4
    with pytest.raises(
        ValueError, match=r"in X_val and y_val: y\[1\]\[1\] is I-A after O, which c"
    ):
        plainly(constraints="iob2").fit(X, y, X_val=BAD_X, y_val=BAD_TAGS)


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
def test_the_model_itself_and_the_tagger_take_it_too(tmp_path):
    with pytest.warns(UserWarning, match="2 of 5"):
        svm = StructSVM(ChainModel(constraints="iob2", on_violation="skip")).fit(BAD_X, BAD_TAGS)
    assert svm.n_violations_ == 2
    X = [[f"w{t}" for t in range(len(tags))] for tags in BAD_TAGS]
    tagger = SequenceTagger(constraints="iob2", on_violation="repair", random_state=0)
    with pytest.warns(UserWarning, match="2 of 5"):
        tagger.fit(X, BAD_TAGS)
    tagger.save(tmp_path / "model")
    assert load(tmp_path / "model").on_violation == "repair"


def test_labels_that_the_scheme_does_not_know():
    y = [["B-A", "O"], ["NP", "O"]]
    X = [np.eye(2)] * 2
    with pytest.warns(UserWarning, match=r"1 of 2 .* y\[1\], where label 0 is NP at the start"):
        svm = plainly(constraints="iob2", on_violation="skip").fit(X, y)
    assert svm.classes_.tolist() == ["B-A", "O"]
    with pytest.raises(ValueError, match=r"y\[1\] cannot be repaired: tag 0 is 'NP'; scheme"):
        plainly(constraints="iob2", on_violation="repair").fit(X, y)
    with pytest.raises(ValueError, match="tag 0 is 0, expected a str"):
        plainly(constraints="iob2", on_violation="skip").fit(X, [[0, 1], [1, 0]])


def test_violations_that_cannot_be_helped():
    X, y = [np.eye(2)], [["I-A", "O"]]
    with pytest.raises(ValueError, match=r"1 of 1 sequences .*: there is nothing left to learn"):
        plainly(constraints="iob2", on_violation="skip").fit(X, y)
    with pytest.raises(ValueError, match=r"constraints\[0\] names 'X', which is no label"):
        plainly(constraints=[("I-A", "X")], on_violation="skip").fit(X, y)
    nothing = [("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")]
    with pytest.raises(ValueError, match=r"y\[0\] cannot be repaired: constraints forbid all sequ"):
        plainly(constraints=nothing, on_violation="repair").fit(X, [["a", "b"]])
    with pytest.raises(
        ValueError, match="on_violation='drop': expected one of 'raise', 'skip', 're"
    ):
        plainly(constraints="iob2", on_violation="drop").fit(X, y)
    with pytest.raises(LabelError, match="on_violation='skip' leaves such sequences out") as info:
        plainly(constraints="iob2").fit(X, y)
    assert info.value.place == (0, 0)


def test_constraints_need_transitions_and_something_allowed():
    X, y = [np.zeros((2, 1))], [["a", "b"]]
    with pytest.raises(ValueError, match="constraints need transitions=True"):
        ChainSVM(constraints=[("a", "a")], transitions=False).fit(X, y)
    with pytest.warns(TrivialFitWarning, match="no mistake costs anything"):
        svm = ChainSVM(constraints=[("a", "a"), ("b", "a"), ("b", "b")]).fit(X, y)
    with pytest.raises(ValueError, match="constraints forbid every labelling of sequence 1"):
        svm.predict([np.zeros((1, 1)), np.zeros((3, 1))])
    with pytest.raises(ValueError, match="constraints forbid every labelling of sequence 0"):
        svm.model_.inference(np.zeros((3, 1)), svm.coef_)
