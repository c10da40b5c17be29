# The daily commands; `just` lists them.

default:
    @just --list

# make .venv with everything that development needs
init:
    python3 -m venv .venv
    .venv/bin/pip install -q -e '.[dev]'

# run the tests, or some of them: just test tests/unit -k idset
test *args:
    .venv/bin/pytest -q {{args}}

# run the long ones: soak and kill tests
slow *args:
    .venv/bin/pytest -q -m slow {{args}}

# types and style
lint:
    .venv/bin/mypy
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .

# put right what can be put right by itself
fix:
    .venv/bin/ruff check --fix .
    .venv/bin/ruff format .

# measure: just bench jobs
bench *args:
    .venv/bin/python -m tests.bench {{args}}

# make the pictures and the generated pages again: commands, configuration, hooks
docs:
    .venv/bin/python docs/make_pictures.py
    .venv/bin/python -m docs.make_pages

# what a release must pass, in a fresh environment
ci:
    .ci/run
