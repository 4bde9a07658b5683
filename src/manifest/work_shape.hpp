#pragma once

#include <string>

namespace ditbatch {

/// What the work queue knows of a record: what may run together, and how long it takes.
struct WorkShape {
  std::string bucket;     // records of one bucket run alike, and may be made together
  double cost = 1;        // of one image; FLOP, where the model's family can tell
  int most_together = 1;  // how many records of the bucket a replica makes at once, if there are
};

}  // namespace ditbatch
