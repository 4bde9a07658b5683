#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "manifest/image_record.hpp"
#include "output/shard_file.hpp"
#include "run/job_input.hpp"

namespace ditbatch {

/// Whether published images are what their records ask for now, each judged by the version of its
/// own identity. Identity 1 leaves the dtype out: the run.toml of the session that made the image
/// says it; without that file the image is taken as it is.
class RecordJudge {
 public:
  /// `input` outlives the judge.
  RecordJudge(JobInput const& input, std::string run_dir)
      : input_(input), run_dir_(std::move(run_dir)) {}

  [[nodiscard]] bool is_unchanged(ImageRecord const& record, PublishedRecord const& published);

 private:
  /// [model] dtype of a session; none where its run.toml is gone or cannot be read.
  [[nodiscard]] std::optional<Dtype> dtype_of_session(std::uint16_t session);

  JobInput const& input_;
  std::string run_dir_;
  std::map<std::uint16_t, std::optional<Dtype>> dtypes_;
};

}  // namespace ditbatch
