"""Chunks of CoNLL-2000 as spans that are scored as wholes, beside the chain on the same features.

    STRUCTSVM_DATA=... python benchmarks/bench_spans.py [--sentences 2000] [--max-length 8]

Both get the rows of ``TokenFeatures("chunk")``; "with features" adds those of spans below: words,
tags and what stands around. F1 is of spans on the test file, seconds are CPU seconds of one core,
the making of features apart. Training sentences with a chunk longer than the greatest length are
left out where spans are learned; the chain learns from all of them.
"""

import argparse
import os
import time
from pathlib import Path

from measure import save

from structsvm import ChainSVM, SpanSVM
from structsvm.columns import read_columns
from structsvm.features import SequenceVectorizer, TokenFeatures, spans_of
from structsvm.metrics import span_f1_score, spans

DATA = Path(os.environ.get("STRUCTSVM_DATA", ".")) / "conll2000"
PARAMS = {"C": 0.1, "scale": None, "tol": 1e-2, "random_state": 0}


def attributes(sentence, max_length):
    """Of each span its tags and words, as far as it is short, its ends, and what is around."""
    words = ["^", *[word.lower() for word, _ in sentence], "$"]
    tags = ["^", *[tag for _, tag in sentence], "$"]
    rows = []
    for a, b in spans_of(len(sentence), max_length).tolist():
        inner = tags[a + 1 : b + 1]
        ends = f"{inner[0]}_{inner[-1]}"
        row = [
            f"ends={ends}",
            f"around={tags[a]}|{ends}|{tags[b + 1]}",
            f"before={words[a]}|{ends}",
            f"after={ends}|{words[b + 1]}",
            f"first={words[a + 1]}",
            f"last={words[b]}",
            f"length={b - a}",
        ]
        row += [f"words={' '.join(words[a + 1 : b + 1])}"] if b - a <= 3 else []
        row += [f"follows={tags[a]}|{' '.join(inner)}"] if b - a <= 4 else []
        row += [f"tags={' '.join(inner)}"] if b - a <= 5 else []
        rows.append(row)
    return rows


def cpu(function, *args):
    start = time.process_time()
    result = function(*args)
    return result, time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=None)
    parser.add_argument("--max-length", type=int, default=8)
    args = parser.parse_args()
    X, y = read_columns(DATA / "train.txt.gz")
    X, y = X[: args.sentences], y[: args.sentences]
    X_test, y_test = read_columns(DATA / "test.txt.gz")
    features = TokenFeatures("chunk")
    rows, rows_test = features.fit_transform(X), features.transform(X_test)
    short = [
        i
        for i, tags in enumerate(y)
        if all(stop - start <= args.max_length for _, start, stop in spans(tags))
    ]
    names = SequenceVectorizer()
    (of_spans, of_spans_test), extraction = cpu(
        lambda: (
            names.fit_transform([attributes(X[i], args.max_length) for i in short]),
            names.transform([attributes(x, args.max_length) for x in X_test]),
        )
    )
    rows_short, y_short = rows.take(short), [y[i] for i in short]
    pairs = [(rows_short[k], of_spans[k]) for k in range(len(short))]
    pairs_test = [(rows_test[k], of_spans_test[k]) for k in range(len(X_test))]
    segments = {"max_length": args.max_length, "output": "tags", **PARAMS}
    jobs = (
        ("chain", ChainSVM(**PARAMS), (rows, y), rows_test),
        ("spans", SpanSVM(**segments), (rows_short, y_short), rows_test),
        ("with features", SpanSVM(**segments), (pairs, y_short), pairs_test),
        (
            "with features, loss of spans",
            SpanSVM(loss="spans", **segments),
            (pairs, y_short),
            pairs_test,
        ),
    )
    print(f"{len(X)} sentences, {len(short)} for spans; features of spans took {extraction:.1f} s")
    found = []
    for name, svm, examples, inputs in jobs:
        _, seconds = cpu(svm.fit, *examples)
        predicted, predicting = cpu(svm.predict, inputs)
        row = {"model": name, "f1": span_f1_score(y_test, predicted), "seconds": seconds}
        row |= {"predicting": predicting, "passes": svm.n_iter_, "gap": svm.dual_gap_}
        row |= {"sentences": len(examples[1]), "weights": svm.coef_.size}
        found.append(row)
        print(
            f"{name:30} F1 {row['f1']:.4f}  {seconds:6.1f} s, {svm.n_iter_} passes, gap "
            f"{svm.dual_gap_:.1e}; predicting {predicting:.2f} s"
        )
    save("spans", found)


if __name__ == "__main__":
    main()
