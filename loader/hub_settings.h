// Which hub to ask, and as whom: the variables that huggingface_hub reads.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "loader/result.h"

namespace gemma {

struct HubSettings {
  std::string endpoint = "https://huggingface.co";  // no slash at the end
  std::string token;                                // empty: ask as nobody
  std::string cache;                                // the folder that holds models--owner--name
  bool offline = false;                             // the user wants no network
};

// HF_ENDPOINT; HF_TOKEN, else the file HF_TOKEN_PATH, else the file "token" in HF_HOME; the cache as
// find_model() looks for it; HF_HUB_OFFLINE (1, on, yes, true). kUsage for an endpoint that is no http(s)
// address or holds a user name, and for a token that could not stand in a header; the token itself is never
// part of a message. kNotFound if no cache can be named.
Result<HubSettings> hub_settings();

// How patient to be.
struct HubPatience {
  std::chrono::seconds connect{15};  // until a connection stands
  std::chrono::seconds stall{30};    // at less than 1 kB/s
  // What fails for a while (connection lost, 5xx, 429) is tried so often without any progress in between,
  // after 1, 2, 4 ... times the first pause or what the server asks for, 60 s at most.
  size_t attempts = 5;
  std::chrono::milliseconds first_pause{500};
};

}  // namespace gemma
