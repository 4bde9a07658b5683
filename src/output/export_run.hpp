#pragma once

#include <cstdint>
#include <string>

namespace ditbatch {

/// Writes every image of a run as PNG into `out_dir`/WIDTHxHEIGHT/, with a metadata.jsonl beside
/// each (Hugging Face "imagefolder": file_name and every column; the seed as text, since readers
/// round large numbers). The PNGs carry their parameters in the text chunk `parameters`, where
/// readers of generated images look, and what the shard says of their model in `provenance`;
/// provenance.json in `out_dir` says it of all. What an earlier export wrote there of images that
/// were taken out since is removed. Returns the number of images.
[[nodiscard]] std::uint64_t export_imagefolder(std::string const& run_dir,
                                               std::string const& out_dir);

}  // namespace ditbatch
