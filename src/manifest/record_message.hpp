#pragma once

#include <string>

#include "core/sha256.hpp"
#include "manifest/image_record.hpp"

namespace ditbatch {

/// A record as one text that travels between ranks, and back: loses nothing.
[[nodiscard]] std::string to_message(ImageRecord const& record);
[[nodiscard]] ImageRecord record_from_message(std::string const& message);

/// The sampling parameters as JSON, for the shard's `params` column.
[[nodiscard]] std::string params_json(ImageRecord const& record);

/// Of all that decides the pixels: prompts, parameters and seed in a canonical JSON with sorted keys, and
/// the checkpoint. Tags, metadata and the line in the manifest do not matter.
[[nodiscard]] Sha256Digest record_sha256(ImageRecord const& record, Sha256Digest const& checkpoint_id);

/// "fox[2]": how reports name an image.
[[nodiscard]] std::string record_name(ImageRecord const& record);

}  // namespace ditbatch
