# LibTorch from the PyPI wheel (or any install), linked by its libraries: the wheel's own
# TorchConfig.cmake refuses to work where there is no CUDA toolkit.
#   hints: LibTorch_ROOT, the folder .deps/venv that tools/setup.sh makes, the virtual environment in use
#   targets: LibTorch::cpu, and LibTorch::cuda with DITBATCH_CUDA
set(_deps $ENV{DITBATCH_DEPS})
if(NOT _deps)
  set(_deps ${CMAKE_SOURCE_DIR}/.deps)
endif()
file(GLOB _wheels ${_deps}/venv/lib/python3*/site-packages/torch $ENV{VIRTUAL_ENV}/lib/python3*/site-packages/torch)
find_path(LibTorch_INCLUDE_DIR ATen/ATen.h HINTS ${LibTorch_ROOT} ${_wheels} PATH_SUFFIXES include)
find_library(LibTorch_CPU_LIBRARY torch_cpu HINTS ${LibTorch_INCLUDE_DIR}/../lib)
find_library(LibTorch_C10_LIBRARY c10 HINTS ${LibTorch_INCLUDE_DIR}/../lib)
get_filename_component(_torch_root "${LibTorch_INCLUDE_DIR}/.." ABSOLUTE)
set(LibTorch_LIBRARY_DIR ${_torch_root}/lib)
# The wheel's CUDA libraries lie beside it: nvidia/cu13/lib, nvidia/nccl/lib, ...
file(GLOB LibTorch_NVIDIA_LIBRARY_DIRS ${_torch_root}/../nvidia/*/lib)
set(LibTorch_NVIDIA_DIR ${_torch_root}/../nvidia/cu13)
set(LibTorch_VERSION "")
foreach(_header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
  if(EXISTS ${LibTorch_INCLUDE_DIR}/${_header})
    foreach(_part MAJOR MINOR PATCH)
      file(STRINGS ${LibTorch_INCLUDE_DIR}/${_header} _line REGEX "define TORCH_VERSION_${_part} ")
      if(_line)
        string(REGEX REPLACE ".*TORCH_VERSION_${_part} ([0-9]+).*" "\\1" _number "${_line}")
        list(APPEND _numbers ${_number})
      endif()
    endforeach()
    if(_numbers AND NOT LibTorch_VERSION)
      list(JOIN _numbers "." LibTorch_VERSION)
    endif()
  endif()
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY VERSION_VAR LibTorch_VERSION)

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  set(_rpath_link -Wl,-rpath,${LibTorch_LIBRARY_DIR})
  foreach(_dir ${LibTorch_NVIDIA_LIBRARY_DIRS})
    list(APPEND _rpath_link -Wl,-rpath,${_dir} -Wl,-rpath-link,${_dir})
  endforeach()
  add_library(LibTorch::cpu INTERFACE IMPORTED)
  set_target_properties(LibTorch::cpu PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "${LibTorch_CPU_LIBRARY};${LibTorch_C10_LIBRARY}"
    INTERFACE_LINK_OPTIONS "${_rpath_link}")
  if(DITBATCH_CUDA)
    find_library(LibTorch_CUDA_LIBRARY torch_cuda HINTS ${LibTorch_LIBRARY_DIR} REQUIRED)
    find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda HINTS ${LibTorch_LIBRARY_DIR} REQUIRED)
    add_library(LibTorch::cuda INTERFACE IMPORTED)
    # Nothing refers to libtorch_cuda by symbol; it registers its kernels when it is loaded.
    set_target_properties(LibTorch::cuda PROPERTIES
      INTERFACE_LINK_LIBRARIES "LibTorch::cpu;-Wl,--no-as-needed;${LibTorch_CUDA_LIBRARY};${LibTorch_C10_CUDA_LIBRARY};-Wl,--as-needed")
  endif()
endif()
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY)
