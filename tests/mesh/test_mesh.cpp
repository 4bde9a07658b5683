#define BOOST_TEST_MODULE mesh
#include <boost/test/unit_test.hpp>

#include <set>

#include "mesh/device_mesh.hpp"
#include "mesh/shard.hpp"

using namespace ditbatch;

BOOST_AUTO_TEST_CASE(coordinates_and_ranks_are_one_to_one_for_512_ranks) {
  MeshShape const shape{8, 2, 1, 4, 8};
  BOOST_TEST(shape.size() == 512);
  for (int rank = 0; rank < shape.size(); ++rank) {
    BOOST_TEST(world_rank_of(shape, coordinate_of(shape, rank)) == rank);
  }
}

BOOST_AUTO_TEST_CASE(ulysses_ranks_are_neighbours_and_replicas_far_apart) {
  MeshShape const shape{2, 2, 1, 2, 2};
  BOOST_TEST(world_rank_of(shape, {0, 0, 0, 0, 1}) == 1);
  BOOST_TEST(world_rank_of(shape, {0, 0, 0, 1, 0}) == 2);
  BOOST_TEST(world_rank_of(shape, {0, 1, 0, 0, 0}) == 4);
  BOOST_TEST(world_rank_of(shape, {1, 0, 0, 0, 0}) == 8);
}

BOOST_AUTO_TEST_CASE(shards_cover_everything_once_in_order) {
  for (std::int64_t total : {0, 1, 5, 77, 4173}) {
    for (int parts : {1, 2, 3, 5, 8}) {
      std::int64_t next = 0;
      for (Shard const& shard : shards_of(total, parts)) {
        BOOST_TEST(shard.offset == next);
        BOOST_TEST(shard.size <= total / parts + 1);
        next = shard.end();
      }
      BOOST_TEST(next == total);
    }
  }
}
