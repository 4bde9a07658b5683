#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <string>

namespace ditbatch {

/// For an option that is a count or a time: a number above 0, or a usage error.
inline CLI::Validator above_zero() {
  return {[](std::string& text) {
            double value = 0;
            auto const [end, error] =
                std::from_chars(text.data(), text.data() + text.size(), value);
            bool const is_number = error == std::errc() && end == text.data() + text.size();
            return is_number && value > 0 ? std::string()
                                          : text +
                                                " is no number above 0 (leave the option out for "
                                                "no limit)";
          },
          "ABOVE 0"};
}

}  // namespace ditbatch
