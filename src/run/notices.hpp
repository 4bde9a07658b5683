#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "run/job_input.hpp"

namespace ditbatch {

/// Something that a job may be asked and that is perhaps not meant: no error, but it is told, once,
/// with how many images it is about and where the first of them stands.
struct Notice {
  std::string what;        // problem (why) suggestion
  std::size_t images = 0;  // 0: it is about the job
  std::string first;       // "manifest.jsonl:3: r2[0]"
};
[[nodiscard]] std::string to_string(Notice const& notice);

/// Of records, of the mesh, and of prompts that are too long: of these no more than the first
/// `most_prompts` are looked at, which takes the tokenizers some 0.1 ms each.
[[nodiscard]] std::vector<Notice> find_notices(JobInput const& input, std::size_t most_prompts);

}  // namespace ditbatch
