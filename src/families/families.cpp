#include "families/families.hpp"

#include <array>

#include "families/flux/flux_family.hpp"
#include "families/model.hpp"
#include "ops/graphed_call.hpp"
#include "output/model_entry.hpp"

namespace ditbatch {

namespace {

// Reads the configs of an opened checkpoint, and fills in the rest of its plan.
using FillPlan = void (*)(ModelConfig const& model, ModelPlan& plan, Problems& problems);

// A family: the pipeline class that model_index.json names, the folders it needs, its own folder
// here.
struct FamilyEntry {
  char const* class_name;
  char const* family_name;
  ComponentList components;
  FillPlan fill_plan;
  Sampling (*default_sampling)();
};

std::array const families{
    FamilyEntry{"FluxPipeline", "flux", flux::components, flux::fill_plan, flux::default_sampling},
};

FamilyEntry const* find_family(std::string const& class_name) {
  for (FamilyEntry const& entry : families)
    if (entry.class_name == class_name) return &entry;
  return nullptr;
}

std::string known_classes() {
  std::string names;
  for (FamilyEntry const& entry : families)
    names += (names.empty() ? "" : ", ") + std::string(entry.class_name);
  return names;
}

}  // namespace

std::vector<FamilyDefaults> family_defaults() {
  std::vector<FamilyDefaults> all;
  for (FamilyEntry const& entry : families)
    all.push_back({entry.class_name, entry.default_sampling()});
  return all;
}

ModelPlan plan_model(ModelConfig const& model, Problems& problems) {
  ModelPlan plan;
  Problems found;
  if (auto const index = open_model_index(model.path, found)) {
    FamilyEntry const* const entry = find_family(index->pipeline_class);
    if (entry == nullptr) {
      found.add(index->class_position(), "_class_name",
                "not supported: " + in_quotes(index->pipeline_class) + " (this version runs " +
                    known_classes() + ") use a folder of one of these");
    } else {
      WeightFiles const files = model.random_weights ? WeightFiles::ignored : WeightFiles::required;
      plan.name = name_of_model(model.path);
      plan.family_name = entry->family_name;
      plan.checkpoint = open_checkpoint(*index, entry->components, files, found);
      if (has_all(plan.checkpoint, entry->components)) entry->fill_plan(model, plan, found);
      plan.identity.checkpoint_id = plan.checkpoint.id;
    }
  }
  if (!found.empty()) plan.family = nullptr;
  problems.append(found);
  return plan;
}

std::unique_ptr<Model> load_model(ModelPlan const& plan, RuntimeConfig const& runtime,
                                  MeshComms& comms, c10::Device device) {
  return plan.family->load(plan.checkpoint, comms, device,
                           runtime.cuda_graphs ? ops::CudaGraphs::on : ops::CudaGraphs::off);
}

}  // namespace ditbatch
