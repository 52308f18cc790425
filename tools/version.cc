#include "tools/version.h"

namespace gemma {

std::string_view version() {
  return GEMMA_VERSION;
}

}  // namespace gemma
