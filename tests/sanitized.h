// Whether this build's sanitizer keeps shadow memory: terabytes of address space, of which `ulimit -v` leaves
// nothing. Tests that limit the address space of a program have nothing to see then.
#pragma once

namespace gemma {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kShadowMemory = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kShadowMemory = true;
#else
inline constexpr bool kShadowMemory = false;
#endif
#else
inline constexpr bool kShadowMemory = false;
#endif

}  // namespace gemma
