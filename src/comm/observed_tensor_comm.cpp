#include "comm/observed_tensor_comm.hpp"

#include <ATen/ATen.h>

#include <utility>

#include "core/error.hpp"
#if DITBATCH_CUDA
#include "comm/device_marks.hpp"
#endif

namespace ditbatch {

namespace {

class ScopedCall {
 public:
  ScopedCall(CallObserver const& observer, std::string const& call) : observer_(observer) {
    observer_.enter(call);
  }
  ScopedCall(ScopedCall const&) = delete;
  ScopedCall& operator=(ScopedCall const&) = delete;
  ~ScopedCall() { observer_.leave(); }

 private:
  CallObserver const& observer_;
};

}  // namespace

ObservedTensorComm::ObservedTensorComm(std::shared_ptr<TensorComm> comm, std::string name,
                                       CallObserver observer)
    : comm_(std::move(comm)), name_(std::move(name)), observer_(std::move(observer)) {}

std::vector<at::Tensor> ObservedTensorComm::all_to_all(
    std::vector<at::Tensor> const& send,
    std::vector<std::vector<std::int64_t>> const& receive_shapes) {
  ScopedCall const call(observer_, name_ + " all_to_all");
  return comm_->all_to_all(send, receive_shapes);
}

at::Tensor ObservedTensorComm::all_gather_rows(at::Tensor const& local,
                                               std::vector<std::int64_t> const& rows) {
  ScopedCall const call(observer_, name_ + " all_gather");
  return comm_->all_gather_rows(local, rows);
}

at::Tensor ObservedTensorComm::broadcast(at::Tensor const& tensor, int root) {
  ScopedCall const call(observer_, name_ + " broadcast");
  return comm_->broadcast(tensor, root);
}

CallObserver make_call_observer(Activity& activity, c10::Device device) {
#if DITBATCH_CUDA
  if (device.is_cuda()) {
    auto const marks = std::make_shared<DeviceMarks>();
    activity.follow_device([marks] { return marks->last(); });
    return {[marks](std::string const& call) { marks->enter(call); }, [] {},
            [marks](std::string const& call) { return marks->mark(call); }};
  }
#endif
  ensure(device.is_cpu(), "a build without CUDA has CPU ranks only");
  return {[&activity](std::string const& call) { activity.enter_call(call); },
          [&activity] { activity.leave_call(); },
          [](std::string const& /*call*/) { return DeviceMark{}; }};
}

void observe(MeshComms& comms, CallObserver const& observer) {
  auto const wrap = [&](std::shared_ptr<TensorComm>& comm, char const* name) {
    if (comm->size() > 1)
      comm = std::make_shared<ObservedTensorComm>(std::move(comm), name, observer);
  };
  wrap(comms.replica, "replica");
  wrap(comms.branch, "branch");
  wrap(comms.cfg, "cfg");
  wrap(comms.ring, "ring");
  wrap(comms.ulysses, "ulysses");
  if (comms.peers) comms.peers->watch(observer.mark);
}

}  // namespace ditbatch
