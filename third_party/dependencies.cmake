# How each dependency is found: Debian 12's package first (scripts/install-dependencies names them), elsewhere a
# pinned download of the same version from the project that makes it. One short file per dependency beside this
# one says what it is for.
include(FetchContent)
set(FETCHCONTENT_QUIET OFF)
find_package(PkgConfig)
if(CMAKE_CROSSCOMPILING AND CMAKE_LIBRARY_ARCHITECTURE)
  # pkg-config would answer for the machine that builds.
  set(ENV{PKG_CONFIG_LIBDIR} "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/pkgconfig:/usr/share/pkgconfig")
endif()

# gemma_headers(TARGET HEADER REPOSITORY TAG FOLDER): TARGET is a library that is nothing but headers, HEADER one
# of them as it is included, FOLDER where the headers lie in the repository.
function(gemma_headers target header repository tag folder)
  find_path(${target}_headers ${header})
  if(NOT ${target}_headers)
    # A folder that does not exist keeps the project's own CMakeLists.txt out of ours.
    FetchContent_Declare(${target} GIT_REPOSITORY ${repository} GIT_TAG ${tag} GIT_SHALLOW ON SOURCE_SUBDIR none)
    FetchContent_MakeAvailable(${target})
    set(${target}_headers ${${target}_SOURCE_DIR}/${folder})
  endif()
  add_library(${target} INTERFACE)
  target_include_directories(${target} SYSTEM INTERFACE ${${target}_headers})
endfunction()

# Highway (highway.md). Debian's CMake file for it names no usable target, its pkg-config file does.
if(PKG_CONFIG_FOUND)
  pkg_check_modules(hwy IMPORTED_TARGET libhwy)
endif()
add_library(gemma_highway INTERFACE)
if(hwy_FOUND)
  target_link_libraries(gemma_highway INTERFACE PkgConfig::hwy)
else()
  set(HWY_ENABLE_TESTS OFF)
  set(HWY_ENABLE_EXAMPLES OFF)
  set(HWY_ENABLE_CONTRIB OFF)
  set(HWY_ENABLE_INSTALL OFF)
  FetchContent_Declare(highway GIT_REPOSITORY https://github.com/google/highway.git GIT_TAG 1.0.3
    GIT_SHALLOW ON SYSTEM)
  FetchContent_MakeAvailable(highway)
  target_link_libraries(gemma_highway INTERFACE hwy)
endif()

# xsimd (xsimd.md)
gemma_headers(gemma_xsimd xsimd/xsimd.hpp https://github.com/xtensor-stack/xsimd.git 8.1.0 include)

if(NOT GEMMA_KERNELS_ONLY OR CMAKE_CROSSCOMPILING)
  gemma_headers(gemma_expected tl/expected.hpp https://github.com/TartanLlama/expected.git v1.0.0 include)
  gemma_headers(gemma_json nlohmann/json.hpp https://github.com/nlohmann/json.git v3.11.2 include)
  # xxHash as headers: one hash, inlined, and no library to ship (xxhash.md).
  gemma_headers(gemma_xxhash xxhash.h https://github.com/Cyan4973/xxHash.git v0.8.1 .)
  target_compile_definitions(gemma_xxhash INTERFACE XXH_INLINE_ALL)
endif()
if(GEMMA_KERNELS_ONLY AND CMAKE_CROSSCOMPILING)
  gemma_headers(gemma_fmt_headers fmt/format.h https://github.com/fmtlib/fmt.git 9.1.0 include)
  find_package(OpenMP REQUIRED)
  # What the engine needs to be compiled but not linked.
  add_library(gemma_engine_headers INTERFACE)
  target_link_libraries(gemma_engine_headers INTERFACE gemma_expected gemma_json gemma_xxhash gemma_fmt_headers
    OpenMP::OpenMP_CXX)
  target_compile_definitions(gemma_engine_headers INTERFACE GEMMA_OPENMP=1)
elseif(NOT GEMMA_KERNELS_ONLY)
  FetchContent_Declare(fmt GIT_REPOSITORY https://github.com/fmtlib/fmt.git GIT_TAG 9.1.0 GIT_SHALLOW ON SYSTEM
    FIND_PACKAGE_ARGS 9)
  FetchContent_Declare(simdjson GIT_REPOSITORY https://github.com/simdjson/simdjson.git GIT_TAG v3.0.1
    GIT_SHALLOW ON SYSTEM FIND_PACKAGE_ARGS 3)
  FetchContent_MakeAvailable(fmt simdjson)

  # Downloads (curl.md, openssl.md). Both are part of every system and need its certificates: never downloaded
  # here. Only a program that pulls models is to load them, so the linker drops them where nothing calls them.
  find_package(CURL 7.85 REQUIRED)
  find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)
  add_library(gemma_download INTERFACE)
  target_link_libraries(gemma_download INTERFACE -Wl,--push-state,--as-needed CURL::libcurl OpenSSL::Crypto
    -Wl,--pop-state)

  # Threads: OpenMP or, without it, std::thread (openmp.md).
  find_package(Threads REQUIRED)
  add_library(gemma_threads INTERFACE)
  target_link_libraries(gemma_threads INTERFACE Threads::Threads)
  if(GEMMA_OPENMP)
    find_package(OpenMP REQUIRED)
    target_link_libraries(gemma_threads INTERFACE OpenMP::OpenMP_CXX)
    target_compile_definitions(gemma_threads INTERFACE GEMMA_OPENMP=1)
  endif()

  # The programs' allocator. A sanitizer brings its own, which would then see nothing (mimalloc.md).
  add_library(gemma_allocator INTERFACE)
  if(GEMMA_TOOLS AND NOT GEMMA_SANITIZE)
    set(MI_BUILD_TESTS OFF)
    FetchContent_Declare(mimalloc GIT_REPOSITORY https://github.com/microsoft/mimalloc.git GIT_TAG v2.0.9
      GIT_SHALLOW ON SYSTEM FIND_PACKAGE_ARGS 2)
    FetchContent_MakeAvailable(mimalloc)
    # No program names a symbol of it: a linker that drops unneeded libraries would drop it.
    target_link_libraries(gemma_allocator INTERFACE -Wl,--push-state,--no-as-needed mimalloc -Wl,--pop-state)
  endif()
endif()

if(GEMMA_TESTS)
  gemma_headers(gemma_doctest doctest/doctest.h https://github.com/doctest/doctest.git v2.4.9 .)
endif()
if(GEMMA_BENCHMARKS)
  set(BENCHMARK_ENABLE_TESTING OFF)
  FetchContent_Declare(benchmark GIT_REPOSITORY https://github.com/google/benchmark.git GIT_TAG v1.7.1
    GIT_SHALLOW ON SYSTEM FIND_PACKAGE_ARGS 1.7)
  FetchContent_MakeAvailable(benchmark)
endif()
