// Whose fault an error is: a record's, which is tried again and given up, or the program's.
#define BOOST_TEST_MODULE record_errors
#include <ATen/ATen.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "run/replica_leader.hpp"

using namespace ditbatch;

namespace {

template <class Make>
std::string caught(Make const& make) {
  std::exception_ptr error;
  try {
    make();
  } catch (...) {
    error = std::current_exception();
  }
  return record_error(error, std::vector<Lease>(1));
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_a_record_asks_too_much_for_is_the_records) {
  BOOST_TEST(caught([] {}).empty());
  BOOST_TEST(!caught([] { throw std::bad_alloc(); }).empty());
  BOOST_TEST(caught([] { throw std::runtime_error("no memory"); }) == "no memory");
  std::string const torch = caught([] { (void)at::ones({2, 3}).matmul(at::ones({2, 3})); });
  BOOST_TEST(torch.find("2x3") != std::string::npos);
  BOOST_TEST(std::count(torch.begin(), torch.end(), '\n') < 4);  // and no stack
  BOOST_TEST(caught([] { throw Error(ExitCode::bad_input, "too long"); }) == "too long");
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_the_program_or_the_machine_goes_through) {
  BOOST_CHECK_THROW(caught([] { (void)std::vector<int>().at(1); }), std::out_of_range);
  BOOST_CHECK_THROW(caught([] { (void)std::stoi("x"); }), std::invalid_argument);
  for (ExitCode code : {ExitCode::internal, ExitCode::io, ExitCode::lost_peer, ExitCode::unhealthy})
    BOOST_CHECK_THROW(caught([&] { throw Error(code, "text"); }), Error);
}
