# cmake --install --component python: the package's compiled part, below tempo_lm/: the library, the declarations for cffi, the built-in
# model, and the notices of the libraries that a wheel holds beside ours (auditwheel puts them there).
set(package tempo_lm)

# One file: names with versions would be copies in a wheel.
set_target_properties(tempo_shared PROPERTIES SOVERSION "" VERSION "" NO_SONAME ON)
install(TARGETS tempo_shared LIBRARY DESTINATION ${package} COMPONENT python)
install(DIRECTORY models/tempo-tiny DESTINATION ${package}/models COMPONENT python)
install(FILES LICENSE DESTINATION ${package}/notices RENAME tempo.txt COMPONENT python)
install(FILES ${TEMPO_ARM64_SYSROOT}/usr/share/doc/libjansson-dev/copyright DESTINATION ${package}/notices RENAME jansson.txt
  COMPONENT python OPTIONAL)

find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
set(declarations ${PROJECT_BINARY_DIR}/_tempo_h.py)
set(header_script ${PROJECT_SOURCE_DIR}/python/${package}/_header.py)
if(NOT EXISTS ${header_script}) # of a source distribution: the package lies around the C sources
  set(header_script ${PROJECT_SOURCE_DIR}/../${package}/_header.py)
endif()
add_custom_command(OUTPUT ${declarations}
  COMMAND ${Python_EXECUTABLE} ${header_script} ${PROJECT_SOURCE_DIR}/include/tempo.h ${declarations}
  DEPENDS include/tempo.h ${header_script} VERBATIM)
add_custom_target(tempo_python DEPENDS ${declarations} tempo_shared)
install(FILES ${declarations} DESTINATION ${package} COMPONENT python)
