#include "run/model_provenance.hpp"

#include "comm/mpi_session.hpp"
#include "config/load_run_config.hpp"
#include "core/build_info.hpp"
#include "output/h5_handle.hpp"

namespace ditbatch {

ModelEntry model_entry_of(JobInput const& input, ChosenDevice const& device) {
  ModelPlan const& plan = input.model;
  ModelEntry model;
  model.name = plan.name;
  model.family = plan.checkpoint.pipeline_class;
  model.checkpoint = to_hex(plan.checkpoint.id);
  model.dtype = dtype_name(input.config.model.dtype);
  model.scheduler = plan.scheduler;
  for (auto const& [name, component] : plan.checkpoint.components) {
    if (name.rfind("text_encoder", 0) == 0)
      model.text_encoders.push_back({name, component.class_name, to_hex(component.sha256)});
  }
  find_licence(plan.checkpoint.folder, model);
  model.software = {{"ditbatch", build_info::version},
                    {"git_revision", build_info::git_revision},
                    {"LibTorch", build_info::torch_version},
                    {"HDF5", h5_version()},
                    {"MPI", mpi_library()}};
  for (LibraryVersion const& library : device.libraries)
    model.software[library.name] = library.version;
  model.hardware = device.hardware;
  model.driver = device.driver;
  return model;
}

}  // namespace ditbatch
