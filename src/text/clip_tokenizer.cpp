// CLIP's tokenizer: NFC, white space, lower case; split into words; byte-level BPE with an
// end-of-word mark.
#include <algorithm>
#include <array>
#include <filesystem>
#include <queue>

#include "core/json_text.hpp"
#include "text/added_tokens.hpp"
#include "text/tokenizer.hpp"
#include "text/tokenizer_files.hpp"
#include "text/unicode_text.hpp"

namespace ditbatch {

using nlohmann::json;
using namespace text;

namespace {

constexpr char const* word_end = "</w>";

// The visible character that stands for each byte, as GPT-2 chose them: printable Latin-1 for
// itself, the rest from U+0100 on.
std::array<std::string, 256> byte_characters() {
  std::array<std::string, 256> characters;
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    bool const printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
                           (byte >= 0xAE && byte <= 0xFF);
    append_utf8(characters[byte], printable ? byte : next++);
  }
  return characters;
}

struct PairHash {
  std::size_t operator()(std::pair<std::int64_t, std::int64_t> const& pair) const {
    return static_cast<std::size_t>(pair.first * 0x9E3779B97F4A7C15LL) ^
           static_cast<std::size_t>(pair.second);
  }
};

struct Merge {
  std::size_t rank = 0;
  std::int64_t id = 0;
};
using Merges = std::unordered_map<std::pair<std::int64_t, std::int64_t>, Merge, PairHash>;

// Words of a normalised text: contractions, runs of letters, single numbers, runs of other
// characters.
std::vector<std::string_view> words_of(std::string_view text) {
  static constexpr std::array<std::string_view, 2> written_tokens{"<|startoftext|>",
                                                                  "<|endoftext|>"};
  static constexpr std::array<std::string_view, 7> contractions{"'s", "'t",  "'re", "'ve",
                                                                "'m", "'ll", "'d"};
  std::vector<CodePoint> const points = code_points(text);
  std::vector<std::string_view> words;
  auto const take_run = [&](std::size_t first, auto const& belongs) {
    std::size_t last = first + 1;
    while (last < points.size() && belongs(points[last].value)) ++last;
    std::size_t const end = last < points.size() ? points[last].offset : text.size();
    words.push_back(text.substr(points[first].offset, end - points[first].offset));
    return last;
  };
  auto const is_other = [](char32_t value) {
    return !is_white_space(value) && !is_letter(value) && !is_number(value);
  };
  std::size_t i = 0;
  while (i < points.size()) {
    std::string_view const rest = text.substr(points[i].offset);
    auto const begins = [&](std::string_view start) {
      return rest.substr(0, start.size()) == start;
    };
    if (auto const token = std::find_if(written_tokens.begin(), written_tokens.end(), begins);
        token != written_tokens.end()) {
      // Not cut out as an added token: taken as one word, then split into its brackets and its
      // name.
      words.push_back(token->substr(0, 2));
      words.push_back(token->substr(2, token->size() - 4));
      words.push_back(token->substr(token->size() - 2));
      i += token->size();
    } else if (auto const part = std::find_if(contractions.begin(), contractions.end(), begins);
               part != contractions.end()) {
      words.push_back(*part);
      i += part->size();
    } else if (is_letter(points[i].value)) {
      i = take_run(i, is_letter);
    } else if (is_number(points[i].value)) {
      i = take_run(i, [](char32_t) { return false; });
    } else if (is_other(points[i].value)) {
      i = take_run(i, is_other);
    } else {
      i += 1;
    }
  }
  return words;
}

std::string one_space(std::string_view text) {
  std::string out;
  bool in_space = false;
  for (CodePoint const& point : code_points(text)) {
    bool const space = is_white_space(point.value);
    if (!space) out.append(text, point.offset, point.size);
    if (space && !in_space) out += ' ';
    in_space = space;
  }
  return out;
}

class ClipTokenizer final : public Tokenizer {
 public:
  struct Parts {
    Vocabulary vocabulary;
    Merges merges;
    std::vector<AddedToken> raw_tokens;         // cut out of the text as it is
    std::vector<AddedToken> normalized_tokens;  // cut out of the normalised text
    std::int64_t unknown = 0;
  };
  ClipTokenizer(std::string source, std::int64_t bos, std::int64_t eos, std::int64_t pad,
                Parts parts)
      : Tokenizer(std::move(source), {{bos}, {eos}, pad}),
        parts_(std::move(parts)),
        bytes_(byte_characters()) {}

 private:
  [[nodiscard]] std::vector<std::int64_t> text_ids(std::string_view prompt) const override {
    std::vector<std::int64_t> ids;
    for (TextPiece const& raw : cut_at_tokens(prompt, parts_.raw_tokens)) {
      if (raw.token >= 0) {
        ids.push_back(raw.token);
        continue;
      }
      std::string const normal = lower_case(one_space(nfc(raw.text)));
      for (TextPiece const& piece : cut_at_tokens(normal, parts_.normalized_tokens)) {
        if (piece.token >= 0) {
          ids.push_back(piece.token);
          continue;
        }
        for (std::string_view const word : words_of(piece.text)) merge_word(word, ids);
      }
    }
    return ids;
  }

  // Byte pair encoding of one word: of all neighbours the pair with the lowest rank is merged, the
  // leftmost first, until none is left.
  void merge_word(std::string_view word, std::vector<std::int64_t>& ids) const {
    struct Symbol {
      std::int64_t id;
      std::ptrdiff_t before, after;
      bool alive;
    };
    std::vector<Symbol> symbols;
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::string text = bytes_[static_cast<unsigned char>(word[i])];
      if (i + 1 == word.size()) text += word_end;
      auto const found = parts_.vocabulary.find(text);
      auto const at = static_cast<std::ptrdiff_t>(i);
      symbols.push_back({found == parts_.vocabulary.end() ? parts_.unknown : found->second, at - 1,
                         i + 1 == word.size() ? -1 : at + 1, true});
    }
    struct Candidate {
      std::size_t rank;
      std::ptrdiff_t left;
      std::int64_t left_id, right_id, id;
      bool operator<(Candidate const& other) const {
        return rank != other.rank ? rank > other.rank : left > other.left;
      }
    };
    std::priority_queue<Candidate> queue;
    auto const offer = [&](std::ptrdiff_t left) {
      if (left < 0 || symbols[static_cast<std::size_t>(left)].after < 0) return;
      Symbol const& a = symbols[static_cast<std::size_t>(left)];
      Symbol const& b = symbols[static_cast<std::size_t>(a.after)];
      auto const merge = parts_.merges.find({a.id, b.id});
      if (merge != parts_.merges.end())
        queue.push({merge->second.rank, left, a.id, b.id, merge->second.id});
    };
    for (std::size_t i = 0; i < symbols.size(); ++i) offer(static_cast<std::ptrdiff_t>(i));
    while (!queue.empty()) {
      Candidate const best = queue.top();
      queue.pop();
      Symbol& left = symbols[static_cast<std::size_t>(best.left)];
      if (!left.alive || left.id != best.left_id || left.after < 0) continue;
      Symbol& right = symbols[static_cast<std::size_t>(left.after)];
      if (right.id != best.right_id) continue;
      left.id = best.id;
      right.alive = false;
      left.after = right.after;
      if (left.after >= 0) symbols[static_cast<std::size_t>(left.after)].before = best.left;
      offer(left.before);
      offer(best.left);
    }
    for (Symbol const& symbol : symbols) {
      if (symbol.alive) ids.push_back(symbol.id);
    }
  }

  Parts parts_;
  std::array<std::string, 256> bytes_;
};

// Adds a merge of two texts; its result must be in the vocabulary.
bool add_merge(std::string const& left, std::string const& right, Vocabulary const& vocabulary,
               Merges& merges) {
  auto const a = vocabulary.find(left);
  auto const b = vocabulary.find(right);
  auto const both = vocabulary.find(left + right);
  if (a == vocabulary.end() || b == vocabulary.end() || both == vocabulary.end()) return false;
  merges.emplace(std::pair{a->second, b->second}, Merge{merges.size(), both->second});
  return true;
}

void read_merges_text(std::string const& path, Vocabulary const& vocabulary, Merges& merges,
                      Problems& problems) {
  auto const text = load_file(path, std::size_t{64} << 20U, problems);
  if (!text) return;
  std::size_t line_number = 0;
  std::size_t begin = 0;
  while (begin < text->size()) {
    std::size_t const end = std::min(text->find('\n', begin), text->size());
    std::string line = text->substr(begin, end - begin);
    begin = end + 1;
    ++line_number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || (line_number == 1 && line.rfind("#version", 0) == 0)) continue;
    std::size_t const space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos ||
        !add_merge(line.substr(0, space), line.substr(space + 1), vocabulary, merges)) {
      problems.add({path, line_number, 1}, "",
                   "not a merge: " + in_quotes(line) +
                       " (two texts of the vocabulary whose union is in it too)");
      return;
    }
  }
}

void read_merges_json(json const& list, JsonDocument const& document, Vocabulary const& vocabulary,
                      Merges& merges, Problems& problems) {
  Position const where = document.position("model/merges");
  if (!list.is_array())
    return problems.add(where, "merges", "missing (byte pair encoding needs them)");
  for (json const& merge : list) {
    std::string left, right;
    if (merge.is_string()) {
      std::string const text = merge;
      std::size_t const space = text.find(' ');
      if (space != std::string::npos) left = text.substr(0, space), right = text.substr(space + 1);
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      left = merge[0], right = merge[1];
    }
    if (!add_merge(left, right, vocabulary, merges)) {
      return problems.add(where, "merges",
                          "not a merge: " + in_quotes(to_text(merge)) +
                              " (two texts of the vocabulary whose union is in it too)");
    }
  }
}

}  // namespace

std::unique_ptr<Tokenizer> open_clip_tokenizer(std::string const& folder, Problems& problems) {
  Problems found;
  TokenizerSettings settings = read_tokenizer_settings(folder, found);
  for (auto const& [name, text] : {std::pair{"bos_token", "<|startoftext|>"},
                                   {"eos_token", "<|endoftext|>"},
                                   {"unk_token", "<|endoftext|>"},
                                   {"pad_token", "<|endoftext|>"}}) {
    settings.special.emplace(name, text);
  }
  ClipTokenizer::Parts parts;
  std::string const single = folder + "/tokenizer.json";
  bool const has_single = std::filesystem::exists(single);
  std::string const source = has_single ? single : folder + "/vocab.json";
  auto const document = load_json(source, found);
  if (document && has_single) {
    json const* model = document->value.is_object() && document->value.contains("model")
                            ? &document->value["model"]
                            : nullptr;
    if (model == nullptr || !model->is_object() || model->value("type", json("BPE")) != "BPE" ||
        !model->contains("vocab")) {
      found.add(document->position("model"), "model",
                "no BPE model (CLIP's tokenizer is one) fetch the tokenizer again");
    } else {
      parts.vocabulary =
          read_vocabulary((*model)["vocab"], document->position("model/vocab"), found);
      read_merges_json(model->contains("merges") ? (*model)["merges"] : json(), *document,
                       parts.vocabulary, parts.merges, found);
    }
  } else if (document) {
    parts.vocabulary = read_vocabulary(document->value, {source, 1, 1}, found);
    if (!parts.vocabulary.empty())
      read_merges_text(folder + "/merges.txt", parts.vocabulary, parts.merges, found);
  }
  if (found.empty()) {
    for (AddedToken& token : added_tokens_of(settings, parts.vocabulary, {source}, found)) {
      parts.vocabulary.emplace(token.content, token.id);
      if (token.normalized) token.content = lower_case(one_space(nfc(token.content)));
      (token.normalized ? parts.normalized_tokens : parts.raw_tokens).push_back(token);
    }
  }
  problems.append(found);
  if (!found.empty()) return nullptr;
  auto const id = [&](char const* name) { return parts.vocabulary.at(settings.special.at(name)); };
  parts.unknown = id("unk_token");
  std::int64_t const bos = id("bos_token"), eos = id("eos_token"), pad = id("pad_token");
  return std::make_unique<ClipTokenizer>(source, bos, eos, pad, std::move(parts));
}

}  // namespace ditbatch
