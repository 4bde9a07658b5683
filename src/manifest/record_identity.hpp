#pragma once

#include <map>
#include <string>

#include "core/sha256.hpp"
#include "manifest/image_record.hpp"

namespace ditbatch {

/// What of a model makes an image another one, with what was asked.
struct ModelIdentity {
  Sha256Digest checkpoint_id{};
  std::map<std::string, std::string> dtypes;  // by component: "transformer" -> "bf16"
};

/// A row keeps the version by which its record_sha256 was made; new rows get the newest.
inline constexpr int newest_identity = 2;

/// What a resume compares.
///
/// Version 2: SHA-256 of "ditbatch record 2", newline, JSON, newline, the 32 bytes of the
/// checkpoint's id. The JSON has sorted keys and no white space: `id`, `index`, `dtype` (an object,
/// by component), `method` where it is not empty (a way of computing that is not exact), and every
/// field of visit_fields() whose value is not the neutral one, but for tags and metadata, which may
/// change without making the image again. An empty second prompt is none.
///
/// Version 1, of the first shards: "ditbatch record 1", and every field that records had then,
/// neutral or not, without dtype. A field that came later counts where it is not neutral.
[[nodiscard]] Sha256Digest record_sha256(ImageRecord const& record, ModelIdentity const& model,
                                         int version, std::string const& method = "");

}  // namespace ditbatch
