// Which algorithms a product could run with. For few rows and a long K cuBLASLt's heuristic
// proposes mostly algorithms that split K. What it proposes where splitting does not pay, for more
// rows or a shorter K, runs there as well, and a tile made for a narrower product keeps more of the
// GPU busy.
#include "ops/cuda/gemm_candidates.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace ditbatch::ops::cuda {

namespace {

// Each costs trials, and a kernel's first use costs milliseconds: the first evaluation waits for
// it.
constexpr std::size_t most_candidates = 12;
constexpr std::int64_t step = 64;  // neighbours have sizes that suit every tile

// A shape beside another: rows times `rows / rows_by`, columns and depth divided.
struct Neighbour {
  std::int64_t rows = 1, rows_by = 1, columns_by = 1, depth_by = 1;
};

constexpr std::array neighbours{Neighbour{1, 1, 1, 4}, Neighbour{9, 8, 1, 1},
                                Neighbour{1, 1, 4, 4}, Neighbour{2, 1, 1, 1},
                                Neighbour{1, 2, 1, 4}, Neighbour{1, 1, 1, 1}};

std::optional<GemmShape> shape_beside(GemmShape const& shape, Neighbour const& neighbour) {
  auto const divides = [](std::int64_t by, std::int64_t size) {
    return by == 1 || size % (by * step) == 0;
  };
  if (!divides(neighbour.columns_by, shape.n) || !divides(neighbour.depth_by, shape.k))
    return std::nullopt;
  GemmShape beside = shape;
  std::int64_t const rows = shape.m * neighbour.rows / neighbour.rows_by;
  beside.m = std::max<std::int64_t>(1, (rows + step - 1) / step) * step;
  beside.n /= neighbour.columns_by;
  beside.k /= neighbour.depth_by;
  if (beside == shape) return std::nullopt;
  return beside;
}

bool are_same(cublasLtMatmulAlgo_t const& a, cublasLtMatmulAlgo_t const& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace

std::vector<cublasLtMatmulAlgo_t> candidate_algorithms(GemmShape const& shape,
                                                       cublasLtMatmulAlgo_t const& canonical) {
  std::vector<cublasLtMatmulAlgo_t> candidates =
      proposed_algorithms(shape, contiguous_strides(shape));
  auto const add = [&](cublasLtMatmulAlgo_t const& algorithm) {
    bool const is_known =
        std::any_of(candidates.begin(), candidates.end(),
                    [&](cublasLtMatmulAlgo_t const& known) { return are_same(known, algorithm); });
    if (!is_known && candidates.size() < most_candidates) candidates.push_back(algorithm);
  };
  // It was proposed for pointers of this alignment; the neighbours' are for the shape's own.
  if (shape.alignment_bytes == 256) add(canonical);
  std::vector<std::vector<cublasLtMatmulAlgo_t>> borrowed;
  std::size_t most = 0;
  for (Neighbour const& neighbour : neighbours) {
    std::optional<GemmShape> const beside = shape_beside(shape, neighbour);
    if (!beside) continue;
    borrowed.push_back(proposed_algorithms(*beside, contiguous_strides(*beside)));
    most = std::max(most, borrowed.back().size());
  }
  // The first of every neighbour, then the second of every one.
  for (std::size_t rank = 0; rank < most; ++rank) {
    for (std::vector<cublasLtMatmulAlgo_t> const& proposed : borrowed) {
      if (rank < proposed.size()) add(proposed[rank]);
    }
  }
  return candidates;
}

}  // namespace ditbatch::ops::cuda
