// Looks at what goes into and comes out of every matrix of a model while it runs: for calibration. A session
// without one pays a test of a pointer per matrix and chunk.
#pragma once

#include <cstddef>

#include "engine/matrix.h"

namespace gemma {

class ActivationObserver {
 public:
  virtual ~ActivationObserver() = default;
  // x (tokens, columns) before it is rounded to anything, y (tokens, rows) with y_stride floats from row to
  // row. Called by the thread that runs the session, once for each matrix and chunk; every position of the
  // text is seen once by every matrix that computes it, however the text was cut.
  virtual void observe(const Matrix& matrix, const float* x, size_t tokens, const float* y,
                       size_t y_stride) = 0;
};

}  // namespace gemma
