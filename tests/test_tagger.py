"""SequenceTagger: tokens in, tags out."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

import structsvm
from structsvm import ChainSVM, PackedSequences, SequenceTagger, fit_path
from structsvm.callbacks import EarlyStopping
from structsvm.exceptions import ModelFileError
from structsvm.features import SequenceVectorizer, TokenFeatures
from structsvm.features.encoding import pack_texts
from structsvm.metrics import span_f1_score


def corpus(n=40, seed=0):
    """Sentences of (word, part of speech), whose tags depend on both and on the tag before."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        kinds = rng.choice(["d", "n", "v"], size=rng.integers(1, 8))
        X.append([(f"{kind}{rng.integers(9)}", kind.upper()) for kind in kinds])
        tags, before = [], "O"
        for kind in kinds:
            inside = before != "O" and kind == "n"
            before = "O" if kind == "v" else ("I-NP" if inside else "B-NP")
            tags.append(before)
        y.append(tags)
    return X, y


def attributes(sentence):
    return [[f"word={word}", f"pos={pos}"] for word, pos in sentence]


@pytest.mark.parametrize(
    ("read", "features"),
    [
        (lambda s: s, TokenFeatures("chunk")),
        (lambda s: [word for word, _ in s], TokenFeatures("words")),
        (lambda s: [(word,) for word, _ in s], TokenFeatures("words")),
        (attributes, SequenceVectorizer()),
        (lambda s: [{"word": word, "pos": pos} for word, pos in s], SequenceVectorizer()),
    ],
)
def test_auto_takes_the_features_that_fit_the_tokens(read, features):
    X, y = corpus()
    X = [read(sentence) for sentence in X]
    tagger = SequenceTagger(random_state=0).fit(X, y)
    assert repr(tagger.features_) == repr(features)
    assert tagger.score(X, y) > 0.95
    assert tagger.dual_gap_ <= 0.03
    svm = ChainSVM(tol=0.03, fit_intercept=False, random_state=0)
    svm.fit(features.fit_transform(X), y)
    assert tagger.C_ == svm.C_
    np.testing.assert_array_equal(tagger.coef_, svm.coef_)
    assert tagger.tag(X[0]) == tagger.predict(X[:1])[0].tolist()
    assert isinstance(tagger.tag(X[0])[0], str)


def test_all_that_predicts_reads_tokens_or_rows():
    X, y = corpus()
    tagger = SequenceTagger(random_state=0).fit(X, y)
    rows = tagger.features_.transform(X)
    for name in ("predict", "decision_function", "max_marginals"):
        of_tokens, of_rows = getattr(tagger, name)(X), getattr(tagger, name)(rows)
        for a, b in zip(of_tokens, of_rows, strict=True):
            np.testing.assert_array_equal(a, b)
    assert tagger.score(X, y) == tagger.score(rows, y)
    assert len(tagger.loss_augmented_predict(X, y)) == len(X)


def test_searches_over_features_and_weights():
    X, y = corpus()
    tagger = SequenceTagger(TokenFeatures(), solver="perceptron", random_state=0)
    assert cross_val_score(tagger, X, y, cv=3).mean() > 0.8
    grid = {"features__templates": ["words", "chunk"], "features__min_count": [1, 2]}
    search = GridSearchCV(tagger, grid, cv=2).fit(X, y)
    assert search.best_score_ > 0.8
    assert clone(tagger).get_params()["features__templates"] == "chunk"


def test_held_out_sentences():
    X, y = corpus()
    tagger = SequenceTagger(
        solver="perceptron", callbacks=[EarlyStopping(patience=2)], random_state=0
    )
    tagger.fit(X, y, X_val=X[:10], y_val=y[:10])
    assert tagger.validation_score_ == tagger.score(X[:10], y[:10])


def test_scoring_decides_what_is_best():
    X, y = corpus()
    tagger = SequenceTagger(scoring="span_f1", solver="perceptron", max_iter=3, random_state=0)
    tagger.fit(X, y, X_val=X[:9], y_val=y[:9])
    assert tagger.score(X[:9], y[:9]) == span_f1_score(y[:9], tagger.predict(X[:9]))
    assert tagger.validation_score_ == tagger.score(X[:9], y[:9])
    with pytest.raises(ValueError, match="unknown scoring 'f1': expected one of 'token_accuracy'"):
        SequenceTagger(scoring="f1").fit(X, y)


@pytest.mark.parametrize(
    ("features", "read"),
    [
        ("auto", lambda s: s),
        ("auto", attributes),
        (TokenFeatures(["U:%x[0,0]", "U2:%x[-1,1]/%x[0,1]/%x[1,1]"], outside="mark"), lambda s: s),
        (TokenFeatures("words", n_hashed=1 << 12), lambda s: s),
        (TokenFeatures("words", min_count=2), lambda s: s),
    ],
)
def test_one_file_without_pickle(tmp_path, features, read):
    X, y = corpus()
    X, new = [read(s) for s in X], [read(s) for s in corpus(seed=1)[0]]
    tagger = SequenceTagger(features, constraints="iob2", random_state=0).fit(X, y)
    tagger.save(tmp_path / "model")
    copies = [structsvm.load(tmp_path / "model"), pickle.loads(pickle.dumps(tagger))]
    for copy in copies:
        assert repr(copy) == repr(tagger)
        assert [copy.tag(s) for s in new] == [tagger.tag(s) for s in new]
        np.testing.assert_array_equal(
            copy.features_.get_feature_names_out(), tagger.features_.get_feature_names_out()
        )


def test_words_of_any_text_are_kept(tmp_path):
    X = [["caf\u00e9", "\U0001f600", "", "\udc80", "line\nend"]]
    tagger = SequenceTagger(random_state=0).fit(X, [list("abcde")])
    tagger.save(tmp_path / "model")
    assert structsvm.load(tmp_path / "model").tag(X[0]) == tagger.tag(X[0])


class Rows(SequenceVectorizer):
    pass


def test_features_of_ones_own_train_but_do_not_save(tmp_path):
    X, y = corpus()
    tagger = SequenceTagger(Rows(), random_state=0).fit([attributes(s) for s in X], y)
    with pytest.raises(TypeError, match="features is a Rows, whose code or state"):
        tagger.save(tmp_path / "model")


def test_files_whose_features_do_not_fit_are_refused(tmp_path):
    X, y = corpus()
    tagger = SequenceTagger(random_state=0).fit(X, y)
    tagger.features_ = TokenFeatures("words").fit(X)
    tagger.save(tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"the features make \d+ columns, the model has"):
        structsvm.load(tmp_path / "model")
    tagger.features_ = TokenFeatures("chunk").fit(X)
    group = tagger.features_._encoders[0].groups[0]
    tagger.features_._encoders[0].groups[0] = group._replace(tables=(group.tables[0][::-1],))
    tagger.save(tmp_path / "model")
    with pytest.raises(ModelFileError, match="are not in order"):
        structsvm.load(tmp_path / "model")


def test_learning_in_pieces():
    X, y = corpus()
    hashed = TokenFeatures("chunk", n_hashed=1 << 14)
    pieces = SequenceTagger(hashed, solver="perceptron", random_state=0)
    whole = clone(pieces).partial_fit(X, y)
    for start in range(0, len(X), 10):
        piece = slice(start, start + 10)
        pieces.partial_fit(X[piece], y[piece], classes=["B-NP", "I-NP", "O"])
    np.testing.assert_array_equal(pieces.coef_, whole.coef_)
    learned = SequenceTagger(solver="perceptron").partial_fit(
        X[:1], y[:1], classes=["B-NP", "I-NP", "O"]
    )
    assert learned.partial_fit(X, y).score(X, y) > 0.5


def test_a_fit_that_fails_leaves_the_old_tagger():
    X, y = corpus()
    tagger = SequenceTagger(random_state=0)
    with pytest.raises(ValueError, match="y has 3"):
        tagger.fit(X, y[:3])
    with pytest.raises(NotFittedError):
        tagger.predict(X)
    assert not hasattr(tagger, "features_")
    before = tagger.fit(X, y).predict(X)
    with pytest.raises(ValueError, match="y has 3"):
        tagger.fit([["other", "words"]] * 4, y[:3])
    for a, b in zip(tagger.predict(X), before, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match=r"X\[0\]\[0\] is 3; expected a str"):
        tagger.fit([[3]], [["O"]])
    assert tagger.tag(X[0]) == before[0].tolist()


def test_a_second_fit_forgets_the_first():
    X, y = corpus()
    tagger = SequenceTagger(random_state=0).fit(X, y)
    tagger.fit([["yes", "no"]], [["Y", "N"]])
    assert tagger.tag(["yes", "no"]) == ["Y", "N"]
    assert tagger.tag([]) == []


def test_warm_start_goes_on():
    X, y = corpus()
    tagger = SequenceTagger(tol=1e-3, warm_start=True, random_state=0).fit(X, y)
    first = tagger.n_iter_
    assert tagger.fit(X, y).n_iter_ < first / 3
    assert tagger.fit(X[:20], y[:20]).n_iter_ > 1


def test_features_are_transformers():
    with pytest.raises(ValueError, match=r"features='chunk': expected 'auto', or a transformer su"):
        SequenceTagger("chunk").fit([["a"]], [["X"]])
    with pytest.raises(ValueError, match=r"in X_val and y_val: X\[0\]\[0\] is 3; expected a str"):
        SequenceTagger().fit([["a"]], [["X"]], X_val=[[3]], y_val=[["X"]])


def test_paths_are_of_rows():
    X, y = corpus()
    with pytest.raises(ValueError, match="fit_path takes a ChainSVM and rows"):
        fit_path(SequenceTagger(), X, y, Cs=[0.1])


def test_rows_that_were_made_before_are_taken_for_prediction_only():
    X, y = corpus()
    tagger = SequenceTagger(random_state=0)
    with pytest.raises(NotFittedError):
        tagger.predict(TokenFeatures().fit_transform(X))
    assert isinstance(tagger.fit(X, y).features_.transform(X), PackedSequences)


def test_joblib_hashes_the_same_for_the_same_data():
    X, _ = corpus()
    first, second = (TokenFeatures().fit_transform(X) for _ in range(2))
    assert joblib.hash(first) == joblib.hash(second)


def as_words(sentence):
    return [word for word, _ in sentence]


def as_tuples(sentence):
    return [(word,) for word, _ in sentence]


def as_columns(sentence):
    return list(sentence)


def as_three_columns(sentence):
    return [(*token, "x") for token in sentence]


def as_lists_of_columns(sentence):
    return [list(token) for token in sentence]


def as_dicts(sentence):
    return [{"word": word, "pos": pos} for word, pos in sentence]


def as_tuples_of_attributes(sentence):
    return [tuple(token) for token in attributes(sentence)]


def as_bytes(sentence):
    return [word.encode() for word, _ in sentence]


def as_text(sentence):
    return " ".join(word for word, _ in sentence)


READS = [
    as_words, as_tuples, as_columns, as_three_columns, as_lists_of_columns, as_dicts, attributes,
    as_tuples_of_attributes, as_bytes, as_text,
]  # fmt: skip
FITS = {
    "words": ("auto", as_words, {as_words, as_tuples}),
    "one column": ("auto", as_tuples, {as_words, as_tuples}),
    "columns": ("auto", as_columns, {as_columns, as_tuples_of_attributes}),
    "wide": (TokenFeatures("words"), as_three_columns, {as_three_columns, as_words, as_tuples}),
    "lists of columns": (TokenFeatures(), as_lists_of_columns, {as_lists_of_columns, attributes}),
    "dicts": ("auto", as_dicts, {as_dicts}),
    "lists": ("auto", attributes, {attributes, as_lists_of_columns}),
    "tuples": (
        SequenceVectorizer(),
        as_tuples_of_attributes,
        {as_tuples_of_attributes, as_columns, as_tuples, as_three_columns},
    ),
}


@pytest.mark.parametrize("case", FITS)
@pytest.mark.parametrize("saved", [False, True])
def test_what_was_fitted_is_what_must_come(tmp_path, case, saved):
    """Lists look like other lists, and tuples like other tuples of as many; all else differs."""
    features, read, alike = FITS[case]
    X, y = corpus(20)
    tagger = SequenceTagger(features, random_state=0).fit([read(s) for s in X], y)
    if saved:
        tagger.save(tmp_path / "model")
        tagger = structsvm.load(tmp_path / "model")
    for other in READS:
        new = [other(s) for s in X]
        if other in alike:
            tagger.predict(new)
            continue
        for method in (tagger.predict, tagger.max_marginals, tagger.decision_function):
            with pytest.raises(ValueError, match=r"^X\[\d+\](\[\d+\])? (is|has) "):
                method(new)
        with pytest.raises(ValueError, match=r"^X\[0\]"):
            tagger.tag(new[0])
        with pytest.raises(ValueError, match=r"^X\["):
            tagger.score(new, y)
    mixed = [read(X[0]), [read(X[1])[0], 3.0]]
    with pytest.raises(ValueError, match=r"X\[1\]\[1\] is 3.0"):
        tagger.predict(mixed)


def test_attributes_given_to_a_tagger_of_words_are_named():
    X, y = corpus(20)
    tagger = SequenceTagger(random_state=0).fit([as_words(s) for s in X], y)
    message = r"X\[0\]\[0\] is \['word=.*a list, but the tokens that fit saw are tuples and words"
    with pytest.raises(ValueError, match=message):
        tagger.predict([attributes(s) for s in X])
    with pytest.raises(ValueError, match=r"in X_val and y_val: .*a list, but the tokens that fit"):
        SequenceTagger().fit([as_words(s) for s in X], y, X_val=[attributes(s) for s in X], y_val=y)
    online = SequenceTagger(solver="perceptron").partial_fit([as_words(s) for s in X], y)
    with pytest.raises(
        ValueError, match="a list, but the tokens that fit saw are tuples and words"
    ):
        online.partial_fit([attributes(s) for s in X], y)


def test_tuples_of_attributes_are_not_taken_for_columns():
    X, y = corpus(20)
    long = [[(*token, "a", "b") for token in s] for s in X]
    message = r"the first token is \('.*, a tuple of 4: features='auto' reads tuples as columns"
    with pytest.raises(ValueError, match=message):
        SequenceTagger().fit(long, y)
    ragged = [[(*token, *("a" * (t % 2))) for t, token in enumerate(s)] for s in X]
    with pytest.raises(
        ValueError, match=r"of 3 columns, expected 2 as X\[0\] has; if these are at"
    ):
        SequenceTagger().fit(ragged, y)
    assert SequenceTagger(SequenceVectorizer(), random_state=0).fit(long, y).score(long, y) > 0.9
    assert SequenceTagger(TokenFeatures(), random_state=0).fit(long, y).score(long, y) > 0.9


@pytest.mark.parametrize("read", [as_words, as_columns, attributes, as_dicts])
def test_sentences_may_be_iterators(read):
    X, y = corpus(20)
    X = [read(s) for s in X]
    tagger = SequenceTagger(random_state=0).fit(X, y)
    lazy = SequenceTagger(random_state=0)
    lazy.fit([iter(s) for s in X], y, X_val=[iter(s) for s in X], y_val=y)
    np.testing.assert_array_equal(
        lazy.features_.transform(X).rows.toarray(), tagger.features_.transform(X).rows.toarray()
    )
    for a, b in zip(tagger.predict([(t for t in s) for s in X]), tagger.predict(X), strict=True):
        np.testing.assert_array_equal(a, b)
    assert tagger.score([iter(s) for s in X], y) == tagger.score(X, y)
    assert tagger.tag(iter(X[0])) == tagger.tag(X[0])
    online = SequenceTagger(solver="perceptron")
    online.partial_fit([iter(s) for s in X], y).partial_fit([iter(s) for s in X], y)
    assert online.score(X, y) > 0.5
    fit = SequenceVectorizer() if read in (attributes, as_dicts) else TokenFeatures("words")
    np.testing.assert_array_equal(
        fit.fit_transform([iter(s) for s in X]).rows.toarray(),
        clone(fit).fit_transform(X).rows.toarray(),
    )


def test_generators_of_sentences_and_tags():
    X, y = corpus()
    tagger = SequenceTagger(random_state=0).fit(X, y, X_val=X[:9], y_val=y[:9])
    same = SequenceTagger(random_state=0)
    same.fit((s for s in X), map(tuple, y), X_val=iter(X[:9]), y_val=iter(y[:9]))
    np.testing.assert_array_equal(same.coef_, tagger.coef_)
    assert tagger.score(iter(X), iter(y)) == tagger.score(X, y)
    assert [list(tags) for tags in tagger.predict(s for s in X)] == [
        list(tags) for tags in tagger.predict(X)
    ]
    online = SequenceTagger(solver="perceptron").partial_fit(iter(X), iter(y))
    np.testing.assert_array_equal(
        online.coef_, SequenceTagger(solver="perceptron").partial_fit(X, y).coef_
    )
    with pytest.raises(ValueError, match="of X: nothing to learn from"):
        SequenceTagger().fit(iter([]), iter([]))


def test_other_collections_of_sentences():
    X, y = np.array([["d1", "n1"], ["n2", "v1"]]), [["D", "N"], ["N", "V"]]
    tagger = SequenceTagger(random_state=0).fit(X, y)
    assert tagger.tag(X[0]) == tagger.tag(["d1", "n1"]) == ["D", "N"]
    for bad, message in (
        (5, "X is a int; expected a list of sequences of tokens"),
        ("d1 n1", "X is a str; expected a list of sequences"),
        (["d1 n1", "n2 v1"], r"X\[0\] is a str; expected a list of tokens"),
        (np.array(["d1", "n2"]), r"X\[0\] is a str_; expected a list of tokens"),
        (np.array([[["d1"]]]), r"X\[0\]\[0\] is array\("),
        ([[(word for word in "ab")]], r"X\[0\]\[0\] is <generator"),
    ):
        for call in (tagger.predict, lambda X: SequenceTagger().fit(X, y)):
            with pytest.raises(ValueError, match=message):
                call(bad)
    with pytest.raises(ValueError, match="X is a PackedSequences, rows that were made before; fit"):
        SequenceTagger().fit(tagger.features_.transform(X), y)


class Table:
    """What a data frame looks like: it has columns, and gives their names one by one."""

    columns = ("w", "p")
    shape = (2, 2)

    def __len__(self):
        return 2

    def __iter__(self):
        return iter(self.columns)


@pytest.mark.parametrize(
    ("sentence", "message"), [(Table(), "names of its columns"), ({"a", "b"}, "no order")]
)
def test_tables_and_sets_are_no_sentences(sentence, message):
    with pytest.raises(ValueError, match=rf"X\[1\] is a .*{message}"):
        SequenceTagger().fit([["a", "b"], sentence], [["B", "I"]] * 2)
    tagger = SequenceTagger(random_state=0).fit([["a", "b"]], [["B", "I"]])
    with pytest.raises(ValueError, match=message):
        tagger.predict([sentence])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t, X, y: t.set_params(features=None).fit(X, y), "features=None: expected 'auto'"),
        (
            lambda t, X, y: t.set_params(features=TokenFeatures).fit(X, y),
            r"features=<class .*: expected 'auto'",
        ),
        (lambda t, X, y: t.set_params(features=[]).fit(X, y), r"features=\[\]: expected 'auto'"),
        (lambda t, X, y: t.set_params(constraints=5).fit(X, y), "constraints=5: expected the name"),
        (
            lambda t, X, y: t.set_params(constraints={"a": "b"}).fit(X, y),
            r"constraints=\{'a': 'b'\}: expected the name",
        ),
        (
            lambda t, X, y: t.set_params(order=np.array([1, 2])).fit(X, y),
            r"order=array\(\[1, 2\]\): expected 1 or 2",
        ),
        (lambda t, X, y: t.set_params(order=None).fit(X, y), "order=None: expected 1 or 2"),
        (
            lambda t, X, y: t.fit(X, y).predict_by_rules(X, one_run=[["a", None]]),
            r"one_run\[0\] is \['a', None\]; the known labels",
        ),
        (
            lambda t, X, y: t.fit(X, y).condensed(dtype=np.zeros(2)),
            r"dtype=array\(\[0., 0.\]\): expected np.float16 or np.float32",
        ),
    ],
)
def test_parameters_of_other_types_are_told(call, message):
    X, y = [["the", "cat"], ["a", "dog"]], [["a", "b"], ["a", "b"]]
    with pytest.raises(ValueError, match=message):
        call(SequenceTagger(random_state=0), X, y)


@pytest.mark.parametrize("make", [SequenceVectorizer, lambda: TokenFeatures("words")])
def test_states_of_features_are_checked(make):
    X = [[("a",), ("b",)]]
    state = make().fit(X).to_state()
    other = pack_texts("kinds", ["tuplet"])
    with pytest.raises(ValueError, match=r"the kinds of tokens are \['tuplet'\]"):
        make().from_state(state | other)
    if make is SequenceVectorizer:
        with pytest.raises(ValueError, match="separator=2: expected a str"):
            SequenceVectorizer(separator=2).from_state(state)
