// replay FOLDER...: reads every kept input again, as the fuzzer did, without the fuzzer. Run under
// the sanitizers by the preset asan.
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "core/problem.hpp"
#include "fuzz/parse_input.hpp"

namespace {

constexpr double longest_s = 5;

// What is wrong with reading this input; "" if it was read or refused as it should be.
std::string fault_of(std::string const& bytes) {
  auto const start = std::chrono::steady_clock::now();
  try {
    ditbatch::test::parse_input(bytes);
  } catch (ditbatch::BadInput const&) {
  } catch (std::exception const& error) {
    return std::string("threw ") + error.what();
  }
  std::chrono::duration<double> const taken_s = std::chrono::steady_clock::now() - start;
  return taken_s.count() > longest_s ? "took " + std::to_string(taken_s.count()) + " s" : "";
}

}  // namespace

int main(int count, char** arguments) {
  int read = 0;
  int faults = 0;
  for (int i = 1; i < count; ++i) {
    for (auto const& entry : std::filesystem::directory_iterator(arguments[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      std::string const bytes{std::istreambuf_iterator<char>(file), {}};
      // Printed first: a sanitizer ends the process in the middle of an input.
      std::printf("%s\n", entry.path().c_str());
      std::fflush(stdout);
      std::string const fault = fault_of(bytes);
      if (!fault.empty()) std::printf("  FAULT: %s\n", fault.c_str());
      faults += fault.empty() ? 0 : 1;
      ++read;
    }
  }
  std::printf("%d inputs, %d faults\n", read, faults);
  return faults == 0 && read > 0 ? 0 : 1;
}
