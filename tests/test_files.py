"""Files that are written: whole or not at all, where the path points, and nowhere else."""

import errno
import io
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

import structsvm
from structsvm import ChainSVM
from structsvm.callbacks import Checkpoint
from structsvm.columns import read_columns, write_columns
from structsvm.data.files import _Stream, check_output


@pytest.fixture
def svm(words):
    return ChainSVM(random_state=0).fit(*words)


def write_checkpoint(svm, path):
    X = [np.eye(2)]
    ChainSVM(callbacks=[Checkpoint(path, every=1), lambda progress: True]).fit(X, [[0, 1]])


#: All that writes a file for people, and a name for it.
WRITERS = {
    "save": (lambda svm, path: svm.save(path), "out"),
    "checkpoint": (write_checkpoint, "out"),
    "columns": (lambda svm, path: write_columns(path, [["a"]], [["X"]]), "out"),
    "columns, compressed": (lambda svm, path: write_columns(path, [["a"]]), "out.gz"),
}

every_writer = pytest.mark.parametrize(("write", "name"), WRITERS.values(), ids=WRITERS)


def in_a_process(code, *arguments, **options):
    """Run code that may call write(path, text), which imports little; the completed process."""
    return subprocess.run(
        [sys.executable, "-c", WRITE + code, *map(str, arguments)],
        capture_output=True, text=True, check=False, **options,
    )  # fmt: skip


WRITE = (
    "import os, signal, sys\n"
    "from structsvm.columns import write_columns\n"
    "def write(path, text): write_columns(path, [[text]])\n"
)


@every_writer
def test_a_link_is_followed(svm, tmp_path, write, name):
    (tmp_path / "store").mkdir()
    (tmp_path / "between").symlink_to(Path("store") / "real")
    (tmp_path / name).symlink_to(tmp_path / "between")
    real = tmp_path / "store" / "real"
    write(svm, tmp_path / name)  # to where there is no file yet
    whole = real.read_bytes()
    real.write_text("old")
    real.chmod(0o600)
    write(svm, tmp_path / name)
    assert abs(len(real.read_bytes()) - len(whole)) < 9
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert (tmp_path / name).is_symlink()
    assert (tmp_path / "between").is_symlink()
    assert os.listdir(tmp_path / "store") == ["real"]


@every_writer
def test_a_pipe_is_written_through_or_refused_and_never_replaced(svm, tmp_path, write, name):
    path = tmp_path / name
    os.mkfifo(path)
    if write is write_checkpoint:
        with pytest.raises(OSError, match="is a pipe or a device, expected a file"):
            write(svm, path)
    else:
        received = []
        reader = threading.Thread(target=lambda: received.append(path.read_bytes()), daemon=True)
        reader.start()
        write(svm, path)
        reader.join(timeout=600)
        assert received[0]
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.listdir(tmp_path) == [name]


def test_a_model_goes_through_a_pipe_and_a_descriptor(svm, tmp_path):
    read, write = os.pipe()
    with open(read, "rb") as reader:
        received = []
        thread = threading.Thread(target=lambda: received.append(reader.read()))
        thread.start()
        svm.save(f"/proc/self/fd/{write}")
        os.close(write)
        thread.join()
    (tmp_path / "model").write_bytes(received[0])
    assert np.array_equal(structsvm.load(tmp_path / "model").coef_, svm.coef_)
    # A file that has lost its name is still there for who holds it.
    with open(tmp_path / "gone", "w+b") as file:
        (tmp_path / "gone").unlink()
        svm.save(f"/proc/self/fd/{file.fileno()}")
        (tmp_path / "model").write_bytes(file.read())
    assert np.array_equal(structsvm.load(tmp_path / "model").coef_, svm.coef_)
    assert os.listdir(tmp_path) == ["model"]


@every_writer
def test_folders_and_names_in_no_folder_are_refused(svm, tmp_path, write, name):
    path = tmp_path / name
    path.mkdir()
    with pytest.raises(IsADirectoryError, match=r"is a folder, expected the name of a file"):
        write(svm, path)
    with pytest.raises(FileNotFoundError, match=r"the folder of .*none/out.* does not exist"):
        write(svm, tmp_path / "none" / name)
    path.rmdir()
    path.symlink_to(tmp_path / "none" / "m")
    with pytest.raises(FileNotFoundError, match=r"the folder of .*out.* does not exist"):
        write(svm, path)
    path.unlink()
    path.symlink_to(name)
    with pytest.raises(OSError, match="symbolic links"):
        write(svm, path)
    assert os.listdir(tmp_path) == [name]


def test_names_of_folders_are_no_names_of_files(svm, tmp_path):
    for path in (f"{tmp_path}/new/", "", "/", ".", tmp_path / ".."):
        with pytest.raises(IsADirectoryError, match="is a folder"):
            svm.save(path)
    assert os.listdir(tmp_path) == []


def test_an_input_is_no_output_by_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    data.write_text("a X\n")
    os.link("data", "hard")
    os.symlink("data", "soft")
    os.mkdir("sub")
    for name in ("data", "./sub/../data", data, "hard", "soft"):
        with pytest.raises(ValueError, match=r"data would be written over .*, which is read"):
            check_output("data", None, "other", name)
        with pytest.raises(ValueError, match="would be written over data, which is read"):
            check_output(name, "data")
    check_output("data", "other", None)
    check_output("new", "data")


@every_writer
def test_permissions_stay_and_new_files_have_those_of_any_other(svm, tmp_path, write, name):
    before = os.umask(0o027)
    try:
        write(svm, tmp_path / name)
    finally:
        os.umask(before)
    (made,) = tmp_path.iterdir()
    assert stat.S_IMODE(made.stat().st_mode) == 0o640
    for mode in (0o600, 0o664, 0o4755):
        made.chmod(mode)
        write(svm, tmp_path / name)
        assert stat.S_IMODE(made.stat().st_mode) == mode
        assert os.listdir(tmp_path) == [made.name]


def test_the_file_and_its_folder_are_synced_around_the_rename(svm, tmp_path, monkeypatch):
    svm.save(tmp_path / "model")
    calls = []
    sync, replace = os.fsync, os.replace

    def noting_fsync(handle):
        folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        calls.append("sync folder" if folder else f"sync {os.fstat(handle).st_size > 0}")
        sync(handle)

    def noting_replace(*names):
        calls.append("replace")
        replace(*names)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "replace", noting_replace)
    svm.save(tmp_path / "model")
    assert calls == ["sync True", "replace", "sync folder"]


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))


def test_a_full_disk_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "model"
    path.write_text("old")
    done = in_a_process(
        "try: write(sys.argv[1], 9999 * 'x')\n"
        "except OSError as error: print(error.errno, error.filename)",
        path, preexec_fn=limit_file_size,
    )  # fmt: skip
    assert done.stdout.split() == [str(errno.EFBIG), str(path)], done.stderr
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model"]
    # One that is full from the beginning.
    os.symlink("/dev/full", tmp_path / "full")
    svm = ChainSVM(random_state=0).fit([np.eye(2)], [[0, 1]])
    with pytest.raises(OSError, match="No space left on device"):
        svm.save(tmp_path / "full")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    assert (tmp_path / "full").is_symlink()


def test_what_may_not_be_written_is_left_alone():
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "closed").mkdir()
        for name in ("closed/model", "locked"):
            (Path(folder) / name).write_text("old")
            (Path(folder) / name).chmod(0o444 if name == "locked" else 0o666)
        (Path(folder) / "closed").chmod(0o555)
        Path(folder).chmod(0o777)
        code = (
            "if os.getuid() == 0: os.setresuid(65534, 65534, 65534)\n"
            "for name in ('closed/model', 'closed/new', 'locked'):\n"
            "    try: write(os.path.join(sys.argv[1], name), 'new')\n"
            "    except PermissionError as error: print(error)\n"
        )
        done = in_a_process(code, folder)
        assert done.returncode == 0, done.stderr
        first, second, third = done.stdout.splitlines()
        assert "no file can be made in its folder" in first
        assert "no file can be made in its folder" in second
        assert "may not be written" in third
        assert (Path(folder) / "closed" / "model").read_text() == "old"
        assert (Path(folder) / "locked").read_text() == "old"
        assert sorted(os.listdir(folder)) == ["closed", "locked"]
        (Path(folder) / "closed").chmod(0o755)


KILL_IN_FSYNC = "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
STOP_IN_FSYNC = "os.fsync = lambda handle: (print('ready', flush=True), sys.stdin.read())\n"


def test_what_a_killed_process_left_is_removed_at_the_next_save(svm, tmp_path):
    path = tmp_path / "model"
    path.write_text("old")
    others = ["model.part", "model.x.part", "other.part", "modelabcdefgh.part"]
    for name in others:
        (tmp_path / name).write_text("not ours")
    (tmp_path / f"model.structsvm-{'0' * 16}.part").symlink_to("other.part")
    done = in_a_process(KILL_IN_FSYNC + "write(sys.argv[1], 'new')", path)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    left = set(os.listdir(tmp_path)) - {"model", *others}
    assert len(left) == 2
    svm.save(tmp_path / "model2")  # has nothing to do with it
    assert left < set(os.listdir(tmp_path))
    svm.save(path)
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["model", "model2", *others, f"model.structsvm-{'0' * 16}.part"]
    )
    assert (tmp_path / "other.part").read_text() == "not ours"


def test_what_a_live_process_writes_is_left_alone(svm, tmp_path):
    path = tmp_path / "model"
    code = WRITE + STOP_IN_FSYNC + "write(sys.argv[1], 'new')"
    process = subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout.readline() == b"ready\n"
        (part,) = os.listdir(tmp_path)
        svm.save(path)
        assert sorted(os.listdir(tmp_path)) == ["model", part]
        assert np.array_equal(structsvm.load(path).coef_, svm.coef_)
        process.stdin.close()
        assert process.wait() == 0
    assert os.listdir(tmp_path) == ["model"]
    assert path.read_text() == "new\n\n"


def test_long_names(svm, tmp_path):
    path = tmp_path / ("ö" * 127)
    svm.save(path)
    svm.save(path)
    assert os.listdir(tmp_path) == [path.name]


def test_an_error_of_the_data_leaves_an_old_column_file(tmp_path):
    path = tmp_path / "corpus"
    write_columns(path, [["a"]], [["X"]])
    with pytest.raises(ValueError, match="a column file cannot hold"):
        write_columns(path, [["b"], ["\t"]], [["X"], ["Y"]])
    assert read_columns(path) == ([[("a",)]], [["X"]])


def test_a_checkpoint_is_checked_when_it_is_made(tmp_path):
    with pytest.raises(IsADirectoryError):
        Checkpoint(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a pipe or a device, expected a file"):
        Checkpoint(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a pipe or a device, expected a file"):
        Checkpoint(os.devnull)


def test_devices_that_say_they_are_at_their_start():
    class Device(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            return len(data)

        def tell(self):
            return 0

        def seek(self, place, how=0):
            return 0

    with _Stream(Device()) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name in ("a", "b"):
            archive.writestr(name, b"0" * 1000)
