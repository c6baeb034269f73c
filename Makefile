# `make` alone lists the commands. Everything runs in .venv, which the first command makes.
PYTHON ?= python3
PY := .venv/bin/python
PORT ?= 8000

# The executed notebooks and their re-run by nbval must see the same surroundings.
NOTEBOOK_ENV := DDLIB_PROFILE=$${DDLIB_PROFILE:-fast} TQDM_DISABLE=1 OMP_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help book test lint serve record night address colab-check gpu-check clean html slides pdf releases grade export

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: html slides  ## execute every notebook and build the site
	@echo "The book is at $(CURDIR)/_build/html/index.html"

test: html slides  ## build, then test the code, the notebooks and the site
	$(NOTEBOOK_ENV) $(PY) -m pytest tests _build/executed --ignore=tests/benchmarks -n 2 --dist loadfile \
		--nbval --nbval-current-env --nbval-cell-timeout=300

lint: .venv/installed  ## check style and types, and that notebooks are stored without outputs
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	find book -name '*.ipynb' -exec $(PY) -m nbstripout --keep-id --verify {} +
	$(PY) book/address.py --check

serve:  ## show the built book at http://localhost:8000 (PORT=8000)
	$(PYTHON) -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

record: .venv/installed  ## make recorded results: make record ARGS="..."
	$(PY) -m ddlib record $(ARGS)

night: .venv/installed  ## go on with the queue of long runs, one process a core, at low priority
	@for core in $$($(PY) -c 'import os; print(*range(os.cpu_count()))'); do \
		OMP_NUM_THREADS=1 nice -n 15 $(PY) -m ddlib record --queue $(ARGS) & done; wait

address: .venv/installed  ## write the address in _config.yml into badges and setup cells
	$(PY) book/address.py

colab-check: .venv/installed _build/colab/before.json  ## run all notebooks with Colab's versions (GBs)
	$(NOTEBOOK_ENV) $(PY) book/colab_check.py

gpu-check: .venv/installed  ## run all notebooks on a pretended GPU
	$(NOTEBOOK_ENV) $(PY) book/gpu_check.py

slides: .venv/installed  ## build the course's decks into the site, from the executed chapters
	@rm -rf _build/slides _build/html/slides
	@mkdir -p _build
	@cp -R book/course/slides book/references.bib _build
	@mv _build/references.bib _build/slides
	@PYTHONPATH=book/course $(PY) -m sphinx -b revealjs -W --keep-going -q _build/slides _build/html/slides

pdf: .venv/installed  ## print the built book, and the decks: _build/book.pdf, _build/slides/*.pdf
	$(PY) -m book.printed

releases: .venv/installed  ## make the problem sets for students from the masters
	$(PY) book/course/release.py

grade:  ## grade what was handed in: make grade COURSE=FOLDER (needs podman or docker)
	@$(PYTHON) book/course/instructor/grade.py $(COURSE)

export:  ## what only teachers may see, as a new repository: make export TO=FOLDER
	@$(PYTHON) book/course/export.py $(TO)

clean:  ## remove what was built (.venv stays)
	rm -rf _build .pytest_cache .ruff_cache .mypy_cache

# Built from nothing each time (seconds): Sphinx repeats the warnings of a page only when it reads it
# again, so a second run over old output would pass where the first one failed.
html: .venv/installed
	@$(PY) book/address.py
	@$(NOTEBOOK_ENV) $(PY) book/execute.py
	@rm -rf _build/site _build/html _build/.doctrees
	@mkdir -p _build/site
	@cp -R _config.yml _toc.yml book _build/site
	@cp -R _build/executed/book _build/site
	.venv/bin/jupyter-book build _build/site --path-output . -W --keep-going -q >/dev/null

# An environment as Colab hands it out. The list is written last: an installation that was cut
# short starts again.
_build/colab/before.json: book/colab-versions.txt
	rm -rf _build/colab
	$(PYTHON) -m venv _build/colab/venv
	_build/colab/venv/bin/python -m pip install -r book/colab-versions.txt
	_build/colab/venv/bin/python -m pip list --format=json > $@

.venv/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV_OPTIONS) .venv
	$(PY) -m pip install -r requirements.txt
	@touch $@
