# make              build/tempo          make demo        decode with the built-in model in both modes
# make check        build and test       make check-all   both compilers, sanitizers, fuzzing, arm64, lints
# make lint         lints alone          make bench       benchmarks       make install [DESTDIR=..] [PREFIX=..]
# make wheel        the Python package, in $(BUILD)/wheel     make python-check      its tests and types, of that wheel
# Variables: BUILD (build), CC, PREFIX (/usr/local), CMAKE_FLAGS (more for cmake), PARTS (of check-all; "but PART...": all others).
BUILD  ?= build
PREFIX ?= /usr/local
CMAKE  := cmake -S . -B $(BUILD) -G Ninja -DCMAKE_INSTALL_PREFIX=$(PREFIX) \
          $(if $(filter-out default,$(origin CC)),-DCMAKE_C_COMPILER=$(CC)) $(CMAKE_FLAGS)
CTEST   = ctest --test-dir $(BUILD) --output-on-failure --timeout 600 -j $(shell nproc 2>/dev/null || echo 2)

all: configure
	@cmake --build $(BUILD)
	@echo 'built $(BUILD)/tempo; to type tempo alone: export PATH="$(abspath $(BUILD)):$$PATH"'

setup:
	@tools/setup.sh

configure: setup
	@$(CMAKE) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

# only what it runs
demo: configure
	@cmake --build $(BUILD) --target tempo_program
	@tools/demo.sh $(BUILD)/tempo

check: all
	$(CTEST)

check-all:
	@tools/setup.sh all
	tools/check-all.sh $(PARTS)

lint: all
	$(CTEST) -L lint

bench: all
	@tools/bench.sh $(BUILD)

install: all
	cmake --install $(BUILD)

wheel:
	@tools/setup.sh
	@tools/wheel.sh $(BUILD)/wheel

python-check: wheel
	@tools/python-check.sh $(BUILD)/wheel

clean:
	rm -rf $(BUILD)

.PHONY: all setup configure demo check check-all lint bench install wheel python-check clean
