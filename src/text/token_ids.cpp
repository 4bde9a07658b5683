#include "text/token_ids.hpp"

#include <string>

#include "core/error.hpp"

namespace ditbatch {

void check_token_ids(std::vector<std::int64_t> const& ids, std::int64_t vocabulary) {
  require(!ids.empty(), ExitCode::bad_input, "a prompt of no tokens (encoders need at least one)");
  for (std::int64_t const id : ids) {
    require(id >= 0 && id < vocabulary, ExitCode::bad_input,
            "token id " + std::to_string(id) + " is outside of the vocabulary (vocab_size is " +
                std::to_string(vocabulary) + ") tokenizer and encoder belong to different models");
  }
}

}  // namespace ditbatch
