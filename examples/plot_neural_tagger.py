"""
A network that reads words
==========================

Needs the extra torch: ``pip install 'structured-svm[plot,torch]'``.

Words of handwritten digits, whose neighbours follow rules. `ChainSVM` reads them from pixels, to a
certified optimum. A small convolutional network with `ChainHinge` learns what to look at and the
rules together; with the same network and no rules, each digit is read alone. `last_layer` then
trains the last layer of the network anew, to its certified optimum. The picture has held-out words
with what each of them reads.
"""

import argparse
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import ChainSVM
from structsvm.datasets import make_digit_words

try:
    import torch

    from structsvm.torch import ChainHinge, last_layer, to_torch
except ImportError:
    sys.exit("this example needs the extra torch: pip install 'structured-svm[plot,torch]'")


class Encoder(torch.nn.Module):
    """Features of digits, 8 x 8 pixels each: (B, T, 64) to (B, T, width)."""

    def __init__(self, width=32):
        super().__init__()
        self.first = torch.nn.Conv2d(1, 12, 3, padding=1)
        self.second = torch.nn.Conv2d(12, 24, 3, padding=1)
        self.out = torch.nn.Linear(24 * 4, width)

    def forward(self, X):
        image = X.reshape(-1, 1, 8, 8)
        image = torch.nn.functional.max_pool2d(self.first(image).relu(), 2)
        image = torch.nn.functional.max_pool2d(self.second(image).relu(), 2)
        return self.out(image.flatten(1)).relu().reshape(*X.shape[:2], -1)


def padded(X, y):
    """Inputs, labels and mask of all words, padded to the longest."""
    sequence = torch.nn.utils.rnn.pad_sequence
    inputs = sequence([torch.tensor(x, dtype=torch.float32) for x in X], True)
    labels = sequence([torch.tensor(np.asarray(row, dtype=np.int64)) for row in y], True)
    lengths = torch.tensor([len(row) for row in y])
    return inputs, labels, torch.arange(inputs.shape[1]) < lengths[:, None]


def train(encoder, state, loss, data, n_epochs, *parameters):
    """Adam on batches of 16 words."""
    X, y, mask = data
    own = [*encoder.parameters(), *state.parameters(), *parameters]
    optimizer = torch.optim.Adam(own, lr=3e-3)
    for _ in range(n_epochs):
        for batch in torch.randperm(len(X)).split(16):
            value = loss(state(encoder(X[batch])), y[batch], mask[batch])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()


def share_right(answers, y):
    return 100 * np.mean([a == b for row, own in zip(answers, y) for a, b in zip(row, own)])


def main():
    parser = argparse.ArgumentParser(description="Read words of digits with a network.")
    parser.add_argument("--output", default="neural_tagger.png")
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = make_digit_words(random_state=0)
    words, test = padded(data.X_train, data.y_train), padded(data.X_test, data.y_test)
    y_test = [list(map(int, row)) for row in data.y_test]

    svm = ChainSVM(random_state=0).fit(data.X_train, data.y_train)
    read = {"ChainSVM": [list(map(int, row)) for row in svm.predict(data.X_test)]}
    print(
        f"ChainSVM: certified gap {svm.dual_gap_:.1e}, "
        f"{share_right(read['ChainSVM'], y_test):.1f}% of held-out digits"
    )

    encoder, state = Encoder(), torch.nn.Linear(32, 10)
    train(
        encoder,
        state,
        lambda scores, y, mask: torch.nn.functional.cross_entropy(scores[mask], y[mask]),
        words,
        args.epochs,
    )
    with torch.no_grad():
        best = state(encoder(test[0])).argmax(dim=2)
    read["network"] = [row[kept].tolist() for row, kept in zip(best, test[2])]
    print(
        f"network, digit by digit: {share_right(read['network'], y_test):.1f}% of held-out digits"
    )

    encoder, state, hinge = Encoder(), torch.nn.Linear(32, 10), ChainHinge(10, batch_first=True)
    train(
        encoder,
        state,
        lambda scores, y, mask: -hinge(scores, y, mask, reduction="token_mean"),
        words,
        args.epochs,
        *hinge.parameters(),
    )
    with torch.no_grad():
        read["network, ChainHinge"] = hinge.decode(state(encoder(test[0])), test[2])
        print(
            f"network with ChainHinge: "
            f"{share_right(read['network, ChainHinge'], y_test):.1f}% of held-out digits"
        )

        last = last_layer(encoder, [words])
        answers = to_torch(last).decode(encoder(test[0]), test[2])
        print(
            f"its last layer anew: certified gap {last.dual_gap_:.1e}, "
            f"{share_right(answers, y_test):.1f}% of held-out digits"
        )

    wrong = [i for i, row in enumerate(y_test) if read["ChainSVM"][i] != row][:4]
    figure, axes = plt.subplots(max(len(wrong), 1), figsize=(7, 6), squeeze=False)
    for ax, i in zip(axes[:, 0], wrong):
        ax.imshow(np.hstack([np.reshape(x, (8, 8)) for x in data.X_test[i]]), cmap="gray_r")
        ax.axis("off")
        lines = [f"{name}: {' '.join(map(str, rows[i]))}" for name, rows in read.items()]
        ax.set_title("\n".join([f"truth: {' '.join(map(str, y_test[i]))}", *lines]), fontsize=7)
    figure.tight_layout()
    figure.savefig(args.output, dpi=100)
    print(f"wrote {args.output}")


if __name__ == "__main__":
    main()
