// Who holds up a job, from the ranks' signs of life alone.
#define BOOST_TEST_MODULE rank_watch
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "supervise/rank_watch.hpp"

using namespace ditbatch;

namespace {

// Replicas of cfg 2 x ulysses 2; a rank outside of all collectives, in the middle of its work.
Beat beat_of(int rank, CallCounts calls = {}, std::string call = "") {
  Beat beat;
  beat.rank = rank;
  beat.at = coordinate_of({2, 2, 1, 1, 2}, rank);
  beat.host = "n" + std::to_string(rank / 2);
  beat.device = "cpu";
  beat.phase = "denoise";
  beat.record_id = "fox";
  beat.call = std::move(call);
  beat.calls = std::move(calls);
  beat.in_phase_s = 3.12;
  return beat;
}

Beat in_phase(std::string phase, Beat beat) {
  beat.phase = std::move(phase);
  return beat;
}

using Ranks = std::vector<int>;

// As rank 0 looks at it when `reporter` exceeds its limit.
Ranks laggards(std::vector<Beat> const& beats, std::size_t reporter) {
  std::vector<SeenBeat> seen;
  for (Beat const& beat : beats) seen.push_back({beat_from_message(to_message(beat)), 0});
  Ranks ranks;
  for (Beat const& beat : find_laggards(seen, beats[reporter])) ranks.push_back(beat.rank);
  return ranks;
}

}  // namespace

// Records without true CFG are made by the first half; the second waits for their latents. It has
// entered far fewer collectives, and is not to blame.
BOOST_AUTO_TEST_CASE(a_half_that_has_nothing_to_do_is_not_to_blame) {
  std::vector<Beat> const beats{
      beat_of(0, {{"branch", 9}, {"ulysses", 812}, {"cfg", 4}, {"replica", 60}},
              "ulysses all_to_all"),
      beat_of(1, {{"branch", 9}, {"ulysses", 811}, {"cfg", 4}, {"replica", 60}}),
      beat_of(2, {{"branch", 2}, {"cfg", 5}, {"replica", 60}}, "cfg broadcast"),
      beat_of(3, {{"branch", 2}, {"cfg", 5}, {"replica", 60}}, "cfg broadcast")};
  for (std::size_t reporter : {0U, 2U, 3U}) BOOST_TEST(laggards(beats, reporter) == Ranks{1});
  BOOST_TEST(laggards(beats, 1) == Ranks{1});
}

BOOST_AUTO_TEST_CASE(a_rank_of_the_idle_half_is_found_as_well) {
  std::vector<Beat> const beats{
      in_phase("decode",
               beat_of(0, {{"ulysses", 812}, {"cfg", 5}, {"replica", 61}}, "replica all_to_all")),
      in_phase("decode",
               beat_of(1, {{"ulysses", 812}, {"cfg", 5}, {"replica", 61}}, "replica all_to_all")),
      in_phase("decode", beat_of(2, {{"cfg", 5}, {"replica", 61}}, "replica all_to_all")),
      beat_of(3, {{"cfg", 4}, {"replica", 60}})};
  for (std::size_t reporter = 0; reporter < 4; ++reporter)
    BOOST_TEST(laggards(beats, reporter) == Ranks{3});
}

// Whoever waits for a rank that waits itself points at the end of the chain.
BOOST_AUTO_TEST_CASE(waiting_is_followed_to_its_end) {
  std::vector<Beat> const beats{beat_of(0, {{"cfg", 7}, {"ulysses", 90}}, "cfg all_gather"),
                                beat_of(1, {{"cfg", 7}, {"ulysses", 90}}, "cfg all_gather"),
                                beat_of(2, {{"cfg", 6}, {"ulysses", 90}}, "ulysses all_to_all"),
                                beat_of(3, {{"cfg", 6}, {"ulysses", 89}})};
  for (std::size_t reporter = 0; reporter < 4; ++reporter)
    BOOST_TEST(laggards(beats, reporter) == Ranks{3});
}

// The mark of a GPU stays at the last collective that it came to, also when that is over.
BOOST_AUTO_TEST_CASE(a_gpu_between_two_collectives_is_found_by_its_count) {
  std::vector<Beat> const beats{beat_of(0, {{"ulysses", 90}}, "ulysses all_to_all"),
                                beat_of(1, {{"ulysses", 89}}, "ulysses all_to_all")};
  BOOST_TEST(laggards(beats, 0) == Ranks{1});
}

BOOST_AUTO_TEST_CASE(a_collective_that_all_have_come_to_names_all) {
  std::vector<Beat> const beats{
      beat_of(0, {{"ulysses", 90}}, "ulysses all_to_all"),
      beat_of(1, {{"ulysses", 90}}, "ulysses all_to_all"),
      beat_of(2, {{"ulysses", 90}}, "ulysses all_to_all"),  // of the other branch: another group
      beat_of(3, {{"ulysses", 90}}, "ulysses all_to_all")};
  BOOST_TEST((laggards(beats, 0) == Ranks{0, 1}));
}

BOOST_AUTO_TEST_CASE(another_replica_is_not_to_blame) {
  std::vector<Beat> beats{beat_of(0, {{"ulysses", 90}}, "ulysses all_to_all"),
                          beat_of(1, {{"ulysses", 89}})};
  for (int rank = 4; rank < 8; ++rank) beats.push_back(beat_of(rank, {{"ulysses", 3}}));
  BOOST_TEST(laggards(beats, 0) == Ranks{1});
}

// What all ranks do together is waited for across replicas.
BOOST_AUTO_TEST_CASE(a_rank_of_any_replica_holds_up_the_end_of_a_job) {
  std::vector<Beat> beats;
  for (int rank = 0; rank < 8; ++rank)
    beats.push_back(in_phase("drain", beat_of(rank, {{"world", 4}}, "world barrier")));
  beats[6] = in_phase("drain", beat_of(6, {{"world", 3}}));
  BOOST_TEST(laggards(beats, 1) == Ranks{6});
}

// While a job starts not all that ranks do together is told: better to name several than a wrong
// one.
BOOST_AUTO_TEST_CASE(a_start_names_all_that_may_be_the_cause) {
  std::vector<Beat> const beats{in_phase("load", beat_of(0)), in_phase("load", beat_of(1)),
                                in_phase("load", beat_of(2, {{"world", 2}}, "world devices"))};
  BOOST_TEST((laggards(beats, 0) == Ranks{0, 1}));
  BOOST_TEST((laggards(beats, 2) == Ranks{0, 1}));
}

// Ranks that a study's layout leaves out wait for the others, and have no place in the mesh.
BOOST_AUTO_TEST_CASE(a_rank_that_is_left_out_is_not_to_blame) {
  std::vector<Beat> beats{beat_of(0, {{"ulysses", 90}, {"world", 4}}, "ulysses all_to_all"),
                          beat_of(1, {{"ulysses", 89}, {"world", 4}}),
                          beat_of(2, {{"world", 5}}, "world meet")};
  beats[2].at.reset();
  for (std::size_t reporter = 0; reporter < 3; ++reporter)
    BOOST_TEST(laggards(beats, reporter) == Ranks{1});
}

BOOST_AUTO_TEST_CASE(the_rank_that_is_silent_for_longest_is_found) {
  std::vector<SeenBeat> const beats{
      {beat_of(0), 2.9}, {beat_of(1), 4}, {beat_of(2), 7}, {beat_of(3), 6}};
  BOOST_TEST(find_silent(beats, 3)->beat.rank == 2);
  BOOST_TEST(find_silent(beats, 3)->silent_s == 7);
  BOOST_TEST(!find_silent(beats, 7).has_value());
  BOOST_TEST(!find_silent({}, 0).has_value());
}

BOOST_AUTO_TEST_CASE(a_beat_travels_whole) {
  Beat sent = beat_of(3, {{"cfg", 2}, {"ulysses", 810}}, "ulysses all_to_all");
  sent.in_call_s = 1.5;
  sent.stop_signal = 10;
  Beat const came = beat_from_message(to_message(sent));
  BOOST_TEST(came.rank == 3);
  BOOST_TEST((came.at == sent.at));
  BOOST_TEST((came.calls == sent.calls));
  BOOST_TEST(came.in_phase_s == 3.12);
  BOOST_TEST(came.in_call_s == 1.5);
  BOOST_TEST(came.stop_signal == 10);
  BOOST_TEST(where_text(came) ==
             "rank 3 (replica 0, host n1, cpu), phase denoise of record fox, in ulysses all_to_all "
             "(call 812), for 3.1 s");
  sent.at.reset();
  BOOST_TEST(!beat_from_message(to_message(sent)).at.has_value());
}

// ranks.json of a session that an older program left.
BOOST_AUTO_TEST_CASE(a_beat_without_groups_is_read) {
  Beat const came = beat_from_message(
      R"({"rank":1,"replica":0,"host":"n1","device":"cpu","phase":"wait","record":"","call":"",)"
      R"("calls":7,"in_phase_s":1.0,"in_call_s":0.0,"stop_signal":0})");
  BOOST_TEST(came.rank == 1);
  BOOST_TEST(came.calls.empty());
}
