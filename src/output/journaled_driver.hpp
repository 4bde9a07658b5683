#pragma once

#include <hdf5.h>

#include <memory>
#include <string>

#include "output/journaled_file.hpp"

namespace ditbatch {

/// Lets HDF5 write a file through a JournaledFile: a virtual file driver of ours beneath the
/// library. The file is a plain HDF5 file, and no reader needs the driver.
void use_journaled_driver(hid_t access_properties, std::string const& path);

/// The file beneath an open HDF5 file that was opened so. H5Fclose commits what was not yet, as
/// HDF5's own drivers would write it; who wants to know whether it could holds this file, and
/// closes it again.
[[nodiscard]] std::shared_ptr<JournaledFile> journaled_file(hid_t file, std::string const& path);

}  // namespace ditbatch
