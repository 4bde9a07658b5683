#include "text/sentencepiece_model.hpp"

#include <cstring>

namespace ditbatch::text {

namespace {

constexpr std::size_t most_pieces = 10'000'000;

struct Field {
  std::uint64_t number = 0;
  std::uint64_t integer = 0;  // wire types 0 and 5
  std::string_view bytes;     // wire type 2
  bool is_float = false;
};

// One message's fields, one after the other.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}
  [[nodiscard]] bool broken() const { return broken_; }

  std::optional<Field> next() {
    if (rest_.empty() || broken_) return std::nullopt;
    Field field;
    std::uint64_t const key = varint();
    field.number = key >> 3U;
    switch (key & 7U) {
      case 0:
        field.integer = varint();
        break;
      case 1:
        (void)take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5: {
        std::string_view const four = take(4);
        if (!broken_) std::memcpy(&field.integer, four.data(), 4);
        field.is_float = true;
        break;
      }
      default:
        broken_ = true;
    }
    return broken_ ? std::nullopt : std::optional<Field>(field);
  }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      auto const byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if ((byte & 0x80U) == 0) return value;
    }
    broken_ = true;
    return 0;
  }
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) {
      broken_ = true;
      return {};
    }
    std::string_view const taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest_;
  bool broken_ = false;
};

bool read_piece(std::string_view bytes, UnigramPiece& piece) {
  Fields fields(bytes);
  while (auto const field = fields.next()) {
    if (field->number == 1) piece.text = field->bytes;
    if (field->number == 2 && field->is_float) {
      float score = 0;
      auto const bits = static_cast<std::uint32_t>(field->integer);
      std::memcpy(&score, &bits, sizeof score);
      piece.score = static_cast<double>(score);
    }
  }
  return !fields.broken();
}

}  // namespace

std::optional<SentencePieceModel> parse_sentencepiece_model(std::string_view bytes) {
  SentencePieceModel model;
  Fields fields(bytes);
  while (auto const field = fields.next()) {
    if (field->number == 1) {  // pieces
      if (model.pieces.size() == most_pieces) return std::nullopt;
      if (!read_piece(field->bytes, model.pieces.emplace_back())) return std::nullopt;
    }
    Fields inner(field->bytes);
    if (field->number == 2) {  // trainer_spec
      while (auto const setting = inner.next()) {
        if (setting->number == 3 && setting->integer >= 1 && setting->integer <= 4)
          model.kind = static_cast<SentencePieceModel::Kind>(setting->integer);
        if (setting->number == 40)
          model.unknown = static_cast<std::int64_t>(setting->integer & 0x7FFFFFFFU);
      }
    } else if (field->number == 3) {  // normalizer_spec
      while (auto const setting = inner.next()) {
        if (setting->number == 2) model.character_map = setting->bytes;
      }
    }
    if (inner.broken() && (field->number == 2 || field->number == 3)) return std::nullopt;
  }
  if (fields.broken() || model.pieces.empty()) return std::nullopt;
  return model;
}

}  // namespace ditbatch::text
