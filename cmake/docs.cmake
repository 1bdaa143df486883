# Man pages and completions, written by the program itself into share/ of the build directory.
if(NOT TARGET tempo_program OR NOT TEMPO_DOCS)
  return()
endif()
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
  message(STATUS "No man pages and completions: this machine cannot run the program (CMAKE_CROSSCOMPILING_EMULATOR)")
  return()
endif()

set(TEMPO_DOCS_STAMP ${PROJECT_BINARY_DIR}/share/stamp)
add_custom_command(OUTPUT ${TEMPO_DOCS_STAMP}
  COMMAND ${PROJECT_SOURCE_DIR}/tools/make-docs.sh ${PROJECT_BINARY_DIR}/share
    ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:tempo_program>
  COMMAND ${CMAKE_COMMAND} -E touch ${TEMPO_DOCS_STAMP}
  DEPENDS tempo_program tools/make-docs.sh COMMENT "Writing man pages and completions" VERBATIM)
add_custom_target(tempo_docs ALL DEPENDS ${TEMPO_DOCS_STAMP})
