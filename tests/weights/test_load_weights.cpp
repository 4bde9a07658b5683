// Weights as the ranks of a group load them: over MPI on CPUs, and over NCCL with
// DITBATCH_TEST_DEVICE=cuda, where all ranks share one GPU.
#define BOOST_TEST_MODULE load_weights
#include <ATen/ATen.h>
#include <mpi.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "comm/mesh_comms.hpp"
#include "comm/self_tensor_comm.hpp"
#include "core/error.hpp"
#include "support/mpi_world.hpp"
#include "support/scratch_folder.hpp"
#include "weights/load_weights.hpp"
#include "weights/non_finite.hpp"
#include "weights/safetensors.hpp"

using namespace ditbatch;
using test::MpiWorld;
using test::ScratchFolder;
using test::test_device;
using test::write_file;

namespace {

BOOST_TEST_GLOBAL_FIXTURE(MpiWorld);

struct Written {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
};

// A file of these tensors in this order; the header is as long as it happens to be, so that the
// data begins at an odd place if `padding` makes it.
void write_safetensors(std::string const& path, std::vector<Written> const& tensors,
                       std::string const& padding) {
  nlohmann::ordered_json header;
  std::string data;
  for (Written const& tensor : tensors) {
    auto const type = tensor.dtype == "U8" ? at::kByte : *parameter_type(tensor.dtype);
    at::Tensor const values = at::randn(tensor.shape, at::kFloat).to(type).contiguous();
    std::size_t const begin = data.size();
    data.append(static_cast<char const*>(values.data_ptr()), values.nbytes());
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string const text = header.dump() + padding;
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i));
  write_file(path, length + text + data);
}

// Every kind of tensor: odd offsets, none and one value, all dtypes, larger than a piece, unwanted
// ones between wanted ones.
std::vector<std::vector<Written>> const files{{{"odd", "U8", {3}},
                                               {"norm.weight", "F32", {5}},
                                               {"empty", "BF16", {0, 7}},
                                               {"scalar", "F64", {}},
                                               {"skipped", "U8", {4'000'001}},
                                               {"large", "F32", {3, 1025, 4099}},
                                               {"convolution", "F16", {4, 6, 1, 1}}},
                                              {{"last_empty", "F32", {0}}},
                                              {{"unwanted", "BF16", {333}},
                                               {"half", "F16", {1001}},
                                               {"old_name", "BF16", {64, 65}},
                                               {"double", "F64", {77}},
                                               {"huge", "BF16", {9'000'001}},
                                               {"end", "BF16", {1}}}};

// In no file's order.
std::vector<ParameterSpec> const wanted{{"huge", {9'000'001}},
                                        {"norm.weight", {5}},
                                        {"new_name", {64, 65}, {"other_name", "old_name"}},
                                        {"convolution", {4, 6}},
                                        {"empty", {0, 7}},
                                        {"large", {3, 1025, 4099}, {}, c10::kFloat},
                                        {"end", {1}},
                                        {"double", {77}, {}, c10::kDouble},
                                        {"last_empty", {0}},
                                        {"half", {1001}},
                                        {"scalar", {}}};

// The folder is rank 0's; the others see the same one.
struct SharedComponent {
  SharedComponent() {
    MPI_Comm const world = MPI_COMM_WORLD;
    if (rank_of(world) == 0) {
      folder.emplace("load-weights");
      at::manual_seed(7);
      for (std::size_t i = 0; i < files.size(); ++i)
        write_safetensors(*folder / std::to_string(i), files[i], std::string(i, ' '));
    }
    component.folder = broadcast_string(world, folder ? folder->path() : "", 0);
    for (std::size_t i = 0; i < files.size(); ++i) {
      Problems problems;
      auto const header =
          read_safetensors_header(component.folder + "/" + std::to_string(i), problems);
      problems.throw_if_any();
      component.files.push_back(header->path);
      for (auto const& [name, entry] : header->tensors)
        component.tensors[name] = {entry.dtype, entry.shape, i, entry.offset, entry.size_bytes};
    }
  }
  ~SharedComponent() { MPI_Barrier(MPI_COMM_WORLD); }
  SharedComponent(SharedComponent const&) = delete;
  SharedComponent& operator=(SharedComponent const&) = delete;

  [[nodiscard]] TensorEntry const& entry(ParameterSpec const& spec) const {
    auto const found = component.tensors.find(spec.name);
    return found != component.tensors.end() ? found->second
                                            : component.tensors.at(spec.aliases.back());
  }
  // Read alone and as simply as can be.
  [[nodiscard]] at::Tensor plain(ParameterSpec const& spec, c10::ScalarType dtype) const {
    TensorEntry const& from = entry(spec);
    at::Tensor const stored =
        at::empty(spec.shape, at::TensorOptions().dtype(*parameter_type(from.dtype)));
    std::ifstream file(component.files[from.file], std::ios::binary);
    file.seekg(static_cast<std::streamoff>(from.offset));
    file.read(static_cast<char*>(stored.data_ptr()), static_cast<std::streamsize>(from.size_bytes));
    return stored.to(spec.dtype.value_or(dtype));
  }

  std::optional<ScratchFolder> folder;
  Component component;
};

std::unique_ptr<TensorComm> everyone() {
  return make_tensor_comm(duplicate(MPI_COMM_WORLD), test_device());
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_rank_has_every_tensor_and_each_byte_is_read_once) {
  SharedComponent const shared;
  auto const group = everyone();
  std::uint64_t wanted_bytes = 0;
  for (ParameterSpec const& spec : wanted) wanted_bytes += shared.entry(spec).size_bytes;
  for (c10::ScalarType const dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    LoadedWeights const loaded =
        load_weights(shared.component, wanted, dtype, test_device(), *group);
    for (ParameterSpec const& spec : wanted) {
      at::Tensor const made = loaded.source->take(spec);
      BOOST_TEST((made.device().type() == test_device().type()));
      BOOST_TEST(made.is_contiguous());
      at::Tensor const expected = shared.plain(spec, dtype);
      BOOST_TEST((made.scalar_type() == expected.scalar_type()));
      BOOST_TEST(at::equal(made.cpu(), expected), spec.name);
    }
    std::uint64_t all_bytes = 0;
    MPI_Allreduce(&loaded.bytes_read, &all_bytes, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    BOOST_TEST(all_bytes == wanted_bytes);
    // Nobody reads much more than the others.
    BOOST_TEST(loaded.bytes_read <=
               wanted_bytes / static_cast<std::uint64_t>(group->size()) + (1U << 20U));
  }
}

BOOST_AUTO_TEST_CASE(a_group_that_wants_nothing_or_only_empty_tensors_loads) {
  SharedComponent const shared;
  auto const group = everyone();
  BOOST_TEST(load_weights(shared.component, {}, at::kFloat, test_device(), *group).bytes_read ==
             0U);
  LoadedWeights const loaded =
      load_weights(shared.component, {{"last_empty", {0}}}, at::kHalf, test_device(), *group);
  BOOST_TEST(loaded.source->take({"last_empty", {0}}).numel() == 0);
}

BOOST_AUTO_TEST_CASE(a_tensor_is_let_go_of_when_it_was_taken_as_often_as_asked_for) {
  SharedComponent const shared;
  auto const group = everyone();
  LoadedWeights const loaded =
      load_weights(shared.component, {{"half", {1001}}, {"tied", {1001}, {"half"}}}, at::kHalf,
                   test_device(), *group);
  at::Tensor const first = loaded.source->take({"half", {1001}});
  at::Tensor const second = loaded.source->take({"tied", {1001}, {"half"}});
  BOOST_TEST(first.data_ptr() == second.data_ptr());
  BOOST_TEST(first.use_count() == 2U);
  BOOST_CHECK_THROW((void)loaded.source->take({"half", {1001}}), Error);
  BOOST_CHECK_THROW((void)loaded.source->take({"never asked for", {1}}), Error);
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_is_found_among_the_largest_numbers) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (c10::ScalarType const dtype : {at::kBFloat16, at::kHalf, at::kFloat, at::kDouble}) {
    at::Tensor values = at::full({3, 5}, infinity, at::kDouble).to(dtype);
    values = at::nan_to_num(values);  // the largest of the type
    values[0] *= -1;
    BOOST_TEST(!has_non_finite(values));
    for (double const bad : {infinity, -infinity, std::numeric_limits<double>::quiet_NaN()}) {
      at::Tensor spoiled = values.clone();
      spoiled[1][2] = bad;
      BOOST_TEST(has_non_finite(spoiled));
      BOOST_TEST(non_finite_text(spoiled) ==
                 "1 of 15 values are NaN or infinity, the first at [1, 2]");
    }
  }
  BOOST_TEST(!has_non_finite(at::full({4}, -1, at::kLong)));
}

BOOST_AUTO_TEST_CASE(files_that_change_under_the_reader_are_named) {
  SharedComponent shared;
  SelfTensorComm alone;
  auto const code_of = [&](Component const& component) {
    try {
      (void)load_weights(component, wanted, at::kFloat, test_device(), alone);
    } catch (Error const& error) {
      BOOST_TEST(std::string(error.what()).find(component.folder) != std::string::npos);
      return error.code();
    }
    return ExitCode::complete;
  };
  Component gone = shared.component;
  gone.files[1] += ".gone";
  BOOST_TEST((code_of(gone) == ExitCode::io));
  MPI_Barrier(MPI_COMM_WORLD);
  if (shared.folder) {
    std::string const path = shared.component.files[2];
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  BOOST_TEST((code_of(shared.component) == ExitCode::bad_input));
}
