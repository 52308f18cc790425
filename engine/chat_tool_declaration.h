// How a tool is declared to the model: the function schema of the API, rewritten in Gemma 4's tool syntax.
//
//   <|tool>declaration:NAME{description:<|"|>D<|"|>,parameters:{properties:{KEY:{description:..,enum:[..],
//   nullable:true,type:<|"|>STRING<|"|>}},required:[<|"|>KEY<|"|>],type:<|"|>OBJECT<|"|>}}<tool|>
//
// Properties are sorted without regard to case; of each the template knows description, enum (strings), items
// (arrays), nullable, properties and required (objects) and type, in this order; types are upper-case.
// Anything else in a schema is not shown to the model, except inside `items`, which is shown whole. An object
// without properties shows its other members as if they were properties (the template does).
#pragma once

#include <string>

#include "engine/chat_json.h"
#include "engine/chat_segment.h"

namespace gemma {

// `tool` is {"type": "function", "function": {...}}. The writer fails (kUsage) where the template would print
// broken syntax: no name, parameters without a type, a response that is no object, lists where text belongs.
void write_tool_declaration(const Json& tool, const std::string& where, SegmentWriter& out);

}  // namespace gemma
