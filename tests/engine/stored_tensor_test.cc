// Files that say of their tensors what cannot be: refused before a byte is read past.
#include "engine/stored_tensor.h"

#include <filesystem>
#include <fstream>
#include <map>

#include <unistd.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/matrix_builder.h"
#include "engine/model.h"
#include "engine/panel_file.h"
#include "engine/tensor_plan.h"
#include "kernels/int8_group.h"
#include "kernels/pack.h"
#include "loader/safetensors_writer.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

struct Folder {
  fs::path path = fs::temp_directory_path() / ("gemma-stored-tensor-test" + std::to_string(::getpid()));
  Folder() {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
};

// A tensor as a packed file stores and describes it.
struct Described {
  std::string description;
  std::vector<std::byte> bytes;
};

// The model of a golden's config.json, in which `fields` are set: zeros, but for the tensors given.
void write_model(const fs::path& folder, const nlohmann::json& fields,
                 const std::map<std::string, Described>& given) {
  std::ifstream golden(std::string(GEMMA_TEST_DATA) + "/goldens/tiny-ple/config.json");
  nlohmann::json json = nlohmann::json::parse(golden);
  json["text_config"].update(fields);
  std::ofstream(folder / "config.json") << json.dump();
  const Result<ModelConfig> config = read_config((folder / "config.json").string());
  REQUIRE_MESSAGE(config.has_value(), config.error().message());
  std::map<std::string, std::string> metadata;
  std::vector<TensorToWrite> tensors;
  std::vector<std::vector<std::byte>> data;
  for (const PlannedTensor& planned : plan_tensors(*config)) {
    if (!planned.required) continue;
    const auto found = given.find(planned.name);
    if (found == given.end()) {
      tensors.push_back({planned.name, Dtype::kBf16, planned.shape});
      data.emplace_back(tensors.back().bytes());
    } else {
      tensors.push_back({planned.name, Dtype::kU8, {found->second.bytes.size()}});
      data.push_back(found->second.bytes);
      metadata["gemma_run.tensor." + planned.name] = found->second.description;
    }
  }
  auto writer = SafetensorsWriter::open((folder / "model.safetensors").string(), tensors, metadata);
  REQUIRE_MESSAGE(writer.has_value(), writer.error().message());
  for (const std::vector<std::byte>& bytes : data) REQUIRE(writer->write(bytes).has_value());
  REQUIRE(writer->finish().has_value());
}

Result<std::unique_ptr<Model>> load_f32(const fs::path& folder) {
  ModelOptions options;
  options.scheme = "f32";
  options.threads = 1;
  return Model::load(folder.string(), options);
}

TEST_CASE("a model of zeros loads, so that what is refused below is the one tensor that differs") {
  const Folder folder;
  write_model(folder.path, nlohmann::json::object(), {});
  const auto model = load_f32(folder.path);
  CHECK_MESSAGE(model.has_value(), model.error().message());
}

TEST_CASE("a scalar that says it is a block of 32 levels is refused") {
  const Folder folder;
  write_model(folder.path, nlohmann::json::object(),
              {{"layers.0.layer_scalar", {"rows:q8_0 1 BF16", std::vector<std::byte>(34)}}});
  const auto model = load_f32(folder.path);
  REQUIRE_FALSE(model.has_value());
  CHECK(model.error().code == ErrorCode::kInvalidFile);
}

TEST_CASE("panels whose columns are no whole groups are refused") {
  constexpr size_t kColumns = 40;  // of down_proj
  for (const char* form :
       {"int4-group32", "int8-group32", "int8-group16", "int6-group16", "levels4-group32"}) {
    CAPTURE(form);
    const Folder folder;
    std::map<std::string, Described> given;
    std::ifstream golden(std::string(GEMMA_TEST_DATA) + "/goldens/tiny-ple/config.json");
    const size_t rows = nlohmann::json::parse(golden)["text_config"]["hidden_size"].get<size_t>();
    const std::optional<kernels::MatrixView> view = parse_panels(form, kColumns);
    REQUIRE(view.has_value());
    const size_t bytes =
        panel_file_bytes(kernels::packed_bytes(view->format, view->bits, rows, kColumns, view->group));
    given["layers.0.mlp.down_proj.weight"] = {std::string(form) + " " + std::to_string(rows) + "x40 BF16",
                                              std::vector<std::byte>(bytes)};
    write_model(folder.path, {{"intermediate_size", kColumns}, {"use_double_wide_mlp", false}}, given);
    const auto model = load_f32(folder.path);
    REQUIRE_FALSE(model.has_value());
    CHECK(model.error().code == ErrorCode::kInvalidFile);
    CHECK(model.error().what.find("whole groups of 32") != std::string::npos);
  }
}

// Tensors in memory that count as mapped.
class MappedSource final : public TensorSource {
 public:
  void add(TensorInfo info, std::vector<std::byte> bytes) {
    info.stored_name = info.name;
    info.panel_bytes = bytes.size();
    bytes_[info.name] = std::move(bytes);
    tensors_.push_back(std::move(info));
  }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  Result<void> read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                         std::span<std::byte> out) const override {
    REQUIRE(row1 * tensor.row_bytes() <= mapped(tensor).size());
    std::ranges::copy(mapped(tensor).subspan(row0 * tensor.row_bytes(), out.size()), out.begin());
    return {};
  }
  std::span<const std::byte> mapped(const TensorInfo& tensor) const override {
    return bytes_.at(tensor.name);
  }
  Result<void> read_bytes(const TensorInfo& tensor, uint64_t offset,
                          std::span<std::byte> out) const override {
    std::ranges::copy(mapped(tensor).subspan(offset, out.size()), out.begin());
    return {};
  }

 private:
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::vector<std::byte>> bytes_;
};

TensorInfo panels(std::string form, std::vector<size_t> shape) {
  TensorInfo info;
  info.name = "w";
  info.encoding = Encoding::kPanels;
  info.panels = std::move(form);
  info.shape = std::move(shape);
  return info;
}

TEST_CASE("panels of shapes whose bytes would wrap around are refused") {
  constexpr size_t kHuge = size_t{1} << 62;
  for (const auto& refused : {std::pair<const char*, std::vector<size_t>>{"int8-channel", {1, kHuge}},
                              {"int8-group32", {size_t{1} << 40, 16, size_t{1} << 18}},
                              {"levels4-tensor", {kHuge, 1, 1}},
                              {"int2-channel", {kHuge / 64, 1, 64}}}) {
    CAPTURE(refused.first);
    MappedSource source;
    source.add(panels(refused.first, refused.second), std::vector<std::byte>(64));
    const auto stored = StoredTensor::open(source, *source.find("w"), kernels::default_kernel_table());
    REQUIRE_FALSE(stored.has_value());
    CHECK(stored.error().code == ErrorCode::kInvalidFile);
  }
}

TEST_CASE("rows that are not there are an error, whatever the encoding") {
  MappedSource source;
  source.add(panels("int8-group32", {16, 32}), std::vector<std::byte>(kernels::int8_group_bytes(32)));
  const auto stored = StoredTensor::open(source, *source.find("w"), kernels::default_kernel_table());
  REQUIRE_MESSAGE(stored.has_value(), stored.error().message());
  StoredTensor::Scratch scratch;
  std::vector<float> row(32);
  CHECK(stored->floats(15, 1, scratch, row.data()).has_value());
  CHECK(stored->floats(16, 1, scratch, row.data()).error().code == ErrorCode::kInternal);
  CHECK(stored->floats(~size_t{0}, 1, scratch, row.data()).error().code == ErrorCode::kInternal);
}

// 16 rows of 32 columns in groups of 16, all levels 31 but for one.
MappedSource six_bits_with(int8_t stray) {
  std::vector<int8_t> levels(16 * 32, 31);
  levels[5 * 32 + 20] = stray;
  const std::vector<float> scales(16 * 2, 1.0f);
  std::vector<std::byte> bytes(kernels::int8_group_matrix_bytes(16, 32, 16));
  kernels::pack_int8_group_rows(32, 16, 0, 16, levels.data(), scales.data(), bytes.data());
  MappedSource source;
  source.add(panels("int6-group16", {16, 32}), std::move(bytes));
  return source;
}

TEST_CASE(
    "levels beyond 6 bits are refused where they are copied, and multiplied as 8 bits where they are not") {
  for (const int stray : {32, -33, 127, -128}) {
    CAPTURE(stray);
    const MappedSource source = six_bits_with(static_cast<int8_t>(stray));
    const auto stored = StoredTensor::open(source, *source.find("w"), kernels::default_kernel_table());
    REQUIRE_MESSAGE(stored.has_value(), stored.error().message());
    StoredTensor::Scratch scratch;
    std::vector<float> row(32);
    CHECK(stored->floats(4, 1, scratch, row.data()).has_value());
    CHECK(stored->floats(5, 1, scratch, row.data()).error().code == ErrorCode::kInvalidFile);

    const ThreadTeam team(1);
    const Scheme scheme = *parse_scheme("w8g16a8g32");
    const Progress silent;
    MatrixBuilder mapping(scheme, source, kernels::default_kernel_table(), team, 0, silent);
    const Result<Matrix> mapped = mapping.matrix(*source.find("w"), TensorClass::kMlp, 0, 16);
    REQUIRE_MESSAGE(mapped.has_value(), mapped.error().message());
    CHECK(mapped->view().bits == 8);
    MatrixBuilder copying(scheme, source, kernels::default_kernel_table(), team, 0, silent);
    Result<WeightMemory> memory = WeightMemory::reserve(WeightMemory::room_for(1 << 16, 1));
    REQUIRE(memory.has_value());
    copying.place_in(std::move(*memory), Placement::kCopied);
    const Result<Matrix> copied = copying.matrix(*source.find("w"), TensorClass::kMlp, 0, 16);
    REQUIRE_FALSE(copied.has_value());
    CHECK(copied.error().code == ErrorCode::kInvalidFile);
  }
}

TEST_CASE("levels of 6 bits are taken as what they are") {
  const MappedSource source = six_bits_with(-32);
  const ThreadTeam team(1);
  const Scheme scheme = *parse_scheme("w8g16a8g32");
  const Progress silent;
  MatrixBuilder builder(scheme, source, kernels::default_kernel_table(), team, 0, silent);
  Result<WeightMemory> memory = WeightMemory::reserve(WeightMemory::room_for(1 << 16, 1));
  REQUIRE(memory.has_value());
  builder.place_in(std::move(*memory), Placement::kCopied);
  const Result<Matrix> copied = builder.matrix(*source.find("w"), TensorClass::kMlp, 0, 16);
  REQUIRE_MESSAGE(copied.has_value(), copied.error().message());
  CHECK(copied->view().bits == 6);
}

}  // namespace
}  // namespace gemma
