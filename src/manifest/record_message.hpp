#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "manifest/image_record.hpp"

namespace ditbatch {

/// A record as JSON that travels between ranks, and back: loses nothing.
[[nodiscard]] nlohmann::json to_json(ImageRecord const& record);
[[nodiscard]] ImageRecord record_from_json(nlohmann::json const& message);

/// The sampling parameters as JSON, for the shard's `params` column.
[[nodiscard]] std::string params_json(ImageRecord const& record);

}  // namespace ditbatch
