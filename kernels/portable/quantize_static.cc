#include "kernels/integer_kernels.h"
#include "kernels/static_scales.h"

namespace gemma::kernels::portable {

int32_t quantize_static(const float* x, size_t n, float scale, int8_t* q) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) {
    q[i] = static_cast<int8_t>(activation_level(x[i], scale));
    sum += q[i];
  }
  return sum;
}

}  // namespace gemma::kernels::portable
