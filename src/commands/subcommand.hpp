#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "core/term.hpp"

namespace ditbatch {

/// A subcommand that has of each option and positional what the reference says of it.
class Subcommand : public CLI::App {
 public:
  explicit Subcommand(Term const& term) : CLI::App(term.meaning(), term.name()), term_(term) {}

  /// "--limit" takes a value, "run_dir" is a positional.
  template <class Value>
  CLI::Option* option(Term const& term, Value& value) {
    return keep(term, add_option(term.name(), value, term.meaning()));
  }
  CLI::Option* flag(Term const& term, bool& value) {
    return keep(term, add_flag(term.name(), value, term.meaning()));
  }

  [[nodiscard]] Term const& term() const { return term_; }
  /// Throws std::out_of_range for an option that was added in another way.
  [[nodiscard]] Term const& term_of(CLI::Option const* option) const { return terms_.at(option); }

 private:
  CLI::Option* keep(Term const& term, CLI::Option* option) {
    terms_.emplace(option, term);
    return option;
  }
  Term term_;
  std::map<CLI::Option const*, Term> terms_;
};

inline Subcommand& add_subcommand(CLI::App& app, Term const& term) {
  auto const command = std::make_shared<Subcommand>(term);
  app.add_subcommand(command);
  return *command;
}

}  // namespace ditbatch
