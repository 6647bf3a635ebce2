# Every target sets up what it needs in .venv, so that no global install is touched.
PYTHON ?= python3
EXTRAS ?= test
BIN := .venv/bin
DEMO := build/demo
# The set-up keeps bytecode where a first run would: no later one compiles what it needs.
KEEP := env -u PYTHONDONTWRITEBYTECODE

.PHONY: demo test fuzz pythons lint goldens docs site bench bench-languages tools reproduce clean

demo: .venv/demo
	@mkdir -p $(DEMO)
	$(BIN)/bpcompile specs/digits.json -o $(DEMO)/digits.py
	$(BIN)/python $(DEMO)/digits.py train --data specs/data/digits.npz --weights-out $(DEMO)/digits.safetensors
	$(BIN)/python $(DEMO)/digits.py evaluate --data specs/data/digits.npz --weights-in $(DEMO)/digits.safetensors

test: .venv/$(EXTRAS)
	$(BIN)/python -m pytest

# Every other Python of this machine, with what the compiler needs: they must all give
# the same bytes. Tests skip what is missing, and say so.
pythons: .venv/demo
	$(BIN)/python tests/pythons.py .venv/pythons

# What CI runs a share of, at its full size; about 20 minutes of one processor.
fuzz: .venv/$(EXTRAS) pythons
	BPCOMPILE_LONG=1 $(BIN)/python -m pytest tests/test_fuzz_*.py tests/test_determinism.py

lint: .venv/$(EXTRAS)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

goldens: .venv/$(EXTRAS)
	$(BIN)/python -m pytest tests/test_goldens.py --update-goldens
	git diff --stat tests/goldens

docs: .venv/$(EXTRAS)
	$(BIN)/python docs/make.py

# The documentation site, in build/site/html; what its gallery trains is kept beside it.
site: .venv/docs
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/site/doctrees docs build/site/html

bench: .venv/bench
	$(BIN)/python bench/steps.py --write $(ARGUMENTS)

# What a C compiler needs beside comes from the distribution: libfann-dev,
# libopenblas-dev, libomp-dev. ARGUMENTS='--busy --only 784-30' measures less.
bench-languages: .venv/bench
	$(BIN)/python bench/languages.py $(ARGUMENTS)

# What the tests of generated C run, from the distribution, where that can be had; tests
# skip what is missing, and say so.
tools:
	@for tool in cc g++ clang clang-format valgrind; do command -v $$tool > /dev/null || missing=yes; done; \
	if [ "$$missing" ] && command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && \
		apt-get install -qq -y gcc g++ libc6-dev clang clang-format valgrind libomp-dev libopenblas-dev > /dev/null || \
		echo "make tools: not everything could be installed" >&2; \
	fi

# DATA is a folder with MNIST or an .npz; RUNS='ch1_* ch5_1_hidden', SCALE and EPOCHS
# choose less than all of the book, SEED another run of it.
reproduce: .venv/demo
	@$(BIN)/python bench/reproduce.py '$(or $(DATA),$(error give DATA=folder, with the files of MNIST or an .npz))' \
		$(RUNS:%='%') $(if $(SCALE),--scale $(SCALE)) $(if $(EPOCHS),--epochs $(EPOCHS)) \
		$(if $(SEED),--seed $(SEED))

# One stamp per set of extras; a changed pyproject.toml installs again.
.venv/demo: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "bpcompile needs Python 3.11 or newer; set PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@$(KEEP) $(BIN)/python -m compileall -q bpcompile
	@for target in $$($(BIN)/bpcompile targets | cut -d' ' -f1); do \
	    $(KEEP) $(BIN)/bpcompile specs/book_ch3.json -t $$target -o - > /dev/null; done
	@touch $@

.venv/%: .venv/demo pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	@touch $@

clean:
	rm -rf .venv build
