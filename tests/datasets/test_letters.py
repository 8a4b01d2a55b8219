"""The OCR letters: parsing, download from a loopback server, reading, the real file if at hand."""

import gzip
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from structsvm.datasets import _letters, fetch_letters, load_letters

DATA_FOLDER = Path(os.environ.get("STRUCTSVM_DATA", ""))


def image(*inked):
    pixels = np.zeros(128, dtype=np.uint8)
    pixels[list(inked)] = 1
    return pixels


def line(id_, letter, next_id, position, fold, pixels):
    return "\t".join(map(str, [id_, letter, next_id, 7, position, fold, *pixels])) + "\t"


# Two words, "cat" in fold 0 and "zo" in fold 9.
LINES = [
    line(1, "c", 2, 1, 0, image(0)),
    line(2, "a", 3, 2, 0, image(1, 127)),
    line(3, "t", -1, 3, 0, image()),
    line(4, "z", 5, 1, 9, image(8)),
    line(5, "o", -1, 2, 9, image(0, 1, 2)),
]
WORDS = ["cat", "zo"]


def compress(lines):
    return gzip.compress("".join(f"{text}\n" for text in lines).encode())


def spell(data):
    return ["".join(data.classes[labels]) for labels in data.y]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder to fetch into; neither real data nor the user's cache is in sight."""
    monkeypatch.delenv("STRUCTSVM_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def small_counts(monkeypatch):
    """Let LINES count as the complete data set."""
    monkeypatch.setattr(_letters, "_N_LETTERS", 5)
    monkeypatch.setattr(_letters, "_N_WORDS", 2)


class Server(ThreadingHTTPServer):
    """Answers every request with `content`, announced as `announced` bytes."""

    content = b""
    status = 200
    announced = None
    n_requests = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/letter.data.gz"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.n_requests += 1
        announced = self.server.announced
        self.send_response(self.server.status)
        self.send_header(
            "Content-Length", str(len(self.server.content) if announced is None else announced)
        )
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("lines", [LINES, [text.removesuffix("\t") for text in LINES], LINES[::-1]])
def test_parsed_arrays(lines):
    arrays = _letters._parse_letters(lines)
    np.testing.assert_array_equal(arrays["X"][1], image(1, 127))
    np.testing.assert_array_equal(arrays["X"][4], image(0, 1, 2))
    np.testing.assert_array_equal(arrays["y"], [2, 0, 19, 25, 14])
    np.testing.assert_array_equal(arrays["offsets"], [0, 3, 5])
    np.testing.assert_array_equal(arrays["folds"], [0, 9])
    assert {name: array.dtype for name, array in arrays.items()} == {
        "X": np.uint8,
        "y": np.int16,
        "offsets": np.int64,
        "folds": np.int8,
    }


@pytest.mark.parametrize(
    ("malformed", "message"),
    [
        ("", r"line 2: expected 134 tab-separated fields \(id, .*\), got 1$"),
        (LINES[1] + "\t1", "got 136$"),
        (LINES[1].removesuffix("\t0\t1\t"), "got 132$"),
        (line("x", "a", 3, 2, 0, image()), "expected a non-negative integer in .* id, got 'x'"),
        (line(2, "A", 3, 2, 0, image()), "line 2: expected a letter a-z in .* letter, got 'A'"),
        (line(2, "a", -2, 2, 0, image()), "or -1 at the end of a word in .* next_id, got '-2'"),
        (line(2, "a", 3, 2, 10, image()), "expected a digit 0-9 in the field fold, got '10'"),
        (line(2, "a", 3, 2, 0, 2 * image(9)), "expected a pixel 0 or 1 in .* p_1_1, got '2'"),
        (line(2, "a", 4, 2, 0, image()), "line 2: expected .* id 4 in fold 0, got id 3 in fold 0"),
        (line(2, "a", 3, 2, 1, image()), "line 1: expected .* id 2 in fold 0, got id 2 in fold 1"),
    ],
)
def test_malformed_line(malformed, message):
    with pytest.raises(ValueError, match=message):
        _letters._parse_letters([LINES[0], malformed, *LINES[2:]])


def test_file_that_ends_too_early():
    with pytest.raises(ValueError, match="line 4: expected a letter with id 5 to follow, got the"):
        _letters._parse_letters(LINES[:4])
    with pytest.raises(ValueError, match="got an empty file"):
        _letters._parse_letters([])


def test_fetch_then_load(home, small_counts, server):
    server.content = compress(LINES)
    folder = home / "made" / "when missing"
    fetched = fetch_letters(data_home=folder, url=server.url)
    assert [path.name for path in folder.iterdir()] == ["letters.npz"]
    for data in (fetched, load_letters(data_home=folder)):
        assert spell(data) == WORDS
        assert [images.shape for images in data.X] == [(3, 128), (2, 128)]
        assert all(images.dtype == np.uint8 for images in data.X)
        assert all(labels.dtype == np.int64 for labels in data.y)
        np.testing.assert_array_equal(data.X[1][0], image(8))
        np.testing.assert_array_equal(data.folds, [0, 9])
        assert data.image_size == (16, 8)
        assert "Kassel" in data.DESCR


def test_fetch_downloads_once(home, small_counts, server):
    server.content = compress(LINES)
    fetch_letters(data_home=home, url=server.url)
    fetch_letters(data_home=home, url=server.url)
    assert server.n_requests == 1


def test_default_folder_is_the_cache(home, small_counts, server, monkeypatch):
    server.content = compress(LINES)
    fetch_letters(url=server.url)
    assert spell(load_letters()) == WORDS
    monkeypatch.setenv("STRUCTSVM_DATA", str(home))
    assert spell(load_letters()) == WORDS
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(home))
    assert _letters._cache_folder() == home / ".cache" / "structsvm"


def test_folders_are_searched_in_order(home, small_counts, tmp_path, monkeypatch):
    folders = [home, tmp_path / "variable", tmp_path / "cache" / "structsvm"]
    monkeypatch.setenv("STRUCTSVM_DATA", str(folders[1]))
    for label, folder in reversed(list(enumerate(folders))):
        arrays = _letters._parse_letters(LINES)
        arrays["y"][:] = label
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "letters.npz", **arrays)
        assert load_letters(data_home=home).y[0][0] == label
    assert load_letters().y[0][0] == 1


def test_error_names_the_folders_and_fetch_letters(home, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"call structsvm\.datasets\.fetch_letters"
    ) as error:
        load_letters(data_home=home)
    assert str(home / "letters.npz") in str(error.value)
    assert str(tmp_path / "cache" / "structsvm" / "letters.npz") in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (compress(LINES), "expected 52152 letters, got 5"),
        (compress([*LINES[:3], "4\tz"]), "line 4: expected 134 .*, got 2"),
        (compress(LINES)[:-20], "end-of-stream"),
        (b"<html>moved</html>", "[Nn]ot a gzipped file"),
    ],
    ids=["counts", "malformed", "truncated", "not gzip"],
)
def test_wrong_content_leaves_nothing_behind(home, server, content, message):
    server.content = content
    with pytest.raises(ValueError, match=f"{server.url} did not send .*{message}"):
        fetch_letters(data_home=home, url=server.url)
    assert not list(home.iterdir())


def test_number_of_words_is_checked(home, small_counts, server):
    server.content = compress([LINES[0].replace("\t2\t", "\t-1\t", 1), *LINES[1:]])
    with pytest.raises(ValueError, match="expected 2 words, got 3"):
        fetch_letters(data_home=home, url=server.url)


@pytest.mark.parametrize(
    ("status", "announced", "message"),
    [(404, None, "404"), (200, 10_000, "IncompleteRead")],
    ids=["missing", "interrupted"],
)
def test_failed_download_leaves_nothing_behind(home, server, status, announced, message):
    server.content, server.status, server.announced = compress(LINES), status, announced
    with pytest.raises(OSError, match=f"download of {server.url} failed .*{message}"):
        fetch_letters(data_home=home, url=server.url)
    assert not list(home.iterdir())


def test_server_that_does_not_listen(home):
    with Server(("127.0.0.1", 0), Handler) as closed:
        url = closed.url
    with pytest.raises(OSError, match=r"download of .* failed"):
        fetch_letters(data_home=home, url=url)


def test_failed_write_leaves_nothing_behind(home, small_counts, server, monkeypatch):
    def fail(*arguments):
        raise OSError("disk full")

    server.content = compress(LINES)
    monkeypatch.setattr(_letters.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        fetch_letters(data_home=home, url=server.url)
    assert not list(home.iterdir())


def test_timeout_is_checked():
    with pytest.raises(ValueError, match="timeout must be a positive number of seconds, got 0"):
        fetch_letters(timeout=0)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("X", np.zeros((5, 128)), "expected X as a 2-d array of integers, got a 2-d .* float64"),
        ("X", np.zeros((5, 64), dtype=np.uint8), "expected 128 pixels a letter, got 64"),
        ("X", np.zeros((4, 128), dtype=np.uint8), "expected 5 letters, got 4"),
        ("X", np.full((5, 128), 255, dtype=np.uint8), r"expected X in 0\.\.1, got 255\.\.255"),
        ("y", np.zeros(4, dtype=np.int16), "expected 5 labels, got 4"),
        ("y", np.arange(22, 27), r"expected y in 0\.\.25, got 22\.\.26"),
        ("offsets", np.array([0, 5]), "expected 3 offsets, got 2"),
        (
            "offsets",
            np.array([0, 5, 5]),
            "expected offsets that rise from 0 to 5, got .* step of 0",
        ),
        ("offsets", np.array([0, 6, 5], dtype=np.uint64), "smallest step of -1"),
        ("offsets", np.array([1, 3, 5]), "got 1 to 5"),
        ("folds", np.array([0, 10]), r"expected folds in 0\.\.9, got 0\.\.10"),
        ("folds", np.zeros((2, 1), dtype=np.int8), "expected folds as a 1-d array"),
        ("folds", np.array([0, None]), "allow_pickle"),
    ],
)
def test_arrays_are_checked(home, small_counts, name, array, message):
    path = home / "letters.npz"
    np.savez(path, **{**_letters._parse_letters(LINES), name: array})
    with pytest.raises(ValueError, match=f"{path} does not hold .*{message}.*: delete it and call"):
        load_letters(data_home=home)


def damaged_files():
    arrays = _letters._parse_letters(LINES)
    yield "empty", lambda path: path.write_bytes(b"")
    yield "text", lambda path: path.write_text("no archive")
    yield "array missing", lambda path: np.savez(path, X=arrays["X"])

    def single_array(path):
        with path.open("wb") as file:
            np.save(file, arrays["X"])

    yield "single array", single_array

    def truncated(path):
        np.savez(path, **arrays)
        path.write_bytes(path.read_bytes()[:-100])

    yield "truncated", truncated

    def overwritten(path):
        np.savez(path, **arrays)
        content = bytearray(path.read_bytes())
        content[300:310] = b"0123456789"
        path.write_bytes(content)

    yield "overwritten", overwritten


@pytest.mark.parametrize("write", [pytest.param(write, id=name) for name, write in damaged_files()])
def test_damaged_file(home, small_counts, write):
    path = home / "letters.npz"
    write(path)
    with pytest.raises(ValueError, match=f"{path} does not hold the complete OCR letters"):
        load_letters(data_home=home)


@pytest.mark.skipif(
    not (DATA_FOLDER / "letters.npz").is_file(),
    reason="set STRUCTSVM_DATA to a folder with letters.npz, which "
    "structsvm.datasets.fetch_letters() downloads",
)
def test_the_real_letters():
    data = load_letters(data_home=DATA_FOLDER)
    assert len(data.X) == len(data.y) == 6877
    assert sum(map(len, data.X)) == sum(map(len, data.y)) == 52_152
    assert {images.shape[1] for images in data.X} == {128}
    assert (min(map(len, data.y)), max(map(len, data.y))) == (3, 14)
    fold_sizes = [626, 704, 684, 698, 693, 651, 739, 717, 690, 675]
    np.testing.assert_array_equal(np.bincount(data.folds), fold_sizes)
    assert spell(data)[0] == "ommanding"
    np.testing.assert_array_equal(np.unique(np.concatenate(data.y)), np.arange(26))
