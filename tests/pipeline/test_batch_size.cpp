#define BOOST_TEST_MODULE batch_size
#include <boost/test/unit_test.hpp>

#include "pipeline/batch_size.hpp"

using namespace ditbatch;

namespace {

ImageRecord image(std::int64_t width_px, std::int64_t height_px, std::int64_t text = 512) {
  ImageRecord record;
  record.width_px = width_px;
  record.height_px = height_px;
  record.max_sequence_length = text;
  return record;
}

BatchRule on_gpus(int ranks_per_branch) { return {{}, c10::kCUDA, 16, ranks_per_branch}; }

}  // namespace

BOOST_AUTO_TEST_CASE(small_images_go_together_on_gpus) {
  BOOST_TEST(batch_size_for(image(512, 512), on_gpus(1)) == 4);  // 1,536 tokens
  BOOST_TEST(batch_size_for(image(512, 528), on_gpus(1)) == 2);
  BOOST_TEST(batch_size_for(image(512, 528, 256), on_gpus(1)) == 4);
  BOOST_TEST(batch_size_for(image(704, 704), on_gpus(1)) == 2);  // 2,448
  BOOST_TEST(batch_size_for(image(720, 720), on_gpus(1)) == 1);  // 2,537
  BOOST_TEST(batch_size_for(image(1024, 1024), on_gpus(1)) == 1);
}

BOOST_AUTO_TEST_CASE(the_tokens_of_one_rank_count) {
  BOOST_TEST(batch_size_for(image(1024, 1024), on_gpus(2)) == 2);  // 2,304 of 4,608
  BOOST_TEST(batch_size_for(image(1024, 1024), on_gpus(4)) == 4);
  BOOST_TEST(batch_size_for(image(2048, 2048), on_gpus(4)) == 1);  // 4,224
}

BOOST_AUTO_TEST_CASE(cpus_and_fixed_sizes) {
  BOOST_TEST(batch_size_for(image(64, 64), {{}, c10::kCPU, 16, 1}) == 1);
  BOOST_TEST(batch_size_for(image(64, 64), {3, c10::kCPU, 16, 1}) == 3);
  BOOST_TEST(batch_size_for(image(2048, 2048), {8, c10::kCUDA, 16, 1}) == 8);
}
