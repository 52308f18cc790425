#include "kernels/integer_kernels.h"
#include "kernels/static_scales.h"

namespace gemma::kernels::portable {

void quantize_static(const float* x, size_t n, float scale, uint8_t* u) {
  for (size_t i = 0; i < n; ++i) {
    u[i] = static_cast<uint8_t>(static_cast<int>(activation_level(x[i], scale)) + kStaticZero);
  }
}

}  // namespace gemma::kernels::portable
