# What `cmake --install` puts into a prefix: the program, and the files that people start from. The program
# finds its libraries beside it, as tools/pack.sh lays them out, or else where they were at link time.
include(GNUInstallDirs)
set_target_properties(ditbatch PROPERTIES
  INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};$ORIGIN/../lib" INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS ditbatch RUNTIME)
install(FILES README.md TYPE DOC)
foreach(folder configs slurm)
  if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/${folder})
    install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_DATADIR}/ditbatch USE_SOURCE_PERMISSIONS)
  endif()
endforeach()
