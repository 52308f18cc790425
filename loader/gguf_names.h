// Tensor names of GGUF files of architecture "gemma4" and the canonical ones they stand for
// (loader/tensor_source.h), both ways: "blk.3.attn_q.weight" is "layers.3.self_attn.q_proj.weight".
// Source: the name tables of llama.cpp (gguf-py/gguf/constants.py, src/llama-arch.cpp).
#pragma once

#include <string>
#include <string_view>

namespace gemma {

// Empty for names that no Gemma 4 tensor has in GGUF.
std::string canonical_of_gguf(std::string_view stored);
std::string gguf_of_canonical(std::string_view canonical);

// Experts whose gate and up matrices are two tensors (early files): not canonical, joined by
// loader/gguf_checkpoint.h.
inline constexpr std::string_view kGgufGateExperts = "ffn_gate_exps.weight";
inline constexpr std::string_view kGgufUpExperts = "ffn_up_exps.weight";
inline constexpr std::string_view kGgufRopeFreqs = "rope_freqs.weight";

}  // namespace gemma
