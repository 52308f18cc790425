// A decoded token costs no memory from the heap, on any thread: scratch is planned when a session is made.
// Counted is every call of malloc(), calloc(), realloc() and their aligned forms by anything in the process:
// our code, operator new, the C++ and the OpenMP library. Memory that is mapped past the allocator is not.
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include <doctest/doctest.h>

#include "engine/generator.h"
#include "engine/gguf_export.h"
#include "engine/packed_export.h"
#include "engine/sampler.h"
#include "engine/session.h"

namespace {

std::atomic<size_t> allocations{0};

}  // namespace

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GEMMA_SANITIZED_HEAP
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GEMMA_SANITIZED_HEAP
#endif

#ifdef GEMMA_SANITIZED_HEAP
// A sanitizer's heap tells of its blocks itself.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, size_t),
                                                         void (*on_free)(const volatile void*));
namespace {
const int hooked = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, size_t) { ++allocations; }, [](const volatile void*) {});
}  // namespace
#else
// Of the whole test program: the linker finds these before the C library's, which do the work.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t bytes) noexcept {
  ++allocations;
  return __libc_malloc(bytes);
}
void* calloc(size_t n, size_t bytes) noexcept {
  ++allocations;
  return __libc_calloc(n, bytes);
}
void* realloc(void* memory, size_t bytes) noexcept {
  ++allocations;
  return __libc_realloc(memory, bytes);
}
void* memalign(size_t alignment, size_t bytes) noexcept {
  ++allocations;
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) noexcept {
  ++allocations;
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, size_t alignment, size_t bytes) noexcept {
  ++allocations;
  *memory = __libc_memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
}
#endif

namespace gemma {
namespace {

struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("gemma-decode-allocations" + std::to_string(::getpid()));
  Folder() {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

std::string golden(const char* name) {
  return std::string(GEMMA_TEST_DATA) + "/goldens/" + name;
}

std::unique_ptr<Model> load(const std::string& path, const std::string& scheme,
                            std::optional<Placement> placement = {}) {
  ModelOptions options;
  options.scheme = scheme;
  options.threads = 2;
  options.placement = placement;
  options.tokenizer = false;
  auto model = Model::load(path, options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  return std::move(*model);
}

// Allocations of ten decoded tokens.
size_t allocations_of_decoding(const Model& model, std::optional<kernels::KvType> kv_type = {}) {
  auto session = Session::create(model, {.context = 64, .chunk = 8, .kv_type = kv_type});
  REQUIRE_MESSAGE(session.has_value(), session.error().message());
  const std::vector<int32_t> prompt = {2, 5, 9, 30, 7};
  REQUIRE(session->prefill(prompt).has_value());
  REQUIRE(session->decode(11).has_value());  // buffers that reading threads keep have their size now
  REQUIRE(session->decode(12).has_value());

  const size_t before = allocations;
  bool decoded = true;
  for (int32_t token = 13; token < 23; ++token) decoded = session->decode(token).has_value() && decoded;
  const size_t after = allocations;
  CHECK(decoded);
  return after - before;
}

TEST_CASE("the counter sees new, malloc and its kin") {
  const size_t before = allocations;
  std::vector<int>* made = new std::vector<int>(10);
  const size_t made_two = allocations;
  void* volatile memory = std::malloc(10);
  memory = std::realloc(memory, 100'000);
  void* volatile aligned = std::aligned_alloc(64, 128);
  void* volatile zeroed = std::calloc(3, 5);
  const size_t made_four = allocations;
  std::free(memory);
  std::free(aligned);
  std::free(zeroed);
  delete made;
  CHECK(made_two == before + 2);
  CHECK(made_four == made_two + 4);
}

TEST_CASE("a decoded token allocates nothing, in every scheme and with experts") {
  for (const std::string& path :
       {std::string("synthetic:tiny"), golden("tiny-moe"), golden("tiny-dense"), golden("tiny-ple")}) {
    for (const char* scheme :
         {"f32", "bf16", "int4", "int8", "int4-channel", "w8a4", "fake:int4", "mobile"}) {
      if (scheme == std::string("mobile") && path != "synthetic:tiny") continue;
      CAPTURE(path);
      CAPTURE(scheme);
      CHECK(allocations_of_decoding(*load(path, scheme)) == 0);
    }
  }
}

TEST_CASE("a decoded token allocates nothing, whatever keys and values are kept as") {
  const std::unique_ptr<Model> model = load("synthetic:tiny", "int4");
  for (const kernels::KvType type : kernels::all_kv_types()) {
    CAPTURE(kernels::to_string(type));
    CHECK(allocations_of_decoding(*model, type) == 0);
  }
}

TEST_CASE("a decoded token allocates nothing where rows are read from a packed folder") {
  for (const char* scheme : {"int4", "int8", "w2c"}) {
    const Folder folder;
    const std::unique_ptr<Model> source = load(golden("tiny-ple"), scheme);
    std::filesystem::copy_file(golden("tiny-ple") + "/config.json", folder.path / "config.json",
                               std::filesystem::copy_options::overwrite_existing);
    const auto packed = export_packed(source->config(), source->source(), source->scheme(), source->kernels(),
                                      source->team(), (folder.path / "model.safetensors").string(), {});
    REQUIRE_MESSAGE(packed.has_value(), packed.error().message());
    for (const Placement placement : {Placement::kCopied, Placement::kMapped}) {
      CAPTURE(scheme);
      CAPTURE(static_cast<int>(placement));
      CHECK(allocations_of_decoding(*load(folder.path, "", placement)) == 0);
    }
  }
}

TEST_CASE("a decoded token allocates nothing where rows are read from a GGUF file") {
  const Folder folder;
  const std::string path = folder.path / "m.gguf";
  ModelOptions options;
  options.scheme = "f32";
  options.threads = 2;
  auto source = Model::load("synthetic:tiny", options);
  REQUIRE(source.has_value());
  const Model& model = **source;
  REQUIRE(model.tokenizer() != nullptr);
  const GgufContent content = {
      &model.config(), &model.generation_config(), model.tokenizer(), &model.source(), "", "test"};
  for (const GgufTensorType type : {GgufTensorType::kQ4_0, GgufTensorType::kQ8_0, GgufTensorType::kF16}) {
    const auto written = export_gguf(content, type, path, model.kernels(), model.team(), {});
    REQUIRE_MESSAGE(written.has_value(), written.error().message());
    CHECK(allocations_of_decoding(*load(path, "")) == 0);
  }
}

TEST_CASE("picking a token, greedily or from the best few, allocates nothing") {
  const std::unique_ptr<Model> model = load("synthetic:tiny", "int4");
  for (const bool sample : {false, true}) {
    CAPTURE(sample);
    SamplingOptions options;
    options.do_sample = sample;
    options.top_k = 20;
    options.top_p = 0.9;
    options.seed = 1;
    auto session = Session::create(*model, {.context = 64, .chunk = 8});
    auto sampler = Sampler::create(options, model->config().vocab_size);
    REQUIRE((session.has_value() && sampler.has_value()));
    int32_t token = 2;
    bool fine = true;
    size_t before = 0;
    for (int i = 0; i < 40; ++i) {
      if (i == 20) before = allocations;  // the lists of candidates have had their size
      const auto logits = session->decode(token);
      const auto next = sampler->next(*logits, session->peaks());
      fine = fine && next.has_value();
      token = next.value_or(2);
    }
    const size_t after = allocations;
    CHECK(fine);
    CHECK(after == before);
  }
}

TEST_CASE("the generator's loop from token to token allocates nothing: only text does") {
  const std::unique_ptr<Model> model = load("synthetic:tiny", "int4");  // ids alone, as it has no tokenizer
  auto session = Session::create(*model, {.context = 100, .chunk = 8});
  REQUIRE(session.has_value());
  GenerateOptions options;
  options.sampling.do_sample = false;
  options.sampling.max_new_tokens = 60;
  options.sampling.eos_token_id = {};
  std::vector<size_t> counts;  // at the beginning of each turn
  counts.reserve(100);
  options.interrupted = [&] {
    counts.push_back(allocations);
    return false;
  };
  const std::vector<int32_t> prompt = {2, 5, 9};
  const auto made = Generator(*session).run(prompt, options, {});
  REQUIRE_MESSAGE(made.has_value(), made.error().message());
  REQUIRE(made->front().ids.size() == 60);
  REQUIRE(counts.size() == 60);
  CHECK(counts.back() == counts[3]);
}

}  // namespace
}  // namespace gemma
