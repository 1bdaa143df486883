# Tests: one executable for each tests/test_*.c, run from the source root; the program's own tests; examples;
# lints (label "lint").  What exits 77 could not run here and counts as skipped.

pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# ---- C tests: the objects (internal functions included) and what the tests share
file(GLOB TEMPO_TEST_SUPPORT CONFIGURE_DEPENDS tests/support/*.c tests/reference/*.c)
add_library(tempo_test_internal STATIC ${TEMPO_TEST_SUPPORT} $<TARGET_OBJECTS:tempo_objects> $<TARGET_OBJECTS:tempo_files_objects>)
target_include_directories(tempo_test_internal PUBLIC ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(tempo_test_internal PUBLIC tempo_flags ${TEMPO_LIBRARIES} PkgConfig::CMOCKA PkgConfig::UTF8PROC PkgConfig::CRYPTO)

file(GLOB TEMPO_TESTS_C CONFIGURE_DEPENDS tests/test_*.c)
foreach(source ${TEMPO_TESTS_C})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE tempo_test_internal)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77)
endforeach()

# ---- fetching models
if(TEMPO_PULL)
  add_executable(test_pull_text tests/pull/test_pull_text.c $<TARGET_OBJECTS:tempo_pull_objects>)
  target_link_libraries(test_pull_text PRIVATE tempo_test_internal PkgConfig::CURL)
  add_test(NAME test_pull_text COMMAND test_pull_text WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endif()

# ---- experiments and studies
if(TEMPO_STUDY)
  file(GLOB TEMPO_TESTS_STUDY CONFIGURE_DEPENDS tests/study/test_*.c)
  foreach(source ${TEMPO_TESTS_STUDY})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source} $<TARGET_OBJECTS:tempo_study_objects>)
    if(name MATCHES "^test_registry_")
      target_sources(${name} PRIVATE tests/study/registry_place.c)
    endif()
    target_link_libraries(${name} PRIVATE tempo_test_internal ${TEMPO_STUDY_LIBRARIES})
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  endforeach()
endif()

# ---- the server
if(TEMPO_SERVER)
  file(GLOB TEMPO_TESTS_SERVER CONFIGURE_DEPENDS tests/server/test_*.c)
  foreach(source ${TEMPO_TESTS_SERVER})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source} $<TARGET_OBJECTS:tempo_study_objects> $<TARGET_OBJECTS:tempo_server_objects>)
    target_link_libraries(${name} PRIVATE tempo_test_internal ${TEMPO_STUDY_LIBRARIES})
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  endforeach()
endif()

# The tests that let allocations fail: those of our objects go through tests/support/nomem.c.
if(NOT APPLE)
  foreach(name test_nomem test_yaml test_prompt_lines test_worker_nomem test_api_nomem)
    if(TARGET ${name})
      target_link_options(${name} PRIVATE LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
        LINKER:--wrap=strdup,--wrap=strndup)
    endif()
  endforeach()
endif()

# tempo_script_test(NAME COMMAND...): a shell script run from the source root
function(tempo_script_test name)
  add_test(NAME ${name} COMMAND bash ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77)
endfunction()

# Scripts start programs through a wrapper when those are for another processor.
function(tempo_runnable out target)
  if(CMAKE_CROSSCOMPILING_EMULATOR)
    list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator)
    set(wrapper ${PROJECT_BINARY_DIR}/run-${target})
    file(GENERATE OUTPUT ${wrapper} CONTENT "#!/bin/sh\nexec ${emulator} $<TARGET_FILE:${target}> \"$@\"\n"
      FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
    set(${out} ${wrapper} PARENT_SCOPE)
  else()
    set(${out} $<TARGET_FILE:${target}> PARENT_SCOPE)
  endif()
endfunction()

# What tests/field/ needs; built for it alone.
add_executable(field_render EXCLUDE_FROM_ALL tests/field/render.c)
target_link_libraries(field_render PRIVATE tempo_test_internal)
add_executable(field_tokenize EXCLUDE_FROM_ALL tests/field/tokenize.c)
target_link_libraries(field_tokenize PRIVATE tempo_test_internal)
add_executable(field_text EXCLUDE_FROM_ALL tests/field/text.c)
target_link_libraries(field_text PRIVATE tempo_test_internal)

# The golden renderings of chat templates are still what Jinja2 makes of them.
tempo_script_test(chat_golden tests/token/test_chat_golden.sh)

# ---- what `make` does
tempo_script_test(make_targets tests/test_make.sh ${PROJECT_BINARY_DIR})

# ---- the program
tempo_runnable(program tempo_program)
tempo_script_test(cli tests/cli/test_cli.sh ${program})
tempo_script_test(cli_models tests/cli/test_models.sh ${program})
tempo_script_test(cli_damage tests/cli/test_damage.sh ${program})
tempo_script_test(cli_tokens tests/cli/test_tokens.sh ${program})
tempo_script_test(cli_arms tests/cli/test_arms.sh ${program})
tempo_script_test(cli_capture tests/cli/test_capture.sh ${program})
tempo_script_test(cli_edits tests/cli/test_edits.sh ${program})
tempo_script_test(cli_lens tests/cli/test_lens.sh ${program})
foreach(name files wire damage)
  tempo_script_test(cli_pull_${name} tests/pull/test_pull.sh ${program} ${name})
endforeach()
tempo_script_test(cli_patch tests/cli/test_patch.sh ${program})
tempo_script_test(cli_score tests/cli/test_score.sh ${program})
tempo_script_test(cli_sweep tests/cli/test_sweep.sh ${program})
tempo_script_test(cli_trace tests/cli/test_trace.sh ${program})
if(TEMPO_STUDY)
  tempo_script_test(cli_analyze tests/cli/test_analyze.sh ${program})
  tempo_script_test(cli_runs tests/cli/test_runs.sh ${program})
  tempo_script_test(cli_study tests/cli/test_study.sh ${program})
  tempo_script_test(cli_experiment tests/cli/test_experiment.sh ${program})
  tempo_script_test(cli_serve tests/cli/test_serve.sh ${program})
endif()
# what --view draws, as a function and under a pseudo-terminal
add_executable(test_view_layout tests/cli/test_view_layout.c cli/generate/cells.c cli/generate/view_layout.c cli/terminal.c)
target_include_directories(test_view_layout PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(test_view_layout PRIVATE tempo_test_internal)
add_test(NAME cli_view_layout COMMAND test_view_layout WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
# signals that end it
add_executable(test_endings tests/cli/test_endings.c cli/endings.c cli/unfinished.c cli/terminal.c)
target_include_directories(test_endings PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(test_endings PRIVATE tempo_test_internal)
add_test(NAME cli_endings COMMAND test_endings ${program} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
add_executable(test_view_terminal tests/cli/test_view_terminal.c)
target_link_libraries(test_view_terminal PRIVATE tempo_test_internal)
if(NOT APPLE)
  target_link_libraries(test_view_terminal PRIVATE util)
endif()
add_test(NAME cli_view_terminal COMMAND test_view_terminal ${program} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
# the identities in models of every architecture, which a helper writes
add_executable(arch_files tests/arch_files.c)
target_link_libraries(arch_files PRIVATE tempo_test_internal)
tempo_runnable(arch_files_run arch_files)
tempo_script_test(cli_doctor tests/cli/test_doctor.sh ${program} ${arch_files_run})
foreach(threads 1 2 3)
  add_test(NAME doctor_${threads} COMMAND tempo_program doctor --threads ${threads} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endforeach()

# ---- examples: through the public header and the shared library only
file(GLOB TEMPO_EXAMPLES CONFIGURE_DEPENDS examples/*.c)
foreach(source ${TEMPO_EXAMPLES})
  get_filename_component(name ${source} NAME_WE)
  add_executable(example_${name} ${source})
  target_link_libraries(example_${name} PRIVATE tempo_flags tempo_shared)
  tempo_runnable(example example_${name})
  tempo_script_test(example_${name} tests/examples/test_examples.sh ${name} ${example})
endforeach()

# ---- benchmarks: built with the tests so that they keep building, run by `make bench`
file(GLOB TEMPO_BENCHES CONFIGURE_DEPENDS bench/bench_*.c)
foreach(source ${TEMPO_BENCHES})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE tempo_test_internal)
endforeach()
if(TEMPO_SERVER)
  add_executable(bench_serve bench/server/bench_serve.c $<TARGET_OBJECTS:tempo_study_objects> $<TARGET_OBJECTS:tempo_server_objects>)
  target_link_libraries(bench_serve PRIVATE tempo_test_internal ${TEMPO_STUDY_LIBRARIES})
endif()

# ---- lints: not of instrumented objects, whose symbols and instructions are not ours
if(NOT TEMPO_SANITIZE AND NOT TEMPO_FUZZ AND NOT CMAKE_CROSSCOMPILING AND NOT APPLE)
  foreach(lint prefix isa globals exports headers includes sizes output json errors shell format man)
    tempo_script_test(lint_${lint} tools/lint.sh ${lint} ${PROJECT_BINARY_DIR})
    set_tests_properties(lint_${lint} PROPERTIES LABELS lint)
  endforeach()
endif()

# The longest first, so that no processor waits for one of them in the end.
foreach(name test_stats_simulated test_study_run cli cli_study cli_capture test_kernels test_golden test_model_broken
    test_experiment_run cli_experiment cli_runs test_registry_faults)
  if(TEST ${name})
    set_tests_properties(${name} PROPERTIES COST 100)
  endif()
endforeach()
