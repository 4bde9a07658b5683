// Exchanges by kernels that write to the memory of the branch's other ranks: each value goes where
// attention or a product reads it, in one pass.
#include <ATen/ATen.h>

#include <algorithm>

#include "comm/peer_group.hpp"
#include "core/error.hpp"
#include "models/flux/peer_copies.hpp"
#include "models/flux/sequence_exchange.hpp"
#include "ops/cuda/token_ops.hpp"

namespace ditbatch::flux {

namespace {

// What token_buffer() is asked for at most, in widths of a token: attention and MLP side by side.
constexpr std::int64_t widest_token = 5;

// Each image takes four copies to each rank; a batch hides its exchanges less and pays for more.
constexpr std::int64_t most_copied_images = 2;

constexpr std::size_t alignment = 256;

std::size_t aligned(std::int64_t bytes) {
  return (static_cast<std::size_t>(bytes) + alignment - 1) / alignment * alignment;
}

class PeerExchange final : public SequenceExchange {
 public:
  PeerExchange(TokenLayout const& layout, FluxConfig const& config, std::int64_t images,
               at::TensorOptions const& like, PeerGroup& peers)
      : layout_(layout),
        images_(images),
        head_size_(config.head_size),
        heads_each_(config.heads / layout.ulysses_degree),
        own_(layout.index()),
        like_(like),
        peers_(peers) {
    ensure(peers.size() == layout.ring_degree * layout.ulysses_degree &&
               peers.rank() == static_cast<int>(own_),
           "ranks that write to each other are those of the branch");
    auto const element_bytes = static_cast<std::int64_t>(like.dtype().itemsize());
    std::int64_t const token_bytes = heads_each_ * head_size_ * element_bytes;
    std::int64_t most_queries = 0;
    for (int ring = 0; ring < layout.ring_degree; ++ring)
      most_queries = std::max(most_queries, query_rows(ring));
    std::int64_t most_tokens = 0;
    for (std::size_t rank = 0; rank < layout.text.size(); ++rank)
      most_tokens = std::max(most_tokens, tokens_of(rank, Rows::all));

    std::size_t const query_bytes = aligned(images * most_queries * token_bytes);
    std::size_t const key_value_bytes = aligned(images * key_rows() * 2 * token_bytes);
    heads_ = peers.memory(PeerGroup::Arena::heads, query_bytes + key_value_bytes);
    tokens_ = peers.memory(PeerGroup::Arena::tokens, aligned(images * most_tokens * widest_token *
                                                             config.width() * element_bytes));
    key_value_offset_ = query_bytes;
    places_ = head_places();
  }

  [[nodiscard]] bool is_split() const override { return true; }

  [[nodiscard]] AttentionInputs share_heads(ProjectedHeads const& own, Rows rows) override {
    bool const by_copies = own.meanwhile == Meanwhile::product && layout_.ring_degree == 1 &&
                           images_ <= most_copied_images;
    if (by_copies) {
      copy_heads(own);
    } else {
      PeerSignals const signals = peers_.signals_for("branch share_heads");
      // comm: branch
      ops::cuda::share_heads(own.qkv, own.text_norms, own.image_norms, own.rotary, own.text_rows,
                             places_, &signals);
    }
    std::byte* const memory = heads_[own_];
    at::Tensor q =
        at::from_blob(memory, {images_, query_rows(layout_.ring), heads_each_, head_size_}, like_);
    if (rows == Rows::image_only) {
      std::int64_t const image_rows = layout_.ring_image_tokens(layout_.ring);
      q = q.narrow(1, q.size(1) - image_rows, image_rows);
    }
    return {q, at::from_blob(memory + key_value_offset_,
                             {images_, key_rows(), 2, heads_each_, head_size_}, like_)};
  }

  [[nodiscard]] at::Tensor token_buffer(std::int64_t rows, std::int64_t width,
                                        at::Tensor const& like) override {
    ensure(like.size(0) == images_ && rows <= tokens_of(own_, Rows::all) &&
               width <= widest_token * heads_each_ * layout_.ulysses_degree * head_size_,
           "a token buffer fits into the memory that was asked for");
    return at::from_blob(tokens_[own_], {images_, rows, width}, like_);
  }

  [[nodiscard]] at::Tensor return_tokens(at::Tensor const& results, at::Tensor const& place,
                                         Rows rows) override {
    ensure(place.numel() == 0 || place.data_ptr() == tokens_[own_],
           "tokens are returned to a token buffer");
    ops::cuda::RowScatter scatter;
    std::int64_t const element_bytes = place.element_size();
    scatter.to_row_stride_bytes = place.stride(1) * element_bytes;
    std::int64_t begin = 0;
    // Each rank's text rows, then each rank's image rows; heads stand in the order of ranks.
    auto const add = [&](int ulysses, std::int64_t rows_there, std::int64_t first_row) {
      if (rows_there == 0) return;
      std::size_t const rank = layout_.index_of(layout_.ring, ulysses);
      std::int64_t const column = layout_.ulysses * heads_each_ * head_size_;
      auto* const memory = reinterpret_cast<char*>(tokens_[rank]);
      scatter.segment[scatter.segments++] = {
          begin, memory + first_row * scatter.to_row_stride_bytes + column * element_bytes,
          tokens_of(rank, rows) * scatter.to_row_stride_bytes};
      begin += rows_there;
    };
    for (int u = 0; u < layout_.ulysses_degree && rows == Rows::all; ++u)
      add(u, layout_.text[layout_.index_of(layout_.ring, u)].size, 0);
    for (int u = 0; u < layout_.ulysses_degree; ++u) {
      std::size_t const rank = layout_.index_of(layout_.ring, u);
      add(u, layout_.image[rank].size, rows == Rows::all ? layout_.text[rank].size : 0);
    }
    ensure(begin == results.size(1), "every row has an owner");
    scatter.first_row = begin * layout_.ulysses / layout_.ulysses_degree;
    // comm: branch
    ops::cuda::scatter_rows(results, scatter, peers_.signals_for("branch return_tokens"));
    return place;
  }

 private:
  // Of one image: rows that a rank of a ring slice asks with, rows that all ask about, rows a rank
  // owns.
  [[nodiscard]] std::int64_t query_rows(int ring) const {
    return layout_.ring_text_tokens(ring) + layout_.ring_image_tokens(ring);
  }
  [[nodiscard]] std::int64_t key_rows() const {
    return layout_.text.back().end() + layout_.image.back().end();
  }
  [[nodiscard]] std::int64_t tokens_of(std::size_t rank, Rows rows) const {
    return (rows == Rows::all ? layout_.text[rank].size : 0) + layout_.image[rank].size;
  }

  // Where the own tokens stand in the memory of a rank.
  [[nodiscard]] ops::cuda::HeadPlace query_place(std::size_t rank) const {
    std::size_t const first = layout_.index_of(layout_.ring, 0);
    return {heads_[rank], query_rows(layout_.ring),
            layout_.own_text().offset - layout_.text[first].offset,
            layout_.ring_text_tokens(layout_.ring) + layout_.own_image().offset -
                layout_.image[first].offset};
  }
  [[nodiscard]] ops::cuda::HeadPlace key_value_place(std::size_t rank) const {
    return {heads_[rank] + key_value_offset_, key_rows(), layout_.own_text().offset,
            layout_.text.back().end() + layout_.own_image().offset};
  }

  [[nodiscard]] ops::cuda::HeadPlaces head_places() const {
    ops::cuda::HeadPlaces places;
    places.groups = layout_.ulysses_degree;
    places.key_copies = layout_.ring_degree;
    places.first_group = layout_.ulysses;
    for (int ulysses = 0; ulysses < layout_.ulysses_degree; ++ulysses)
      places.query[ulysses] = query_place(layout_.index_of(layout_.ring, ulysses));
    for (std::size_t rank = 0; rank < heads_.size(); ++rank)
      places.key_value[rank] = key_value_place(rank);
    return places;
  }

  // By the copy engines: a product that runs meanwhile keeps all multiprocessors. A kernel leaves
  // the heads of each rank side by side, text rows first.
  void copy_heads(ProjectedHeads const& own) {
    std::int64_t const rows = own.qkv.size(1);
    std::int64_t const row = heads_each_ * head_size_;  // elements
    std::int64_t const query_size = images_ * rows * row;
    at::Tensor const staged = at::empty({peers_.size(), 3 * query_size}, like_);
    ops::cuda::HeadPlaces places = places_;
    for (int peer = 0; peer < peers_.size(); ++peer) {
      if (peer == peers_.rank()) continue;
      at::Tensor const mine = staged[peer];
      places.query[peer] = {mine.data_ptr(), rows, 0, own.text_rows};
      places.key_value[peer] = {mine.narrow(0, query_size, 2 * query_size).data_ptr(), rows, 0,
                                own.text_rows};
    }
    // comm: branch
    ops::cuda::share_heads(own.qkv, own.text_norms, own.image_norms, own.rotary, own.text_rows,
                           places, nullptr);
    std::int64_t const row_bytes = row * staged.element_size();
    for (int i = 1; i < peers_.size(); ++i) {
      int const peer = (peers_.rank() + i) % peers_.size();
      copies_.begin(static_cast<std::size_t>(i - 1));
      copies_.copy(places.query[peer], places_.query[peer],
                   {row_bytes, own.text_rows, rows, images_});
      copies_.copy(places.key_value[peer], places_.key_value[peer],
                   {2 * row_bytes, own.text_rows, rows, images_});
    }
    copies_.join();
    // comm: branch
    ops::cuda::finish_copies(peers_.signals_for("branch share_heads"));
  }

  TokenLayout layout_;
  std::int64_t images_, head_size_, heads_each_;
  std::size_t own_;
  at::TensorOptions like_;
  PeerGroup& peers_;
  std::vector<std::byte*> heads_, tokens_;  // of each rank
  std::size_t key_value_offset_ = 0;
  ops::cuda::HeadPlaces places_;
  PeerCopies copies_;
};

}  // namespace

std::unique_ptr<SequenceExchange> make_peer_exchange(TokenLayout const& layout,
                                                     FluxConfig const& config, std::int64_t images,
                                                     at::TensorOptions const& like,
                                                     PeerGroup& peers) {
  return std::make_unique<PeerExchange>(layout, config, images, like, peers);
}

}  // namespace ditbatch::flux
