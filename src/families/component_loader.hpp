#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/mesh_comms.hpp"
#include "config/run_config.hpp"
#include "families/load_report.hpp"
#include "weights/checkpoint.hpp"
#include "weights/weight_source.hpp"

namespace ditbatch {

/// Loads the components of a checkpoint for the ranks that need them: each byte is read by one of
/// them and sent to the others. Groups that no mesh dimension has are made for the loading alone.
class ComponentLoader {
 public:
  /// Collective over the world. Throws Error(bad_input) where the ranks do not see the same
  /// checkpoint.
  ComponentLoader(Checkpoint const& checkpoint, ModelConfig const& model, MeshComms& comms,
                  c10::Device device);

  /// The model on every rank. Collective over the world.
  template <class Model, class Config>
  [[nodiscard]] Model on_all_ranks(char const* name, Config const& config) {
    return Model(config, *weights(name, parameters_of<Model>(config, dtype()), world_));
  }
  /// The model on the first rank of each branch. Collective over these; no other rank calls it.
  template <class Model, class Config>
  [[nodiscard]] Model on_branch_leaders(char const* name, Config const& config) {
    return Model(config, *weights(name, parameters_of<Model>(config, dtype()), leaders_));
  }
  /// Waits until every rank has its tensors. Collective over the world.
  [[nodiscard]] LoadReport finish();

  [[nodiscard]] c10::ScalarType dtype() const;

 private:
  void make_groups();
  [[nodiscard]] std::unique_ptr<WeightSource> weights(char const* name,
                                                      std::vector<ParameterSpec> const& wanted,
                                                      TensorComm* group);

  Checkpoint const& checkpoint_;
  ModelConfig const& model_;
  MeshComms& comms_;
  c10::Device device_;
  std::int64_t begin_ns_;
  std::uint64_t bytes_read_ = 0;                   // by this rank
  std::vector<std::unique_ptr<TensorComm>> made_;  // groups of no mesh dimension
  TensorComm* world_ = nullptr;                    // null with random weights, like
  TensorComm* leaders_ = nullptr;                  // this one, and on ranks that lead no branch
};

}  // namespace ditbatch
