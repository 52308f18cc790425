// Every block that a model and a session hold, named: weights by class and layer, keys and values,
// activations, scratch, logits, tokenizer. Small objects (config, lists of tensors) are not listed;
// memory_report.h finds them by asking the allocator.
#pragma once

#include <vector>

#include "engine/memory_range.h"
#include "engine/model.h"
#include "engine/session.h"

namespace gemma {

// `session` may be null.
std::vector<MemoryRange> list_memory(const Model& model, const Session* session);

}  // namespace gemma
