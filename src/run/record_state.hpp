#pragma once

#include <map>
#include <string>
#include <vector>

#include "manifest/image_record.hpp"
#include "output/publish.hpp"
#include "output/scan_run.hpp"

namespace ditbatch {

/// What a run folder knows of a record: whether a job makes it.
enum class RecordState { taken_out, done, failed_before, to_make };

/// Why records were given up, by image.
using Failures = std::map<ImageKey, std::string>;
/// Those that hold for this checkpoint (its id in hexadecimal).
[[nodiscard]] inline Failures failures_with(std::string const& checkpoint,
                                            std::vector<FailedLine> const& lines) {
  Failures failures;
  for (FailedLine const& line : lines)
    if (line.holds_for(checkpoint)) failures.try_emplace({line.id, line.index}, line.error);
  return failures;
}

[[nodiscard]] inline RecordState state_of(ImageRecord const& record, RunContents const& contents,
                                          Failures const& failures) {
  if (contents.taken_out.hold(record.key())) return RecordState::taken_out;
  if (contents.done.count(record.key()) != 0) return RecordState::done;
  return failures.count(record.key()) != 0 ? RecordState::failed_before : RecordState::to_make;
}

}  // namespace ditbatch
