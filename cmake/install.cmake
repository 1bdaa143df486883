# cmake --install: program, libraries, header, pkg-config, man pages, completions, built-in model, documents.
if(TARGET tempo_program)
  install(TARGETS tempo_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(TARGETS tempo_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${TEMPO_ARCHIVE} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/tempo.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

configure_file(cmake/tempo.pc.in tempo.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tempo.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(TARGET tempo_docs)
  set(written ${PROJECT_BINARY_DIR}/share)
  install(DIRECTORY ${written}/man/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
  install(FILES ${written}/completions/tempo DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${written}/completions/_tempo DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${written}/completions/tempo.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

install(DIRECTORY models/tempo-tiny DESTINATION ${CMAKE_INSTALL_DATADIR}/tempo/models)
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs FILES_MATCHING PATTERN "*.md")
install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples FILES_MATCHING PATTERN "*.c")
