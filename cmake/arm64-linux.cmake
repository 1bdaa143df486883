# Toolchain: Debian's arm64 cross compiler, libraries from the folder that tools/arm64-sysroot.sh filled
# (-DTEMPO_ARM64_SYSROOT=DIR), tests under qemu-aarch64.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TEMPO_ARM64_SYSROOT)

set(CMAKE_FIND_ROOT_PATH ${TEMPO_ARM64_SYSROOT} /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(ENV{PKG_CONFIG_LIBDIR} ${TEMPO_ARM64_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${TEMPO_ARM64_SYSROOT})

# Headers that differ by processor lie one folder deeper.
set(CMAKE_C_FLAGS_INIT "-isystem ${TEMPO_ARM64_SYSROOT}/usr/include/aarch64-linux-gnu")

# The libraries that ours depend on in turn are found here too.
set(library_dirs ${TEMPO_ARM64_SYSROOT}/usr/lib/aarch64-linux-gnu ${TEMPO_ARM64_SYSROOT}/lib/aarch64-linux-gnu)
foreach(dir ${library_dirs})
  string(APPEND CMAKE_EXE_LINKER_FLAGS_INIT " -Wl,-rpath-link,${dir}")
  string(APPEND CMAKE_SHARED_LINKER_FLAGS_INIT " -Wl,-rpath-link,${dir}")
endforeach()
list(JOIN library_dirs ":" library_path)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=${library_path})
