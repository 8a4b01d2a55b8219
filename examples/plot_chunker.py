"""
Chunking text, from the command line and from Python
====================================================

Sentences are divided into phrases: noun phrases, verb phrases and so on. The text is CoNLL-2000
where the environment variable STRUCTSVM_DATA names a folder that holds it; else this script invents
sentences by a small grammar, in which many words are new and many parts of speech wrong, so that
neighbours have to tell.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import structsvm
from structsvm import SequenceTagger
from structsvm.columns import read_columns, write_columns
from structsvm.features import TokenFeatures
from structsvm.metrics import span_f1_score
from structsvm.plotting import TransitionsDisplay, WeightsDisplay

WORDS = {
    "DT": "the a this every some",
    "JJ": "old red quiet small strange round cold",
    "NN": "dog ship report house price river market glass",
    "PRP": "she he it they",
    "VB": "saw raised built left followed measured kept",
    "MD": "will may must",
    "IN": "in of under near with",
    "RB": "slowly often again",
}
# Which phrase may follow which, and the words of one.
NEXT = {
    "": ["NP"], "NP": ["VP", "VP", "PP"], "VP": ["NP", "NP", "PP", "ADVP"], "PP": ["NP"],
    "ADVP": ["PP", "."],
}  # fmt: skip
PHRASES = {
    "NP": [["DT", "NN"], ["DT", "JJ", "NN"], ["PRP"], ["NN", "NN"], ["DT", "NN", "NN"]],
    "VP": [["VB"], ["MD", "VB"], ["RB", "VB"]],
    "PP": [["IN"]],
    "ADVP": [["RB"]],
}


def sentence(rng):
    """Tokens as (word, part of speech, chunk tag)."""
    tokens, phrase = [], ""
    while phrase != "." and len(tokens) < 18:
        following = NEXT[phrase] + (["."] if len(tokens) > 4 and phrase == "NP" else [])
        phrase = following[rng.integers(len(following))]
        if phrase == ".":
            break
        pattern = PHRASES[phrase][rng.integers(len(PHRASES[phrase]))]
        for k, pos in enumerate(pattern):
            word = str(rng.choice(WORDS[pos].split()))
            if pos in ("JJ", "NN", "VB", "RB") and rng.random() < 0.5:
                word = f"new{rng.integers(10**6)}"
            guessed = pos if rng.random() > 0.25 else "NN"
            tag = ("B-" if k == 0 else "I-") + phrase
            tokens.append((word, guessed, tag))
    return [*tokens, (".", ".", "O")]


def make_corpus(folder):
    """Column files of invented sentences."""
    rng = np.random.default_rng(0)
    for name, n in (("train.txt", 300), ("test.txt", 100)):
        sentences = [sentence(rng) for _ in range(n)]
        write_columns(folder / name, [[t[:2] for t in s] for s in sentences],
                      [[t[2] for t in s] for s in sentences])  # fmt: skip
    return folder / "train.txt", folder / "test.txt"


def find_corpus(folder):
    real = Path(os.environ.get("STRUCTSVM_DATA", "")) / "conll2000"
    if (real / "train.txt.gz").exists():
        return real / "train.txt.gz", real / "test.txt.gz"
    return make_corpus(folder)


def command(*arguments):
    """Run ``structsvm`` as a shell would."""
    print("$ structsvm", *(Path(a).name if os.sep in str(a) else a for a in arguments), flush=True)
    subprocess.run([sys.executable, "-m", "structsvm", *map(str, arguments)], check=True)


def from_the_command_line(train, test, folder):
    model = folder / "chunker.model"
    command("train", train, "-o", model, "--constraints", "iob2")
    command("evaluate", test, "-m", model)
    command("dump", model, "-k", "2")
    return structsvm.load(model)


def compare(train, test, chunker):
    """The same from Python, with and without a look at neighbouring labels."""
    X, y = read_columns(train)
    X_test, y_test = read_columns(test)
    words_only = TokenFeatures(["Uw=%x[0,0]", "Upos=%x[0,1]"])
    small = SequenceTagger(words_only, random_state=0).fit(X, y)
    for name, tagger in (("word and tag alone", small), ("the chunk set", chunker)):
        score = span_f1_score(y_test, tagger.predict(X_test))
        print(f"{name}: certified gap {tagger.dual_gap_:.1e}, F1 {score:.2%} of held-out phrases")
    return X_test, y_test


def study_a_mistake(chunker, X, y):
    """Why the chunker prefers its answer, and how sure it is."""
    guesses = chunker.predict(X)
    wrong = [i for i, guess in enumerate(guesses) if guess.tolist() != list(y[i])]
    if not wrong:
        return
    i = min(wrong, key=lambda i: len(X[i]))
    (_, first), (_, second) = chunker.predict_n_best([X[i]], n=2)[0]
    print(f"a mistake, with a lead of {first - second:.2f} over the second best:")
    for token, right, guess in zip(X[i], y[i], guesses[i]):
        print(f"  {token[0]:12} {token[1]:5} {right:7}" + (f" not {guess}" * (right != guess)))
    print("what speaks for the right answer (+) and for the one given (-):")
    for term in chunker.explain(X[i], y[i])[:5]:
        source = "" if term.source is None else f"{term.source} -> "
        print(f"  {term.value:+.3f}  {term.kind}: {source}{term.label}")


def draw(chunker, output):
    figure = plt.figure(figsize=(11, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    TransitionsDisplay.from_estimator(chunker, ax=left)
    WeightsDisplay.from_estimator(chunker, k=18, ax=right)
    right.set_title("attributes with the largest weights")
    right.tick_params(axis="y", labelsize=8)
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")


def main():
    parser = argparse.ArgumentParser(description="Train a chunker, tag with it, draw its errors.")
    parser.add_argument("--output", default="chunker.png", help="the picture to write")
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory() as folder:
        train, test = find_corpus(Path(folder))
        chunker = from_the_command_line(train, test, Path(folder))
        X_test, y_test = compare(train, test, chunker)
    study_a_mistake(chunker, X_test, y_test)
    draw(chunker, output)


if __name__ == "__main__":
    main()
