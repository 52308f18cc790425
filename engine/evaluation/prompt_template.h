// From a question to the text a model reads: a template with placeholders.
//
//   Result<PromptTemplate> prompt = PromptTemplate::parse("{context}\n\nQuestion: {question}\nAnswer:",
//   "--template"); Result<std::string> text = prompt->render(item);
//
//   {question}  {context}  {group}   the item's fields
//   {choices}                        a line for each choice: "A. text"
//   {{  }}                           a brace
//
// Values go in as they are; braces in them are text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "loader/dataset.h"
#include "loader/result.h"

namespace gemma {

class PromptTemplate {
 public:
  // kUsage for a placeholder of another name, an open brace that is not closed and a closed one that is not
  // open; `where` names the template in errors.
  static Result<PromptTemplate> parse(std::string_view text, const std::string& where);

  const std::string& text() const { return text_; }
  bool uses(std::string_view field) const;

  // kUsage if the template asks for a field that the item does not have.
  Result<std::string> render(const DatasetItem& item) const;

 private:
  struct Part {
    std::string text;  // or the name of the field
    bool is_field = false;
  };

  std::string text_, where_;
  std::vector<Part> parts_;
};

// "A. first\nB. second"
std::string choice_lines(const DatasetItem& item);

}  // namespace gemma
