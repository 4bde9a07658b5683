#include "run/prune_job.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <memory>
#include <vector>

#include "core/error.hpp"
#include "core/say.hpp"
#include "output/run_paths.hpp"
#include "output/scan_run.hpp"
#include "run/run_lock.hpp"

namespace ditbatch {

namespace {

std::string now_text() {
  std::time_t const now = std::time(nullptr);
  std::tm utc{};
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&now, &utc));
  return text.data();
}

unsigned long long count_of(std::uint64_t number) { return number; }

void print_shards(PrunePlan const& plan) {
  for (PrunePlan::Shard const& shard : plan.changed) {
    say("%s: %zu of %zu images:", shard.file.c_str(), shard.taken.size(),
        shard.taken.size() + shard.kept.size());
    for (ImageKey const& key : shard.taken) say(" %s", image_name(key).c_str());
    say("\n");
  }
}

void print_unknown(std::vector<std::string> const& names) {
  if (names.empty()) return;
  constexpr std::size_t most = 10;
  say("%zu of the ids are neither in the shards nor in the manifest, and left alone:",
      names.size());
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i) say(" %s", names[i].c_str());
  say(names.size() > most ? " and %zu more\n" : "\n", names.size() - most);
}

// Finds what is to be taken out, says so, and does it.
void prune_rows(std::string const& run_dir, PruneRequest const& request,
                PruneOptions const& options) {
  PruneSelection selection(request, run_dir);
  Tombstones const before = read_tombstones(run_dir);
  Tombstones after = before;
  bool const is_remade = options.later == PruneOptions::Later::remake;
  std::size_t const lifted = is_remade ? selection.lift_tombstones(after) : 0;
  PrunePlan const plan =
      plan_prune(run_dir, after, [&](RowKey const& row) { return selection.has(row); });
  bool const names_nothing = request.ids_file.empty() && !request.not_in_manifest &&
                             request.gpu_uuid.empty() && !request.session && !request.since_ns;
  require(!names_nothing || !plan.changed.empty(), ExitCode::usage,
          "name what to take out: --ids FILE, --not-in-manifest, or --gpu, --session and --since");
  std::vector<std::string> const unknown = selection.unknown(plan, before);
  if (!is_remade) selection.add_tombstones(plan, options.reason, now_text(), after);

  if (!selection.without_manifest().empty())
    say("ids are not compared with the manifest, and all kept from being made: %s\n",
        selection.without_manifest().c_str());
  print_shards(plan);
  print_unknown(unknown);
  say("before: %llu images in %llu shards; taken out: %llu in %zu\n", count_of(plan.images),
      count_of(plan.shards), count_of(plan.taken_images()), plan.changed.size());
  if (lifted > 0) say("%zu ids or images may be made again\n", lifted);
  if (options.perform == PruneOptions::Do::nothing) return;
  carry_out(run_dir, plan, after);
  say("after: %llu images in %llu shards; %llu images are kept from being made again\n",
      count_of(plan.images - plan.taken_images()), count_of(plan.shards - plan.emptied_shards()),
      count_of(after.images()));
}

// Images that are made again to be compared are leftovers too, unless they are being made.
void require_no_regeneration(std::string const& run_dir) {
  std::string const folder = regenerated_folder(run_dir);
  if (std::filesystem::exists(work_folder(folder))) (void)lock_all_parts(folder);
}

}  // namespace

ExitCode prune(std::string const& run_dir, PruneRequest const& request,
               PruneOptions const& options) {
  require(std::filesystem::is_directory(run_dir), ExitCode::io,
          run_dir + ": no run folder is there (no such folder) check the path");
  if (options.perform == PruneOptions::Do::nothing) {
    prune_rows(run_dir, request, options);
    std::size_t partials = 0;
    for (std::string const& part : parts_with_partials(run_dir))
      partials += partial_files(run_dir, part).size();
    if (partials > 0)
      say("%zu partial shards that a job left are not counted: prune publishes them first\n",
          partials);
    say("dry run: nothing was changed\n");
    return ExitCode::complete;
  }
  auto const locks = lock_all_parts(run_dir);
  require_no_regeneration(run_dir);
  bool const is_unproven = std::any_of(locks.begin(), locks.end(), [](auto const& lock) {
    return lock->has_unproven_predecessor();
  });
  std::uint64_t const salvaged =
      salvage_all(run_dir, is_unproven ? LastWriter::perhaps_alive : LastWriter::gone);
  if (salvaged > 0)
    say("%llu images of a job that ended early were published\n", count_of(salvaged));
  prune_rows(run_dir, request, options);
  return ExitCode::complete;
}

}  // namespace ditbatch
