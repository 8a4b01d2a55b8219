"""Chunking of CoNLL-2000 beside python-crfsuite, on the same attributes: time, F1, memory, tagging.

    pip install python-crfsuite
    STRUCTSVM_DATA=... python benchmarks/bench_conll2000.py [--jobs bcfw perceptron] [--repeat 3]

Every job is a process of its own, one after the other, all with one thread. Training time is CPU
seconds from sentences as lists of (word, tag) to a trained model, the making of attributes included
and also told by itself; F1 is of spans on the test file. The attributes are the 19 usual templates
and the two ends of the sentence: `extract` below for CRFsuite, ``TokenFeatures("chunk")`` for
structsvm, which are compared. CRFsuite runs with its defaults. Tagging speed is the median of
several passes over the test file: "rows" from packed rows, "strings" from lists of strings, "words"
from (word, tag) pairs. The job "one sentence" labels sentences of 18 to 22 tokens one by one, with
models of structsvm and of CRFsuite in turns in one process: microseconds of CPU time for a call
from strings, from dicts that give each of them the value True, and from words, for CRFsuite by
`extract`. "small" is the file of ``condensed(0.01)``, and how that tags and loads.
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import save

DATA = Path(os.environ.get("STRUCTSVM_DATA", ".")) / "conll2000"
TAGGERS = {
    "bcfw": {"C": 0.1},
    "perceptron": {"solver": "perceptron"},
    "passive_aggressive": {"solver": "passive_aggressive"},
    "bcfw, C=.01, gap 1e-2": {"C": 0.01, "tol": 1e-2},
    "bcfw, C=.1, gap 1e-2": {"C": 0.1, "tol": 1e-2},
    "bcfw, iob2": {"C": 0.1, "constraints": "iob2"},
}
CRFSUITE = {
    "crfsuite lbfgs": "lbfgs",
    "crfsuite ap": "averaged-perceptron",
    "crfsuite pa": "passive-aggressive",
    "crfsuite l2sgd": "l2sgd",
}
GRID = (0.03, 0.05, 0.07, 0.1, 0.15, 0.2)
_WORDS, _TAGS = (-2, -1, 0, 1, 2), (-2, -1, 0, 1, 2)
_TEMPLATES = [
    *[("w", 0, (o,)) for o in _WORDS],
    *[("w", 0, (o, o + 1)) for o in (-1, 0)],
    *[("pos", 1, (o,)) for o in _TAGS],
    *[("pos", 1, (o, o + 1)) for o in (-2, -1, 0, 1)],
    *[("pos", 1, (o, o + 1, o + 2)) for o in (-2, -1, 0)],
]
_NAMED = [
    ("U" + "|".join(f"{name}[{o}]" for o in offsets) + "=", column, offsets)
    for name, column, offsets in _TEMPLATES
]


def extract(sentence):
    """The attributes of each token as strings."""
    n, rows = len(sentence), []
    for t in range(n):
        row = []
        for prefix, column, offsets in _NAMED:
            if t + offsets[0] >= 0 and t + offsets[-1] < n:
                row.append(prefix + "|".join([sentence[t + o][column] for o in offsets]))
        if t == 0:
            row.append("__BOS__")
        if t == n - 1:
            row.append("__EOS__")
        rows.append(row)
    return rows


def timed(function, *args):
    start = time.process_time()
    result = function(*args)
    return result, time.process_time() - start


def speed(function, n_tokens, repeats=7):
    return n_tokens / statistics.median(timed(function)[1] for _ in range(repeats))


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_tagger(params):
    from structsvm import SequenceTagger, load
    from structsvm.columns import read_columns
    from structsvm.features import TokenFeatures
    from structsvm.metrics import span_f1_score

    X, y = read_columns(DATA / "train.txt.gz")
    _, extraction = timed(TokenFeatures("chunk").fit_transform, X)
    passes = []
    tagger = SequenceTagger(
        "auto", random_state=0, callbacks=[lambda p: passes.append(time.process_time())], **params
    )
    _, seconds = timed(tagger.fit, X, y)
    peak = peak_megabytes()
    X_test, y_test = read_columns(DATA / "test.txt.gz")
    n = sum(map(len, y_test))
    rows = tagger.features_.transform(X_test)
    result = {
        "seconds": seconds,
        "extraction": extraction,
        "seconds_per_pass": statistics.median(b - a for a, b in itertools.pairwise(passes)),
        "passes": tagger.n_iter_,
        "gap": tagger.dual_gap_,
        "f1": span_f1_score(y_test, tagger.predict(rows)),
        "megabytes": peak,
        "tags_from_rows": speed(lambda: tagger.predict(rows), n),
        "tags_from_words": speed(lambda: tagger.predict(X_test), n),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        tagger.save(path)
        result["file_megabytes"] = os.path.getsize(path) / 1e6
        small = tagger.condensed(0.01)
        small.save(path)
        result["small_megabytes"] = os.path.getsize(path) / 1e6
        result["small_f1"] = span_f1_score(y_test, small.predict(X_test))
        result["small_load"] = statistics.median(timed(load, path)[1] for _ in range(5))
    return result


def run_strings():
    """The same with attributes as lists of strings, as packages for CRFs take them."""
    from structsvm import SequenceTagger
    from structsvm.columns import read_columns
    from structsvm.features import TokenFeatures
    from structsvm.metrics import span_f1_score

    X, y = read_columns(DATA / "train.txt.gz")
    names = set(TokenFeatures("chunk").fit(X).get_feature_names_out())
    attributes = [extract(sentence) for sentence in X]
    assert names == {name for rows in attributes for row in rows for name in row}
    tagger = SequenceTagger(solver="perceptron", random_state=0)
    _, seconds = timed(tagger.fit, attributes, y)
    X_test, y_test = read_columns(DATA / "test.txt.gz")
    n = sum(map(len, y_test))
    speeds = []
    for _ in range(7):  # new strings each time, as they come from an extractor
        rows = [extract(sentence) for sentence in X_test]
        speeds.append(n / timed(tagger.predict, rows)[1])
    f1 = span_f1_score(y_test, tagger.predict(rows))
    return {"seconds": seconds, "f1": f1, "tags_from_strings": statistics.median(speeds)}


def run_grid():
    """C chosen on the last tenth of the training sentences, then trained on all of them."""
    from structsvm import SequenceTagger
    from structsvm.columns import read_columns
    from structsvm.metrics import span_f1_score

    X, y = read_columns(DATA / "train.txt.gz")
    held_out = len(X) * 9 // 10
    scores = {}
    start = time.process_time()
    for C in GRID:
        tagger = SequenceTagger(C=C, scoring="span_f1", random_state=0)
        tagger.fit(X[:held_out], y[:held_out])
        scores[C] = tagger.score(X[held_out:], y[held_out:])
    best = max(scores, key=scores.get)
    tagger = SequenceTagger(C=best, random_state=0).fit(X, y)
    seconds = time.process_time() - start
    X_test, y_test = read_columns(DATA / "test.txt.gz")
    f1 = span_f1_score(y_test, tagger.predict(X_test))
    return {"seconds": seconds, "C": best, "held_out": scores, "f1": f1}


def run_crfsuite(algorithm):
    import gzip

    import pycrfsuite

    def read(name):
        # Lines and tuples alone: what CRFsuite needs of Python counts for its memory.
        with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
            blocks = file.read().strip().split("\n\n")
        return [[tuple(line.split(" ")) for line in block.split("\n")] for block in blocks]

    train = read("train.txt.gz")
    start = time.process_time()
    trainer = pycrfsuite.Trainer(algorithm=algorithm, verbose=False)
    for sentence in train:
        trainer.append(extract(sentence), [token[2] for token in sentence])
    appended = time.process_time() - start
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        trainer.train(path)
        seconds = time.process_time() - start
        peak = peak_megabytes()
        _, extraction = timed(lambda: [extract(sentence) for sentence in train])
        tagger = pycrfsuite.Tagger()
        tagger.open(path)
        test = read("test.txt.gz")
        n = sum(map(len, test))
        from_strings = []
        for _ in range(5):
            rows = [extract(sentence) for sentence in test]
            guess, spent = timed(lambda rows=rows: [tagger.tag(row) for row in rows])
            from_strings.append(n / spent)
        from_words = speed(lambda: [tagger.tag(extract(s)) for s in test], n, 5)
    from structsvm.metrics import span_f1_score

    return {
        "seconds": seconds,
        "extraction": extraction,
        "append": appended,
        "f1": span_f1_score([[token[2] for token in s] for s in test], guess),
        "megabytes": peak,
        "tags_from_strings": statistics.median(from_strings),
        "tags_from_words": from_words,
    }


def run_one_sentence():
    import pycrfsuite

    from structsvm import SequenceTagger, load
    from structsvm.columns import read_columns

    X, y = read_columns(DATA / "train.txt.gz")
    test = [x for x in read_columns(DATA / "test.txt.gz")[0] if 18 <= len(x) <= 22]
    make = {
        "words": lambda sentence: sentence,
        "strings": extract,
        "dicts": lambda sentence: [dict.fromkeys(row, True) for row in extract(sentence)],
    }
    theirs, calls = pycrfsuite.Tagger(), {}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        for kind, of_kind in make.items():
            tagger = SequenceTagger(solver="perceptron", random_state=0)
            tagger.fit([of_kind(sentence) for sentence in X], y).save(path)
            calls[kind] = load(path).tag
            calls[f"crfsuite {kind}"] = theirs.tag
        trainer = pycrfsuite.Trainer(algorithm="averaged-perceptron", verbose=False)
        for sentence, tags in zip(X, y, strict=True):
            trainer.append(extract(sentence), tags)
        trainer.train(path)
        theirs.open(path)
        calls["crfsuite words"] = lambda sentence: theirs.tag(extract(sentence))
        spent = {name: [] for name in calls}
        for _ in range(15):
            for name, call in calls.items():
                # New strings each time, as they come from an extractor.
                sentences = [make[name.split()[-1]](sentence) for sentence in test]
                start = time.process_time()
                for sentence in sentences:
                    call(sentence)
                spent[name].append(1e6 * (time.process_time() - start) / len(test))
    return {"microseconds": {name: statistics.median(times) for name, times in spent.items()}}


JOBS = {
    "one sentence": run_one_sentence,
    **{name: lambda params=params: run_tagger(params) for name, params in TAGGERS.items()},
    "perceptron, strings": run_strings,
    "grid of C": run_grid,
    **{name: lambda a=algorithm: run_crfsuite(a) for name, algorithm in CRFSUITE.items()},
}


def in_a_process(name):
    command = [sys.executable, __file__, "--job", name]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def middle(runs):
    """Of every number the median over the runs."""
    return {
        key: statistics.median(run[key] for run in runs)
        if isinstance(value, (int, float))
        else value
        for key, value in runs[0].items()
    }


def report(results):
    columns = (
        ("seconds", "train s", ".2f"),
        ("extraction", "features s", ".2f"),
        ("seconds_per_pass", "s/pass", ".3f"),
        ("passes", "passes", ".0f"),
        ("gap", "gap", ".3f"),
        ("f1", "F1", ".4f"),
        ("megabytes", "peak MB", ".0f"),
        ("file_megabytes", "file MB", ".1f"),
        ("small_megabytes", "small MB", ".1f"),
        ("small_f1", "small F1", ".4f"),
        ("small_load", "its load s", ".3f"),
        ("tags_from_rows", "rows/s", ",.0f"),
        ("tags_from_strings", "strings/s", ",.0f"),
        ("tags_from_words", "words/s", ",.0f"),
    )
    if "one sentence" in results:
        spent = results["one sentence"]["microseconds"]
        for kind in ("strings", "dicts", "words"):
            ours, theirs = spent[kind], spent[f"crfsuite {kind}"]
            print(f"a sentence from {kind}: {ours:.0f} us, by CRFsuite {theirs:.0f}")
        results = {name: result for name, result in results.items() if name != "one sentence"}
    if not results:
        return
    width = max(map(len, results))
    print(f"{'':{width}}" + "".join(f" {title:>11}" for _, title, _ in columns))
    for name, result in results.items():
        cells = [format(result[key], form) if key in result else "-" for key, _, form in columns]
        print(f"{name:{width}}" + "".join(f" {cell:>11}" for cell in cells))
    rivals = [name for name in CRFSUITE if name in results]
    for name in results:
        if name not in CRFSUITE and rivals and "f1" in results[name]:
            ratios = ", ".join(
                f"{rival.removeprefix('crfsuite ')} "
                f"{results[rival]['seconds'] / results[name]['seconds']:.1f}"
                for rival in rivals
            )
            print(f"{name}: times faster than CRFsuite's {ratios}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--repeat", type=int, default=1, help="runs of each, medians are told")
    parser.add_argument("--job", choices=list(JOBS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job is not None:
        print(json.dumps(JOBS[args.job]()))
        return
    runs = {name: [] for name in args.jobs}
    for _ in range(args.repeat):
        for name in args.jobs:
            runs[name].append(in_a_process(name))
    results = {name: middle(found) for name, found in runs.items()}
    report(results)
    save("conll2000", results)


if __name__ == "__main__":
    main()
