#pragma once

#include <c10/core/Device.h>

#include <array>
#include <cstdint>
#include <exception>
#include <vector>

#include "families/model.hpp"
#include "supervise/phase_clock.hpp"

namespace ditbatch {

/// Records of one bucket, to be made together.
struct ImageBatch {
  std::vector<ImageRecord> records;
  double cost = 1;                    // of one image: it scales the limits of the phases
  std::vector<Conditioning> prompts;  // one a record; none: they are encoded first
};

/// What a phase works on that all of the batch go through.
[[nodiscard]] PhaseWork work_of(ImageBatch const& batch);

/// Where a batch was, by the steady clock.
struct BatchMoments {
  std::int64_t begin_ns = 0;  // prompts, noise
  std::int64_t denoise_begin_ns = 0;
  std::int64_t decode_begin_ns = 0;
  std::int64_t end_ns = 0;
};

/// Where the first NaN or infinity of an image came from; earlier ones first.
enum class Stage { text_encoder, transformer, decoder };
inline constexpr std::array<char const*, 3> stage_names{"text encoders", "transformer", "decoder"};

struct MadeImages {
  std::vector<DecodedImage> images;  // of the first records; of all where nothing went wrong
  std::vector<Stage> stages;        // by image: of one that is not finite, as far as this rank sees
  std::vector<TokenCounts> tokens;  // by record, where prompts were encoded
  BatchMoments moments;
  std::array<double, 3> device_ms{};  // DeviceStopwatch in Phase::text, denoise and decode
  std::exception_ptr error;           // null: none
};

/// The way of a batch from prompts to pixels: each record is encoded and decoded by itself, all are
/// denoised together. Text and noise count as Phase::text, so the three phases mean the same
/// wherever images are made. A collective of the replica; an error of a record ends the batch, at
/// the same place on all ranks.
[[nodiscard]] MadeImages make_images(Model& model, ImageBatch const& batch, c10::Device device,
                                     PhaseClock& clock);

}  // namespace ditbatch
