# The front door. Each target installs what it needs and the machine lacks (scripts/install-dependencies).
PREFIX ?= /usr/local
PROMPT ?= Tell me a story about a brave little fox.
ARGS ?=
JOBS ?= $(shell nproc)

# On an ARM machine the tests run natively, and the cross build would only repeat them.
ifeq ($(shell uname -m),x86_64)
OTHER_BUILDS := asan;aarch64
else
OTHER_BUILDS := asan
endif

.PHONY: help run build test check bench install format clean

help:
	@echo 'make run       writes a story with the shipped model (PROMPT=..., ARGS=... for more options)'
	@echo 'make test      builds and runs all tests; kernels and loader under ASan+UBSan, kernels for aarch64 too'
	@echo 'make check     the long checks: everything under clang, ASan+UBSan and TSan, the engine compiled for aarch64, format, lint'
	@echo 'make bench     builds and runs the benchmarks'
	@echo 'make install   installs programs and model (PREFIX=$(PREFIX))'
	@echo 'make format    formats the sources'
	@echo 'make clean     removes what was built'

run: build
	build/tools/gemma-run --prompt "$(PROMPT)" $(ARGS)

build:
	scripts/install-dependencies run
	cmake --preset release -DGEMMA_TESTS=OFF
	cmake --build --preset release -j $(JOBS)

test:
	scripts/install-dependencies test
	cmake --preset asan
	cmake --build --preset asan -j $(JOBS) --target test_kernels test_loader
ifneq ($(findstring aarch64,$(OTHER_BUILDS)),)
	cmake --preset aarch64
	cmake --build --preset aarch64 -j $(JOBS)
endif
	cmake --preset release -DGEMMA_TESTS=ON "-DGEMMA_OTHER_BUILDS=$(OTHER_BUILDS)"
	cmake --build --preset release -j $(JOBS)
	ctest --preset release -j $(JOBS)

# Threads are what TSan looks at, and only the engine has any.
check: test
	scripts/install-dependencies check
	scripts/format --check
	for preset in clang asan clang-asan; do \
	  cmake --preset $$preset && cmake --build --preset $$preset -j $(JOBS) && ctest --preset $$preset -j $(JOBS) \
	    || exit 1; \
	done
ifneq ($(findstring aarch64,$(OTHER_BUILDS)),)
	cmake --build --preset aarch64 -j $(JOBS) --target gemma_engine_objects
endif
	cmake --preset tsan
	cmake --build --preset tsan -j $(JOBS) --target test_engine
	ctest --preset tsan -R '^engine/'

bench:
	scripts/install-dependencies bench
	cmake --preset release -DGEMMA_BENCHMARKS=ON
	cmake --build --preset release -j $(JOBS) --target gemma-benchmarks
	build/benchmarks/gemma-benchmarks $(ARGS)

install: build
	cmake --install build --prefix "$(PREFIX)"

format:
	scripts/install-dependencies check
	scripts/format

clean:
	rm -rf build build-*
