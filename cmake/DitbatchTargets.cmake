# What every target shares: warnings, include root, sanitizers.
# GCC 12 sees overflows in the standard library's own strings (GCC bug 105329).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  set(_gcc_false_alarms -Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds)
endif()
add_library(ditbatch_settings INTERFACE)
target_include_directories(ditbatch_settings INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(ditbatch_settings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers -Werror=undef ${_gcc_false_alarms}>)
# MPI through its C API alone: the C++ bindings would tie the binary to one MPI.
target_compile_definitions(ditbatch_settings INTERFACE OMPI_SKIP_MPICXX=1 MPICH_SKIP_MPICXX=1)
if(DITBATCH_SANITIZE)
  set(_sanitize -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_compile_options(ditbatch_settings INTERFACE ${_sanitize})
  target_link_options(ditbatch_settings INTERFACE ${_sanitize})
endif()
if(DITBATCH_FUZZ)
  target_compile_options(ditbatch_settings INTERFACE -fsanitize=fuzzer-no-link
    -fsanitize-ignorelist=${CMAKE_SOURCE_DIR}/tests/fuzz/ignored_findings.txt)
endif()

# ditbatch_cuda_files(a.cpp ...)
#   The files of a folder that read DITBATCH_CUDA (1 or 0) or include a header of CUDA or NCCL. Every other
#   file is compiled by one command line with and without CUDA, so that ccache compiles it once for both
#   presets. A file that is missing here and asks `#if DITBATCH_CUDA` does not compile (-Werror=undef).
function(ditbatch_cuda_files)
  set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_DEFINITIONS DITBATCH_CUDA=$<BOOL:${DITBATCH_CUDA}>)
  if(DITBATCH_CUDA)
    foreach(folder ${CUDAToolkit_INCLUDE_DIRS} ${NCCL_INCLUDE_DIR})
      set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS -isystem${folder})
    endforeach()
  endif()
endfunction()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  foreach(language CXX C CUDA)
    set(CMAKE_${language}_COMPILER_LAUNCHER ${CMAKE_SOURCE_DIR}/cmake/ccache.sh)
  endforeach()
endif()

# LibTorch's headers, compiled once: a file that includes them takes 3 s instead of 20. A file that does not would pay
# the 3 s, too, for templates that GCC finishes at the end of each: it is compiled without.
file(WRITE ${CMAKE_BINARY_DIR}/torch_pch.cpp "")
add_library(ditbatch_torch_pch STATIC ${CMAKE_BINARY_DIR}/torch_pch.cpp)
target_link_libraries(ditbatch_torch_pch PUBLIC LibTorch::cpu PRIVATE ditbatch_settings)
target_precompile_headers(ditbatch_torch_pch PRIVATE
  $<$<COMPILE_LANGUAGE:CXX>:<ATen/ATen.h$<ANGLE-R>> $<$<COMPILE_LANGUAGE:CXX>:<string$<ANGLE-R>>
  $<$<COMPILE_LANGUAGE:CXX>:<vector$<ANGLE-R>> $<$<COMPILE_LANGUAGE:CXX>:<map$<ANGLE-R>>)

# ditbatch_includes_torch(RESULT file)   Does the file include ATen, itself or by another of ours? As it was at configure time.
function(ditbatch_includes_torch result file)
  get_property(_found GLOBAL PROPERTY "DITBATCH_INCLUDES_TORCH ${file}")
  if("${_found}" STREQUAL "")
    set(_found NO)
    file(STRINGS ${file} _lines REGEX "^#include ")
    foreach(_line ${_lines})
      if(_line MATCHES "<(ATen|torch)/")
        set(_found YES)
      elseif(_line MATCHES "\"(.*)\"")
        foreach(_folder ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
          if(EXISTS ${_folder}/${CMAKE_MATCH_1})
            ditbatch_includes_torch(_found ${_folder}/${CMAKE_MATCH_1})
          endif()
        endforeach()
      endif()
      if(_found)
        break()
      endif()
    endforeach()
    set_property(GLOBAL PROPERTY "DITBATCH_INCLUDES_TORCH ${file}" ${_found})
  endif()
  set(${result} ${_found} PARENT_SCOPE)
endfunction()

# ditbatch_precompiled_torch(target sources...)   The precompiled header for those of the sources that include LibTorch.
function(ditbatch_precompiled_torch target)
  target_precompile_headers(${target} REUSE_FROM ditbatch_torch_pch)
  foreach(source ${ARGN})
    ditbatch_includes_torch(_found ${CMAKE_CURRENT_SOURCE_DIR}/${source})
    if(NOT _found)
      set_source_files_properties(${source} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
    endif()
  endforeach()
endfunction()

# ditbatch_library(NAME SOURCES a.cpp ... LINKS ditbatch_core ... [TORCH])
#   One src/ folder. TORCH: its files include LibTorch and use its precompiled header.
function(ditbatch_library name)
  cmake_parse_arguments(arg "TORCH" "" "SOURCES;LINKS" ${ARGN})
  set_property(GLOBAL APPEND_STRING PROPERTY DITBATCH_FOLDERS
    "${name}|${CMAKE_CURRENT_SOURCE_DIR}|${arg_SOURCES}|${arg_LINKS}\n")
  if(arg_SOURCES)
    add_library(${name} STATIC ${arg_SOURCES})
    target_link_libraries(${name} PUBLIC ${arg_LINKS} PRIVATE ditbatch_settings)
    if(arg_TORCH)
      target_link_libraries(${name} PUBLIC LibTorch::cpu)
      ditbatch_precompiled_torch(${name} ${arg_SOURCES})
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${arg_LINKS})
  endif()
endfunction()

# ditbatch_link_only(NAME library ...)   Linked into whatever links NAME; their include folders reach no file.
function(ditbatch_link_only name)
  foreach(library ${ARGN})
    target_link_libraries(${name} INTERFACE $<LINK_ONLY:${library}>)
  endforeach()
endfunction()

# What the preset asan builds: the tests that feed bad files.
add_custom_target(hostile_tests)
# What runs on GPUs: the rest of the tests is the same in the preset cpu.
add_custom_target(gpu_tests)

# ditbatch_test(NAME SOURCES a.cpp ... LINKS ... [RANKS 1 2 4] [LABELS ...] [TORCH] [TIMEOUT s]
#               [FIXTURES name ...] [ENVIRONMENT A=b ...] [ARGS ...])
#   One Boost.Test program; one CTest entry a rank count (NAME.4ranks), run under mpirun where RANKS is
#   given. Tests without the label gpu never see a GPU.
function(ditbatch_test name)
  cmake_parse_arguments(arg "TORCH" "TIMEOUT" "SOURCES;LINKS;RANKS;LABELS;FIXTURES;ENVIRONMENT;ARGS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINKS} ditbatch_test_support ditbatch_settings)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/bin)
  if(arg_TORCH)
    ditbatch_precompiled_torch(${name} ${arg_SOURCES})
  endif()
  # A test runs once for each time it is compiled. Without any optimization the precompiled header would be refused.
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O1>)
  foreach(label hostile gpu)
    if(label IN_LIST arg_LABELS)
      add_dependencies(${label}_tests ${name})
    endif()
  endforeach()
  set(_environment ${arg_ENVIRONMENT} OMP_NUM_THREADS=1)
  set(_lock)
  if("gpu" IN_LIST arg_LABELS)
    set(_lock RESOURCE_LOCK gpu)
  else()
    list(APPEND _environment CUDA_VISIBLE_DEVICES=)
  endif()
  if(arg_RANKS)
    foreach(ranks ${arg_RANKS})
      set(entry ${name}.${ranks}ranks)
      add_test(NAME ${entry} COMMAND ${CMAKE_SOURCE_DIR}/tests/support/mpirun.sh ${ranks} $<TARGET_FILE:${name}> ${arg_ARGS})
      set_tests_properties(${entry} PROPERTIES LABELS "mpi;${arg_LABELS}" TIMEOUT ${arg_TIMEOUT}
        ENVIRONMENT "${_environment}" ${_lock})
      if(arg_FIXTURES)
        set_tests_properties(${entry} PROPERTIES FIXTURES_REQUIRED "${arg_FIXTURES}")
      endif()
    endforeach()
  else()
    add_test(NAME ${name} COMMAND ${name} ${arg_ARGS})
    set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} ENVIRONMENT "${_environment}"
      ${_lock})
    if(arg_FIXTURES)
      set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED "${arg_FIXTURES}")
    endif()
  endif()
endfunction()
