#include "text/tokenizer_files.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/json_text.hpp"

namespace ditbatch::text {

using nlohmann::json;

namespace {

constexpr std::int64_t largest_id = 10'000'000;

bool is_id(json const& value) {
  return value.is_number_unsigned() &&
         value.get<std::uint64_t>() < static_cast<std::uint64_t>(largest_id);
}

bool flag(json const& object, char const* name) {
  auto const found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

// "</s>" or {"content": "</s>", ...}
std::optional<std::string> token_text(json const& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("content") && value["content"].is_string())
    return value["content"].get<std::string>();
  return std::nullopt;
}

void read_added(JsonDocument const& document, TokenizerSettings& settings, Problems& problems) {
  std::size_t faults = 0;
  auto const found = document.value.find("added_tokens_decoder");
  if (found == document.value.end() || !found->is_object()) return;
  for (auto const& [id_text, token] : found->items()) {
    std::string const key = "added_tokens_decoder/" + id_text;
    bool const is_number = !id_text.empty() && id_text.size() <= 8 &&
                           id_text.find_first_not_of("0123456789") == std::string::npos;
    auto const content = token_text(token);
    if (!is_number || std::stoll(id_text) >= largest_id || !content || !token.is_object()) {
      problems.add(document.position(key), "added_tokens_decoder",
                   "not usable: " + in_quotes(id_text) +
                       " (an id below 10 million and a token with its content)");
      if (++faults == most_faults) return;
      continue;
    }
    settings.added.push_back({*content, std::stoll(id_text), flag(token, "normalized"),
                              flag(token, "lstrip"), flag(token, "rstrip"),
                              flag(token, "single_word")});
  }
  std::sort(settings.added.begin(), settings.added.end(),
            [](AddedToken const& a, AddedToken const& b) { return a.id < b.id; });
}

}  // namespace

TokenizerSettings read_tokenizer_settings(std::string const& folder, Problems& problems) {
  TokenizerSettings settings;
  // tokenizer_config.json is read last: it counts where both name a token.
  for (char const* name : {"special_tokens_map.json", "tokenizer_config.json"}) {
    std::string const path = folder + "/" + name;
    if (!std::filesystem::exists(path)) continue;
    auto const document = load_json(path, problems);
    if (!document) continue;
    if (!document->value.is_object()) {
      problems.add({path, 1, 1}, "",
                   "not a JSON object (but " + std::string(document->value.type_name()) + ")");
      continue;
    }
    for (char const* key : {"bos_token", "eos_token", "unk_token", "pad_token"}) {
      auto const found = document->value.find(key);
      if (found == document->value.end() || found->is_null()) continue;
      auto const text = token_text(*found);
      if (text && !text->empty()) {
        settings.special[key] = *text;
      } else {
        problems.add(document->position(key), key,
                     text ? "an empty token (it would have no id) remove it"
                          : "not a token (a text is needed)");
      }
    }
    auto const extra = document->value.find("additional_special_tokens");
    if (extra != document->value.end() && extra->is_array()) {
      settings.extra.clear();
      for (json const& token : *extra) {
        if (auto const text = token_text(token)) settings.extra.push_back(*text);
      }
    }
    read_added(*document, settings, problems);
  }
  return settings;
}

Vocabulary read_vocabulary(json const& object, Position const& where, Problems& problems) {
  Vocabulary vocabulary;
  std::set<std::int64_t> used;
  if (!object.is_object() || object.empty()) {
    problems.add(where, "vocab", "no vocabulary (an object of texts and ids is needed)");
    return vocabulary;
  }
  for (auto const& [text, id] : object.items()) {
    if (!is_id(id)) {
      problems.add(where, "vocab",
                   in_quotes(text) + " has no id (a whole number below 10 million, but " +
                       in_quotes(to_text(id)) + ")");
      return {};
    }
    if (!used.insert(id.get<std::int64_t>()).second) {
      problems.add(where, "vocab",
                   in_quotes(text) + " has an id that another token has too: " + to_text(id));
      return {};
    }
    vocabulary.emplace(text, id.get<std::int64_t>());
  }
  return vocabulary;
}

std::vector<AddedToken> added_tokens_of(TokenizerSettings const& settings,
                                        Vocabulary const& vocabulary, Position const& where,
                                        Problems& problems) {
  std::vector<AddedToken> tokens = settings.added;
  auto const add = [&](std::string const& content, std::string const& name) {
    bool const is_there = std::any_of(tokens.begin(), tokens.end(), [&](AddedToken const& token) {
      return token.content == content;
    });
    if (is_there || content.empty()) return;
    auto const found = vocabulary.find(content);
    if (found == vocabulary.end()) {
      problems.add(
          where, name,
          in_quotes(content) +
              " is not in the vocabulary (special tokens need an id) fetch the tokenizer again");
    } else {
      tokens.push_back({content, found->second});
    }
  };
  for (auto const& [name, content] : settings.special) add(content, name);
  for (std::string const& content : settings.extra) add(content, "additional_special_tokens");
  return tokens;
}

}  // namespace ditbatch::text
