# make run    sets everything up, builds, and opens the desktop (without a display: a whole network on this computer); with PROMPT
#             it makes one clip
# make test   everything that CI checks
# make help   the rest

SHELL := /bin/bash
export PATH := $(HOME)/.cargo/bin:$(PATH)
PROMPT ?=
OUT ?= clips
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: run build test lint units docs setup-run setup-test parity bench installers try-installers help

run: build
	@mkdir -p "$(OUT)"
	@if [ -z "$(PROMPT)" ] && [ -n "$(DISPLAY)$(WAYLAND_DISPLAY)" ]; then INFERNET_ASSETS_DIR="$(CURDIR)/assets" exec "$(TARGET)/release/infernet"; fi; \
	if [ -z "$(PROMPT)" ]; then INFERNET_ASSETS_DIR="$(CURDIR)/assets" exec "$(TARGET)/release/infernet" demo --out "$(OUT)"; fi; \
	clip="$(OUT)/clip-$$(date +%Y%m%d-%H%M%S).mp4"; \
	INFERNET_ASSETS_DIR="$(CURDIR)/assets" "$(TARGET)/release/infernet" generate "$(PROMPT)" --out "$$clip" --gif "$${clip%.mp4}.gif" && \
	echo "play $$clip, or make another: make run PROMPT='a blue star moving up'"

# Without a display: nothing of GTK, WebKit or a window.
DESKTOP := $(if $(DISPLAY)$(WAYLAND_DISPLAY),,--no-default-features)

build: setup-run
	@echo "building the release (a few minutes the first time)" >&2
	$(CARGO) build --release -p infernet $(DESKTOP)

test: setup-test lint units docs

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

units:
	$(CARGO) nextest run --workspace
	$(CARGO) test --workspace --doc

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

setup-run:
	@tools/setup.sh run

setup-test:
	@tools/setup.sh test

# Needs the Python packages of tools/reference/requirements.txt in PYTHON.
PYTHON ?= python3
parity:
	cd tools && $(PYTHON) -m reference unet --count 25 --seed 1 --out ../$(TARGET)/reference/unet
	$(CARGO) run --release -p infernet -- parity $(TARGET)/reference

# Beside PyTorch, alternating, same weights and threads.
bench: build
	tools/bench/compare.sh "$(TARGET)/release/infernet" "$(PYTHON)"

# Packages of the desktop for this system's family: see installers/README.md.
installers: setup-test
	installers/linux/build.sh "$(TARGET)/installers"

# Installs the .deb in a clean Debian, uses it, takes it off again. As root.
try-installers:
	installers/linux/try.sh "$$(ls -t "$(TARGET)"/installers/*.deb | head -n 1)" "$(TARGET)/installers/pictures"

help:
	@sed -n '1,3p' Makefile
	@echo "# make build   the release binary"
	@echo "# make lint    formatting and clippy;  make units   tests;  make docs   API documentation"
	@echo "# make parity  25 random UNets against diffusers (PYTHON=... with tools/reference/requirements.txt)"
	@echo "# installers/windows/build.sh and try.sh: the same for Windows, with mingw-w64 and Wine"
	@echo "# make installers  .deb and .rpm;  make try-installers  the .deb in a clean Debian, as root"
	@echo "# make bench   the engine beside PyTorch on this machine"
