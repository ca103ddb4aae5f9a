// A tiny random checkpoint of a Llama-like family, as a Hugging Face directory would hold it.
#pragma once

#include <cmath>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/json.h"
#include "ashlar/base/test_floats.h"
#include "ashlar/formats/safetensors.h"

namespace ashlar::testing {

struct TinyTensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

// What the family's variants differ in; the widths are alike in all.
struct TinySpec {
  std::string model_type = "llama";
  std::string class_name = "LlamaForCausalLM";
  std::int64_t layers = 2;
  std::int64_t width = 64;
  std::int64_t channels = 96;
  std::int64_t heads = 4;
  std::int64_t kv_heads = 2;
  std::int64_t head_dim = 16;
  std::int64_t vocabulary = 128;
  std::int64_t positions = 256;  // max_position_embeddings
  bool tied = false;
  bool qkv_bias = false;
  bool output_bias = false;
  bool mlp_bias = false;
  bool qk_norm = false;
  // Of every layer but the first, two to a token; each and the shared one as wide as `channels`.
  // 0: no mixtures.
  std::int64_t experts = 0;
  Json::Object fields = {};  // further fields of config.json, or others instead
  std::uint64_t seed = 1;
};

struct TinyModel {
  TinySpec spec;
  Json config;
  std::map<std::string, TinyTensor> tensors;
};

// config.json.
inline Json ConfigOf(const TinySpec& spec) {
  Json config = Json::Of({{"architectures", Json::Array{spec.class_name}},
                          {"model_type", spec.model_type},
                          {"hidden_size", spec.width},
                          {"intermediate_size", spec.channels},
                          {"num_hidden_layers", spec.layers},
                          {"num_attention_heads", spec.heads},
                          {"num_key_value_heads", spec.kv_heads},
                          {"head_dim", spec.head_dim},
                          {"vocab_size", spec.vocabulary},
                          {"max_position_embeddings", spec.positions},
                          {"rms_norm_eps", 1e-5},
                          {"hidden_act", "silu"},
                          {"tie_word_embeddings", spec.tied}});
  for (const auto& [key, value] : spec.fields) {
    config.Set(key, value);
  }
  return config;
}

// The shape of each tensor of the checkpoint.
inline std::map<std::string, std::vector<std::int64_t>> ShapesOf(const TinySpec& spec) {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  const std::int64_t q = spec.heads * spec.head_dim;
  const std::int64_t kv = spec.kv_heads * spec.head_dim;
  shapes["model.embed_tokens.weight"] = {spec.vocabulary, spec.width};
  for (std::int64_t layer = 0; layer < spec.layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in, bool bias) {
      shapes[prefix + name + ".weight"] = {out, in};
      if (bias) {
        shapes[prefix + name + ".bias"] = {out};
      }
    };
    shapes[prefix + "input_layernorm.weight"] = {spec.width};
    linear("self_attn.q_proj", q, spec.width, spec.qkv_bias);
    linear("self_attn.k_proj", kv, spec.width, spec.qkv_bias);
    linear("self_attn.v_proj", kv, spec.width, spec.qkv_bias);
    linear("self_attn.o_proj", spec.width, q, spec.output_bias);
    if (spec.qk_norm) {
      shapes[prefix + "self_attn.q_norm.weight"] = {spec.head_dim};
      shapes[prefix + "self_attn.k_norm.weight"] = {spec.head_dim};
    }
    shapes[prefix + "post_attention_layernorm.weight"] = {spec.width};
    const auto mlp = [&](const std::string& name) {
      linear(name + "gate_proj", spec.channels, spec.width, spec.mlp_bias);
      linear(name + "up_proj", spec.channels, spec.width, spec.mlp_bias);
      linear(name + "down_proj", spec.width, spec.channels, spec.mlp_bias);
    };
    if (spec.experts == 0 || layer == 0) {
      mlp("mlp.");
      continue;
    }
    linear("mlp.gate", spec.experts, spec.width, false);
    for (std::int64_t expert = 0; expert < spec.experts; ++expert) {
      mlp("mlp.experts." + std::to_string(expert) + ".");
    }
    mlp("mlp.shared_expert.");
    linear("mlp.shared_expert_gate", 1, spec.width, false);
  }
  shapes["model.norm.weight"] = {spec.width};
  if (!spec.tied) {
    shapes["lm_head.weight"] = {spec.vocabulary, spec.width};
  }
  return shapes;
}

inline std::int64_t CountOf(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) {
    count *= dim;
  }
  return count;
}

inline TinyModel MakeTinyModel(const TinySpec& spec) {
  TinyModel model{.spec = spec, .config = ConfigOf(spec)};
  std::mt19937_64 random(spec.seed);
  for (auto& [name, shape] : ShapesOf(spec)) {
    const bool matrix = shape.size() == 2;
    TestFloats floats(random());
    const float mean = matrix || name.ends_with(".bias") ? 0.0f : 1.0f;
    const float spread = matrix ? 1 / std::sqrt(static_cast<float>(shape[1])) : 0.2f;
    TinyTensor& tensor = model.tensors[name];
    tensor.shape = shape;
    for (std::int64_t i = CountOf(shape); i > 0; --i) {
      tensor.values.push_back(floats.Next(mean, spread));
    }
  }
  return model;
}

inline void WriteText(const Path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  ASSERT_TRUE(file.flush()) << path;
}

// The tensors as safetensors takes them; views into the model.
inline std::vector<SafetensorsTensor> ViewsOf(const TinyModel& model) {
  std::vector<SafetensorsTensor> views;
  for (const auto& [name, tensor] : model.tensors) {
    views.push_back({.name = name,
                     .dtype = "F32",
                     .shape = tensor.shape,
                     .bytes = std::as_bytes(std::span(tensor.values))});
  }
  return views;
}

// As one file, or as so many shards with their index.
inline void WriteModel(const TinyModel& model, const Path& directory, std::size_t shards = 1) {
  std::filesystem::create_directories(directory);
  WriteText(directory / "config.json", WriteJson(model.config));
  const std::vector<SafetensorsTensor> tensors = ViewsOf(model);
  if (shards == 1) {
    ASSERT_TRUE(WriteSafetensors(directory / "model.safetensors", tensors).ok());
    return;
  }
  Json weight_map = Json::Object();
  for (std::size_t shard = 0; shard < shards; ++shard) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards);
    std::vector<SafetensorsTensor> part;
    for (std::size_t i = shard; i < tensors.size(); i += shards) {
      part.push_back(tensors[i]);
      weight_map.Set(tensors[i].name, name);
    }
    ASSERT_TRUE(WriteSafetensors(directory / name, part).ok());
  }
  WriteText(directory / "model.safetensors.index.json",
            WriteJson(Json::Of({{"metadata", Json::Object()}, {"weight_map", weight_map}})));
}

}  // namespace ashlar::testing
