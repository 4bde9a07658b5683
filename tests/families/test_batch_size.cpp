#define BOOST_TEST_MODULE batch_size
#include <boost/test/unit_test.hpp>

#include "families/batch_size.hpp"

using namespace ditbatch;

namespace {

BatchRule on_gpus(int ranks_per_branch) { return {{}, true, {1, 1, 1, 1, ranks_per_branch}}; }

}  // namespace

BOOST_AUTO_TEST_CASE(small_images_go_together_on_gpus) {
  BOOST_TEST(batch_size_for(1536, on_gpus(1)) == 4);  // 512x512 and 512 tokens of text
  BOOST_TEST(batch_size_for(1568, on_gpus(1)) == 2);
  BOOST_TEST(batch_size_for(2448, on_gpus(1)) == 2);
  BOOST_TEST(batch_size_for(2537, on_gpus(1)) == 1);
  BOOST_TEST(batch_size_for(4608, on_gpus(1)) == 1);  // 1024x1024
}

BOOST_AUTO_TEST_CASE(the_tokens_of_one_rank_count) {
  BOOST_TEST(batch_size_for(4608, on_gpus(2)) == 2);
  BOOST_TEST(batch_size_for(4608, on_gpus(4)) == 4);
  BOOST_TEST(batch_size_for(16896, on_gpus(4)) == 1);  // 2048x2048
}

BOOST_AUTO_TEST_CASE(cpus_and_fixed_sizes) {
  BOOST_TEST(batch_size_for(528, {{}, false, {}}) == 1);
  BOOST_TEST(batch_size_for(528, {3, false, {}}) == 3);
  BOOST_TEST(batch_size_for(16896, {8, true, {}}) == 8);
}
