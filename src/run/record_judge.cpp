#include "run/record_judge.hpp"

#include "config/load_run_config.hpp"
#include "families/exactness.hpp"
#include "manifest/record_identity.hpp"
#include "output/run_paths.hpp"

namespace ditbatch {

bool RecordJudge::is_unchanged(ImageRecord const& record, PublishedRecord const& published) {
  if (published.identity < 1 || published.identity > newest_identity) return false;
  std::string const method = exactness_of(input_.config.mesh).method;
  Sha256Digest const asked =
      record_sha256(record, input_.model.identity, published.identity, method);
  if (published.record_sha256 != asked) return false;
  if (published.identity > 1) return true;
  std::optional<Dtype> const made_in = dtype_of_session(published.session);
  return !made_in || *made_in == input_.config.model.dtype;
}

std::optional<Dtype> RecordJudge::dtype_of_session(std::uint16_t session) {
  auto const [known, is_new] = dtypes_.try_emplace(session);
  if (is_new) {
    Problems problems;
    RunConfig const config =
        load_run_config(session_paths(run_dir_, session).run_toml, {}, problems);
    if (problems.empty()) known->second = config.model.dtype;
  }
  return known->second;
}

}  // namespace ditbatch
