"""The displays draw the figures that estimators and metrics give; artists' data are looked at."""

import sys

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import confusion_matrix

from structsvm import (
    ChainSVM,
    GridSVM,
    MulticlassSVM,
    PathSearch,
    RankingSVM,
    SequenceTagger,
    SurrogateSVM,
    fit_path,
)
from structsvm.datasets import make_digit_words
from structsvm.metrics import Reliability
from structsvm.plotting import (
    ConvergenceDisplay,
    HingesDisplay,
    LabelConfusionDisplay,
    PathDisplay,
    ReliabilityDisplay,
    SegmentationDisplay,
    TransitionsDisplay,
    WeightsDisplay,
)

mpl.use("Agg")
import matplotlib.pyplot as plt

DATA = make_digit_words(n_train=40, n_test=20, random_state=0)
TRAIN, TEST = (DATA.X_train, DATA.y_train), (DATA.X_test, DATA.y_test)
SVM = ChainSVM(tol=1e-2, random_state=0).fit(*TRAIN)
ONLINE = ChainSVM(solver="perceptron", random_state=0).fit(*TRAIN)
CORPUS = [["the", "cat"], ["a", "cat", "runs"]], [["D", "N"], ["D", "N", "V"]]
CHAINS = [[[1.0, 0], [0, 1]], [[1.0, 1], [1, 0]]], [["x", "y"], ["y", "x"]]
ROWS = np.array([[2.0, 0, 0], [0, 2, 0], [0, 0, 2], [1, 0, 0]]), ["a", "b", "c", "a"]
SURROGATE = SurrogateSVM().fit(ROWS[0], np.array(ROWS[1]) == "a")


@pytest.fixture(autouse=True)
def no_figure_stays():
    yield
    plt.close("all")


# ---- convergence


def test_convergence_draws_the_history():
    display = ConvergenceDisplay.from_estimator(SVM, name="words")
    certified, estimate = display.lines_["words"]
    np.testing.assert_array_equal(certified.get_xdata(), SVM.history_["seconds"])
    np.testing.assert_array_equal(certified.get_ydata(), SVM.history_["gap"])
    np.testing.assert_array_equal(estimate.get_ydata(), SVM.history_["gap_estimate"])
    assert certified.get_label() == "words: certified"
    assert display.ax_.get_ylabel() == "relative duality gap"
    assert display.ax_.lines[-1].get_ydata() == [SVM.tol, SVM.tol]
    display.plot(of="objective", against="passes")
    primal, dual = display.lines_["words"]
    assert primal.get_ydata()[-1] == SVM.objective_ >= dual.get_ydata()[-1]
    assert dual.get_xdata().tolist() == list(range(1, SVM.n_iter_ + 1))
    assert np.isfinite(primal.get_ydata()).all()


def test_several_fits_stand_in_one_picture():
    ax = plt.figure().add_subplot()
    fits = {"one": SVM, "two": ONLINE}
    display = ConvergenceDisplay.from_estimator(fits, against="oracle_calls", ax=ax, linewidth=3)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    (hinge,) = display.lines_["two"]
    np.testing.assert_array_equal(hinge.get_xdata(), ONLINE.history_["n_oracle_calls"])
    hinges = ONLINE.history_["mean_hinge"]
    np.testing.assert_array_equal(hinge.get_ydata(), np.where(hinges > 0, hinges, np.nan))
    assert hinge.get_linewidth() == 3
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["one: certified", "two: mean hinge"]
    assert ax.get_ylabel() == "relative duality gap | mean hinge"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_gap_that_is_no_certificate_is_called_so():
    svm = ChainSVM(max_iter=2, random_state=0).fit(*TRAIN)
    svm.certified_ = False
    display = ConvergenceDisplay.from_estimator(svm)
    assert display.lines_["ChainSVM"][0].get_label() == "ChainSVM: estimate"


# ---- paths


def test_path_of_a_search():
    search = PathSearch(ChainSVM(tol=1e-2, random_state=0), Cs=[1.0, 0.01, 0.1], cv=2).fit(*TRAIN)
    display = PathDisplay.from_estimator(search)
    results = search.cv_results_
    np.testing.assert_array_equal(display.line_.get_data(), [[0.01, 0.1, 1.0], display.scores])
    np.testing.assert_array_equal(display.scores, results["mean_test_score"])
    np.testing.assert_array_equal(display.spread, results["std_test_score"])
    np.testing.assert_array_equal(display.gap_line_.get_ydata(), results["dual_gap"])
    assert display.best_C_ == search.best_params_["C"]
    assert display.plot(show_gaps=False).gap_ax_ is None


def test_path_of_one_class_weight():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(2, size=60)
    svm = MulticlassSVM(random_state=0)
    search = PathSearch(svm, Cs=[0.01, 0.1], class_weights=[None, "balanced"]).fit(X, y)
    balanced = PathDisplay.from_estimator(search, class_weight="balanced")
    np.testing.assert_array_equal(balanced.scores, search.cv_results_["mean_test_score"][2:])
    assert balanced.spread is None
    assert len(PathDisplay.from_estimator(search).C) == 2
    with pytest.raises(ValueError, match="class_weight='rare' is none of those"):
        PathDisplay.from_estimator(search, class_weight="rare")


def test_path_of_fits_and_of_auto():
    fits = fit_path(ChainSVM(tol=1e-2, random_state=0), *TRAIN, Cs=[0.1, 0.01])
    display = PathDisplay.from_estimator(fits, *TEST)
    assert display.C.tolist() == [0.01, 0.1]
    assert display.scores.tolist() == [fit.score(*TEST) for fit in fits[::-1]]
    svm = ChainSVM(C="auto", tol=1e-2, random_state=0).fit(*TRAIN)
    display = PathDisplay.from_estimator(svm)
    assert display.best_C_ == svm.C_
    assert (np.diff(display.C) > 0).all()
    assert sorted(display.scores) == sorted(svm.path_["score"])


# ---- what was learnt


def test_transitions_are_the_weights():
    ax = plt.figure().add_subplot()
    display = TransitionsDisplay.from_estimator(SVM, ax=ax, cmap="PuOr")
    assert display.ax_ is ax
    np.testing.assert_array_equal(display.im_.get_array(), SVM.transition_coef_)
    assert [t.get_text() for t in ax.get_xticklabels()] == list(map(str, range(10)))
    second = ChainSVM(order=2, tol=0.1, random_state=0).fit(*CHAINS)
    labels = TransitionsDisplay.from_estimator(second).labels
    assert labels[:3] == ["|x", "x|x", "y|x"]


def test_bars_are_the_features_that_weigh_most():
    tagger = SequenceTagger(random_state=0).fit(*CORPUS)
    display = WeightsDisplay.from_estimator(tagger, label="N", k=6)
    every = tagger.top_state_features("N", 1000)
    magnitudes = sorted((abs(term.value) for term in every), reverse=True)[:6]
    assert sorted(map(abs, display.values_), reverse=True) == magnitudes
    assert [bar.get_width() for bar in display.bars_] == sorted(display.values_)
    by_name = {term.source: term.value for term in every}
    for name, value in zip(display.names_, display.values_, strict=True):
        assert by_name[name] == value
    assert display.ax_.get_title() == "N"
    both = WeightsDisplay.from_estimator(tagger, k=8)
    assert len({name.rpartition(": ")[2] for name in both.names_}) > 1
    columns = WeightsDisplay.from_estimator(
        SVM, label=3, k=5, feature_names=[f"pixel {k}" for k in range(SVM.n_features_in_)]
    )
    assert all(name.startswith("pixel ") for name in columns.names_)


def test_bars_of_reasons_add_up():
    x, y = TEST[0][0], TEST[1][0]
    other = SVM.loss_augmented_predict([x], [y])[0]
    terms = SVM.explain(x, y, other)
    display = WeightsDisplay(terms).plot()
    assert len(display.names_) == len(terms) > 0
    assert sum(bar.get_width() for bar in display.bars_) == pytest.approx(
        sum(term.value for term in terms)
    )
    assert WeightsDisplay([]).plot().names_ == []


def test_bars_of_classes():
    svm = MulticlassSVM(random_state=0).fit(*ROWS)
    display = WeightsDisplay.from_estimator(svm, label="b", k=3)
    assert display.values_.tolist() == sorted(svm.coef_[1][svm.coef_[1] != 0])
    rows, classes = ROWS[0][:2], ROWS[1][:2]
    two = MulticlassSVM(random_state=0).fit(rows, classes)
    first, second = (WeightsDisplay.from_estimator(two, label=name, k=3) for name in "ab")
    np.testing.assert_array_equal(first.values_, -second.values_[::-1])


# ---- answers


def test_confusion_counts_labels_that_are_not_void():
    svm = ChainSVM(ignore_label=7, tol=1e-2, random_state=0).fit(*TRAIN)
    display = LabelConfusionDisplay.from_estimator(svm, *TEST)
    truth, guess = (np.concatenate(list(rows)) for rows in (TEST[1], svm.predict(TEST[0])))
    known = truth != 7
    np.testing.assert_array_equal(
        display.confusion_matrix, confusion_matrix(truth[known], guess[known])
    )
    shares = LabelConfusionDisplay.from_predictions(
        *[[np.array([[0, 1], [1, 1]])], [np.array([[0, 1], [0, 1]])]],
        labels=[1, 0],
        normalize="true",
        display_labels=["figure", "ground"],
    )
    np.testing.assert_allclose(shares.confusion_matrix, [[2 / 3, 1 / 3], [0, 1]])
    assert [t.get_text() for t in shares.ax_.get_xticklabels()] == ["figure", "ground"]


def test_reliability_is_that_of_the_estimator():
    svm = ChainSVM(tol=1e-2, random_state=0).fit(*TRAIN)
    svm.calibrate(TEST[0][:10], TEST[1][:10])
    held = TEST[0][10:], TEST[1][10:]
    display = ReliabilityDisplay.from_estimator(svm, *held, of="sequences", n_bins=4)
    table = svm.reliability(*held, of="sequences", n_bins=4)
    np.testing.assert_array_equal(display.line_.get_data(), table[:2])
    assert display.error_ == svm.calibration_error(*held, of="sequences", n_bins=4)
    assert display.ax_.get_ylabel() == "share of right sequences"
    assert ReliabilityDisplay(Reliability([0.5], [0.25], [4])).plot().error_ == 0.25


def test_hinges_are_those_of_the_objective():
    svm = ChainSVM(C=0.1, scale=None, tol=1e-6, random_state=0).fit(*TRAIN)
    display = HingesDisplay.from_estimator(svm, *TRAIN)
    objective = svm.coef_ @ svm.coef_ / 2 + svm.C * display.hinges.sum()
    assert objective == pytest.approx(svm.objective_, rel=1e-12)
    heights = {
        bar.get_x() + 0.5: bar.get_height() for bars in display.bars_.values() for bar in bars
    }
    drawn = [heights[k] for k in range(40)]
    np.testing.assert_allclose(drawn, np.sort(display.hinges)[::-1])
    wrong = [not np.array_equal(a, b) for a, b in zip(svm.predict(TRAIN[0]), TRAIN[1], strict=True)]
    assert display.wrong.tolist() == wrong
    assert HingesDisplay([], []).plot().bars_ == {}


def test_hinges_of_queries():
    rng = np.random.default_rng(0)
    X, y, groups = rng.normal(size=(30, 3)), rng.integers(3, size=30), np.repeat([2, 0, 1], 10)
    svm = RankingSVM(C=0.1, scale=None, tol=1e-6, random_state=0).fit(X, y, groups)
    display = HingesDisplay.from_estimator(svm, X, y, groups=groups)
    objective = svm.coef_ @ svm.coef_ / 2 + svm.C * display.hinges.sum()
    assert objective == pytest.approx(svm.objective_, rel=1e-9)


# ---- label images

PICTURE = np.random.default_rng(0).uniform(size=(40, 56, 3))
MASK = np.zeros((40, 56), dtype=bool)
MASK[10:30, 20:40] = True


def test_panels_of_a_segmentation():
    assert [ax.get_title() for ax in SegmentationDisplay(PICTURE).plot().axes_] == ["image"]
    labels = MASK.astype(int)
    labels[0] = 9
    guess = np.zeros_like(labels)
    display = SegmentationDisplay(
        PICTURE, labels, guess, ignore_label=9, names=["ground", "disc"]
    ).plot()
    axes = display.axes_
    assert [ax.get_title() for ax in axes[:3]] == ["image", "truth", "prediction"]
    assert display.error_ == MASK.sum() / (MASK.size - 56)
    assert axes[3].get_title() == f"errors: {display.error_:.2%}"
    texts = [text.get_text() for text in axes[3].get_legend().get_texts()]
    assert texts == ["ground", "disc", "void (9)"]
    truth, errors = (ax.images[0].get_array() for ax in axes[[1, 3]])
    assert np.ptp(truth[0], axis=1).max() < 1e-12  # void is grey
    assert np.ptp(truth[20, 28]) > 0.2
    assert (errors[20, 28] == (0.85, 0.1, 0.1)).all()
    given = plt.figure().subplots(1, 2)
    display = SegmentationDisplay(PICTURE, MASK).plot(ax=given, legend=False)
    assert display.axes_[1] is given[1]
    assert display.error_ is None


def test_a_label_has_one_colour_in_every_picture():
    image = np.zeros((4, 4))
    first = SegmentationDisplay(image, np.full((4, 4), "cat"), labels=["cat", "dog"]).plot()
    second = SegmentationDisplay(
        image, np.array([["dog", "cat"] * 2] * 4), labels=["cat", "dog"]
    ).plot(legend=False)
    pixels = [display.axes_[1].images[0].get_array()[0, 1] for display in (first, second)]
    assert (pixels[0] == pixels[1]).all()


def test_panels_of_an_estimator():
    y = np.where(MASK, "disc", "ground")
    x = np.concatenate([PICTURE, (MASK + 0.3 * PICTURE[..., 0])[..., None]], axis=-1)
    svm = GridSVM(random_state=0).fit([x], [y])
    display = SegmentationDisplay.from_estimator(svm, x, y, image=PICTURE)
    np.testing.assert_array_equal(display.masks["prediction"], svm.predict([x])[0])
    assert display.error_ == (svm.predict([x])[0] != y).mean()
    assert len(SegmentationDisplay.from_estimator(svm, x, image=PICTURE).axes_) == 2


# ---- what cannot be drawn


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ConvergenceDisplay.from_estimator({}), "there are no estimators"),
        (lambda: ConvergenceDisplay.from_estimator({"a": SVM}, name="b"), "keys are the names"),
        (lambda: ConvergenceDisplay.from_estimator(SVM, of="loss"), "of='loss': expected 'gap'"),
        (lambda: ConvergenceDisplay.from_estimator(SVM, against="days"), "against='days': expect"),
        (
            lambda: ConvergenceDisplay.from_estimator(SURROGATE),
            "of SurrogateSVM has no history to draw",
        ),
        (lambda: PathDisplay.from_estimator(SVM), "ChainSVM has no path to draw: expected a Path"),
        (lambda: PathDisplay.from_estimator(SVM, *TEST), "X and y are for a list of fits"),
        (lambda: PathDisplay.from_estimator([SVM]), "a list of fits needs held-out examples"),
        (lambda: PathDisplay.from_estimator([]), "the list of fits is empty"),
        (lambda: PathDisplay([1, 2], [1], [1, 2]), r"scores has shape \(1,\), expected \(2,\)"),
        (lambda: PathDisplay([], [], []), r"C has shape \(0,\), expected one value"),
        (
            lambda: TransitionsDisplay.from_estimator(MulticlassSVM().fit(*ROWS)),
            "MulticlassSVM has no transitions to draw",
        ),
        (lambda: TransitionsDisplay([[1]], ["a", "b"]), r"weights has shape \(1, 1\), expected"),
        (lambda: WeightsDisplay.from_estimator(SVM, k=0), "k=0: expected a finite number > 0"),
        (lambda: WeightsDisplay.from_estimator(SVM, label="x"), "x"),
        (
            lambda: WeightsDisplay.from_estimator(MulticlassSVM().fit(*ROWS), label="x"),
            "label='x': expected one of",
        ),
        (
            lambda: WeightsDisplay.from_estimator(SVM, feature_names=["a"]),
            "feature_names has 1 names, expected 64",
        ),
        (
            lambda: WeightsDisplay.from_estimator(MulticlassSVM(kernel="rbf").fit(*ROWS)),
            "MulticlassSVM has no weights of features by label to draw",
        ),
        (lambda: HingesDisplay([1.0], [True, False]), r"hinges has shape \(1,\) and wrong \(2,\)"),
        (
            lambda: HingesDisplay.from_estimator(SURROGATE, *ROWS),
            "SurrogateSVM has no structured hinges",
        ),
        (
            lambda: ReliabilityDisplay.from_estimator(MulticlassSVM().fit(*ROWS), *ROWS),
            "MulticlassSVM has no reliability to draw",
        ),
        (
            lambda: LabelConfusionDisplay.from_predictions([[1, 2]], [[1]]),
            r"y_pred\[0\] has shape \(1,\), expected \(2,\)",
        ),
        (
            lambda: SegmentationDisplay(PICTURE, np.zeros((3, 3), dtype=int)),
            r"truth has shape \(3, 3\), expected \(40, 56\)",
        ),
        (lambda: SegmentationDisplay(PICTURE, np.zeros((40, 56))), "truth has dtype float64"),
        (
            lambda: SegmentationDisplay(PICTURE, MASK + 0, labels=[0]),
            "truth has the label 1, expected",
        ),
        (lambda: SegmentationDisplay(PICTURE, MASK + 0, names=["a"]), "names has 1 names"),
        (
            lambda: SegmentationDisplay(PICTURE).plot(ax=[None, None]),
            "there are 2 axes, expected 1",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "display",
    [ConvergenceDisplay, PathDisplay, TransitionsDisplay, WeightsDisplay, HingesDisplay],
)
def test_what_is_not_fitted_is_told(display):
    data = TRAIN if display is HingesDisplay else ()
    with pytest.raises(NotFittedError):
        display.from_estimator(ChainSVM(), *data)


def test_without_matplotlib_a_sentence_says_how_to_get_it(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    for draw, who in (
        (lambda: ConvergenceDisplay.from_estimator(SVM), "ConvergenceDisplay"),
        (lambda: SegmentationDisplay(PICTURE).plot(), "SegmentationDisplay"),
    ):
        with pytest.raises(ImportError, match=rf"{who} needs matplotlib: pip install 'structured-"):
            draw()
