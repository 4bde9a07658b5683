#pragma once

#include "manifest/image_record.hpp"
#include "output/shard_row.hpp"

namespace ditbatch {

/// Fills the columns of a row that have the name of a record's field, and `params`, which has all
/// that makes the image.
void take_record(ImageRecord const& record, ShardRow& row);

}  // namespace ditbatch
