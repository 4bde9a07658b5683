#define BOOST_TEST_MODULE launcher
#include <cstdlib>

#include <boost/test/unit_test.hpp>

#include "comm/launcher.hpp"

using namespace ditbatch;

namespace {

// Without what the launcher of this test itself may have set.
struct Environment {
  Environment() {
    for (char const* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_FD", "PMI_SIZE",
                             "SLURM_STEP_NUM_TASKS"})
      ::unsetenv(name);
  }
  void set(char const* name, char const* value) { ::setenv(name, value, 1); }
};

bool contains(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_process_without_a_launcher_may_be_alone, Environment) {
  BOOST_TEST(launcher_problem() == "");
  BOOST_TEST(launcher_problem(1) == "");
}

BOOST_FIXTURE_TEST_CASE(singletons_of_a_launcher_name_what_contradicts_them, Environment) {
  for (char const* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    ::setenv(name, "4", 1);
    BOOST_TEST(contains(launcher_problem(1), std::string(name) + " says 4"));
    BOOST_TEST(contains(launcher_problem(1), "srun --mpi=pmix"));
    BOOST_TEST(launcher_problem(4) == "");
    ::unsetenv(name);
  }
}

BOOST_FIXTURE_TEST_CASE(one_rank_of_mpirun_in_a_step_of_several_tasks_is_right, Environment) {
  set("SLURM_STEP_NUM_TASKS", "4");
  set("OMPI_COMM_WORLD_SIZE", "1");
  BOOST_TEST(launcher_problem() == "");
  BOOST_TEST(launcher_problem(1) == "");
}

BOOST_FIXTURE_TEST_CASE(several_tasks_without_a_pmi_are_refused_before_mpi_starts, Environment) {
  set("SLURM_STEP_NUM_TASKS", "4");
  BOOST_TEST(contains(launcher_problem(), "SLURM_STEP_NUM_TASKS says 4"));
  set("PMIX_RANK", "0");
  BOOST_TEST(launcher_problem() == "");
}
