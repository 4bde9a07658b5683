#pragma once

#include <cstddef>
#include <list>
#include <utility>

namespace ditbatch {

/// Keeps what was used last, at most `capacity` values.
template <class Key, class Value>
class RecentMap {
 public:
  explicit RecentMap(std::size_t capacity) : capacity_(capacity) {}

  /// The value of a key, made by make() if it is not there. The reference holds until the next
  /// call.
  template <class Make>
  Value& get(Key const& key, Make const& make) {
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (!(entry->key == key)) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entries_.front().value;
    }
    if (entries_.size() >= capacity_) entries_.pop_back();
    entries_.push_front({key, make()});
    return entries_.front().value;
  }

 private:
  struct Entry {
    Key key;
    Value value;
  };
  std::size_t capacity_;
  std::list<Entry> entries_;  // the last used first
};

}  // namespace ditbatch
