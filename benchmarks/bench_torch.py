"""`structsvm.torch` beside pytorch-crf: a batch's time, and a tagger trained with either.

    pip install torch==2.13.0 && pip install --no-deps pytorch-crf
    python benchmarks/bench_torch.py speed
    STRUCTSVM_DATA=... python benchmarks/bench_torch.py tagger [--epochs 4] [--seeds 3]

All on one thread, in CPU seconds.

speed: the loss of a batch and its gradient, and decoding, float32, in turns: the median of the
ratios of neighbouring runs. The hinge's paths differ from the likelihood's sums: both are what an
epoch waits for.

tagger: chunks of CoNLL-2000 from words and characters, without the file's part-of-speech tags: an
embedding of the word, the mean of embeddings of its prefixes and suffixes (hashed), two
convolutions of width 3, then `ChainHinge` or `CRF` with the same start, batches and step sizes. F1
of spans on the test file after the last epoch.
"""

import argparse
import collections
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from measure import save
from torchcrf import CRF

from structsvm.columns import read_columns
from structsvm.metrics import span_f1_score
from structsvm.torch import ChainHinge

DATA = Path(os.environ.get("STRUCTSVM_DATA", "."))
SHAPES = ((32, 30, 20), (64, 50, 50), (16, 200, 10))
N_HASHED, LONGEST = 20_000, 8


def cpu_seconds(task, layer, repeat):
    start = time.process_time()
    for _ in range(repeat):
        task(layer)
    return (time.process_time() - start) / repeat


# ---- speed


def speed(args):
    rows = []
    heads = f"{'CRF':>9} {'ratio':>6}"
    print(f"{'B x T x K':>14} {'loss':>9} {heads} {'decode':>9} {heads}")
    for shape in SHAPES:
        torch.manual_seed(0)
        n, longest, n_tags = shape
        emissions = torch.randn(shape, requires_grad=True)
        tags = torch.randint(n_tags, (n, longest))
        mask = torch.arange(longest) < torch.randint(longest // 2, longest + 1, (n, 1))
        mask[0] = True
        crf = CRF(n_tags, batch_first=True)
        hinge = ChainHinge(n_tags, batch_first=True)
        hinge.load_state_dict(crf.state_dict())

        def step(layer, emissions=emissions, tags=tags, mask=mask):
            layer.zero_grad()
            emissions.grad = None
            (-layer(emissions, tags, mask=mask)).backward()

        def decode(layer, emissions=emissions, mask=mask):
            with torch.no_grad():
                return layer.decode(emissions, mask=mask)

        assert decode(hinge) == decode(crf)
        row = {"shape": shape}
        for name, task in (("step", step), ("decode", decode)):
            ours, theirs = [], []
            for _ in range(args.repeat):
                ours.append(cpu_seconds(task, hinge, 10))
                theirs.append(cpu_seconds(task, crf, 1))
            ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
            times = [1e3 * statistics.median(each) for each in (ours, theirs)]
            row |= {name: times[0], f"{name}_crf": times[1], f"{name}_ratio": ratio}
        rows.append(row)
        print(
            f"{n:4} x{longest:4} x{n_tags:3} {row['step']:6.2f} ms {row['step_crf']:6.1f} ms "
            f"{row['step_ratio']:6.0f} {row['decode']:6.2f} ms {row['decode_crf']:6.1f} ms "
            f"{row['decode_ratio']:6.0f}"
        )
    save("torch_speed", rows)


# ---- tagger


class Tagger(torch.nn.Module):
    def __init__(self, n_words, n_tags, layer, width=128):
        super().__init__()
        self.words = torch.nn.Embedding(n_words, 64)
        self.pieces = torch.nn.Embedding(N_HASHED, 64, padding_idx=0)
        self.drop = torch.nn.Dropout(0.25)
        self.first = torch.nn.Conv1d(128, width, 3, padding=1)
        self.second = torch.nn.Conv1d(width, width, 3, padding=1)
        self.out = torch.nn.Linear(width, n_tags)
        self.layer = layer

    def emissions(self, words, pieces):
        own = self.pieces(pieces).sum(dim=2) / LONGEST
        hidden = self.drop(torch.cat([self.words(words), own], dim=2)).transpose(1, 2)
        hidden = self.drop(self.first(hidden).relu())
        hidden = self.drop(self.second(hidden).relu())
        return self.out(hidden.transpose(1, 2))


def pieces_of(word):
    """Prefixes and suffixes of up to four characters, as numbers."""
    marked = f"^{word}$"
    parts = [marked[:k] for k in range(2, 6)] + [marked[-k:] for k in range(2, 6)]
    return [1 + sum(ord(c) * 31**k for k, c in enumerate(p)) % (N_HASHED - 1) for p in parts]


def read_chunks():
    found = []
    for name in ("train", "test"):
        X, y = read_columns(DATA / "conll2000" / f"{name}.txt.gz")
        words = [[token[0] for token in sentence] for sentence in X]
        found.append(list(zip(words, y, strict=True)))
    return found


def as_batches(sentences, vocabulary, tags, size):
    """Sentences of about one length together, padded."""
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i][0]))
    batches = []
    for first in range(0, len(order), size):
        chosen = [sentences[i] for i in order[first : first + size]]
        shape = (len(chosen), max(len(words) for words, _ in chosen))
        words, y = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        pieces, mask = np.zeros((*shape, LONGEST), dtype=np.int64), np.zeros(shape, dtype=bool)
        for row, (own, own_tags) in enumerate(chosen):
            n = len(own)
            words[row, :n] = [vocabulary.get(word.lower(), 0) for word in own]
            pieces[row, :n] = [pieces_of(word) for word in own]
            y[row, :n] = [tags[tag] for tag in own_tags]
            mask[row, :n] = True
        batches.append(tuple(map(torch.from_numpy, (words, pieces, y, mask))))
    return batches


def tagger(args):
    train, test = read_chunks()
    counts = collections.Counter(word.lower() for words, _ in train for word in words)
    frequent = sorted(word for word, count in counts.items() if count > 1)
    vocabulary = {word: 1 + k for k, word in enumerate(frequent)}
    names = sorted({tag for _, own in train for tag in own})
    tags = {tag: k for k, tag in enumerate(names)}
    train = as_batches(train, vocabulary, tags, 32)
    test = as_batches(
        [(w, [t if t in tags else "O" for t in y]) for w, y in test], vocabulary, tags, 64
    )
    layers = {
        "CRF": lambda: CRF(len(names), batch_first=True),
        "ChainHinge": lambda: ChainHinge(
            len(names), batch_first=True, cost=args.margin * (1 - np.eye(len(names)))
        ),
    }
    rows = []
    for seed in range(args.seeds):
        for name, make in layers.items():
            torch.manual_seed(seed)
            rng = np.random.default_rng(seed)
            model = Tagger(len(vocabulary) + 1, len(names), make())
            optimizer = torch.optim.Adam(model.parameters(), lr=args.rate)
            seconds = []
            for epoch in range(args.epochs):
                model.train()
                start = time.process_time()
                for group in optimizer.param_groups:
                    group["lr"] = args.rate * (1 - epoch / args.epochs)
                for k in rng.permutation(len(train)):
                    words, pieces, y, mask = train[k]
                    loss = -model.layer(
                        model.emissions(words, pieces), y, mask, reduction="token_mean"
                    )
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                seconds.append(time.process_time() - start)
            model.eval()
            found, truth = [], []
            start = time.process_time()
            with torch.no_grad():
                for words, pieces, y, mask in test:
                    found += model.layer.decode(model.emissions(words, pieces), mask)
                    truth += [row[m].tolist() for row, m in zip(y, mask, strict=True)]
            decoding = time.process_time() - start
            f1 = span_f1_score(
                *([[names[k] for k in row] for row in rows_] for rows_ in (truth, found))
            )
            row = {"layer": name, "seed": seed, "f1": f1, "decoding": decoding}
            rows.append(row | {"epoch": statistics.median(seconds)})
            print(
                f"{name:11} seed {seed}: F1 {f1:.4f}, an epoch {rows[-1]['epoch']:.1f} s, "
                f"test file {decoding:.1f} s",
                flush=True,
            )
    save("torch_tagger", rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", choices=("speed", "tagger"))
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--margin", type=float, default=1.0, help="what a wrong label costs")
    parser.add_argument("--rate", type=float, default=6e-3, help="the first step size of Adam")
    args = parser.parse_args()
    torch.set_num_threads(1)
    {"speed": speed, "tagger": tagger}[args.job](args)


if __name__ == "__main__":
    main()
