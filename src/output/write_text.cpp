#include "output/write_text.hpp"

#include "output/plain_file.hpp"

namespace ditbatch {

void write_text(std::string const& path, std::string const& text) { replace_file(path, text); }

}  // namespace ditbatch
