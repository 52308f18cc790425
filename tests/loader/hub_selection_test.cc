#include "loader/hub_selection.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace gemma {
namespace {

using Names = std::vector<std::string>;

// A listing in which each file is a byte longer than the one before.
HubListing listing(const Names& names) {
  HubListing out;
  for (const std::string& name : names) out.files.push_back({name, out.files.size(), "", false});
  return out;
}

Names selected(const Names& names, const Names& include = {}) {
  const Result<std::vector<HubFile>> files = select_files(listing(names), include, "x/y");
  REQUIRE(files);
  Names out;
  for (const HubFile& file : *files) out.push_back(file.name);
  return out;
}

Error refusal(const Names& names, ErrorCode code, const Names& include = {}) {
  const Result<std::vector<HubFile>> files = select_files(listing(names), include, "x/y");
  REQUIRE_FALSE(files);
  CHECK(files.error().code == code);
  CHECK(files.error().where == "x/y");
  return files.error();
}

TEST_CASE("the files that are read come, the others do not") {
  const Names needed = {"README.md",
                        "chat_template.jinja",
                        "config.json",
                        "generation_config.json",
                        "processor_config.json",
                        "tokenizer.json",
                        "tokenizer_config.json",
                        "model.safetensors"};
  Names all = needed;
  all.insert(all.end(), {".gitattributes", "special_tokens_map.json", "tokenizer.model", "pytorch_model.bin",
                         "original/config.json", "assets/a.png", "model-q4.gguf"});
  CHECK(selected(all) == needed);
}

TEST_CASE("shards come with their index, and without a second copy") {
  CHECK(selected({"model.safetensors.index.json", "model-00001-of-00002.safetensors",
                  "model-00002-of-00002.safetensors", "consolidated.safetensors"}) ==
        Names{"model.safetensors.index.json", "model-00001-of-00002.safetensors",
              "model-00002-of-00002.safetensors"});
}

TEST_CASE("safetensors of another name are taken where there are no others") {
  CHECK(selected({"weights.safetensors", "sub/model.safetensors"}) == Names{"weights.safetensors"});
}

TEST_CASE("the only GGUF is taken, a projector does not count") {
  CHECK(selected({"config.json", "mmproj-f16.gguf", "gemma-q4_0.gguf"}) ==
        Names{"config.json", "gemma-q4_0.gguf"});
}

TEST_CASE("of several GGUFs the user chooses") {
  const Error error = refusal({"a.gguf", "b.gguf"}, ErrorCode::kUsage);
  CHECK(error.what == "several models in one place: \"a.gguf\" (0 bytes), \"b.gguf\" (1 bytes)");
  CHECK(error.hint == "choose with --include PATTERN");
  CHECK(selected({"config.json", "a.gguf", "b.gguf"}, {"b*"}) == Names{"config.json", "b.gguf"});
}

TEST_CASE("patterns replace the choice of weights; what two match comes once") {
  CHECK(selected({"config.json", "model.safetensors", "q/a.gguf"}, {"*.gguf", "q/*"}) ==
        Names{"config.json", "q/a.gguf"});
}

TEST_CASE("a pattern that matches nothing lists what there is") {
  CHECK(refusal({"a.gguf", "b.gguf"}, ErrorCode::kNotFound, {"*Q8*"}).what ==
        "no file matches \"*Q8*\"; there are \"a.gguf\" (0 bytes), \"b.gguf\" (1 bytes)");
  CHECK(refusal(Names(25, "a"), ErrorCode::kNotFound, {"x"}).what.ends_with(" and 5 more"));
}

TEST_CASE("a model without weights") {
  CHECK(refusal({"config.json", "pytorch_model.bin"}, ErrorCode::kNotFound).what ==
        "no weights in the top folder: neither .safetensors nor .gguf");
}

}  // namespace
}  // namespace gemma
