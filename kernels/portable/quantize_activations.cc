#include <algorithm>
#include <cmath>

#include "kernels/integer_kernels.h"

namespace gemma::kernels::portable {

void quantize_activations(const float* x, size_t tokens, size_t cols, size_t group, int qmax, int8_t* q,
                          float* scales, int32_t* sums) {
  const float largest = static_cast<float>(qmax);
  for (size_t g = 0; g < tokens * cols / group; ++g) {
    const float* in = x + g * group;
    float absmax = 0;
    for (size_t i = 0; i < group; ++i) absmax = std::max(absmax, std::fabs(in[i]));
    const float inverse = absmax != 0 ? largest / absmax : 0.0f;
    int32_t sum = 0;
    for (size_t i = 0; i < group; ++i) {
      // A NaN, and inf * 0, fail the comparison and become level 0.
      const float level = std::nearbyint(in[i] * inverse);
      const int clamped = level == level ? static_cast<int>(std::clamp(level, -largest, largest)) : 0;
      q[g * group + i] = static_cast<int8_t>(clamped);
      sum += clamped;
    }
    scales[g] = absmax / largest;
    sums[g] = sum;
  }
}

}  // namespace gemma::kernels::portable
