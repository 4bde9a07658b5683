#include "commands/markdown.hpp"

#include <algorithm>
#include <cstddef>

namespace ditbatch {

namespace {

// A bar would end the cell, in code too.
std::string as_cell(std::string const& text) {
  std::string cell;
  for (char const c : text) cell += c == '|' ? std::string("\\|") : std::string(1, c);
  return cell;
}

}  // namespace

std::string to_markdown(MarkdownTable const& table) {
  std::vector<std::size_t> shown;
  for (std::size_t column = 0; column < table.head.size(); ++column) {
    if (std::any_of(table.rows.begin(), table.rows.end(),
                    [&](auto const& row) { return !row.at(column).empty(); }))
      shown.push_back(column);
  }
  std::string text;
  auto const add_line = [&](auto const& cell_of) {
    text += "|";
    for (std::size_t const column : shown) text += cell_of(column) + "|";
    text += "\n";
  };
  auto const cells_of = [](std::vector<std::string> const& row) {
    return [&row](std::size_t column) { return " " + as_cell(row.at(column)) + " "; };
  };
  add_line(cells_of(table.head));
  add_line([](std::size_t) { return std::string("---"); });
  for (std::vector<std::string> const& row : table.rows) add_line(cells_of(row));
  return text;
}

std::string code(std::string const& text) { return text.empty() ? "" : "`" + text + "`"; }

}  // namespace ditbatch
