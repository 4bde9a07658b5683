#pragma once

#include <nlohmann/json_fwd.hpp>

#include "manifest/image_record.hpp"

namespace ditbatch {

/// What becomes of a second prompt that is empty: it is the same as none, but a message keeps it.
enum class EmptySecond { keep, none };

/// A record's fields as a JSON object, by visit_fields(); prompts that are absent are null.
[[nodiscard]] nlohmann::json fields_json(ImageRecord const& record, EmptySecond empty_second);
/// Takes the fields that the object has; the others stay.
void take_fields(nlohmann::json const& fields, ImageRecord& record);

/// The same of how an image is made, alone.
[[nodiscard]] nlohmann::json sampling_json(Sampling const& sampling);
void take_sampling(nlohmann::json const& fields, Sampling& sampling);

}  // namespace ditbatch
