"""
A segmentation network with cuts
================================

Needs the extra torch: ``pip install 'structured-svm[plot,torch]'``.

Noisy images of two kinds of regions. The same small convolutional network is trained with the
logistic loss, pixel by pixel, and with `GridHinge`, whose cuts label all pixels of an image
together: the strengths of its edges are learned with the network. The picture has held-out images
with both labellings.
"""

import argparse
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm.datasets import make_segmentation

try:
    import torch

    from structsvm.torch import GridHinge
except ImportError:
    sys.exit("this example needs the extra torch: pip install 'structured-svm[plot,torch]'")

SIDE = 24


def network():
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 12, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(12, 2, 3, padding=1),
    )


def as_tensors(images, labels):
    """The upper left corner of each image, channels first, and its labels."""
    X = np.stack([image[:SIDE, :SIDE] for image in images]).astype(np.float32)
    y = np.stack([row[:SIDE, :SIDE] for row in labels]).astype(np.int64)
    return torch.from_numpy(X).movedim(-1, 1), torch.from_numpy(y)


def train(model, loss, X, y, n_epochs, *parameters):
    optimizer = torch.optim.Adam([*model.parameters(), *parameters], lr=1e-2)
    for _ in range(n_epochs):
        for batch in torch.randperm(len(X)).split(8):
            value = loss(model(X[batch]), y[batch])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()


def main():
    parser = argparse.ArgumentParser(description="Train a segmentation network with cuts.")
    parser.add_argument("--output", default="neural_segmentation.png")
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    blobs = make_segmentation(noise=2.5, random_state=0)
    X, y = as_tensors(blobs.X_train, blobs.y_train)
    X_test, y_test = as_tensors(blobs.X_test, blobs.y_test)

    alone = network()
    train(alone, torch.nn.functional.cross_entropy, X, y, args.epochs)
    together, hinge = network(), GridHinge(connectivity=8)
    train(together, hinge, X, y, args.epochs, *hinge.parameters())

    with torch.no_grad():
        labels = {
            "pixel by pixel": alone(X_test).argmax(dim=1),
            "with cuts": hinge.decode(together(X_test)),
        }
    for name, found in labels.items():
        share = 100 * float((found == y_test).float().mean())
        print(f"{name}: {share:.1f}% of held-out pixels")
    print("strengths of edges by direction:", [f"{a:.2f}" for a in hinge.factors.tolist()])

    figure, axes = plt.subplots(3, 4, figsize=(7, 5.5))
    columns = {"image": X_test.movedim(1, -1), "truth": y_test, **labels}
    for k, (name, values) in enumerate(columns.items()):
        for row in range(3):
            picture = values[row].numpy()
            if picture.ndim == 3:
                picture = (picture - picture.min()) / (picture.max() - picture.min())
            axes[row, k].imshow(picture, cmap="gray_r")
            axes[row, k].axis("off")
        axes[0, k].set_title(name, fontsize=9)
    figure.tight_layout()
    figure.savefig(args.output, dpi=100)
    print(f"wrote {args.output}")


if __name__ == "__main__":
    main()
