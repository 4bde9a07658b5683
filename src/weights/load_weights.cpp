#include "weights/load_weights.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "weights/non_finite.hpp"
#include "weights/piece_reader.hpp"
#include "weights/weight_stream.hpp"

namespace ditbatch {

namespace {

at::Tensor bytes_of(at::Tensor const& tensor) { return tensor.view({-1}).view(at::kByte); }

// "FILE: tensor NAME"
std::string place_text(WeightStream const& stream, std::size_t tensor) {
  std::uint64_t const begin = stream.tensors[tensor].begin;
  std::string file;
  for (WeightStream::Extent const& extent : stream.extents)
    if (extent.begin <= begin && begin < extent.begin + extent.size_bytes)
      file = stream.files[extent.file];
  std::string name;
  for (auto const& [known, at] : stream.place)
    if (at == tensor) name = known;
  return file + ": tensor " + name;
}

// Makes tensors of the stream's bytes, which come in order. A tensor is a copy of its own: offsets
// in files need not be aligned for its type.
class TensorMaker {
 public:
  TensorMaker(WeightStream const& stream, c10::Device device) : stream_(stream), device_(device) {}

  void append(at::Tensor const& bytes) {  // (count), on the host or the device
    auto const count = static_cast<std::uint64_t>(bytes.numel());
    for (std::uint64_t used = 0; used < count;) {
      make_finished();
      WeightStream::Tensor const& plan = stream_.tensors[made_.size()];
      if (!stored_.defined()) stored_ = empty_of(plan);
      std::uint64_t const within = at_ - plan.begin;
      auto const part = static_cast<std::int64_t>(std::min(count - used, plan.size_bytes - within));
      bytes_of(stored_)
          .narrow(0, static_cast<std::int64_t>(within), part)
          .copy_(bytes.narrow(0, static_cast<std::int64_t>(used), part), /*non_blocking=*/true);
      used += static_cast<std::uint64_t>(part);
      at_ += static_cast<std::uint64_t>(part);
    }
    make_finished();
  }

  [[nodiscard]] std::vector<at::Tensor> finish() {
    make_finished();  // where the stream holds no byte at all
    ensure(made_.size() == stream_.tensors.size(), "the stream came to its end");
    look_at_device();
    return std::move(made_);
  }

 private:
  // A GPU is asked once, at the end: nothing waits for an answer while weights come in.
  void look_for_non_finite(at::Tensor const& tensor) {
    if (tensor.is_cpu()) {
      if (has_non_finite(tensor)) refuse(made_.size() - 1);
    } else {
      finite_.push_back(at::isfinite(tensor).all());
    }
  }
  void look_at_device() {
    if (finite_.empty()) return;
    at::Tensor const broken = at::stack(finite_).logical_not().nonzero().cpu();  // (count, 1)
    if (broken.numel() > 0) refuse(static_cast<std::size_t>(broken[0].item<std::int64_t>()));
  }
  [[noreturn]] void refuse(std::size_t tensor) const {
    throw Error(ExitCode::bad_input,
                place_text(stream_, tensor) + ": " + non_finite_text(made_[tensor]) + " (" +
                    std::string(c10::toString(stream_.tensors[tensor].stored)) + " read as " +
                    c10::toString(stream_.tensors[tensor].wanted) +
                    ") get the file anew, or try another [model] dtype");
  }
  [[nodiscard]] at::Tensor empty_of(WeightStream::Tensor const& plan) const {
    return at::empty(plan.shape, at::TensorOptions().dtype(plan.stored).device(device_));
  }
  void make_finished() {
    while (made_.size() < stream_.tensors.size()) {
      WeightStream::Tensor const& plan = stream_.tensors[made_.size()];
      if (plan.begin + plan.size_bytes > at_) return;
      if (!stored_.defined()) stored_ = empty_of(plan);  // of no bytes
      made_.push_back(std::exchange(stored_, at::Tensor()).to(plan.wanted));
      look_for_non_finite(made_.back());
    }
  }

  WeightStream const& stream_;
  c10::Device device_;
  std::vector<at::Tensor> made_;
  std::vector<at::Tensor> finite_;  // on a GPU: of each that was made, () bool
  at::Tensor stored_;               // the one that is coming in, in the file's dtype
  std::uint64_t at_ = 0;            // bytes that have come
};

class TensorsInMemory final : public WeightSource {
 public:
  TensorsInMemory(WeightStream stream, std::vector<at::Tensor> tensors)
      : stream_(std::move(stream)), tensors_(std::move(tensors)) {}

  [[nodiscard]] at::Tensor take(ParameterSpec const& spec) override {
    auto const found = stream_.place.find(spec.name);
    ensure(found != stream_.place.end(), "a model takes what it asked for");
    WeightStream::Tensor& plan = stream_.tensors[found->second];
    at::Tensor& tensor = tensors_[found->second];
    ensure(plan.shape == spec.shape && plan.wanted == spec.dtype.value_or(plan.wanted) &&
               tensor.defined(),
           "a model takes each parameter as often, and in the shape and dtype, as it asked for");
    // So that a model that keeps parameters in another form does not hold them twice.
    return --plan.uses == 0 ? std::exchange(tensor, at::Tensor()) : tensor;
  }

 private:
  WeightStream stream_;
  std::vector<at::Tensor> tensors_;
};

// This rank's piece of a round -> the round's bytes, on the device where they were exchanged.
at::Tensor whole_round(at::Tensor const& own, ReadRound const& round, c10::Device device,
                       TensorComm& group) {
  if (group.size() == 1) return own;
  std::vector<std::int64_t> sizes;
  for (StreamRange const& piece : round)
    sizes.push_back(static_cast<std::int64_t>(piece.size_bytes));
  // (own bytes) -> (all bytes). Every rank counts the same rounds: they follow from the stream's
  // length and the group's size.
  // comm: the group
  return group.all_gather_rows(own.to(device, /*non_blocking=*/true), sizes);
}

}  // namespace

LoadedWeights load_weights(Component const& component, std::vector<ParameterSpec> const& wanted,
                           c10::ScalarType dtype, c10::Device device, TensorComm& group) {
  WeightStream stream = plan_stream(component, wanted, dtype);
  std::vector<ReadRound> const rounds = share_out(stream.size_bytes, group.size());
  std::vector<StreamRange> own;
  for (ReadRound const& round : rounds)
    own.push_back(round[static_cast<std::size_t>(group.rank())]);

  PieceReader reader(stream, own, device);
  TensorMaker maker(stream, device);
  for (ReadRound const& round : rounds) {
    maker.append(whole_round(reader.next(), round, device, group));
    reader.give_back();
  }
  std::vector<at::Tensor> tensors = maker.finish();
  std::uint64_t const bytes_read = reader.bytes_read();
  return {std::make_unique<TensorsInMemory>(std::move(stream), std::move(tensors)), bytes_read};
}

}  // namespace ditbatch
