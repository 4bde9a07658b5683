#include "core/problem.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <numeric>
#include <utility>

#include "core/utf8.hpp"

namespace ditbatch {

std::string to_string(Problem const& problem) {
  std::string line = problem.where.file;
  if (problem.where.line != 0) line += ":" + std::to_string(problem.where.line);
  if (problem.where.column != 0) line += ":" + std::to_string(problem.where.column);
  if (!line.empty()) line += ": ";
  if (!problem.field.empty()) line += problem.field + ": ";
  return line + problem.text;
}

void Problems::add(Position where, std::string field, std::string text) {
  problems_.push_back({std::move(where), std::move(field), std::move(text)});
}

void Problems::append(Problems const& others) {
  problems_.insert(problems_.end(), others.problems_.begin(), others.problems_.end());
}

void Problems::append_in_order(Problems const& others) {
  std::vector<Problem> sorted = others.problems_;
  std::stable_sort(sorted.begin(), sorted.end(), [](Problem const& a, Problem const& b) {
    if (a.where.line != b.where.line) return a.where.line < b.where.line;
    return a.where.column < b.where.column;
  });
  problems_.insert(problems_.end(), sorted.begin(), sorted.end());
}

void Problems::throw_if_any() const {
  if (!problems_.empty()) throw BadInput(problems_);
}

namespace {

// One cause may have a thousand places: the first of a file are told, and how many more there are.
std::string told_lines(std::vector<Problem> const& problems) {
  constexpr std::size_t most_alike = 3;
  using Kind = std::pair<std::string, std::string>;
  auto const kind_of = [](Problem const& problem) {
    return Kind(problem.where.file, problem.text);
  };
  std::map<Kind, std::size_t> counts, told;
  for (Problem const& problem : problems) counts[kind_of(problem)] += 1;
  std::string lines;
  for (Problem const& problem : problems) {
    Kind const kind = kind_of(problem);
    std::size_t const number = ++told[kind];
    if (number > most_alike + 1) continue;
    if (!lines.empty()) lines += '\n';
    std::size_t const left = counts[kind] - most_alike;
    lines += number <= most_alike ? to_string(problem)
             : left == 1          ? to_string(problem)
                         : to_string({{problem.where.file}, "", ""}) + std::to_string(left) +
                               " more of these (check --all lists them)";
  }
  return lines;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t const substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

}  // namespace

BadInput::BadInput(std::vector<Problem> problems)
    : Error(ExitCode::bad_input, told_lines(problems)), problems_(std::move(problems)) {}

void throw_bad_input(Position where, std::string field, std::string text) {
  throw BadInput({{std::move(where), std::move(field), std::move(text)}});
}

std::string nearest_name(std::string_view typed, std::vector<std::string_view> const& known) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, typed.size() / 3) + 1;
  if (typed.size() > 100) return {};
  for (std::string_view name : known) {
    std::size_t const distance = edit_distance(typed, name);
    if (distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  }
  return std::string(best);
}

Position position_of(std::string file, std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  std::string_view const before = text.substr(0, offset);
  auto const line = 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  std::size_t const last_newline = before.rfind('\n');
  std::size_t const column =
      last_newline == std::string_view::npos ? offset + 1 : offset - last_newline;
  return {std::move(file), line, column};
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t longest = 80;
  std::string out = "'";
  std::size_t i = 0;
  while (i < text.size()) {
    if (out.size() > longest) {
      out += "...";
      break;
    }
    std::size_t const length = utf8_length_at(text, i);
    auto const byte = static_cast<unsigned char>(text[i]);
    if (length == 0 || byte < 0x20 || byte == 0x7F) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      out += escaped;
      i += 1;
    } else {
      out.append(text, i, length);
      i += length;
    }
  }
  return out + "'";
}

std::string field_name(std::string_view name) {
  auto const is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  bool const is_word =
      !name.empty() && name.size() <= 80 && std::all_of(name.begin(), name.end(), is_plain);
  return is_word ? std::string(name) : in_quotes(name);
}

}  // namespace ditbatch
