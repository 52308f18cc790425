// A place in a JSON document of which much is expected and little is known: every step says where it is, and
// the first thing that is not as expected becomes the error of the whole document.
//
//   JsonReading reading("run.json");
//   JsonPlace top(json, reading);
//   double ratio = top.at("models").at(1).at("ratio").number();
//   if (!reading.sound()) return fail(reading.error());   // "run.json: models[1].ratio: expected a number,
//   found a text"
//
// After an error the values read are empty ones; whoever reads need not look until the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "loader/result.h"

namespace gemma {

class JsonReading {
 public:
  explicit JsonReading(std::string file) : file_(std::move(file)) {}
  bool sound() const { return !error_; }
  const Error& error() const { return *error_; }
  const std::string& file() const { return file_; }
  // Kept if it is the first.
  void refuse(ErrorCode code, const std::string& path, const std::string& what);

 private:
  std::string file_;
  std::optional<Error> error_;
};

class JsonPlace {
 public:
  // Both outlive the place and what is reached from it.
  JsonPlace(const nlohmann::json& value, JsonReading& reading) : value_(&value), reading_(&reading) {}

  bool has(std::string_view key) const;  // a member that is not null
  JsonPlace at(std::string_view key) const;
  std::vector<JsonPlace> items() const;                            // of a list
  std::vector<std::pair<std::string, JsonPlace>> members() const;  // of an object, in order of their names

  double number() const;  // null, as JSON writes what is no number, is NaN
  uint64_t count() const;
  int64_t whole() const;
  bool flag() const;
  std::string text() const;
  // A text or a number, as text: what differs between documents only in its spelling.
  std::string word() const;
  std::vector<std::string> texts() const;

  const nlohmann::json& value() const { return *value_; }
  // This place is wrong: `expected` in words; what is found is added.
  void expected(const std::string& expected, ErrorCode code = ErrorCode::kInvalidFile) const;

 private:
  JsonPlace(const nlohmann::json& value, JsonReading& reading, std::string path)
      : value_(&value), reading_(&reading), path_(std::move(path)) {}

  const nlohmann::json* value_;
  JsonReading* reading_;
  std::string path_;
};

}  // namespace gemma
