#include "output/shard_entries.hpp"

#include <type_traits>

#include "output/shard_attributes.hpp"
#include "output/shard_row.hpp"

namespace ditbatch {

namespace {

// "uint16", "float32"
template <class Number>
std::string type_name() {
  std::string const bits = std::to_string(8 * sizeof(Number));
  if (std::is_floating_point_v<Number>) return "float" + bits;
  return (std::is_signed_v<Number> ? "int" : "uint") + bits;
}

// The visitor of visit_columns() that tells how each is stored.
struct ColumnLister {
  std::vector<TermEntry> entries;
  void text(Term const& name, std::string const&) { add(name, "text [N]"); }
  template <class Number>
  void number(Term const& name, Number) {
    add(name, type_name<Number>() + " [N]");
  }
  void digest(Term const& name, Sha256Digest const& value) {
    add(name, "uint8 [N," + std::to_string(value.size()) + "]");
  }
  void counts(Term const& name, EncoderCounts const& value) {
    add(name, type_name<EncoderCounts::value_type>() + " [N," + std::to_string(value.size()) + "]");
  }
  void phases(Term const& name, std::vector<float> const&) { add(name, "float32 [N,P]"); }
  void floats(Term const& name, std::vector<float> const&) { add(name, "float32 lists [N]"); }
  void add(Term const& name, std::string type) { entries.push_back({name, std::move(type), ""}); }
};

std::string type_of(std::string const& /*text*/) { return "text"; }
std::string type_of(int /*number*/) { return "int32"; }

}  // namespace

std::vector<TermEntry> column_entries(int version) {
  ShardRow row;
  row.version = version;
  ColumnLister lister;
  lister.add(images_column, "uint8 [N,H,W,3]");
  visit_columns(row, lister);
  lister.digest(row_hash_column, row.row_sha256);
  return lister.entries;
}

std::vector<TermEntry> attribute_entries(int version) {
  ShardOptions options;
  options.version = version;
  std::vector<TermEntry> entries;
  visit_attributes(options, [&](Term const& name, auto const& value) {
    entries.push_back({name, type_of(value), ""});
  });
  entries.push_back({complete_attribute, "int32", ""});
  entries.push_back({encoding_attribute, "text", ""});
  return entries;
}

}  // namespace ditbatch
