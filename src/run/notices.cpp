#include "run/notices.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "families/model.hpp"
#include "output/shard_row.hpp"  // encoder_names

namespace ditbatch {

namespace {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// "(word:1.3)", as the webuis weight a part of a prompt.
bool looks_weighted(std::string_view prompt) {
  for (std::size_t at = 0; (at = prompt.find(':', at)) != std::string_view::npos; ++at) {
    std::size_t const end = prompt.find_first_not_of("0123456789.", at + 1);
    bool const is_closed = end != std::string_view::npos && end > at + 1 && prompt[end] == ')';
    if (is_closed && prompt.substr(0, at).find('(') != std::string_view::npos) return true;
  }
  return false;
}

// What can be seen of one record.
struct RecordCheck {
  bool (*applies)(ImageRecord const& record, ModelPlan const& model);
  char const* what;
};
constexpr std::array record_checks{
    RecordCheck{[](ImageRecord const& record, ModelPlan const&) {
                  return record.negative_prompt.has_value() && record.true_cfg_scale <= 1;
                },
                "negative_prompt has no effect (true_cfg_scale is not above 1) set it, or remove "
                "the negative prompt"},
    RecordCheck{
        [](ImageRecord const& record, ModelPlan const&) {
          return !record.negative_prompt && record.true_cfg_scale > 1;
        },
        "true_cfg_scale has no effect (there is no negative_prompt) add one, it may be \"\""},
    RecordCheck{[](ImageRecord const& record, ModelPlan const& model) {
                  return record.negative_prompt_2.has_value() &&
                         !model.family->has_both_branches(record);
                },
                "negative_prompt_2 has no effect (it needs negative_prompt, and true_cfg_scale "
                "above 1) remove it"},
    RecordCheck{[](ImageRecord const& record, ModelPlan const& model) {
                  return !model.rules.uses_guidance &&
                         record.guidance_scale != model.rules.defaults.guidance_scale;
                },
                "guidance_scale has no effect (this checkpoint has no guidance) remove it"},
    RecordCheck{[](ImageRecord const& record, ModelPlan const& model) {
                  return model.rules.uses_guidance && record.steps == 1;
                },
                "one step gives hardly more than noise (this checkpoint is not distilled to few "
                "steps) take some twenty"},
    RecordCheck{
        [](ImageRecord const& record, ModelPlan const&) { return record.seed < record.index; },
        "the seed went beyond 18446744073709551615 and on from 0 (image n of a record has "
        "its seed + n) take a smaller one"},
    RecordCheck{[](ImageRecord const& record, ModelPlan const&) { return is_blank(record.prompt); },
                "the prompt is empty (the image is what the model makes of nothing) write one"},
    RecordCheck{
        [](ImageRecord const& record, ModelPlan const&) { return looks_weighted(record.prompt); },
        "the prompt looks weighted, as (word:1.3) (it is read as it stands, brackets and "
        "numbers too) remove the weights"},
};

class NoticeList {
 public:
  explicit NoticeList(std::string const& manifest) : manifest_(manifest) {}
  void about_job(std::string what) { notices.push_back({std::move(what), 0, {}}); }
  /// -> where further images of this kind are counted
  std::size_t about(std::string what, ImageRecord const& first) {
    notices.push_back(
        {std::move(what), 1,
         manifest_ + ":" + std::to_string(first.line) + ": " + image_name(first.key())});
    return notices.size() - 1;
  }
  std::vector<Notice> notices;

 private:
  std::string const& manifest_;
};

void look_at_records(JobInput const& input, NoticeList& list) {
  std::array<std::optional<std::size_t>, record_checks.size()> places;
  for (ImageRecord const& record : input.records) {
    for (std::size_t i = 0; i < record_checks.size(); ++i) {
      if (!record_checks[i].applies(record, input.model)) continue;
      if (places[i])
        list.notices[*places[i]].images += 1;
      else
        places[i] = list.about(record_checks[i].what, record);
    }
  }
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Files named after them are one file on systems that do not tell capitals from small letters.
void look_at_ids(JobInput const& input, NoticeList& list) {
  std::vector<std::pair<std::size_t, ImageRecord const*>> hashes;
  for (ImageRecord const& record : input.records)
    if (record.index == 0) hashes.emplace_back(std::hash<std::string>{}(lower(record.id)), &record);
  std::stable_sort(hashes.begin(), hashes.end(),
                   [](auto const& a, auto const& b) { return a.first < b.first; });
  std::optional<std::size_t> place;
  for (std::size_t i = 1; i < hashes.size(); ++i) {
    if (hashes[i].first != hashes[i - 1].first ||
        lower(hashes[i].second->id) != lower(hashes[i - 1].second->id))
      continue;
    if (place)
      list.notices[*place].images += 1;
    else
      place = list.about(
          "the id differs from another's by capitals alone (an export to files may "
          "mix them up on other systems) rename one: " +
              hashes[i - 1].second->id,
          *hashes[i].second);
  }
}

void look_at_mesh(JobInput const& input, NoticeList& list) {
  if (input.records.empty()) return;
  bool const none_needs_both = std::none_of(
      input.records.begin(), input.records.end(),
      [&](ImageRecord const& record) { return input.model.family->has_both_branches(record); });
  if (input.mesh.cfg == 2 && none_needs_both)
    list.about_job(
        "[mesh] cfg = 2 leaves half of the ranks without denoising (no record has a "
        "negative_prompt and true_cfg_scale above 1) set it to 1");
  if (static_cast<std::size_t>(input.mesh.replicas) > input.records.size())
    list.about_job("there are more replicas than images (" + std::to_string(input.mesh.replicas) +
                   ", " + std::to_string(input.records.size()) +
                   "; some have nothing to do) take fewer ranks, or more ranks a replica");
}

void look_at_prompts(JobInput const& input, std::size_t most_prompts, NoticeList& list) {
  auto const count = input.model.family->token_counter(input.model.checkpoint);
  std::array<std::optional<std::size_t>, encoder_names.size()> places;
  std::size_t looked_at = 0;
  TokenCounts counts;
  for (ImageRecord const& record : input.records) {
    bool const is_new = record.index == 0 || looked_at == 0;  // all images of a record have one
    if (is_new && looked_at++ == most_prompts) break;
    if (is_new) counts = count(record);
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (counts.cut[i] == 0) continue;
      if (places[i])
        list.notices[*places[i]].images += 1;
      else
        places[i] = list.about(
            std::string(encoder_names[i]) +
                " reads fewer tokens than the prompt has (of the first, " +
                std::to_string(counts.tokens[i]) + " tokens, " + std::to_string(counts.cut[i]) +
                " are cut; see the columns tokens and tokens_cut) shorten it, or raise "
                "max_sequence_length where that is what cuts",
            record);
    }
  }
  if (looked_at <= most_prompts) return;
  for (auto const& place : places)
    if (place)
      list.notices[*place].what += "; of the first " + std::to_string(most_prompts) + " prompts";
}

}  // namespace

std::string to_string(Notice const& notice) {
  if (notice.images == 0) return notice.what;
  return notice.first +
         (notice.images > 1 ? " and " + std::to_string(notice.images - 1) + " more" : "") + ": " +
         notice.what;
}

std::vector<Notice> find_notices(JobInput const& input, std::size_t most_prompts) {
  NoticeList list(input.config.job.manifest);
  look_at_mesh(input, list);
  look_at_records(input, list);
  look_at_ids(input, list);
  look_at_prompts(input, most_prompts, list);
  return std::move(list.notices);
}

}  // namespace ditbatch
