#include "models/flux/sequence_attention.hpp"

#include <ATen/ATen.h>

#include "ops/ops.hpp"

namespace ditbatch::flux {

namespace {

// Tokens of one rank or ring slice: its text rows, then its image rows.
struct Piece {
  at::Tensor rows;
  std::int64_t text_rows = 0;
};

// Pieces in order of rank -> all text rows, then all image rows.
at::Tensor text_then_image(std::vector<Piece> const& pieces) {
  if (pieces.size() == 1) return pieces.front().rows;
  std::vector<at::Tensor> parts;
  for (Piece const& piece : pieces) parts.push_back(piece.rows.narrow(0, 0, piece.text_rows));
  for (Piece const& piece : pieces) {
    parts.push_back(piece.rows.narrow(0, piece.text_rows, piece.rows.size(0) - piece.text_rows));
  }
  return at::cat(parts);
}

// (S, 3, H, D) of own tokens -> (S of the ring slice, 3, H / ulysses, D), text then image.
at::Tensor exchange_tokens_for_heads(at::Tensor const& qkv, TokenLayout const& layout,
                                     TensorComm& ulysses) {
  std::int64_t const heads = qkv.size(2) / layout.ulysses_degree;
  std::vector<at::Tensor> send;
  std::vector<std::vector<std::int64_t>> shapes;
  for (int peer = 0; peer < layout.ulysses_degree; ++peer) {
    std::size_t const index = layout.index_of(layout.ring, peer);
    send.push_back(qkv.narrow(2, peer * heads, heads).contiguous());
    shapes.push_back({layout.text[index].size + layout.image[index].size, 3, heads, qkv.size(3)});
  }
  std::vector<at::Tensor> const received = ulysses.all_to_all(send, shapes);  // comm: ulysses
  std::vector<Piece> pieces;
  for (int peer = 0; peer < layout.ulysses_degree; ++peer) {
    pieces.push_back({received[static_cast<std::size_t>(peer)],
                      layout.text[layout.index_of(layout.ring, peer)].size});
  }
  return text_then_image(pieces);
}

// (S of the ring slice, H / ulysses, D), text then image -> (S, H, D) of own tokens.
at::Tensor exchange_heads_for_tokens(at::Tensor const& out, TokenLayout const& layout,
                                     TensorComm& ulysses) {
  std::int64_t const slice_text = layout.ring_text_tokens(layout.ring);
  Shard const own_text = layout.own_text();
  Shard const own_image = layout.own_image();
  std::vector<at::Tensor> send;
  std::vector<std::vector<std::int64_t>> shapes;
  std::int64_t text_offset = 0;
  std::int64_t image_offset = slice_text;
  for (int peer = 0; peer < layout.ulysses_degree; ++peer) {
    std::size_t const index = layout.index_of(layout.ring, peer);
    std::int64_t const text = layout.text[index].size;
    std::int64_t const image = layout.image[index].size;
    send.push_back(at::cat({out.narrow(0, text_offset, text), out.narrow(0, image_offset, image)}));
    shapes.push_back({own_text.size + own_image.size, out.size(1), out.size(2)});
    text_offset += text;
    image_offset += image;
  }
  return at::cat(ulysses.all_to_all(send, shapes), 1);  // comm: ulysses
}

// (S of the ring slice, 2, H, D) -> (all tokens, 2, H, D), text then image.
at::Tensor gather_keys_and_values(at::Tensor const& kv, TokenLayout const& layout,
                                  TensorComm& ring) {
  std::vector<std::int64_t> rows;
  for (int peer = 0; peer < layout.ring_degree; ++peer) {
    rows.push_back(layout.ring_text_tokens(peer) + layout.ring_image_tokens(peer));
  }
  at::Tensor const all = ring.all_gather_rows(kv, rows);  // comm: ring
  std::vector<Piece> pieces;
  std::int64_t offset = 0;
  for (int peer = 0; peer < layout.ring_degree; ++peer) {
    std::int64_t const count = rows[static_cast<std::size_t>(peer)];
    pieces.push_back({all.narrow(0, offset, count), layout.ring_text_tokens(peer)});
    offset += count;
  }
  return text_then_image(pieces);
}

}  // namespace

at::Tensor sequence_attention(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v,
                              TokenLayout const& layout, SequenceComms const& comms) {
  if (layout.ulysses_degree == 1 && layout.ring_degree == 1) {
    return ops::attention(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0)).squeeze(0);
  }
  at::Tensor qkv = at::stack({q, k, v}, 1);  // (S, 3, H, D)
  if (layout.ulysses_degree > 1) qkv = exchange_tokens_for_heads(qkv, layout, comms.ulysses);
  at::Tensor kv = qkv.narrow(1, 1, 2);
  if (layout.ring_degree > 1) kv = gather_keys_and_values(kv.contiguous(), layout, comms.ring);
  at::Tensor out = ops::attention(qkv.select(1, 0).unsqueeze(0), kv.select(1, 0).unsqueeze(0),
                                  kv.select(1, 1).unsqueeze(0))
                       .squeeze(0);
  if (layout.ulysses_degree > 1) out = exchange_heads_for_tokens(out, layout, comms.ulysses);
  return out;
}

}  // namespace ditbatch::flux
