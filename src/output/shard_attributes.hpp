#pragma once

#include <string>

#include "core/build_info.hpp"
#include "core/term.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

/// Of a shard, once it is whole.
inline constexpr Term complete_attribute("complete", v0_1, "1: the file was finished and verified");
/// Of the dataset of the images.
inline constexpr Term encoding_attribute("encoding", v0_1,
                                         "of the dataset `images`: \"raw\", the bytes as they are");

/// "text,denoise"
[[nodiscard]] std::string joined(auto const& names) {
  std::string text;
  for (auto const& name : names) text += (text.empty() ? "" : ",") + std::string(name);
  return text;
}

/// Calls a function with the name and value of each attribute that a new shard gets.
template <class Function>
void visit_attributes(ShardOptions const& options, Function&& visit) {
  visit(Term("schema", v0_1, "\"ditbatch shard\""), std::string("ditbatch shard"));
  visit(Term("schema_version", v0_1, "of the list of columns"), options.version);
  visit(Term("software", v0_1, "\"ditbatch\""), std::string("ditbatch"));
  visit(Term("softwareVersion", v0_1, "of the program that wrote the file"),
        std::string(build_info::version));
  visit(Term("git_revision", v0_1, "of that program"), std::string(build_info::git_revision));
  visit(Term("phases", v0_1, "names of the columns of phase_s and by_rank, with commas between"),
        joined(options.phase_names));
  if (options.version < 2) return;
  visit(Term("encoders", v0_2, "names of the columns of tokens and tokens_cut"),
        joined(encoder_names));
  visit(Term("models", v0_2,
             "JSON list, an object for each `model`: name, family, checkpoint, dtype, "
             "scheduler, text_encoders, licence, licence_files, software, hardware, driver"),
        options.models);
}

}  // namespace ditbatch
