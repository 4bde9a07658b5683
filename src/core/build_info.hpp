#pragma once

namespace ditbatch::build_info {

// Defined in one generated file, so that a new commit compiles that file alone.
extern char const* const version;
extern char const* const git_revision;  // of the source, `*` behind it where files were changed
extern char const* const cuda_architectures;  // "90a,100", or "none"
extern char const* const torch_version;
extern char const* const hdf5_version;

}  // namespace ditbatch::build_info
