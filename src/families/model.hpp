#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "families/load_report.hpp"
#include "manifest/image_record.hpp"
#include "models/vae/vae_decoder.hpp"

namespace ditbatch {

/// What the model is told about the prompts of a record, by CFG branch (0 conditional, 1
/// unconditional): tensors whose meaning is the family's own. A branch that this rank does not run
/// has none.
struct Conditioning {
  std::array<std::vector<at::Tensor>, 2> branches;
};

/// Tokens of a record's prompts for each text encoder, in the order of the folders text_encoder,
/// text_encoder_2, text_encoder_3; 0 for one that the model does not have.
struct TokenCounts {
  std::array<std::uint16_t, 3> tokens{};  // of the prompt, special ones included, before cutting
  std::array<std::uint16_t, 3> cut{};     // of prompt and negative prompt, that did not fit
};

/// A loaded model on the ranks of one replica. Every method but the const ones is a collective of
/// the replica: all its ranks call it with the same records. A record's bits never depend on the
/// others of its batch, nor on the number of ranks.
class Model {
 public:
  virtual ~Model() = default;

  [[nodiscard]] virtual LoadReport const& load_report() const = 0;

  /// On the first rank of the replica; all zeros elsewhere.
  [[nodiscard]] virtual TokenCounts count_tokens(ImageRecord const& record) const = 0;

  /// On GPUs it returns when the work is enqueued.
  [[nodiscard]] virtual Conditioning encode_prompt(ImageRecord const& record) = 0;

  /// The record's noise as the sampler starts from it, full size on every rank.
  [[nodiscard]] virtual at::Tensor initial_latents(ImageRecord const& record) const = 0;

  /// Latents after all steps, full size on every rank of the replica, for records of one bucket:
  /// one noise, conditioning and result each. On GPUs it returns when the work is enqueued.
  [[nodiscard]] virtual std::vector<at::Tensor> denoise(
      std::vector<at::Tensor> const& noise, std::vector<Conditioning> const& prompts,
      std::vector<ImageRecord> const& records) = 0;

  /// Latents as denoise() leaves them -> pixels on the replica's first rank.
  [[nodiscard]] virtual DecodedImage decode_latents(at::Tensor const& latents,
                                                    ImageRecord const& record) = 0;

 protected:
  Model() = default;
  Model(Model const&) = default;
  Model& operator=(Model const&) = default;
};

}  // namespace ditbatch
