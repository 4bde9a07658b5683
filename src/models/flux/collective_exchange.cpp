// Exchanges by the collectives of a TensorComm: on CPUs, and between hosts.
#include "models/flux/sequence_exchange.hpp"

#include <ATen/ATen.h>

#include "ops/token_ops.hpp"

namespace ditbatch::flux {

namespace {

// Tokens of one rank or ring slice: its text rows, then its image rows. (B, rows, ...)
struct Piece {
  at::Tensor rows;
  std::int64_t text_rows = 0;
};

// Pieces in order of rank -> all text rows, then all image rows.
at::Tensor text_then_image(std::vector<Piece> const& pieces) {
  if (pieces.size() == 1) return pieces.front().rows;
  std::vector<at::Tensor> parts;
  for (Piece const& piece : pieces) parts.push_back(piece.rows.narrow(1, 0, piece.text_rows));
  for (Piece const& piece : pieces) {
    parts.push_back(piece.rows.narrow(1, piece.text_rows, piece.rows.size(1) - piece.text_rows));
  }
  std::vector<std::int64_t> shape = pieces.front().rows.sizes().vec();
  shape[1] = 0;
  for (at::Tensor const& part : parts) shape[1] += part.size(1);
  at::Tensor const all = at::empty(shape, pieces.front().rows.options());
  std::int64_t offset = 0;
  for (at::Tensor const& part : parts) {
    ops::copy_rows(part, all.narrow(1, offset, part.size(1)));
    offset += part.size(1);
  }
  return all;
}

// (B, S, 3, H, D) of own tokens -> (B, S of the ring slice, 3, H / ulysses, D), text then image.
at::Tensor exchange_tokens_for_heads(at::Tensor const& qkv, TokenLayout const& layout,
                                     TensorComm& ulysses) {
  std::int64_t const heads = qkv.size(3) / layout.ulysses_degree;
  std::vector<at::Tensor> send;
  std::vector<std::vector<std::int64_t>> shapes;
  for (int peer = 0; peer < layout.ulysses_degree; ++peer) {
    std::size_t const index = layout.index_of(layout.ring, peer);
    send.push_back(qkv.narrow(3, peer * heads, heads).contiguous());
    shapes.push_back(
        {qkv.size(0), layout.text[index].size + layout.image[index].size, 3, heads, qkv.size(4)});
  }
  std::vector<at::Tensor> const received = ulysses.all_to_all(send, shapes);  // comm: ulysses
  std::vector<Piece> pieces;
  for (int peer = 0; peer < layout.ulysses_degree; ++peer) {
    pieces.push_back({received[static_cast<std::size_t>(peer)],
                      layout.text[layout.index_of(layout.ring, peer)].size});
  }
  return text_then_image(pieces);
}

// (B, rows of the ring slice, H / ulysses, D), text then image -> (B, own rows, H, D). With
// Rows::image_only there are no text rows on either side.
at::Tensor exchange_heads_for_tokens(at::Tensor const& out, TokenLayout const& layout,
                                     TensorComm& ulysses, Rows rows) {
  auto const text_of = [&](int peer) {
    return rows == Rows::all ? layout.text[layout.index_of(layout.ring, peer)].size : 0;
  };
  auto const image_of = [&](int peer) {
    return layout.image[layout.index_of(layout.ring, peer)].size;
  };
  std::vector<at::Tensor> send;
  std::vector<std::vector<std::int64_t>> shapes;
  std::int64_t text_offset = 0;
  std::int64_t image_offset = out.size(1) - layout.ring_image_tokens(layout.ring);
  for (int peer = 0; peer < layout.ulysses_degree; ++peer) {
    send.push_back(at::cat(
        {out.narrow(1, text_offset, text_of(peer)), out.narrow(1, image_offset, image_of(peer))},
        1));
    shapes.push_back({out.size(0), text_of(layout.ulysses) + image_of(layout.ulysses), out.size(2),
                      out.size(3)});
    text_offset += text_of(peer);
    image_offset += image_of(peer);
  }
  return at::cat(ulysses.all_to_all(send, shapes), 2);  // comm: ulysses
}

// (B, S of the ring slice, 2, H, D) -> (B, all tokens, 2, H, D), text then image.
at::Tensor gather_keys_and_values(at::Tensor const& kv, TokenLayout const& layout,
                                  TensorComm& ring) {
  std::vector<std::int64_t> rows;
  for (int peer = 0; peer < layout.ring_degree; ++peer) {
    rows.push_back(layout.ring_text_tokens(peer) + layout.ring_image_tokens(peer));
  }
  std::vector<at::Tensor> images;
  for (std::int64_t image = 0; image < kv.size(0); ++image) {
    at::Tensor const all =
        ring.all_gather_rows(kv.select(0, image).contiguous(), rows).unsqueeze(0);  // comm: ring
    std::vector<Piece> pieces;
    std::int64_t offset = 0;
    for (int peer = 0; peer < layout.ring_degree; ++peer) {
      std::int64_t const count = rows[static_cast<std::size_t>(peer)];
      pieces.push_back({all.narrow(1, offset, count), layout.ring_text_tokens(peer)});
      offset += count;
    }
    images.push_back(text_then_image(pieces));
  }
  return images.size() == 1 ? images.front() : at::cat(images);
}

class CollectiveExchange final : public SequenceExchange {
 public:
  CollectiveExchange(TokenLayout const& layout, TensorComm& ulysses, TensorComm& ring)
      : layout_(layout), ulysses_(ulysses), ring_(ring) {}

  [[nodiscard]] bool is_split() const override {
    return layout_.ulysses_degree > 1 || layout_.ring_degree > 1;
  }

  [[nodiscard]] AttentionInputs share_heads(ProjectedHeads const& own, Rows rows) override {
    ops::norm_and_rotate(own.qkv, own.text_norms, own.image_norms, own.rotary, own.text_rows);
    at::Tensor qkv = own.qkv;
    if (layout_.ulysses_degree > 1) qkv = exchange_tokens_for_heads(qkv, layout_, ulysses_);
    at::Tensor q = qkv.select(2, 0);
    at::Tensor kv = qkv.narrow(2, 1, 2);
    if (layout_.ring_degree > 1) kv = gather_keys_and_values(kv, layout_, ring_);
    if (rows == Rows::image_only) {
      std::int64_t const image_rows = layout_.ring_image_tokens(layout_.ring);
      q = q.narrow(1, q.size(1) - image_rows, image_rows);
    }
    return {q, kv};
  }

  [[nodiscard]] at::Tensor token_buffer(std::int64_t rows, std::int64_t width,
                                        at::Tensor const& like) override {
    return at::empty({like.size(0), rows, width}, like.options());
  }

  [[nodiscard]] at::Tensor return_tokens(at::Tensor const& results, at::Tensor const& /*place*/,
                                         Rows rows) override {
    if (layout_.ulysses_degree == 1) return results.flatten(2);
    return exchange_heads_for_tokens(results, layout_, ulysses_, rows).flatten(2);
  }

 private:
  TokenLayout layout_;
  TensorComm& ulysses_;
  TensorComm& ring_;
};

}  // namespace

std::unique_ptr<SequenceExchange> make_collective_exchange(TokenLayout const& layout,
                                                           TensorComm& ulysses, TensorComm& ring) {
  return std::make_unique<CollectiveExchange>(layout, ulysses, ring);
}

}  // namespace ditbatch::flux
