#include "engine/chat_tool_declaration.h"

#include <doctest/doctest.h>

#include <string>

using namespace gemma;

namespace {

std::string declare(const std::string& function) {
  SegmentWriter out;
  write_tool_declaration(Json{{"type", "function"}, {"function", Json::parse(function)}}, "tools[0]", out);
  const Result<std::vector<Segment>> segments = out.take();
  if (!segments) return "error: " + segments.error().message();
  std::string text = join(*segments);
  for (size_t at = text.find("<|\"|>"); at != std::string::npos; at = text.find("<|\"|>"))
    text.replace(at, 5, "'");
  return text;
}

// What is declared for one property p of type object's properties.
std::string declare_property(const std::string& schema) {
  const std::string before = "<|tool>declaration:f{description:'',parameters:{properties:{p:";
  const std::string after = "},type:'OBJECT'}}<tool|>";
  const std::string text =
      declare(R"({"name": "f", "parameters": {"type": "object", "properties": {"p": )" + schema + "}}}");
  if (!text.starts_with(before) || !text.ends_with(after)) return text;
  return text.substr(before.size(), text.size() - before.size() - after.size());
}

}  // namespace

TEST_CASE("a tool without parameters has a name and a description") {
  CHECK(declare(R"({"name": "now"})") == "<|tool>declaration:now{description:''}<tool|>");
  CHECK(declare(R"({"name": "now", "description": null, "parameters": {}})") ==
        "<|tool>declaration:now{description:''}<tool|>");
  CHECK(declare(R"({"name": "now", "description": " The time. "})") ==
        "<|tool>declaration:now{description:' The time. '}<tool|>");
}

TEST_CASE("empty properties and empty requirements are left out") {
  CHECK(declare(R"({"name": "f", "parameters": {"type": "object", "properties": {}, "required": []}})") ==
        "<|tool>declaration:f{description:'',parameters:{type:'OBJECT'}}<tool|>");
}

TEST_CASE("properties are sorted without regard to case; requirements keep their order") {
  CHECK(declare(R"({"name": "f", "parameters": {"required": ["b", "A"], "type": "object", "properties":
    {"b": {"type": "string"}, "C": {"type": "number"}, "a": {"type": "integer"}, "A": {"type": "boolean"}}}})") ==
        "<|tool>declaration:f{description:'',parameters:{properties:{a:{type:'INTEGER'},A:{type:'BOOLEAN'},"
        "b:{type:'STRING'},C:{type:'NUMBER'}},required:['b','A'],type:'OBJECT'}}<tool|>");
}

TEST_CASE("a property named like a schema's member is kept") {
  CHECK(declare(R"({"name": "f", "parameters": {"type": "object", "properties":
    {"type": {"type": "string"}, "description": {"type": "string"}}}})") ==
        "<|tool>declaration:f{description:'',parameters:{properties:{description:{type:'STRING'},"
        "type:{type:'STRING'}},type:'OBJECT'}}<tool|>");
}

TEST_CASE("members of a property come in a fixed order, the type last") {
  CHECK(declare_property(R"({"type": "string", "nullable": true, "enum": ["b", "a"], "description": "d"})") ==
        "{description:'d',enum:['b','a'],nullable:true,type:'STRING'}");
  CHECK(declare_property(
            R"({"type": "string", "nullable": false, "enum": [], "description": "", "minLength": 3})") ==
        "{type:'STRING'}");
}

TEST_CASE("an enumeration is shown for strings only; keys inside it are quoted") {
  CHECK(declare_property(R"({"type": "integer", "enum": [1, 2]})") == "{type:'INTEGER'}");
  CHECK(declare_property(R"({"type": "string", "enum": [1, 2.0, null, true, {"b": 1, "A": "x"}]})") ==
        "{enum:[1,2.0,null,true,{'A':'x','b':1}],type:'STRING'}");
}

TEST_CASE("items of an array are shown whole") {
  CHECK(declare_property(
            R"({"type": "array", "items": {"type": "string", "minLength": 1, "default": null}})") ==
        "{items:{minLength:1,type:'STRING'},type:'ARRAY'}");
  CHECK(declare_property(R"({"type": "array", "items": {"type": ["string", "null"]}})") ==
        "{items:{type:['STRING','NULL']},type:'ARRAY'}");
  CHECK(
      declare_property(R"({"type": "array", "description": "d", "items": {"type": "object", "required": ["x"],
    "properties": {"x": {"type": "number"}}}})") ==
      "{description:'d',items:{properties:{x:{type:'NUMBER'}},required:['x'],type:'OBJECT'},type:'ARRAY'}");
  CHECK(declare_property(R"({"type": "array", "items": {"items": {"type": "string"}}})") ==
        "{items:{items:{'type':'string'}},type:'ARRAY'}");
  CHECK(declare_property(R"({"type": "array", "items": {}})") == "{type:'ARRAY'}");
}

TEST_CASE("objects nest") {
  CHECK(declare_property(R"({"type": "object", "description": "d", "nullable": true, "required": ["y"],
    "properties": {"y": {"type": "object", "properties": {}}}})") ==
        "{description:'d',nullable:true,properties:{y:{properties:{},type:'OBJECT'}},required:['y'],type:'"
        "OBJECT'}");
}

TEST_CASE("an object without properties shows its other members as properties") {
  CHECK(declare_property(R"({"type": "object", "additionalProperties": {"type": "string"}, "title": "T"})") ==
        "{properties:{additionalProperties:{type:'STRING'},title:{type:''}},type:'OBJECT'}");
}

TEST_CASE("several types are printed as Python prints a list") {
  CHECK(declare_property(R"({"type": ["integer", "null"]})") == "{type:'['INTEGER', 'NULL']'}");
  CHECK(declare_property(R"({"description": "no type"})") == "{description:'no type',type:''}");
  CHECK(declare_property(R"({"type": null})") == "{type:'NONE'}");
}

TEST_CASE("a response is declared last") {
  CHECK(declare(R"({"name": "f", "response": {"type": "object", "description": "r"}})") ==
        "<|tool>declaration:f{description:'',response:{description:'r',type:'OBJECT'}}<tool|>");
}

TEST_CASE("what would print broken syntax is refused") {
  CHECK(declare(R"({"description": "x"})") ==
        "error: tools[0].function.name: expected the name of the tool "
        "(a tool is {\"type\": \"function\", \"function\": {\"name\": ...}})");
  CHECK(declare(R"({"name": "f", "parameters": {"properties": {}}})") ==
        "error: tools[0].function.parameters.type: expected the type of the parameters (add \"type\": "
        "\"object\")");
  CHECK(declare(R"({"name": "f", "parameters": {"type": "object", "properties": [1]}})") ==
        "error: tools[0].function.parameters.properties: expected an object");
  CHECK(declare(R"({"name": "f", "response": {"type": "string"}})") ==
        "error: tools[0].function.response.type: expected \"object\", the only response the template can "
        "declare "
        "(leave \"response\" out)");
  CHECK(declare(R"({"name": "f", "parameters": {"type": "object", "required": "x"}})") ==
        "error: tools[0].function.parameters.required: expected a list of names");
  CHECK(declare(R"({"name": "f", "description": ["x"]})") ==
        "error: tools[0].function.description: expected text or a number, found array");
  CHECK(declare_property(R"({"type": ["it's"]})") ==
        "error: tools[0].function.parameters.properties.p.type: expected the name of a type or a list of "
        "names");
  CHECK(declare_property(R"({"type": "array", "items": {"type": [1]}})") ==
        "error: tools[0].function.parameters.properties.p.items.type: "
        "expected the name of a type or a list of names");
}

TEST_CASE("a schema nested beyond the limit is refused") {
  Json schema = {{"type", "string"}};
  for (size_t i = 0; i < kMaxJsonDepth + 1; ++i)
    schema = {{"type", "object"}, {"properties", {{"p", schema}}}};
  SegmentWriter out;
  write_tool_declaration({{"function", {{"name", "f"}, {"parameters", schema}}}}, "tool", out);
  const Result<std::vector<Segment>> segments = out.take();
  REQUIRE_FALSE(segments.has_value());
  CHECK(segments.error().what == "nested deeper than 64 levels");
}
