# The cross build for 64-bit ARM: Debian's cross compiler, tests run under qemu-user (preset aarch64).
# Libraries for arm64 come from Debian's multiarch packages (dependencies.cmake).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
