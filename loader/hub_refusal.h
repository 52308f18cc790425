// What the hub means by a status that is no success, and what the user can do about it.
#pragma once

#include <string>

#include "loader/http_connection.h"
#include "loader/hub_id.h"
#include "loader/hub_settings.h"

namespace gemma {

// `file` is what was asked for; empty: the model itself. Temporary are 408, 429 and the 5xx that pass. 404 is
// kNotFound, everything else kIo. What the storage says that the hub redirects to is never about the user.
HttpFailure hub_refusal(const HttpHead& head, const HubSettings& settings, const HubId& id,
                        const std::string& file);
HttpFailure storage_refusal(const HttpHead& head, const HubId& id, const std::string& file,
                            const std::string& host);

}  // namespace gemma
