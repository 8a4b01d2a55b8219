.PHONY: build debug test lint format bench clean

build:  ## compile in place, after a change to a .pyx, .pxd or .h file
	python setup.py build_ext --inplace -j2

debug:  ## the same with bounds checks, C assertions and symbols
	STRUCTSVM_DEBUG=1 python setup.py build_ext --inplace --force -j2

test:
	pytest

lint:
	ruff check .
	ruff format --check .
	cython-lint structsvm
	mypy

format:
	ruff check --fix .
	ruff format .

bench:
	python benchmarks/bench_viterbi.py
	python benchmarks/bench_letters.py

clean:
	rm -rf build dist *.egg-info
	find structsvm -name '*.so' -delete
