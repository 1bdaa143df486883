# Fuzz targets: one for each fuzz/fuzz_*.c, over the objects, with libFuzzer.  As a test each runs a fixed
# number of inputs from a fixed seed over its corpus, fuzz/corpus/NAME; what it finds new stays in the build.
if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
  message(FATAL_ERROR "TEMPO_FUZZ needs clang (CC=clang), this is ${CMAKE_C_COMPILER_ID}")
endif()
set(TEMPO_FUZZ_RUNS 20000 CACHE STRING "Inputs that each fuzz target tries as a test")

file(GLOB TEMPO_FUZZ_TARGETS CONFIGURE_DEPENDS fuzz/fuzz_*.c)
foreach(source ${TEMPO_FUZZ_TARGETS})
  get_filename_component(target ${source} NAME_WE)
  string(REGEX REPLACE "^fuzz_" "" name ${target})
  add_executable(${target} ${source} $<TARGET_OBJECTS:tempo_objects>)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${target} PRIVATE tempo_flags ${TEMPO_LIBRARIES})
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  set(found ${PROJECT_BINARY_DIR}/corpus/${name})
  file(MAKE_DIRECTORY ${found})
  set(corpus ${PROJECT_SOURCE_DIR}/fuzz/corpus/${name})
  if(NOT IS_DIRECTORY ${corpus})
    set(corpus)
  endif()
  add_test(NAME ${target} WORKING_DIRECTORY ${PROJECT_BINARY_DIR}
    COMMAND ${target} -runs=${TEMPO_FUZZ_RUNS} -seed=1 -rss_limit_mb=2048 -timeout=20 -print_final_stats=1
      ${found} ${corpus})
  set_tests_properties(${target} PROPERTIES LABELS fuzz)
endforeach()
