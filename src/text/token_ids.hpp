#pragma once

#include <cstdint>
#include <vector>

namespace ditbatch {

/// Throws where an id has no row in an encoder's embedding: a GPU would read past the table.
void check_token_ids(std::vector<std::int64_t> const& ids, std::int64_t vocabulary);

}  // namespace ditbatch
