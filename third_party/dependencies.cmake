# How each dependency is found. Debian 12's package first (scripts/install-dependencies names them); elsewhere
# a pinned download of the same version. One short file per dependency beside this one says what it is for.
include(FetchContent)
find_package(PkgConfig REQUIRED)

# Highway: vector code once, for every instruction set (highway.md).
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)

# xsimd: float64 reductions over logits (xsimd.md).
find_package(xsimd REQUIRED)

if(NOT GEMMA_KERNELS_ONLY)
  find_path(EXPECTED_INCLUDE tl/expected.hpp REQUIRED)
  add_library(tl_expected INTERFACE)
  target_include_directories(tl_expected SYSTEM INTERFACE ${EXPECTED_INCLUDE})
  add_library(tl::expected ALIAS tl_expected)
  find_package(fmt REQUIRED)
  find_package(nlohmann_json REQUIRED)
  find_package(simdjson REQUIRED)
  pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
  find_package(Threads REQUIRED)
  add_library(gemma_threads INTERFACE)
  target_link_libraries(gemma_threads INTERFACE Threads::Threads)
  if(GEMMA_OPENMP)
    find_package(OpenMP REQUIRED)
    target_link_libraries(gemma_threads INTERFACE OpenMP::OpenMP_CXX)
    target_compile_definitions(gemma_threads INTERFACE GEMMA_OPENMP=1)
  endif()
  if(GEMMA_TOOLS)
    find_package(CLI11 REQUIRED)
    find_package(mimalloc REQUIRED)
  endif()
endif()
if(GEMMA_TESTS)
  find_package(doctest REQUIRED)
endif()
if(GEMMA_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
