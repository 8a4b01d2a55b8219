"""Hinges inside of networks: torch.compile, several processes, and what imports PyTorch."""

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from rooms import modules  # noqa: E402

from structsvm.torch import ChainHinge  # noqa: E402


class Tagger(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Linear(4, 3)
        self.hinge = ChainHinge(3, batch_first=True)

    def forward(self, X, tags, mask):
        return -self.hinge(self.encoder(X).tanh(), tags, mask)

    def decode(self, X, mask):
        return self.hinge.decode(self.encoder(X).tanh(), mask)


def some_batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(6, 5, 4, generator=generator)
    tags = torch.randint(3, (6, 5), generator=generator)
    return X, tags, torch.arange(5)[None] < torch.arange(1, 7).clamp(max=5)[:, None]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_compiled_networks_give_the_same_numbers():
    torch.manual_seed(0)
    tagger = Tagger()
    compiled = torch.compile(tagger, backend="aot_eager")
    decode = torch.compile(tagger.decode, backend="aot_eager")
    batch = some_batch()
    found = []
    for model in (tagger, compiled):
        tagger.zero_grad()
        loss = model(*batch)
        loss.backward()
        found.append([loss.detach(), *(p.grad.clone() for p in tagger.parameters())])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)
    assert decode(batch[0], batch[2]) == tagger.decode(batch[0], batch[2])
    torch.compiler.reset()


WORKER = """
import sys
import torch
import torch.distributed as dist

sys.path += [sys.argv[1], sys.argv[1] + "/.."]
from test_training import Tagger, some_batch

rank = int(sys.argv[2])
dist.init_process_group("gloo", init_method="file://" + sys.argv[3], rank=rank, world_size=2)
torch.manual_seed(0)
tagger = Tagger()
model = torch.nn.parallel.DistributedDataParallel(tagger)
X, tags, mask = some_batch()
own = slice(3 * rank, 3 * rank + 3)
model(X[own], tags[own], mask[own]).backward()
if rank == 0:
    torch.save([p.grad for p in tagger.parameters()], sys.argv[4])
dist.destroy_process_group()
"""


def test_gradients_of_two_processes_are_averaged(tmp_path):
    command = [sys.executable, "-c", WORKER, str(Path(__file__).parent)]
    files = [str(tmp_path / "meeting"), str(tmp_path / "gradients.pt")]
    workers = [subprocess.Popen([*command, str(rank), *files]) for rank in range(2)]
    assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    torch.manual_seed(0)
    tagger = Tagger()
    (tagger(*some_batch()) / 2).backward()
    for parameter, gradient in zip(tagger.parameters(), torch.load(files[1]), strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_nothing_else_imports_pytorch():
    found = {name: paths[0].suffix for name, paths in modules().items()}
    names = [name for name, suffix in found.items() if suffix == ".py"]
    names = [name for name in names if not name.startswith("structsvm.torch")]
    names = [name for name in names if not name.endswith("__main__")]
    assert len(names) > 100
    code = f"import importlib, sys; [importlib.import_module(name) for name in {names}]; "
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
