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

/// What a resume compares: SHA-256 of "ditbatch record 1", newline, the record as JSON, newline,
/// the 32 bytes of the checkpoint's id. The JSON has sorted keys, no white space and every field of
/// ImageRecord that a user can see in the image or looks it up by (id, index, prompts, seed,
/// sampling); absent prompts and empty second prompts are null. Tags, metadata and the line in the
/// manifest do not count: they may change without making the image again.
[[nodiscard]] Sha256Digest record_sha256(ImageRecord const& record,
                                         Sha256Digest const& checkpoint_id);

/// "fox[2]": how reports name an image.
[[nodiscard]] std::string record_name(ImageRecord const& record);

}  // namespace ditbatch
