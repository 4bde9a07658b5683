#include "supervise/fault_point.hpp"

namespace ditbatch {

void fault_point(char const* /*phase*/, std::string const& /*record_ids*/) {}

}  // namespace ditbatch
