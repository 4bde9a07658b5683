#pragma once

#include <vector>

#include "families/family.hpp"

namespace ditbatch {

/// What records get of each family, by the class that its model_index.json names.
struct FamilyDefaults {
  char const* class_name = "";
  Sampling sampling;
};
[[nodiscard]] std::vector<FamilyDefaults> family_defaults();

/// Opens a model folder and asks the family that its model_index.json names. Every problem is added
/// to `problems`; with any of them the plan has no family, and is good for nothing but messages.
[[nodiscard]] ModelPlan plan_model(ModelConfig const& model, Problems& problems);

/// Loads the model of a sound plan. Collective over the world; `comms` outlives the model.
[[nodiscard]] std::unique_ptr<Model> load_model(ModelPlan const& plan, RuntimeConfig const& runtime,
                                                MeshComms& comms, c10::Device device);

}  // namespace ditbatch
