.PHONY: build debug sanitize sanitized-tests sanitized-fuzz test fuzz lint format bench docs clean

# The sanitizer's runtime goes before everything else, with that of C++ for exceptions; Python leaves each object to malloc, so that
# it sees them all; what is not freed at exit is Python's affair.
SANITIZED = PYTHONMALLOC=malloc \
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libstdc++.so.6)" \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=32

build:  ## compile in place, after a change to a .pyx, .pxd or .h file
	python setup.py build_ext --inplace

debug:  ## the same with bounds checks, C assertions and symbols
	STRUCTSVM_DEBUG=1 python setup.py build_ext --inplace --force

sanitize:  ## the same with the address sanitizer; `make sanitized-tests` runs on it
	STRUCTSVM_DEBUG=1 STRUCTSVM_SANITIZE=address python setup.py build_ext --inplace --force

# Not of worker processes, which run Python, and not the long fits, whose code the short ones visit.
sanitized-tests:
	$(SANITIZED) python -m pytest -q --capture=sys -k "not process and not letters_dual_optimum" \
		tests/inference tests/problems tests/solvers

sanitized-fuzz:
	$(SANITIZED) python tests/fuzz --inputs 6000 --jobs 1

test:
	pytest

fuzz:  ## more than 100,000 inputs; what is found can be run again, see tests/fuzz
	python tests/fuzz

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

docs:  ## the site, in docs/_build/html; needs `pip install -e '.[docs]'` and no network
	python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	python docs/check_pages.py

clean:
	rm -rf build dist *.egg-info
	find structsvm -name '*.so' -delete
