#pragma once

#include <functional>
#include <memory>
#include <string>

#include "comm/mesh_comms.hpp"
#include "comm/tensor_comm.hpp"
#include "core/activity.hpp"

namespace ditbatch {

/// Is told of each collective before it begins and after the call has returned.
struct CallObserver {
  std::function<void(std::string const& call)> enter;
  std::function<void()> leave;
  std::function<DeviceMark(std::string const& call)> mark;  // for a kernel that tells it itself
};

/// Tells the Activity which collective this rank stands in: on CPUs as it calls them, on GPUs by
/// marks that the device writes.
[[nodiscard]] CallObserver make_call_observer(Activity& activity, c10::Device device);

/// Tells which collective this rank stands in, and leaves the work to another TensorComm.
class ObservedTensorComm final : public TensorComm {
 public:
  ObservedTensorComm(std::shared_ptr<TensorComm> comm, std::string name, CallObserver observer);

  [[nodiscard]] int size() const override { return comm_->size(); }
  [[nodiscard]] int rank() const override { return comm_->rank(); }
  [[nodiscard]] std::vector<at::Tensor> all_to_all(
      std::vector<at::Tensor> const& send,
      std::vector<std::vector<std::int64_t>> const& receive_shapes) override;
  [[nodiscard]] at::Tensor all_gather_rows(at::Tensor const& local,
                                           std::vector<std::int64_t> const& rows) override;
  [[nodiscard]] at::Tensor broadcast(at::Tensor const& tensor, int root) override;
  void abort() noexcept override { comm_->abort(); }

 private:
  std::shared_ptr<TensorComm> comm_;
  std::string name_;  // the mesh dimension
  CallObserver observer_;
};

/// Wraps every group of more than one rank, and watches exchanges between peers.
void observe(MeshComms& comms, CallObserver const& observer);

}  // namespace ditbatch
