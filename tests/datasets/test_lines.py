"""Images of lines: what is drawn, and what the arguments allow."""

import re

import numpy as np
import pytest
from scipy import ndimage

from structsvm.datasets import make_lines

PARTS = ("train", "test")
BACKGROUNDS = ("smooth", "grain", "regions", "blobs")


def grey(data, part="train"):
    return [image / 255 for image in data[f"images_{part}"]]


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_shapes_and_types(background):
    data = make_lines(3, 4, background=background, size=(30, 41), random_state=0)
    for part, n in zip(PARTS, (3, 4), strict=True):
        images, y = data[f"images_{part}"], data[f"y_{part}"]
        assert len(images) == len(y) == n
        for image, labels in zip(images, y, strict=True):
            assert image.dtype == np.uint8
            assert labels.dtype == np.int64
            assert image.shape == labels.shape
            assert set(np.unique(labels)) == {0, 1}
            assert all(30 <= side <= 41 for side in labels.shape)
    assert "drawn" in data.DESCR


@pytest.mark.parametrize("share", [0.01, 0.05, 0.13, 0.5])
def test_lines_cover_the_share_asked_for(share):
    data = make_lines(4, 1, share=share, width=(1, 4), size=(50, 60), random_state=1)
    for labels in data.y_train:
        # The last curve ends with the point that reaches the share: about a width of pixels.
        assert 0 <= labels.sum() - round(share * labels.size) <= 8


def test_same_seed_same_data_and_each_part_by_itself():
    first, second = (make_lines(2, 2, random_state=3) for _ in range(2))
    others = [
        make_lines(2, 2, contrast=0.3, noise=0.2, random_state=3),
        make_lines(2, 2, background="grain", polarity="bright", random_state=3),
    ]
    for part in PARTS:
        for i in range(2):
            np.testing.assert_array_equal(first[f"images_{part}"][i], second[f"images_{part}"][i])
            for other in others:
                np.testing.assert_array_equal(first[f"y_{part}"][i], other[f"y_{part}"][i])
                assert (first[f"images_{part}"][i] != other[f"images_{part}"][i]).any()
    another = make_lines(2, 2, random_state=4)
    assert another.y_train[0].shape != first.y_train[0].shape or (
        (another.y_train[0] != first.y_train[0]).any()
    )


@pytest.mark.parametrize(("polarity", "sign"), [("dark", -1), ("bright", 1)])
def test_lines_differ_from_the_background_by_the_contrast(polarity, sign):
    settings = {"polarity": polarity, "noise": 0, "width": (3, 3), "random_state": 0}
    flat = make_lines(6, 1, contrast=0, **settings)
    lines = make_lines(6, 1, contrast=0.2, **settings)
    for plain, drawn, y in zip(grey(flat), grey(lines), lines.y_train, strict=True):
        moved = sign * (drawn - plain)
        inside = ndimage.binary_erosion(y == 1)
        far = ~ndimage.binary_dilation(y == 1, iterations=3)
        # Half the contrast at least, a tenth less where two slanted lines meet.
        assert moved[inside].min() >= 0.09 - 1 / 255
        assert moved[inside].max() <= 0.2 + 1 / 255
        assert not moved[far].any()


def test_noise_has_its_deviation_and_the_background_its_own():
    quiet = make_lines(4, 1, contrast=0, noise=0, random_state=0)
    noisy = make_lines(4, 1, contrast=0, noise=0.06, random_state=0)
    for plain, drawn in zip(grey(quiet), grey(noisy), strict=True):
        assert plain.mean() == pytest.approx(0.5, abs=0.01)
        assert plain.std() == pytest.approx(0.08, abs=0.01)
        assert (drawn - plain).std() == pytest.approx(0.06, abs=0.005)


def test_wider_lines_are_wider():
    def inner_share(width):
        data = make_lines(6, 1, share=0.1, width=width, random_state=0)
        return np.mean([ndimage.binary_erosion(y == 1).sum() / y.sum() for y in data.y_train])

    assert inner_share((1, 1)) < 0.02
    assert inner_share((1, 1)) < inner_share((3, 3)) < inner_share((6, 6))


def test_grain_is_rougher_than_smooth_light():
    def roughness(background):
        data = make_lines(4, 1, contrast=0, noise=0, background=background, random_state=0)
        return np.mean([np.abs(np.diff(image, axis=0)).mean() for image in grey(data)])

    assert all(roughness(kind) > 2 * roughness("smooth") for kind in BACKGROUNDS[1:])


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"n_train": 0}, ValueError, "n_train must be at least 1, got 0"),
        ({"polarity": "grey"}, ValueError, "polarity='grey': expected one of 'dark', 'bright'"),
        ({"background": None}, ValueError, "background=None: expected one of 'smooth', 'grain'"),
        ({"share": 0}, ValueError, "share must be above 0 and at most 0.5, got 0"),
        ({"share": 0.6}, ValueError, "share must be above 0 and at most 0.5, got 0.6"),
        ({"contrast": -0.1}, ValueError, "contrast must be at least 0 and finite, got -0.1"),
        ({"noise": "much"}, TypeError, "noise must be a number, got 'much'"),
        ({"width": 2}, TypeError, "width must be a pair (smallest, largest), got 2"),
        ({"width": (0.5, 2)}, ValueError, "width must be a pair 1 <= smallest <= largest, got"),
        ({"width": (3, 2)}, ValueError, "width must be a pair 1 <= smallest <= largest, got"),
        ({"size": (5, 4)}, ValueError, "size[1] must be at least 5, got 4"),
    ],
)
def test_what_is_refused(arguments, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        make_lines(**arguments)
