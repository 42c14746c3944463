# `make run` and `make test` need Swift and, on Debian or Ubuntu, nothing else: what is missing is
# installed first, and named.
SWIFT ?= swift
RELEASE = $(SWIFT) build -c release --product descent
DESCENT = .build/release/descent

.PHONY: help run test test-huge test-small-groups faults fuzz sanitize lint docs check-kernels \
  check-arm check-allocations check-c check-pytorch examples bench bench-peers bench-report \
  bench-matrices \
  bench-regressions gpu-bundle \
  clean
help:
	@echo "make run            train the methods on handwritten digits, on every engine and device"
	@echo "make test           all tests, with OpenCL and without"
	@echo "make test-huge      vectors longer than 32 bits count and than one allocation; 12 GB of memory"
	@echo "make test-small-groups  the OpenCL tests on a device that allows small work-groups only"
	@echo "make faults         each OpenCL function fails at each of its first 40 calls; FAULTS=\"--calls 3\""
	@echo "make sanitize       the tests under the thread and the address sanitizer"
	@echo "make lint           formatting, imports, kernels' syntax"
	@echo "make docs           the documentation of the libraries, without a warning"
	@echo "make check-kernels  every kernel under oclgrind"
	@echo "make check-arm      the CPU rules on emulated arm64"
	@echo "make check-allocations  a step allocates nothing, an optimizer its states and a little"
	@echo "make check-c        programs in C, linked against the finished libraries"
	@echo "make fuzz SECONDS=600  what reads files, with random ones; so long for each of five targets"
	@echo "make examples       every example, on small data"
	@echo "make check-pytorch  ten steps in PyTorch, ten here, ten there; a Python environment of its own"
	@echo "make bench          speed against the memory's own"
	@echo "make bench-peers    speed beside PyTorch and Optax; a Python environment of its own"
	@echo "make bench-report   tables, picture and the README's figures from bench-peers' results"
	@echo "make bench-matrices  products of matrices beside OpenBLAS and PyTorch"
	@echo "make bench-regressions  speed to compare with an earlier version's: CONTRIBUTING.md"
	@echo "make gpu-bundle     a folder that tests and times on a machine with only a GPU's driver"

run:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers pocl-opencl-icd
	$(RELEASE)
	@mkdir -p out
	$(DESCENT) devices
	$(DESCENT) train --data Examples/data/digits.csv --rule all --device all \
	  --plot out/losses.svg --json out/train.json

# No test or check may depend on what an earlier run has cached.
test test-huge test-small-groups sanitize check-kernels check-arm examples: export DESCENT_CACHE = off

# Release is what users run, and debug must give the same bits.
test:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers pocl-opencl-icd
	$(SWIFT) test -c release -Xswiftc -enable-testing --scratch-path .build-test
	$(SWIFT) test --disable-default-traits --scratch-path .build-notraits

# The limit makes PoCL report a small device, so that a vector needs many allocations.
test-huge:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers pocl-opencl-icd
	DESCENT_HUGE=1 POCL_MEMORY_LIMIT=1 $(SWIFT) test -c release -Xswiftc -enable-testing \
	  --scratch-path .build-test --filter HugeTests

# PoCL then reports a device that allows no larger group. Before a release. With groups of one item
# PoCL 3.1 ends the process where a launch leaves it the choice, as OpenCLHost's tests do.
test-small-groups:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers pocl-opencl-icd
	for items in 255 64 12 1; do suites='DescentTests|OpenCLHostTests'; \
	  [ $$items = 1 ] && suites=DescentTests; POCL_MAX_WORK_GROUP_SIZE=$$items \
	  $(SWIFT) test -c release -Xswiftc -enable-testing --scratch-path .build-test \
	  --filter "$$suites" || exit 1; done

# The short form, FAULTS="--calls 3", is the one that every change has to pass.
faults:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers pocl-opencl-icd python3
	SWIFT=$(SWIFT) python3 Tests/Faults/run.py $(FAULTS)

sanitize:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers pocl-opencl-icd
	Scripts/sanitize.sh

lint:
	$(SWIFT) format lint --strict -r Package.swift Sources Tests Snippets Examples/Package.swift Examples/Sources $(wildcard Benchmarks/Package.swift Benchmarks/Benchmarks Benchmarks/allocations)
	Scripts/check-imports.sh
	Scripts/check-kernels.sh syntax
	python3 Benchmarks/peers/report.py --check

# Read it by `python3 -m http.server -d out/docs`, at http://localhost:8000/documentation.
DOCUMENTATION = out/docs
docs:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers
	@mkdir -p $(DOCUMENTATION)
	$(SWIFT) package --scratch-path .build-docs --allow-writing-to-directory $(DOCUMENTATION) \
	  generate-documentation --target Descent --target OpenCLHost --target Safetensors \
	  --enable-experimental-combined-documentation --warnings-as-errors \
	  --transform-for-static-hosting --output-path $(DOCUMENTATION)
	MODULES=.build-docs/debug/Modules Scripts/check-docs.sh
	@echo "To read it: python3 -m http.server -d $(DOCUMENTATION), then http://localhost:8000/documentation"

check-kernels:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers oclgrind
	$(RELEASE)
	Scripts/check-kernels.sh

check-arm:
	Scripts/install.sh qemu-user libc6-dev-arm64-cross gcc-aarch64-linux-gnu
	$(RELEASE)
	Scripts/check-arm.sh

check-allocations:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers
	$(RELEASE)
	Benchmarks/allocations/check.sh

check-pytorch:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers python3-venv
	$(RELEASE)
	Scripts/venv.sh Examples/pytorch
	Examples/pytorch/.venv/bin/python Examples/pytorch/check.py --descent $(DESCENT)

check-c:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers gcc libc6-dev
	Scripts/check-c.sh

# An input that crashes or takes too much time or memory stays in out/fuzz; see Scripts/fuzz.sh.
SECONDS = 10
fuzz:
	Scripts/install.sh
	Scripts/fuzz.sh $(SECONDS)

EXAMPLES = flat-pointers automatic-differentiation resident stop-and-resume adapter-check
examples:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers pocl-opencl-icd
	cd Examples && $(SWIFT) build
	@for example in $(EXAMPLES); do echo "$$example:"; Examples/.build/debug/$$example || exit 1; done

bench:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers pocl-opencl-icd
	$(RELEASE)
	@mkdir -p out
	$(DESCENT) bench --json out/bench.json --plot out/bench.svg --html out/bench.html

PYTHON = Benchmarks/peers/.venv/bin/python
# PEERS="--rounds 2 --rules adam --cases 65536" and the like: see Benchmarks/peers/README.md.
bench-peers:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers pocl-opencl-icd python3-venv g++
	$(RELEASE)
	Scripts/venv.sh Benchmarks/peers
	$(PYTHON) Benchmarks/peers/peers.py --descent $(DESCENT) $(PEERS)

bench-report:
	Scripts/venv.sh Benchmarks/peers
	$(PYTHON) Benchmarks/peers/report.py

bench-matrices:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers pocl-opencl-icd python3-venv g++ libopenblas-dev
	$(RELEASE)
	Benchmarks/matrices/run.sh
	Scripts/venv.sh Benchmarks/peers
	$(PYTHON) Benchmarks/matrices/iteration.py --descent $(DESCENT)

# BENCHMARK="baseline update main", "baseline compare main" and the like: see CONTRIBUTING.md.
bench-regressions: export DESCENT_CACHE = off
bench-regressions:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers pocl-opencl-icd
	$(SWIFT) package --package-path Benchmarks --allow-writing-to-package-directory \
	  benchmark $(BENCHMARK)

# To a machine with a GPU: copy out/gpu-bundle.tar.gz, unpack it, and see `run.sh --help`.
gpu-bundle:
	Scripts/install.sh ocl-icd-opencl-dev opencl-headers binutils
	Scripts/gpu/bundle.sh

clean:
	rm -rf .build .build-* Tests/Faults/.build Tests/Fuzz/.build Benchmarks/.build Benchmarks/peers/.venv Examples/pytorch/.venv out
