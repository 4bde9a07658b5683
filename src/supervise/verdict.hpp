#pragma once

#include <cstring>
#include <functional>
#include <string>
#include <type_traits>

#include "comm/mpi_session.hpp"
#include "core/activity.hpp"

namespace ditbatch {

namespace verdict {

/// on_first_rank() for bytes.
[[nodiscard]] std::string tell_bytes(MpiSession const& session,
                                     std::function<std::string()> const& function,
                                     Activity* activity);

}  // namespace verdict

/// Does something on rank 0 and tells all ranks what came of it: its result everywhere, or its
/// error thrown everywhere, so that no rank waits in a collective for one that has given up. The
/// result is nothing, a text, or a value that is copied as its bytes. Collective over the session's
/// ranks; `activity`, if there is one, is told who waits in it.
template <class Function>
auto on_first_rank(MpiSession const& session, Function const& function,
                   Activity* activity = nullptr) {
  using Result = std::invoke_result_t<Function const&>;
  if constexpr (std::is_void_v<Result>) {
    auto const without_result = [&] {
      function();
      return std::string();
    };
    (void)verdict::tell_bytes(session, without_result, activity);
  } else if constexpr (std::is_same_v<Result, std::string>) {
    return verdict::tell_bytes(session, function, activity);
  } else {
    static_assert(std::is_trivially_copyable_v<Result>, "only plain values travel as bytes");
    auto const as_bytes = [&] {
      Result const result = function();
      return std::string(reinterpret_cast<char const*>(&result), sizeof result);
    };
    std::string const bytes = verdict::tell_bytes(session, as_bytes, activity);
    Result result;
    std::memcpy(&result, bytes.data(), sizeof result);
    return result;
  }
}

/// An error that rank 0 prints; the other ranks throw it to end alike, and stay silent.
[[nodiscard]] bool is_first_ranks_error(std::exception const& error);

}  // namespace ditbatch
