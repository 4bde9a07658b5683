#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "comm/mesh_comms.hpp"
#include "config/mesh_for.hpp"
#include "config/run_config.hpp"
#include "families/batch_size.hpp"
#include "families/exchange_bytes.hpp"
#include "families/step_work.hpp"
#include "manifest/record_identity.hpp"
#include "manifest/record_rules.hpp"
#include "manifest/work_shape.hpp"
#include "weights/checkpoint.hpp"

namespace ditbatch {

namespace ops {
enum class CudaGraphs;
}
class Model;
struct TokenCounts;

/// A checkpoint of one family of models, its configs read and proven sound: all that can be asked
/// before a weight is read, and the way to load it. Pure but for load().
class Family {
 public:
  virtual ~Family() = default;

  /// What may run together with this record, and how long it takes.
  [[nodiscard]] virtual WorkShape work_shape(ImageRecord const& record,
                                             BatchRule const& rule) const = 0;

  /// Whether the image is denoised with a prompt and a negative one.
  [[nodiscard]] virtual bool has_both_branches(ImageRecord const& record) const = 0;

  /// Counts the tokens of a record's prompts, as Model::count_tokens() does. Reads the tokenizers'
  /// files; throws BadInput where they are not sound.
  [[nodiscard]] virtual std::function<TokenCounts(ImageRecord const&)> token_counter(
      Checkpoint const& checkpoint) const = 0;

  /// The matrix products and attention calls of one evaluation for `batch` images on the rank at
  /// this place: the floor of a step. Empty where the rank has no part in it.
  [[nodiscard]] virtual std::vector<StepCall> step_calls(ImageWork const& image, int batch,
                                                         MeshShape const& mesh,
                                                         MeshCoordinate const& at) const = 0;
  /// Of the VAE decoder for one image, over all ranks.
  [[nodiscard]] virtual double decoder_flop(ImageWork const& image) const = 0;
  /// What the rank at this place receives for one image, from prompt embeddings to pixels.
  [[nodiscard]] virtual ExchangeBytes exchange_bytes(ImageWork const& image, MeshShape const& mesh,
                                                     MeshCoordinate const& at) const = 0;

  /// Loads the weights. Collective over the world; `comms` outlives the model.
  [[nodiscard]] virtual std::unique_ptr<Model> load(Checkpoint const& checkpoint, MeshComms& comms,
                                                    c10::Device device,
                                                    ops::CudaGraphs graphs) const = 0;

 protected:
  Family() = default;
  Family(Family const&) = default;
  Family& operator=(Family const&) = default;
};

/// A model as it is known before a weight is read.
struct ModelPlan {
  std::string name;         // the model folder's, as shards name it
  std::string family_name;  // the family's folder under families/
  Checkpoint checkpoint;
  RecordRules rules;
  MeshLimits mesh;
  ModelIdentity identity;
  std::string scheduler;                          // JSON: its class and the values that decide
  std::uint64_t rank_weight_bytes = 0;            // of what every rank holds
  std::map<std::string, std::string> tokenizers;  // component -> the file that is read
  std::shared_ptr<Family const> family;           // null where the checkpoint has problems
};

}  // namespace ditbatch
