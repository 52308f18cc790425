// The environment with only some of the variables that the Hugging Face hub and cache go by; put back at the
// end.
#pragma once

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

namespace gemma::tests {

using Variables = std::map<std::string, std::string>;

class Environment {
 public:
  explicit Environment(const Variables& values) {
    for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME", "HF_ENDPOINT", "HF_TOKEN",
                             "HF_TOKEN_PATH", "HF_HUB_OFFLINE"}) {
      const char* old = std::getenv(name);
      before_[name] = old == nullptr ? std::nullopt : std::optional<std::string>(old);
      auto value = values.find(name);
      set(name, value == values.end() ? std::nullopt : std::optional(value->second));
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() {
    for (const auto& [name, value] : before_) set(name, value);
  }

 private:
  static void set(const std::string& name, const std::optional<std::string>& value) {
    value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  }
  std::map<std::string, std::optional<std::string>> before_;
};

}  // namespace gemma::tests
