#include "loader/hub_settings.h"

#include <string>

#include <doctest/doctest.h>

#include "tests/loader/environment.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

using tests::Environment;
using tests::Variables;

TEST_CASE("by default the public hub is asked as nobody") {
  const Environment environment(Variables{{"HOME", "/nowhere"}});
  const Result<HubSettings> settings = hub_settings();
  REQUIRE(settings);
  CHECK(settings->endpoint == "https://huggingface.co");
  CHECK(settings->token == "");
  CHECK(settings->cache == "/nowhere/.cache/huggingface/hub");
  CHECK_FALSE(settings->offline);
}

TEST_CASE("HF_ENDPOINT names another hub, with or without a slash at its end") {
  for (const char* value : {"http://127.0.0.1:80/hub", "http://127.0.0.1:80/hub//"}) {
    const Environment environment(Variables{{"HOME", "/nowhere"}, {"HF_ENDPOINT", value}});
    CHECK(hub_settings()->endpoint == "http://127.0.0.1:80/hub");
  }
}

TEST_CASE("an endpoint that is no address is refused, one with a password without showing it") {
  for (const char* value : {"huggingface", "ftp://x", "file:///etc", "http://", "http://x y",
                            "https://u:secret@x", "https://x?token=secret"}) {
    CAPTURE(value);
    const Environment environment(Variables{{"HOME", "/nowhere"}, {"HF_ENDPOINT", value}});
    const Result<HubSettings> settings = hub_settings();
    REQUIRE_FALSE(settings);
    CHECK(settings.error().code == ErrorCode::kUsage);
    CHECK(settings.error().where == "HF_ENDPOINT");
    CHECK(settings.error().what.find("secret") == std::string::npos);
  }
}

TEST_CASE("the token is HF_TOKEN, else a file of one's own, else that of the Hugging Face home") {
  TemporaryFolder folder;
  folder.write("home/token", " hf_home\n");
  const std::string own = folder.write("own", "hf_own");
  Variables set = {{"HF_HOME", folder.path("home")}, {"HF_TOKEN_PATH", own}, {"HF_TOKEN", "hf_variable "}};
  for (const auto& variable : {std::pair("HF_TOKEN", "hf_variable"), std::pair("HF_TOKEN_PATH", "hf_own"),
                               std::pair("HF_HOME", "hf_home")}) {
    CAPTURE(variable.first);
    const Environment environment(set);
    CHECK(hub_settings()->token == variable.second);
    set.erase(variable.first);
  }
}

TEST_CASE("a token that would be more than one header is refused and not shown") {
  for (const char* token : {"hf_a\r\nX-Evil: secret", "hf a secret", "hf_\x01secret", "hf_\xc3\xa9secret"}) {
    const Environment environment(Variables{{"HOME", "/nowhere"}, {"HF_TOKEN", token}});
    const Result<HubSettings> settings = hub_settings();
    REQUIRE_FALSE(settings);
    CHECK(settings.error().code == ErrorCode::kUsage);
    CHECK(settings.error().message().find("secret") == std::string::npos);
  }
}

TEST_CASE("HF_HUB_OFFLINE understands the words for yes") {
  for (const auto& word : {std::pair("1", true), std::pair("ON", true), std::pair("True", true),
                           std::pair("yes", true), std::pair("0", false), std::pair("", false)}) {
    CAPTURE(word.first);
    const Environment environment(Variables{{"HOME", "/nowhere"}, {"HF_HUB_OFFLINE", word.first}});
    CHECK(hub_settings()->offline == word.second);
  }
}

TEST_CASE("without HOME there is no place for a cache") {
  const Environment environment(Variables{});
  const Result<HubSettings> settings = hub_settings();
  REQUIRE_FALSE(settings);
  CHECK(settings.error().code == ErrorCode::kNotFound);
  CHECK(settings.error().hint == "set HF_HOME to a folder");
}

}  // namespace
}  // namespace gemma
