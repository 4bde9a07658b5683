#pragma once

#include <string>

namespace ditbatch::test {

/// What each fuzz_*.cpp defines: hands the bytes to one family of readers, just as the program
/// does, and uses what they return. Input that is refused ends in BadInput, which the callers
/// expect; every other exception, a sanitizer's complaint, or more than 5 s is a fault of the
/// program.
void parse_input(std::string const& bytes);

}  // namespace ditbatch::test
