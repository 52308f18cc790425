// The style sheet of reports: everything a page needs, for light and dark, paper and telephone.
#pragma once

#include "tools/report/markup.h"

namespace gemma {

Markup report_style();

}  // namespace gemma
