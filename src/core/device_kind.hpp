#pragma once

namespace ditbatch {

/// What ranks compute on; `automatic` is decided once for the whole world.
enum class DeviceKind { automatic, cuda, cpu };

}  // namespace ditbatch
