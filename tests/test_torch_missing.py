"""Without PyTorch, `structsvm.torch` says how to get it; tests/neural has the tests with it."""

import importlib
import sys

import pytest


def test_import_says_what_is_missing(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("structsvm.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install 'structured-svm\[torch\]'"):
        importlib.import_module("structsvm.torch")
