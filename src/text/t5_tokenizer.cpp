// T5's tokenizer: SentencePiece's character map, words with a mark before each, Unigram.
#include <openssl/evp.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/json_text.hpp"
#include "core/utf8.hpp"
#include "text/added_tokens.hpp"
#include "text/character_map.hpp"
#include "text/sentencepiece_model.hpp"
#include "text/tokenizer.hpp"
#include "text/tokenizer_files.hpp"
#include "text/unicode_text.hpp"
#include "text/unigram.hpp"

namespace ditbatch {

using nlohmann::json;
using namespace text;

namespace {

constexpr std::string_view word_mark = "\xE2\x96\x81";  // U+2581
constexpr std::int64_t unknown_id = 2;                  // T5's own, whatever the file says
constexpr int extra_ids = 100;

class T5Tokenizer final : public Tokenizer {
 public:
  T5Tokenizer(std::string source, std::int64_t eos, std::int64_t pad, Unigram unigram,
              std::optional<CharacterMap> map, std::vector<AddedToken> tokens)
      : Tokenizer(std::move(source), {{}, {eos}, pad}),
        unigram_(std::move(unigram)),
        map_(std::move(map)) {
    for (AddedToken& token : tokens) {
      if (token.normalized && map_) token.content = map_->normalize(token.content);
      (token.normalized ? normalized_tokens_ : raw_tokens_).push_back(std::move(token));
    }
  }

 private:
  [[nodiscard]] std::vector<std::int64_t> text_ids(std::string_view prompt) const override {
    std::vector<std::int64_t> ids;
    for (TextPiece const& raw : cut_at_tokens(prompt, raw_tokens_)) {
      if (raw.token >= 0) {
        ids.push_back(raw.token);
        continue;
      }
      std::string const normal = map_ ? map_->normalize(raw.text) : std::string(raw.text);
      for (TextPiece const& piece : cut_at_tokens(normal, normalized_tokens_)) {
        if (piece.token >= 0) {
          ids.push_back(piece.token);
        } else {
          encode_words(piece.text, ids);
        }
      }
    }
    return ids;
  }

  void encode_words(std::string_view text, std::vector<std::int64_t>& ids) const {
    std::string word;
    auto const finish = [&] {
      if (!word.empty()) encode_word(word, ids);
      word.clear();
    };
    for (CodePoint const& point : code_points(text)) {
      if (is_white_space(point.value)) {
        finish();
      } else {
        word.append(text, point.offset, point.size);
      }
    }
    finish();
  }

  // A mark stands before every word; marks inside a word cut it, each going with what follows.
  void encode_word(std::string const& word, std::vector<std::int64_t>& ids) const {
    std::string const marked = word.rfind(word_mark, 0) == 0 ? word : std::string(word_mark) + word;
    std::size_t begin = 0;
    while (begin < marked.size()) {
      std::size_t const end =
          std::min(marked.find(word_mark, begin + word_mark.size()), marked.size());
      unigram_.encode(std::string_view(marked).substr(begin, end - begin), ids);
      begin = end;
    }
  }

  Unigram unigram_;
  std::optional<CharacterMap> map_;
  std::vector<AddedToken> raw_tokens_;
  std::vector<AddedToken> normalized_tokens_;
};

std::optional<std::string> decode_base64(std::string const& text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > (std::size_t{64} << 20U))
    return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  int const size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<unsigned char const*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  std::size_t const padding = text.size() - std::min(text.size(), text.find_last_not_of('=') + 1);
  bytes.resize(static_cast<std::size_t>(size) - std::min<std::size_t>(padding, 2));
  return bytes;
}

// The character map inside a normalizer, or in a sequence of them.
std::optional<std::string> map_of_normalizer(json const& normalizer, JsonDocument const& document,
                                             Problems& problems) {
  json const list = normalizer.is_object() && normalizer.contains("normalizers")
                        ? normalizer["normalizers"]
                        : json::array({normalizer});
  for (json const& one : list) {
    if (!one.is_object() || one.value("type", json("")) != "Precompiled" ||
        !one.contains("precompiled_charsmap"))
      continue;
    auto const bytes = one["precompiled_charsmap"].is_string()
                           ? decode_base64(one["precompiled_charsmap"])
                           : std::nullopt;
    if (!bytes)
      problems.add(document.position("normalizer/precompiled_charsmap"), "normalizer",
                   "its character map is not base64 fetch the tokenizer again");
    return bytes;
  }
  return std::nullopt;
}

struct Source {
  std::string path;
  std::vector<UnigramPiece> pieces;
  std::optional<std::string> map_bytes;
};

void read_tokenizer_json(Source& source, Problems& problems) {
  auto const document = load_json(source.path, problems);
  if (!document) return;
  json const* model = document->value.is_object() && document->value.contains("model")
                          ? &document->value["model"]
                          : nullptr;
  if (model == nullptr || !model->is_object() ||
      model->value("type", json("Unigram")) != "Unigram" || !model->contains("vocab") ||
      !(*model)["vocab"].is_array()) {
    return problems.add(document->position("model"), "model",
                        "no Unigram model (T5's tokenizer is one) fetch the tokenizer again");
  }
  for (json const& piece : (*model)["vocab"]) {
    if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number()) {
      return problems.add(document->position("model/vocab"), "vocab",
                          "not a piece: " + in_quotes(to_text(piece)) + " (a text and its score)");
    }
    source.pieces.push_back({piece[0], piece[1]});
  }
  if (document->value.contains("normalizer"))
    source.map_bytes = map_of_normalizer(document->value["normalizer"], *document, problems);
}

void read_spiece_model(Source& source, Problems& problems) {
  auto const bytes = load_file(source.path, std::size_t{256} << 20U, problems);
  if (!bytes) return;
  auto model = parse_sentencepiece_model(*bytes);
  if (!model || model->kind != SentencePieceModel::Kind::unigram) {
    return problems.add({source.path}, "",
                        std::string(model ? "holds no Unigram model"
                                          : "is no SentencePiece model, or is truncated") +
                            " (T5's tokenizer is one) fetch the tokenizer again");
  }
  source.pieces = std::move(model->pieces);
  if (!model->character_map.empty()) source.map_bytes = std::move(model->character_map);
  // The sentinels stand behind the file's pieces, the highest first.
  for (int i = extra_ids - 1; i >= 0; --i)
    source.pieces.push_back({"<extra_id_" + std::to_string(i) + ">", 0.0});
}

void check_pieces(Source const& source, Problems& problems) {
  if (source.pieces.size() <= static_cast<std::size_t>(unknown_id) ||
      source.pieces.size() > 10'000'000) {
    return problems.add({source.path}, "vocab",
                        "holds " + std::to_string(source.pieces.size()) +
                            " pieces (more than 3 and fewer than 10 million are needed)");
  }
  for (UnigramPiece const& piece : source.pieces) {
    if (!std::isfinite(piece.score) || piece.text.empty() || piece.text.size() > 1024 ||
        find_bad_utf8(piece.text) != std::string::npos) {
      return problems.add(
          {source.path}, "vocab",
          "not a piece: " + in_quotes(piece.text) + " (a short text in UTF-8 with a finite score)");
    }
  }
}

}  // namespace

std::unique_ptr<Tokenizer> open_t5_tokenizer(std::string const& folder, Problems& problems) {
  Problems found;
  TokenizerSettings settings = read_tokenizer_settings(folder, found);
  for (auto const& [name, text] :
       {std::pair{"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}})
    settings.special.emplace(name, text);
  settings.special.erase("bos_token");
  if (settings.extra.empty()) {
    for (int i = 0; i < extra_ids; ++i)
      settings.extra.push_back("<extra_id_" + std::to_string(i) + ">");
  }
  Source source{folder + "/tokenizer.json", {}, std::nullopt};
  if (std::filesystem::exists(source.path)) {
    read_tokenizer_json(source, found);
  } else {
    source.path = folder + "/spiece.model";
    read_spiece_model(source, found);
  }
  if (found.empty()) check_pieces(source, found);
  std::optional<CharacterMap> map;
  if (found.empty() && source.map_bytes) {
    map = CharacterMap::parse(*source.map_bytes);
    if (!map)
      found.add({source.path}, "normalizer",
                "its character map is broken (its sizes do not fit) fetch the tokenizer again");
  }
  std::vector<AddedToken> tokens;
  Unigram unigram(source.pieces, unknown_id);
  if (found.empty()) tokens = added_tokens_of(settings, unigram.ids(), {source.path}, found);
  problems.append(found);
  if (!found.empty()) return nullptr;
  auto const id = [&](char const* name) {
    std::string const& content = settings.special.at(name);
    auto const added = std::find_if(tokens.begin(), tokens.end(), [&](AddedToken const& token) {
      return token.content == content;
    });
    return added->id;
  };
  std::int64_t const eos = id("eos_token"), pad = id("pad_token");
  return std::make_unique<T5Tokenizer>(source.path, eos, pad, std::move(unigram), std::move(map),
                                       std::move(tokens));
}

}  // namespace ditbatch
