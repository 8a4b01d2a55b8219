"""The callbacks that come with the package, and those of scikit-learn."""

import io
import pickle
import sys
import types

import numpy as np
import pytest
from sklearn.base import clone

from structsvm import ChainSVM
from structsvm.callbacks import Checkpoint, EarlyStopping, ProgressBar


def test_early_stopping_waits_and_no_longer(words):
    X, y = words
    patience = EarlyStopping(patience=4)
    svm = ChainSVM(solver="perceptron", max_iter=100, callbacks=[patience], random_state=1)
    svm.fit(X, y, X_val=X[:5], y_val=y[:5])
    scores = svm.history_["validation_score"]
    assert svm.n_iter_ == np.argmax(scores) + 1 + 4 < 100
    # Only a great improvement counts.
    strict = clone(svm).set_params(callbacks=[EarlyStopping(patience=4, min_improvement=1.0)])
    assert strict.fit(X, y, X_val=X[:5], y_val=y[:5]).n_iter_ == 5


def test_bad_parameters_are_named(words):
    with pytest.raises(FileNotFoundError, match=r"the folder of none/fit.ckpt does"):
        Checkpoint("none/fit.ckpt")
    with pytest.raises(ValueError, match=r"EarlyStopping\(patience=5, .*\) needs X_val and y_val"):
        ChainSVM(callbacks=[EarlyStopping()]).fit(*words)
    for make, message in (
        (lambda: EarlyStopping(patience=0), "patience=0: expected an integer >= 1"),
        (lambda: EarlyStopping(min_improvement=-1), "min_improvement=-1: expected a number >= 0"),
        (lambda: Checkpoint("x", every=0), "every=0: expected an integer >= 1"),
        (lambda: ProgressBar(tol=2), "tol=2: expected a number between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_bar_writes_few_lines_to_a_file_and_one_to_a_terminal(words, monkeypatch):
    for name in ("rich", "rich.console", "rich.progress_bar"):
        monkeypatch.setitem(sys.modules, name, None)
    X, y = words
    file, terminal = io.StringIO(), Terminal()
    svm = ChainSVM(callbacks=[ProgressBar(file=file), ProgressBar(file=terminal)], random_state=0)
    svm.fit(X, y, X_val=X, y_val=y)
    lines = file.getvalue().splitlines()
    assert 2 <= len(lines) <= 5
    assert lines[-1].startswith("[########################]  pass ")
    assert f"gap {svm.history_['gap'][-1]:.1e}  validation " in lines[-1]
    assert f"{svm.history_['validation_score'][-1]:.4f} (best " in lines[-1]
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().split("\r\x1b[K")[-1].strip().startswith("[####")
    bare = io.StringIO()
    ChainSVM(solver="perceptron", callbacks=[ProgressBar(file=bare)], random_state=0).fit(X, y)
    assert bare.getvalue().startswith("pass    1  mean hinge ")


def test_progress_bar_of_rich_is_drawn_in_one_line(words):
    pytest.importorskip("rich", reason="rich is not installed: pip install rich")
    terminal, file = Terminal(), io.StringIO()
    bars = [ProgressBar(file=terminal), ProgressBar(file=file)]
    ChainSVM(callbacks=bars, random_state=0).fit(*words)
    assert terminal.getvalue().count("\n") == 1
    last = terminal.getvalue().split("\r\x1b[K")[-1]
    assert last.count("━") == 24
    assert " gap " in last
    assert "━" not in file.getvalue()


class Shown:
    """What a kernel's front end was told."""

    def __init__(self):
        self.pages, self.places = [], 0

    def HTML(self, text):  # noqa: N802
        return text

    def display(self, page, display_id):
        assert display_id is True
        self.pages.append(page)
        self.places += 1
        return self

    def update(self, page):
        self.pages.append(page)


def test_progress_bar_of_a_notebook_is_one_that_is_rewritten(words, monkeypatch, capsys):
    shown = Shown()
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=None)
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.HTML, ipython.display.display = shown.HTML, shown.display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    monkeypatch.setattr(ProgressBar, "_PERIOD", 0.0)
    bar = ProgressBar()
    svm = ChainSVM(callbacks=[bar], random_state=0).fit(*words)
    assert shown.places == 1
    assert len(shown.pages) >= svm.n_iter_
    full = [float(page.split('value="')[1].split('"')[0]) for page in shown.pages]
    assert 0.0 <= full[0] < full[-1] == max(full) == 1.0
    assert capsys.readouterr().err == ""
    clone(svm).fit(*words)  # anew, below the next cell
    assert shown.places == 2
    ipython.get_ipython = lambda: types.SimpleNamespace()  # a terminal's shell has no kernel
    svm.fit(*words)
    assert shown.places == 2
    assert "pass " in capsys.readouterr().err
    assert pickle.loads(pickle.dumps(bar)).tol == bar.tol


def test_callbacks_of_scikit_learn_hear_of_the_fit(words):
    pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks since 1.9")
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    class Listener:
        def __init__(self):
            self.events = []

        def setup(self, estimator, context):
            self.events.append("setup")

        def teardown(self, estimator, context):
            self.events.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            self.events.append(f"begin {context.task_name}")

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            self.events.append(f"end {context.task_name}")
            assert fitted_estimator.score(X, y) > 0.5
            return context.task_name == "iteration" and context.task_id == 2

    X, y = words
    listener = Listener()
    svm = ChainSVM(random_state=0).set_callbacks(listener).fit(X, y)
    assert svm.n_iter_ == 3
    iterations = ["begin iteration", "end iteration"] * 3
    assert listener.events == ["setup", "begin fit", *iterations, "end fit", "teardown"]
    make_pipeline(FunctionTransformer(), ChainSVM(random_state=0)).fit(X, y)
    GridSearchCV(ChainSVM(tol=0.1), {"C": [0.1, 1.0]}, cv=2).fit(X, y)
