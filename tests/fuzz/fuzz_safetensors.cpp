// Each input is read as a safetensors file and as an index of such files.
#include "fuzz/parse_input.hpp"
#include "support/scratch_folder.hpp"
#include "weights/safetensors.hpp"
#include "weights/safetensors_index.hpp"

void ditbatch::test::parse_input(std::string const& bytes) {
  static ScratchFolder const folder("fuzz-safetensors");
  write_file(folder / "input", bytes);
  Problems problems;
  if (auto const header = read_safetensors_header(folder / "input", problems)) {
    for (auto const& [name, entry] : header->tensors) {
      ensure(entry.offset <= header->file_bytes &&
                 entry.size_bytes <= header->file_bytes - entry.offset,
             "a tensor lies within its file");
    }
  }
  for (auto const& [tensor, file] : read_safetensors_index(folder / "input", problems))
    ensure(file.find('/') == std::string::npos, "a weight file lies beside its index");
  problems.throw_if_any();
}
