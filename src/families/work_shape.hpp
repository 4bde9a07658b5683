#pragma once

#include <span>
#include <string>
#include <string_view>

#include "manifest/image_record.hpp"
#include "manifest/work_shape.hpp"

namespace ditbatch {

/// The bucket of a record: the CFG branches it runs, and every field of visit_fields() with its
/// value, but for those that the family handles image by image. A field that nobody has thought of
/// is in it: two records that differ there are never made together.
[[nodiscard]] std::string bucket_of(ImageRecord const& record, int branches,
                                    std::span<std::string_view const> per_image);

}  // namespace ditbatch
