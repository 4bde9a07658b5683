#include "comm/observed_tensor_comm.hpp"

#include <ATen/ATen.h>

#include <utility>

namespace ditbatch {

namespace {

class ScopedCall {
 public:
  ScopedCall(Activity& activity, std::string const& call) : activity_(activity) {
    activity_.enter_call(call);
  }
  ScopedCall(ScopedCall const&) = delete;
  ScopedCall& operator=(ScopedCall const&) = delete;
  ~ScopedCall() { activity_.leave_call(); }

 private:
  Activity& activity_;
};

}  // namespace

ObservedTensorComm::ObservedTensorComm(std::unique_ptr<TensorComm> comm, std::string name,
                                       Activity& activity)
    : comm_(std::move(comm)), name_(std::move(name)), activity_(activity) {}

std::vector<at::Tensor> ObservedTensorComm::all_to_all(
    std::vector<at::Tensor> const& send,
    std::vector<std::vector<std::int64_t>> const& receive_shapes) {
  ScopedCall const call(activity_, name_ + " all_to_all");
  return comm_->all_to_all(send, receive_shapes);
}

at::Tensor ObservedTensorComm::all_gather_rows(at::Tensor const& local,
                                               std::vector<std::int64_t> const& rows) {
  ScopedCall const call(activity_, name_ + " all_gather");
  return comm_->all_gather_rows(local, rows);
}

at::Tensor ObservedTensorComm::broadcast(at::Tensor const& tensor, int root) {
  ScopedCall const call(activity_, name_ + " broadcast");
  return comm_->broadcast(tensor, root);
}

void observe(MeshComms& comms, Activity& activity) {
  auto const wrap = [&](std::unique_ptr<TensorComm>& comm, char const* name) {
    if (comm->size() > 1)
      comm = std::make_unique<ObservedTensorComm>(std::move(comm), name, activity);
  };
  wrap(comms.replica, "replica");
  wrap(comms.branch, "branch");
  wrap(comms.cfg, "cfg");
  wrap(comms.ring, "ring");
  wrap(comms.ulysses, "ulysses");
}

}  // namespace ditbatch
