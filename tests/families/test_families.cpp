// What holds for every family: which records may be made together, what a plan refuses, what is
// exact. The model is a small FLUX.1 that diffusers made.
#define BOOST_TEST_MODULE families
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "families/exactness.hpp"
#include "families/families.hpp"
#include "families/make_images.hpp"
#include "manifest/record_fields.hpp"
#include "support/bad_input.hpp"
#include "support/mpi_world.hpp"
#include "support/scratch_folder.hpp"

using namespace ditbatch;
using nlohmann::json;

namespace {

struct OneThread : test::MpiWorld {
  OneThread() { at::set_num_threads(1); }
};
BOOST_TEST_GLOBAL_FIXTURE(OneThread);

// A loaded model, and the clock that make_images() tells its phases.
struct Loaded {
  ModelPlan plan;
  MeshComms comms = make_mesh_comms(MPI_COMM_WORLD, {}, at::kCPU);
  std::unique_ptr<Model> model;
  Trace trace;
  Activity activity;
  PhaseClock clock{trace, activity, {}, now_ns()};
  Loaded() {
    ModelConfig config;
    config.path = std::string(std::getenv("DITBATCH_PARITY_DIR")) + "/c-dev-json";
    config.dtype = Dtype::fp32;
    Problems problems;
    plan = plan_model(config, problems);
    problems.throw_if_any();
    model = load_model(plan, {}, comms, at::kCPU);
  }
  std::vector<at::Tensor> pixels_of(std::vector<ImageRecord> const& records) {
    MadeImages const made = make_images(*model, {records}, at::kCPU, clock);
    if (made.error) std::rethrow_exception(made.error);
    std::vector<at::Tensor> pixels;
    for (DecodedImage const& image : made.images) pixels.push_back(image.pixels);
    return pixels;
  }
};

ImageRecord guided_record(ModelPlan const& plan) {
  ImageRecord record;
  record.id = "fox";
  record.prompt = "a red fox on a hill";
  record.negative_prompt = "blurry";
  record.true_cfg_scale = 2.5;
  record.guidance_scale = 3.5;
  record.width_px = 4 * plan.rules.size_multiple;
  record.height_px = 3 * plan.rules.size_multiple;
  record.steps = 2;
  record.max_sequence_length = 16;
  record.seed = 7;
  return record;
}

// Another value for each field of a record.
std::map<std::string, json> other_values(ImageRecord const& record) {
  return {{"prompt", "two blue boats"},     {"prompt_2", "a house by the lake"},
          {"negative_prompt", "fog"},       {"negative_prompt_2", "grey lines"},
          {"seed", record.seed + 1},        {"width", record.width_px * 2},
          {"height", record.height_px * 2}, {"steps", record.steps + 1},
          {"guidance_scale", 6.0},          {"true_cfg_scale", 4.0},
          {"scheduler", "another"},         {"max_sequence_length", record.max_sequence_length + 3},
          {"tags", json::array({"a"})},     {"metadata", "[1]"}};
}

}  // namespace

// A field that is neither in the bucket nor handled image by image would give the second record of
// a batch the picture of the first one's value, and nobody would notice.
BOOST_AUTO_TEST_CASE(every_field_keeps_records_apart_or_is_handled_image_by_image) {
  Loaded loaded;
  ImageRecord const record = guided_record(loaded.plan);
  std::map<std::string, json> const others = other_values(record);
  std::string const bucket = loaded.plan.family->work_shape(record, {}).bucket;
  at::Tensor const alone = loaded.pixels_of({record}).front();
  json const fields = fields_json(record, EmptySecond::keep);
  int apart = 0, together = 0;
  for (auto const& [name, value] : fields.items()) {
    BOOST_TEST_CONTEXT(name) {
      BOOST_TEST_REQUIRE(others.count(name) == 1U, "a new field needs a value to try");
      BOOST_TEST_REQUIRE((others.at(name) != value));
      ImageRecord other = record;
      take_fields({{name, others.at(name)}}, other);
      if (loaded.plan.family->work_shape(other, {}).bucket != bucket) {
        apart += 1;
        continue;
      }
      together += 1;
      at::Tensor const other_alone = loaded.pixels_of({other}).front();
      bool const changes_nothing = name == "tags" || name == "metadata";
      BOOST_TEST(at::equal(alone, other_alone) == changes_nothing);
      std::vector<at::Tensor> const both = loaded.pixels_of({record, other});
      BOOST_TEST(at::equal(both[0], alone));
      BOOST_TEST(at::equal(both[1], other_alone));
    }
  }
  BOOST_TEST((apart == 5 && together == 9));
}

BOOST_AUTO_TEST_CASE(records_with_and_without_guidance_run_apart) {
  Loaded const loaded;
  ImageRecord const guided = guided_record(loaded.plan);
  ImageRecord plain = guided;
  plain.negative_prompt.reset();
  WorkShape const two = loaded.plan.family->work_shape(guided, {});
  WorkShape const one = loaded.plan.family->work_shape(plain, {});
  BOOST_TEST(two.bucket != one.bucket);
  BOOST_TEST(two.cost > one.cost);
  plain.steps *= 2;  // as many evaluations as the guided one
  BOOST_TEST(loaded.plan.family->work_shape(plain, {}).cost == two.cost);
}

BOOST_AUTO_TEST_CASE(tokens_are_counted_and_what_is_cut_is_told) {
  Loaded const loaded;
  ImageRecord record = guided_record(loaded.plan);
  TokenCounts const few = loaded.model->count_tokens(record);
  BOOST_TEST((few.tokens[0] > 2 && few.tokens[1] > 2 && few.tokens[2] == 0));
  BOOST_TEST((few.cut == std::array<std::uint16_t, 3>{}));
  record.max_sequence_length = few.tokens[1] - 1;
  BOOST_TEST(loaded.model->count_tokens(record).cut[1] == 1);
  for (int i = 0; i < 40; ++i) *record.negative_prompt += " blurry lines";
  TokenCounts const many = loaded.model->count_tokens(record);
  BOOST_TEST((many.tokens == few.tokens && many.cut[0] > 0 && many.cut[1] > 1));
  record.true_cfg_scale = 1;  // nobody reads the negative prompt then
  BOOST_TEST((loaded.model->count_tokens(record).cut == std::array<std::uint16_t, 3>{0, 1, 0}));
}

BOOST_AUTO_TEST_CASE(a_pipeline_of_no_family_is_refused_by_name) {
  test::ScratchFolder const folder("another-pipeline");
  test::write_file(folder / "model_index.json", R"({"_class_name":"ShapE"})");
  ModelConfig config;
  config.path = folder.path();
  Problems problems;
  ModelPlan const plan = plan_model(config, problems);
  BOOST_TEST(plan.family == nullptr);
  test::check_refused(problems, "model_index.json", "not supported: 'ShapE' (this version runs ",
                      "a class of no family");
  test::check_refused(problems, "model_index.json", "FluxPipeline", "what there is");
}

BOOST_AUTO_TEST_CASE(only_layouts_that_reorder_sums_are_inexact) {
  MeshConfig mesh;
  mesh.cfg = 2;
  mesh.ulysses = 4;
  mesh.ring = 2;
  BOOST_TEST(exactness_of(mesh).is_exact());
  mesh.ring_kind = RingKind::p2p;
  BOOST_TEST(exactness_of(mesh).method == "ring p2p");
  mesh.pipefusion = 2;
  BOOST_TEST(exactness_of(mesh).method == "pipefusion, ring p2p");
  mesh.ring = 1;  // nothing travels
  BOOST_TEST(exactness_of(mesh).method == "pipefusion");
}
