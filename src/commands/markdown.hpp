#pragma once

#include <string>
#include <vector>

namespace ditbatch {

struct MarkdownTable {
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;  // a cell for each of the head
};

/// The table, without columns in which every cell is empty.
[[nodiscard]] std::string to_markdown(MarkdownTable const& table);

/// A text as code, or nothing for an empty one.
[[nodiscard]] std::string code(std::string const& text);

}  // namespace ditbatch
