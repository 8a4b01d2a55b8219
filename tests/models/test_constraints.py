"""Forbidden transitions, in training and in prediction."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structsvm import ChainModel, ChainSVM, StructSVM, StructuredModel, load
from structsvm.metrics import spans
from structsvm.models.constraints import allowed_labels

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
        ("bio", ["O", "O"], "unknown constraints 'bio': expected 'iob2', 'iobes', or a list"),
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


def test_constraints_need_transitions_and_something_allowed():
    X, y = [np.zeros((2, 1))], [["a", "b"]]
    with pytest.raises(ValueError, match="so they need transitions=True"):
        ChainSVM(constraints=[("a", "a")], transitions=False).fit(X, y)
    svm = ChainSVM(constraints=[("a", "a"), ("b", "a"), ("b", "b")]).fit(X, y)
    with pytest.raises(ValueError, match="constraints forbid all labels of sequence 1"):
        svm.predict([np.zeros((1, 1)), np.zeros((3, 1))])
    with pytest.raises(ValueError, match="forbidden by -inf scores"):
        svm.model_.inference(np.zeros((3, 1)), svm.coef_)
