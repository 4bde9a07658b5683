#include "weights/weight_stream.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "weights/parameters.hpp"
#include "weights/safetensors.hpp"

namespace ditbatch {

namespace {

// Large enough that starting a read costs nothing beside it, small enough that a ring of them is
// filled and emptied at the same time.
constexpr std::uint64_t most_piece_bytes = std::uint64_t{16} << 20U;
// Every rank holds a whole round on its device for a moment.
constexpr std::uint64_t most_round_bytes = std::uint64_t{512} << 20U;
// Pieces begin at multiples of this in the round's buffer: whole cache lines and network packets.
constexpr std::uint64_t alignment_bytes = 4096;

struct Wanted {
  ParameterSpec const* spec = nullptr;
  TensorEntry const* entry = nullptr;
};

bool stands_before(Wanted const& a, Wanted const& b) {
  TensorEntry const& left = *a.entry;
  TensorEntry const& right = *b.entry;
  if (left.file != right.file) return left.file < right.file;
  // An empty tensor stands at the same offset as the one behind it.
  return left.offset != right.offset ? left.offset < right.offset
                                     : left.size_bytes < right.size_bytes;
}

void append_bytes(WeightStream& stream, TensorEntry const& entry) {
  if (entry.size_bytes == 0) return;
  bool const goes_on =
      !stream.extents.empty() && stream.extents.back().file == entry.file &&
      stream.extents.back().offset + stream.extents.back().size_bytes == entry.offset;
  if (goes_on) {
    stream.extents.back().size_bytes += entry.size_bytes;
  } else {
    stream.extents.push_back({entry.file, entry.offset, stream.size_bytes, entry.size_bytes});
  }
  stream.size_bytes += entry.size_bytes;
}

}  // namespace

WeightStream plan_stream(Component const& component, std::vector<ParameterSpec> const& specs,
                         c10::ScalarType dtype) {
  Problems problems;
  check_parameters(component, specs, problems);
  problems.throw_if_any();
  std::vector<Wanted> wanted;
  for (ParameterSpec const& spec : specs)
    wanted.push_back({&spec, find_tensor(component, spec).entry});
  std::stable_sort(wanted.begin(), wanted.end(), stands_before);

  WeightStream stream;
  stream.files = component.files;
  TensorEntry const* last = nullptr;
  for (auto const& [spec, entry] : wanted) {
    WeightStream::Tensor tensor{spec->shape,
                                *parameter_type(entry->dtype),
                                spec->dtype.value_or(dtype),
                                stream.size_bytes,
                                entry->size_bytes,
                                1};
    if (entry == last) {  // read once, however many layers share it
      WeightStream::Tensor& shared = stream.tensors.back();
      ensure(shared.shape == tensor.shape && shared.wanted == tensor.wanted,
             "layers that share a tensor ask for the same shape and dtype");
      ++shared.uses;
    } else {
      append_bytes(stream, *entry);
      stream.tensors.push_back(std::move(tensor));
    }
    last = entry;
    stream.place[spec->name] = stream.tensors.size() - 1;
  }
  return stream;
}

std::vector<ReadRound> share_out(std::uint64_t stream_bytes, int ranks) {
  ensure(ranks > 0, "a group has ranks");
  auto const count = static_cast<std::uint64_t>(ranks);
  auto const aligned = [](std::uint64_t bytes) {
    return (bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes;
  };
  std::uint64_t const in_a_round = most_round_bytes / count / alignment_bytes * alignment_bytes;
  std::uint64_t const piece = std::clamp(in_a_round, alignment_bytes, most_piece_bytes);
  std::vector<ReadRound> rounds;
  for (std::uint64_t begin = 0; begin < stream_bytes;) {
    std::uint64_t const end = std::min(stream_bytes, begin + piece * count);
    std::uint64_t const share = aligned((end - begin + count - 1) / count);
    ReadRound round;
    for (; round.size() < count; begin += round.back().size_bytes)
      round.push_back({begin, std::min(share, end - begin)});
    rounds.push_back(std::move(round));
  }
  return rounds;
}

}  // namespace ditbatch
