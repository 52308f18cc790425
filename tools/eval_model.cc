#include "tools/eval_model.h"

#include "tools/shipped_model.h"

namespace gemma {

Result<std::string> model_or_shipped(const std::string& asked) {
  if (!asked.empty()) return asked;
  Result<std::filesystem::path> shipped = shipped_model();
  if (!shipped) return fail(std::move(shipped.error()));
  return shipped->string();
}

Result<std::unique_ptr<Model>> open_model(const std::string& asked, bool tokenizer) {
  Result<std::string> name = model_or_shipped(asked);
  if (!name) return fail(std::move(name.error()));
  ModelOptions options;
  options.weights = false;
  options.tokenizer = tokenizer;
  return Model::load(*name, options);
}

}  // namespace gemma
