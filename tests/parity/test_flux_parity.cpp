// Every stage of small random Flux pipelines against diffusers and transformers, which drew the
// references (make_references.py) just before: float32 on the CPU.
#define BOOST_TEST_MODULE flux_parity
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <mpi.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "comm/self_tensor_comm.hpp"
#include "families/families.hpp"
#include "families/flux/flux_configs.hpp"
#include "families/make_images.hpp"
#include "models/flux/flux_transformer.hpp"
#include "sample/initial_latents.hpp"
#include "support/component_folder.hpp"
#include "support/reference_file.hpp"
#include "text/tokenizer.hpp"
#include "weights/json_document.hpp"

using namespace ditbatch;
using ditbatch::test::relative_difference;

namespace {

struct MpiFixture {
  MpiFixture() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
    at::set_num_threads(1);
  }
  ~MpiFixture() { MPI_Finalize(); }
};
BOOST_TEST_GLOBAL_FIXTURE(MpiFixture);

std::vector<std::string> const pipelines{"a-dev-legacy",     "b-schnell-json", "c-dev-json",
                                         "d-schnell-legacy", "b-dev-legacy",   "a-schnell-json"};
std::vector<std::string> const prompts{"a red fox on a hill",
                                       "Two  blue BOATS, it's naïve! 4k </s> é", "", [] {
                                         std::string text = "東京の夜景 ";
                                         for (int i = 0; i < 30; ++i) text += "quiet golden clock ";
                                         return text;
                                       }()};

std::string folder() { return std::getenv("DITBATCH_PARITY_DIR"); }

struct Loaded {
  ModelPlan plan;
  Checkpoint const& checkpoint = plan.checkpoint;
  flux::FluxConfigs configs;
  std::map<std::string, at::Tensor> references;
  explicit Loaded(std::string const& name)
      : references(test::load_references(folder() + "/" + name + ".references.safetensors")) {
    Problems problems;
    ModelConfig model;
    model.path = folder() + "/" + name;
    model.dtype = Dtype::fp32;
    plan = plan_model(model, problems);
    problems.throw_if_any();
    configs = flux::read_flux_configs(checkpoint, WeightFiles::required, problems);
  }
  Loaded(Loaded const&) = delete;
  Loaded& operator=(Loaded const&) = delete;
  template <class Model, class Config>
  [[nodiscard]] Model model(char const* component, Config const& config) const {
    return Model(config, *test::weights_for<Model>(checkpoint.component(component), config,
                                                   at::kFloat, at::kCPU));
  }
};

ImageRecord record_of(nlohmann::json const& made) {
  ImageRecord record;
  record.id = made.at("id");
  record.prompt = made.at("prompt");
  if (made.contains("prompt_2")) record.prompt_2 = made.at("prompt_2");
  if (made.contains("negative_prompt")) record.negative_prompt = made.at("negative_prompt");
  record.true_cfg_scale = made.value("true_cfg_scale", 1.0);
  record.seed = made.at("seed");
  record.width_px = made.at("width");
  record.height_px = made.at("height");
  record.steps = made.at("steps");
  record.guidance_scale = made.at("guidance_scale");
  record.max_sequence_length = made.at("max_sequence_length");
  return record;
}

}  // namespace

BOOST_DATA_TEST_CASE(tokenizers_give_the_same_ids, boost::unit_test::data::make(pipelines), name) {
  Loaded const loaded(name);
  Problems problems;
  auto const clip = open_clip_tokenizer(loaded.checkpoint.component("tokenizer").folder, problems);
  auto const t5 = open_t5_tokenizer(loaded.checkpoint.component("tokenizer_2").folder, problems);
  problems.throw_if_any();
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    auto const row = static_cast<std::int64_t>(i);
    BOOST_TEST(at::equal(at::tensor(clip->encode(prompts[i], 77), at::kLong),
                         loaded.references.at("clip.ids")[row].to(at::kLong)));
    BOOST_TEST(at::equal(at::tensor(t5->encode(prompts[i], 24), at::kLong),
                         loaded.references.at("t5.ids")[row].to(at::kLong)));
  }
}

BOOST_DATA_TEST_CASE(encoders_agree, boost::unit_test::data::make(pipelines), name) {
  Loaded const loaded(name);
  auto const clip = loaded.model<ClipTextEncoder>("text_encoder", loaded.configs.clip);
  auto const t5 = loaded.model<T5Encoder>("text_encoder_2", loaded.configs.t5);
  auto const row_of = [&references = loaded.references](char const* ids, std::int64_t row) {
    at::Tensor const values = references.at(ids)[row].to(at::kLong).contiguous();
    auto const* first = values.data_ptr<std::int64_t>();
    return std::vector<std::int64_t>(first, first + values.numel());
  };
  for (std::int64_t i = 0; i < 4; ++i) {
    std::string const number = std::to_string(i);
    BOOST_TEST(relative_difference(clip.encode_pooled(row_of("clip.ids", i)),
                                   loaded.references.at("clip.pooled." + number)) < 1e-4);
    BOOST_TEST(relative_difference(t5.encode(row_of("t5.ids", i)),
                                   loaded.references.at("t5.hidden." + number)) < 1e-4);
  }
}

BOOST_DATA_TEST_CASE(one_transformer_step_agrees, boost::unit_test::data::make(pipelines), name) {
  Loaded const loaded(name);
  auto const& references = loaded.references;
  auto const transformer = loaded.model<FluxTransformer>("transformer", loaded.configs.transformer);
  TokenLayout const layout = make_token_layout(11, 15, {});
  SelfTensorComm self;
  auto const exchange = flux::make_collective_exchange(layout, self, self);
  SideStream beside(at::kCPU);
  at::Tensor const text =
      transformer.project_text(references.at("step.encoder_hidden_states"), layout).unsqueeze(0);
  at::Tensor const modulation = transformer.modulate(at::full({1}, 0.73F), at::full({1}, 3.5F),
                                                     references.at("step.pooled_projections"));
  at::Tensor const made =
      transformer(references.at("step.hidden_states"), text, modulation.select(0, 0),
                  transformer.make_rotary_table(layout, 5, at::kCPU), *exchange, beside);
  BOOST_TEST(relative_difference(made, references.at("step.prediction")) < 1e-4);
}

BOOST_DATA_TEST_CASE(vae_images_agree, boost::unit_test::data::make(pipelines), name) {
  Loaded const loaded(name);
  auto const vae = loaded.model<VaeDecoder>("vae", loaded.configs.vae);
  SelfTensorComm self;
  for (char const* size : {"5x7", "8x8", "13x3"}) {
    DecodedImage const made =
        vae.decode(loaded.references.at(std::string("vae.latents.") + size), self);
    at::Tensor const expected = loaded.references.at(std::string("vae.image.") + size) * 255;
    BOOST_TEST(made.finite);
    BOOST_TEST((made.pixels.to(at::kFloat) - expected).abs().max().item<float>() <
               0.51F);  // rounded once, and no more
  }
}

BOOST_DATA_TEST_CASE(schedules_latents_and_images_agree, boost::unit_test::data::make(pipelines),
                     name) {
  Loaded const loaded(name);
  MeshComms comms = make_mesh_comms(MPI_COMM_WORLD, {}, at::kCPU);
  std::unique_ptr<Model> const model = load_model(loaded.plan, {}, comms, at::kCPU);
  Trace trace;
  Activity activity;
  PhaseClock clock(trace, activity, {}, now_ns());
  Problems problems;
  auto const cases = load_json(folder() + "/" + name + ".cases.json", problems);
  problems.throw_if_any();
  for (auto const& made : cases->value) {
    ImageRecord const record = record_of(made);
    at::Tensor const noise = model->initial_latents(record);
    Schedule const schedule =
        make_flow_match_schedule(loaded.configs.schedule, record.steps, noise.size(0));
    at::Tensor const sigmas = loaded.references.at("sigmas." + record.id);
    BOOST_TEST((at::tensor(schedule.sigmas) - sigmas).abs().max().item<float>() < 1e-6F);

    at::Tensor const latents =
        model->denoise({noise}, {model->encode_prompt(record)}, {record}).front();
    double const latent_error =
        relative_difference(latents, loaded.references.at("latents." + record.id));
    BOOST_TEST(latent_error < 1e-3);
    MadeImages const images = make_images(*model, {{record}}, at::kCPU, clock);
    BOOST_TEST_REQUIRE(images.images.size() == 1U);
    at::Tensor const pixels = images.images.front().pixels.to(at::kFloat);
    float const pixel_error =
        (pixels - loaded.references.at("image." + record.id)).abs().max().item<float>();
    BOOST_TEST(pixel_error <= 1.0F);
    BOOST_TEST_MESSAGE(name << " " << record.id << ": latents " << latent_error << ", pixels "
                            << pixel_error);
  }
}

BOOST_AUTO_TEST_CASE(noise_is_what_pytorch_draws) {
  for (std::string const& name : pipelines) {
    auto const references =
        test::load_references(folder() + "/" + name + ".references.safetensors");
    for (char const* seed : {"5", "4294979641", "18446744073709551615"}) {
      for (at::ScalarType const dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
        at::Tensor const expected =
            references.at("noise." + std::string(seed) + "." + at::toString(dtype));
        LatentShape const shape{expected.size(1), expected.size(2), expected.size(3)};
        BOOST_TEST(at::equal(draw_initial_latents(std::strtoull(seed, nullptr, 10), shape, dtype),
                             expected));
      }
    }
  }
}
