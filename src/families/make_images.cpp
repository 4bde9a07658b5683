#include "families/make_images.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "comm/device.hpp"
#include "comm/device_stopwatch.hpp"
#include "core/trace.hpp"

namespace ditbatch {

namespace {

PhaseWork work_of(ImageRecord const& record, double cost) { return {record.id, cost}; }

bool is_finite(at::Tensor const& tensor) { return at::isfinite(tensor).all().item<bool>(); }

// Only asked when an image failed.
Stage bad_stage(Conditioning const& prompt, at::Tensor const& latents) {
  for (std::vector<at::Tensor> const& branch : prompt.branches)
    if (!std::all_of(branch.begin(), branch.end(), is_finite)) return Stage::text_encoder;
  return is_finite(latents) ? Stage::decoder : Stage::transformer;
}

void make(Model& model, ImageBatch const& batch, c10::Device device, PhaseClock& clock,
          MadeImages& made) {
  std::vector<Conditioning> prompts = batch.prompts;
  std::vector<at::Tensor> noise;
  made.moments.begin_ns = now_ns();
  DeviceStopwatch watch(device);
  watch.start();
  for (ImageRecord const& record : batch.records) {
    clock.enter(Phase::text, work_of(record, batch.cost));
    if (batch.prompts.empty()) {
      prompts.push_back(model.encode_prompt(record));
      made.tokens.push_back(model.count_tokens(record));
    }
    noise.push_back(model.initial_latents(record));  // by the host, while a GPU encodes
  }
  made.device_ms[0] = watch.stop_ms();
  synchronize(device);
  watch.start();
  clock.enter(Phase::denoise, work_of(batch));
  made.moments.denoise_begin_ns = now_ns();
  std::vector<at::Tensor> const latents = model.denoise(noise, prompts, batch.records);
  made.device_ms[1] = watch.stop_ms();
  synchronize(device);
  watch.start();
  made.moments.decode_begin_ns = now_ns();
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    clock.enter(Phase::decode, work_of(batch.records[i], batch.cost));
    made.images.push_back(model.decode_latents(latents[i], batch.records[i]));
    made.stages.push_back(made.images.back().finite ? Stage::decoder
                                                    : bad_stage(prompts[i], latents[i]));
  }
  made.device_ms[2] = watch.stop_ms();
  made.moments.end_ns = now_ns();
}

}  // namespace

PhaseWork work_of(ImageBatch const& batch) {
  PhaseWork work{"", batch.cost * static_cast<double>(batch.records.size())};
  for (ImageRecord const& record : batch.records)
    work.record_ids += (work.record_ids.empty() ? "" : ",") + record.id;
  return work;
}

MadeImages make_images(Model& model, ImageBatch const& batch, c10::Device device,
                       PhaseClock& clock) {
  MadeImages made;
  try {
    make(model, batch, device, clock, made);
  } catch (...) {
    made.error = std::current_exception();
  }
  return made;
}

}  // namespace ditbatch
