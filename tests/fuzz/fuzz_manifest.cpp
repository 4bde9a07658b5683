// Each input is a manifest; its records must survive the way to another rank.
#include <nlohmann/json.hpp>

#include "core/json_text.hpp"
#include "fuzz/parse_input.hpp"
#include "manifest/read_manifest.hpp"
#include "manifest/record_identity.hpp"
#include "manifest/record_message.hpp"

void ditbatch::test::parse_input(std::string const& bytes) {
  Problems problems;
  auto const records =
      parse_manifest("manifest.jsonl", bytes, RunConfig{}, {{}, 16, 512}, problems);
  problems.throw_if_any();
  for (ImageRecord const& record : records) {
    if (record.index > 0) continue;  // the copies of a line differ in index and seed only
    std::string const message = to_text(to_json(record));
    ensure(to_text(to_json(record_from_json(json_of(message)))) == message,
           "a message loses nothing");
    for (int version = 1; version <= newest_identity; ++version)
      (void)record_sha256(record, {}, version);
  }
}
