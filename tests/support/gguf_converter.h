// What llama.cpp's converter makes of a Hugging Face directory: a GGUF file of the same numbers, by
// its names and in its orders. An oracle: it knows nothing of the importer.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json_cursor.h"
#include "ashlar/formats/checkpoint.h"
#include "ashlar/formats/testing_gguf.h"

namespace ashlar::testing {

struct ConvertedFamily {
  const char* fixture;
  const char* architecture;
  bool turns_neighbours = false;  // rows of q and k
  bool adds_one = false;          // to the weights of norms
  bool transposes = false;        // matrices of layers
  bool sandwich = false;          // norms after attention and MLP
  const char* ffn_norm = "ffn_norm";
  bool latent = false;  // keys and values are made from a latent
  bool older = false;   // as converters wrote it before there was something better
};

struct PartName {
  std::string_view theirs, gguf;
};
inline constexpr PartName kLayerParts[] = {
    {"input_layernorm", "attn_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"self_attn.qkv_proj", "attn_qkv"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"mlp.gate_up_proj", "ffn_up"},
    {"mlp.c_fc", "ffn_up"},
    {"mlp.c_proj", "ffn_down"},
    {"mlp.gate", "ffn_gate_inp"},
    {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_expert.up_proj", "ffn_up_shexp"},
    {"mlp.shared_expert.down_proj", "ffn_down_shexp"},
    {"mlp.shared_expert_gate", "ffn_gate_inp_shexp"},
    {"mlp.shared_experts.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_experts.up_proj", "ffn_up_shexp"},
    {"mlp.shared_experts.down_proj", "ffn_down_shexp"},
    {"self_attn.q_a_proj", "attn_q_a"},
    {"self_attn.q_a_layernorm", "attn_q_a_norm"},
    {"self_attn.q_b_proj", "attn_q_b"},
    {"self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"},
    {"self_attn.kv_a_layernorm", "attn_kv_a_norm"},
    {"block_sparse_moe.gate", "ffn_gate_inp"},
    {"mlp.router", "ffn_gate_inp"},
    {"self_attn.sinks", "attn_sinks"},
    {"attn.c_attn", "attn_qkv"},
    {"attn.c_proj", "attn_output"},
    {"ln_1", "attn_norm"},
    {"ln_2", "ffn_norm"},
    {"ln_attn", "attn_norm_2"},
    {"ln_mlp", "attn_norm"},
    {"self_attention.query_key_value", "attn_qkv"},
    {"self_attention.dense", "attn_output"},
    {"attention.query_key_value", "attn_qkv"},
    {"attention.dense", "attn_output"},
    {"self_attn.dense", "attn_output"},
    {"self_attn.query_layernorm", "attn_q_norm"},
    {"self_attn.key_layernorm", "attn_k_norm"},
    {"post_self_attn_layernorm", "post_attention_norm"},
    {"post_mlp_layernorm", "post_ffw_norm"},
    {"mlp.fc1", "ffn_up"},
    {"mlp.fc2", "ffn_down"},
    {"mlp.dense_h_to_4h", "ffn_up"},
    {"mlp.dense_4h_to_h", "ffn_down"},
    {"norm", "attn_norm"},
    {"mixer.in_proj", "ssm_in"},
    {"mixer.conv1d", "ssm_conv1d"},
    {"mixer.x_proj", "ssm_x"},
    {"mixer.dt_proj", "ssm_dt"},
    {"mixer.norm", "ssm_norm"},
    {"mixer.out_proj", "ssm_out"},
    {"linear_attn.conv1d", "ssm_conv1d"},
    {"linear_attn.in_proj_ba", "ssm_ba"},
    {"linear_attn.norm", "ssm_norm"},
    {"linear_attn.out_proj", "ssm_out"},
};
inline constexpr PartName kOtherParts[] = {
    {"model.embed_tokens", "token_embd"},
    {"transformer.wte", "token_embd"},
    {"transformer.word_embeddings", "token_embd"},
    {"transformer.wpe", "position_embd"},
    {"gpt_neox.embed_in", "token_embd"},
    {"model.norm", "output_norm"},
    {"model.final_layernorm", "output_norm"},
    {"gpt_neox.final_layer_norm", "output_norm"},
    {"embed_out", "output"},
    {"transformer.ln_f", "output_norm"},
    {"backbone.embeddings", "token_embd"},
    {"backbone.norm_f", "output_norm"},
    {"lm_head", "output"},
};

// A tensor as rows of numbers; a stack of matrices is one with all their rows.
struct Numbers {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
  std::int64_t columns() const { return shape.back(); }
  std::int64_t rows() const { return std::ssize(values) / columns(); }

  // Row i is what row of(i) was.
  template <class Of>
  void Reorder(const Of& of) {
    const std::vector<float> old = values;
    const bool vector = shape.size() == 1;
    const std::int64_t width = vector ? 1 : columns();
    const std::int64_t count = std::ssize(values) / width;
    for (std::int64_t i = 0; i < count; ++i) {
      std::copy_n(old.begin() + of(i) * width, width, values.begin() + i * width);
    }
  }
  void Transpose() {
    const std::vector<float> old = values;
    std::swap(shape[0], shape[1]);
    for (std::int64_t i = 0; i < shape[0]; ++i) {
      for (std::int64_t j = 0; j < shape[1]; ++j) {
        values[static_cast<std::size_t>(i * shape[1] + j)] =
            old[static_cast<std::size_t>(j * shape[0] + i)];
      }
    }
  }
};

class Converter {
 public:
  Converter(const Path& directory, const ConvertedFamily& family)
      : family_(family),
        config_(*ParseJson(*ReadTextFile(directory / "config.json"))),
        checkpoint_(*Checkpoint::Open(directory)) {}

  GgufLies Convert() {
    file_.pairs.push_back(GgufLies::Of("general.architecture", family_.architecture));
    AddMetadata();
    for (const std::string& name : checkpoint_.Names()) {
      AddTensor(name);
    }
    for (auto& [name, numbers] : stacks_) {
      Write(name, numbers);
    }
    return std::move(file_);
  }

 private:
  std::optional<double> Field(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      const Json* value = config_.Find(name);
      if (value == nullptr) {
        const Json* rope = config_.Find("rope_parameters");
        rope = rope != nullptr && rope->Find("full_attention") != nullptr
                   ? rope->Find("full_attention")
                   : rope;
        value = rope == nullptr ? nullptr : rope->Find(name);
      }
      if (value != nullptr && value->integer() != nullptr) {
        return static_cast<double>(*value->integer());
      }
      if (value != nullptr && value->real() != nullptr) {
        return *value->real();
      }
    }
    return std::nullopt;
  }
  std::int64_t Size(std::initializer_list<const char*> names) const {
    return static_cast<std::int64_t>(Field(names).value_or(0));
  }
  std::string Key(const std::string& key) const {
    return std::string(family_.architecture) + "." + key;
  }
  void AddInteger(const std::string& key, std::initializer_list<const char*> names) {
    if (const auto value = Field(names)) {
      file_.pairs.push_back(GgufLies::U32(Key(key), static_cast<std::uint32_t>(*value)));
    }
  }
  void AddReal(const std::string& key, std::initializer_list<const char*> names) {
    if (const auto value = Field(names)) {
      file_.pairs.push_back(GgufLies::F32(Key(key), static_cast<float>(*value)));
    }
  }

  bool Is(std::string_view architecture) const { return architecture == family_.architecture; }
  void AddNumber(const std::string& key, std::int64_t value) {
    file_.pairs.push_back(GgufLies::U32(Key(key), static_cast<std::uint32_t>(value)));
  }

  // Of networks that only carry states; what they have no use for is 0.
  void AddStateMetadata() {
    AddInteger("block_count", {"num_hidden_layers"});
    AddNumber("context_length", 1 << 20);
    AddInteger("embedding_length", {"hidden_size"});
    AddNumber("feed_forward_length", 0);
    AddNumber("attention.head_count", 0);
    AddReal("attention.layer_norm_rms_epsilon", {"layer_norm_epsilon"});
    AddInteger("ssm.conv_kernel", {"conv_kernel"});
    AddInteger("ssm.state_size", {"state_size"});
    if (Is("mamba")) {
      AddInteger("ssm.inner_size", {"intermediate_size"});
      AddInteger("ssm.time_step_rank", {"time_step_rank"});
      file_.pairs.push_back(GgufLies::Bool(Key("ssm.dt_b_c_rms"), false));
    } else {
      AddNumber("ssm.inner_size", Size({"num_heads"}) * Size({"head_dim"}));
      AddInteger("ssm.time_step_rank", {"num_heads"});
      AddInteger("ssm.group_count", {"n_groups"});
    }
  }

  // What a layer of the gated delta rule has, beside what all networks have.
  void AddDeltaMetadata() {
    AddInteger("ssm.conv_kernel", {"linear_conv_kernel_dim"});
    AddInteger("ssm.state_size", {"linear_key_head_dim"});
    AddInteger("ssm.group_count", {"linear_num_key_heads"});
    AddInteger("ssm.time_step_rank", {"linear_num_value_heads"});
    AddNumber("ssm.inner_size", Size({"linear_num_value_heads"}) * Size({"linear_value_head_dim"}));
    AddNumber("full_attention_interval", 4);
  }

  void AddMetadata() {
    if (Is("mamba") || Is("mamba2")) {
      return AddStateMetadata();
    }
    heads_ = Size({"num_attention_heads", "n_head"});
    const bool gpt2 = family_.transposes;
    const bool one_to_one = gpt2 || Is("gptneox");
    key_value_heads_ = one_to_one ? heads_ : Size({"num_kv_heads", "num_key_value_heads"});
    const std::int64_t width = Size({"hidden_size", "n_embd"});
    head_dim_ = Field({"head_dim"}) ? Size({"head_dim"}) : width / heads_;
    AddInteger("block_count", {"num_hidden_layers", "n_layer"});
    AddInteger("context_length", {"max_position_embeddings", "n_positions"});
    AddInteger("embedding_length", {"hidden_size", "n_embd"});
    file_.pairs.push_back(GgufLies::U32(
        Key("feed_forward_length"),
        static_cast<std::uint32_t>(gpt2 ? 4 * width
                                        : Size({"ffn_hidden_size", "intermediate_size"}))));
    AddInteger("attention.head_count", {"num_attention_heads", "n_head"});
    if (Is("qwen3next")) {
      AddDeltaMetadata();
    }
    if (Is("exaone4")) {
      AddInteger("attention.sliding_window", {"sliding_window"});
      const Json::Array& types = *config_.Find("layer_types")->array();
      std::string windowed;
      for (const Json& type : types) {
        windowed += static_cast<char>(*type.string() == "sliding_attention");
      }
      file_.pairs.push_back(
          GgufLies::Array(Key("attention.sliding_window_pattern"), 7, types.size(), windowed));
    }
    if (Is("gpt-oss")) {
      AddInteger("attention.sliding_window", {"sliding_window"});
      AddInteger("expert_feed_forward_length", {"intermediate_size"});
      file_.pairs.push_back(GgufLies::Of(Key("rope.scaling.type"), "yarn"));
      AddReal("rope.scaling.factor", {"factor"});
      AddInteger("rope.scaling.original_context_length", {"original_max_position_embeddings"});
    }
    file_.pairs.push_back(GgufLies::U32(
        Key("attention.head_count_kv"),
        static_cast<std::uint32_t>(family_.latent && !family_.older ? 1 : key_value_heads_)));
    if (family_.latent) {
      AddLatent();
    } else if (Field({"head_dim"})) {
      AddInteger("attention.key_length", {"head_dim"});
      AddInteger("attention.value_length", {"head_dim"});
    }
    AddReal("attention.layer_norm_rms_epsilon", {"rms_norm_eps"});
    AddReal("attention.layer_norm_epsilon",
            {"layer_norm_epsilon", "norm_epsilon", "layer_norm_eps"});
    AddReal("attention.scale", {"attention_multiplier"});
    AddReal("embedding_scale", {"embedding_multiplier"});
    AddReal("residual_scale", {"residual_multiplier"});
    AddReal("logit_scale", {"logits_scaling", "logit_scale"});
    if (const Json* parallel = config_.Find("use_parallel_residual")) {
      file_.pairs.push_back(GgufLies::Bool(Key("use_parallel_residual"), *parallel->boolean()));
    }
    if (const auto partial = Field({"partial_rotary_factor"})) {
      file_.pairs.push_back(
          GgufLies::U32(Key("rope.dimension_count"),
                        static_cast<std::uint32_t>(*partial * static_cast<double>(head_dim_))));
    }
    AddReal("rope.freq_base", {"rope_theta"});
    if (family_.adds_one) {
      AddInteger("attention.sliding_window", {"sliding_window"});
      AddReal("attn_logit_softcapping", {"attn_logit_softcapping"});
      AddReal("final_logit_softcapping", {"final_logit_softcapping"});
    }
    AddInteger("expert_count", {"num_local_experts", "num_experts", "n_routed_experts"});
    AddInteger("expert_used_count", {"num_experts_per_tok"});
    AddInteger("expert_feed_forward_length", {"moe_intermediate_size"});
    AddInteger("expert_shared_feed_forward_length", {"shared_expert_intermediate_size"});
    if (Field({"low_freq_factor"})) {
      AddFrequencyFactors();
    }
  }

  void AddLatent() {
    const auto add = [this](const std::string& key, std::int64_t value) { AddNumber(key, value); };
    const std::int64_t latent = Size({"kv_lora_rank"});
    const std::int64_t turned = Size({"qk_rope_head_dim"});
    const std::string of_heads = family_.older ? "" : "_mla";
    if (!family_.older) {
      add("attention.key_length", latent + turned);
      add("attention.value_length", latent);
    }
    add("attention.key_length" + of_heads, Size({"qk_nope_head_dim"}) + turned);
    add("attention.value_length" + of_heads, Size({"v_head_dim"}));
    add("rope.dimension_count", turned);
    AddInteger("attention.q_lora_rank", {"q_lora_rank"});
    AddInteger("attention.kv_lora_rank", {"kv_lora_rank"});
    AddInteger("leading_dense_block_count", {"first_k_dense_replace"});
    AddInteger("expert_shared_count", {"n_shared_experts"});
    AddInteger("expert_group_count", {"n_group"});
    AddInteger("expert_group_used_count", {"topk_group"});
    AddReal("expert_weights_scale", {"routed_scaling_factor"});
    file_.pairs.push_back(GgufLies::Bool(Key("expert_weights_norm"), true));
    add("expert_gating_func", 2);
  }

  // Of the scaling llama3, as its reference implementation computes it.
  void AddFrequencyFactors() {
    Numbers factors{.shape = {head_dim_ / 2}};
    const double low = *Field({"low_freq_factor"});
    const double high = *Field({"high_freq_factor"});
    const double original = *Field({"original_max_position_embeddings"});
    for (std::int64_t i = 0; i < head_dim_ / 2; ++i) {
      const double frequency = std::pow(
          *Field({"rope_theta"}), -2 * static_cast<double>(i) / static_cast<double>(head_dim_));
      const double wavelength = 2 * 3.14159265358979323846 / frequency;
      const double smooth = std::clamp((original / wavelength - low) / (high - low), 0.0, 1.0);
      factors.values.push_back(
          static_cast<float>(1 / ((1 - smooth) / *Field({"factor"}) + smooth)));
    }
    Write("rope_freqs.weight", factors);
  }

  Numbers Load(const std::string& name) const {
    const SafetensorsEntry& entry = *checkpoint_.Find(name);
    EXPECT_EQ(entry.dtype, "F32") << name;
    Numbers numbers{.shape = entry.shape};
    numbers.values.resize(entry.bytes.size() / sizeof(float));
    std::memcpy(numbers.values.data(), entry.bytes.data(), entry.bytes.size());
    return numbers;
  }

  void AddTensor(const std::string& name) {
    const std::size_t dot = name.ends_with(".sinks") ? name.size() : name.rfind('.');
    const std::string kind = dot == name.size() ? ".weight" : name.substr(dot);  // or ".bias"
    const std::string stem = name.substr(0, dot);
    for (const PartName& part : kOtherParts) {
      if (stem == part.theirs) {
        Numbers numbers = Load(name);
        AddOne(stem, numbers);
        return Write(std::string(part.gguf) + kind, numbers);
      }
    }
    const std::size_t begin = stem.find_first_of("0123456789");
    const std::size_t end = stem.find('.', begin);
    const std::string layer = "blk." + stem.substr(begin, end - begin) + ".";
    const std::string rest = stem.substr(end + 1);
    if (const std::size_t experts = rest.find(".experts."); experts != std::string::npos) {
      return AddExpert(layer, rest.substr(experts + 9), Load(name));
    }
    if (rest == "mlp.experts") {
      return AddAllExperts(layer, kind.substr(1), Load(name));
    }
    if (kind == ".e_score_correction_bias") {
      return Write(layer + "exp_probs_b.bias", Load(name));
    }
    if (rest == "self_attn.kv_b_proj") {
      return family_.older ? Write(layer + "attn_kv_b.weight", Load(name))
                           : AddKeysAndValues(layer, Load(name));
    }
    if (kind == ".A_log" || kind == ".D" || kind == ".dt_bias") {
      return AddStateNumbers(layer, kind, Load(name));
    }
    if (rest == "linear_attn.in_proj_qkvz") {
      return family_.older ? Write(layer + "ssm_in.weight", Load(name))
                           : AddDeltaInputs(layer, Load(name));
    }
    if (rest == "post_attention_layernorm") {
      Numbers numbers = Load(name);
      AddOne(rest, numbers);
      return Write(layer + (family_.sandwich ? "post_attention_norm" : family_.ffn_norm) + kind,
                   numbers);
    }
    for (const PartName& part : kLayerParts) {
      if (rest == part.theirs) {
        Numbers numbers = Load(name);
        Convert(part.gguf, rest, numbers);
        return Write(layer + std::string(part.gguf) + kind, numbers);
      }
    }
    FAIL() << "no name for " << name;
  }

  void AddOne(const std::string& name, Numbers& numbers) const {
    if (family_.adds_one && name.find("norm") != std::string::npos && name != "linear_attn.norm") {
      for (float& value : numbers.values) {
        value += 1;
      }
    }
  }

  void Convert(std::string_view gguf, const std::string& theirs, Numbers& numbers) const {
    AddOne(theirs, numbers);
    if (gguf == "ssm_conv1d" && numbers.shape.size() == 3) {
      numbers.shape.erase(numbers.shape.begin() + 1);
    }
    if (gguf == "ssm_norm" && Is("mamba2")) {
      numbers.shape = {Size({"n_groups"}), std::ssize(numbers.values) / Size({"n_groups"})};
    }
    if (family_.transposes && numbers.shape.size() == 2) {
      numbers.Transpose();
    }
    if (family_.turns_neighbours && (gguf == "attn_q" || gguf == "attn_k")) {
      numbers.Reorder([this](std::int64_t i) {
        const std::int64_t in_head = i % head_dim_;
        return i - in_head + in_head / 2 + in_head % 2 * (head_dim_ / 2);
      });
    }
    if (theirs.ends_with("attention.query_key_value")) {
      // For each head of keys and values: its queries, the key, the value -> all queries, all keys,
      // all values.
      const std::int64_t queries = heads_ / key_value_heads_;
      numbers.Reorder([&](std::int64_t i) {
        const std::int64_t head = i / head_dim_;
        std::int64_t group = head < heads_ ? head / queries : (head - heads_) % key_value_heads_;
        const std::int64_t in_group =
            head < heads_ ? head % queries : queries + (head - heads_) / key_value_heads_;
        return (group * (queries + 2) + in_group) * head_dim_ + i % head_dim_;
      });
    }
  }

  // Rates of decay in the place of their logarithms; of Mamba-2, a row for each head.
  void AddStateNumbers(const std::string& layer, const std::string& kind, Numbers numbers) {
    if (kind == ".A_log") {
      for (float& value : numbers.values) {
        value = -std::exp(value);
      }
    }
    if (Is("mamba2") && kind != ".dt_bias") {
      numbers.shape.push_back(1);
    }
    Write(layer + (kind == ".A_log" ? "ssm_a" : kind == ".D" ? "ssm_d" : "ssm_dt.bias"), numbers);
  }

  // Of each key head, the rows of its query, key, values and gates -> all queries, all keys, all
  // values; and all gates.
  void AddDeltaInputs(const std::string& layer, const Numbers& numbers) {
    const std::int64_t key_heads = Size({"linear_num_key_heads"});
    const std::int64_t key = Size({"linear_key_head_dim"});
    const std::int64_t value =
        Size({"linear_num_value_heads"}) / key_heads * Size({"linear_value_head_dim"});
    const std::int64_t all = 2 * key + 2 * value;
    Numbers qkv{.shape = {0, numbers.columns()}};
    Numbers gates = qkv;
    const auto take = [&](std::int64_t first, std::int64_t count, Numbers& to) {
      for (std::int64_t head = 0; head < key_heads; ++head) {
        const auto begin = numbers.values.begin() + (head * all + first) * numbers.columns();
        to.values.insert(to.values.end(), begin, begin + count * numbers.columns());
        to.shape[0] += count;
      }
    };
    take(0, key, qkv);
    take(key, key, qkv);
    take(2 * key, value, qkv);
    take(2 * key + value, value, gates);
    Write(layer + "attn_qkv.weight", qkv);
    Write(layer + "attn_gate.weight", gates);
  }

  // For each head, the rows that make its key of a latent and those that make its value: apart, and
  // the key's transposed.
  void AddKeysAndValues(const std::string& layer, const Numbers& numbers) {
    const std::int64_t latent = Size({"kv_lora_rank"});
    const std::int64_t plain = Size({"qk_nope_head_dim"});
    const std::int64_t value = Size({"v_head_dim"});
    Numbers keys{.shape = {heads_, latent, plain}};
    Numbers values{.shape = {heads_, value, latent}};
    for (std::int64_t head = 0; head < heads_; ++head) {
      const auto first = numbers.values.begin() + head * (plain + value) * latent;
      for (std::int64_t i = 0; i < latent; ++i) {
        for (std::int64_t j = 0; j < plain; ++j) {
          keys.values.push_back(first[j * latent + i]);
        }
      }
      values.values.insert(values.values.end(), first + plain * latent,
                           first + (plain + value) * latent);
    }
    Write(layer + "attn_k_b.weight", keys);
    Write(layer + "attn_v_b.weight", values);
  }

  // `rest` is "NUMBER.MATRIX".
  void AddExpert(const std::string& layer, const std::string& rest, const Numbers& numbers) {
    constexpr PartName kMatrices[] = {{"gate_proj", "gate"}, {"w1", "gate"},
                                      {"up_proj", "up"},     {"w3", "up"},
                                      {"down_proj", "down"}, {"w2", "down"}};
    const std::string matrix = rest.substr(rest.find('.') + 1);
    const auto* found = std::ranges::find(kMatrices, matrix, &PartName::theirs);
    ASSERT_NE(found, std::end(kMatrices)) << rest;
    Numbers& stack = stacks_[layer + "ffn_" + std::string(found->gguf) + "_exps.weight"];
    if (stack.values.empty()) {
      stack.shape = {Size({"num_local_experts", "num_experts", "n_routed_experts"}),
                     numbers.shape[0], numbers.shape[1]};
      stack.values.resize(static_cast<std::size_t>(stack.shape[0]) * numbers.values.size());
    }
    std::ranges::copy(numbers.values,
                      stack.values.begin() + std::stoll(rest) * std::ssize(numbers.values));
  }

  // Matrices [experts, inputs, outputs] and biases [experts, outputs]; outputs of gate and up take
  // turns.
  void AddAllExperts(const std::string& layer, const std::string& matrix, const Numbers& numbers) {
    const bool bias = matrix.ends_with("_bias");
    const std::string kind = bias ? "_exps.bias" : "_exps.weight";
    const std::int64_t experts = numbers.shape[0];
    const std::int64_t outputs = numbers.shape.back();
    const std::int64_t inputs = bias ? 1 : numbers.shape[1];
    const auto write = [&](const char* name, std::int64_t first, std::int64_t step) {
      Numbers part{.shape = {experts, outputs / step, inputs}};
      for (std::int64_t e = 0; e < experts; ++e) {
        for (std::int64_t o = first; o < outputs; o += step) {
          for (std::int64_t i = 0; i < inputs; ++i) {
            part.values.push_back(
                numbers.values[static_cast<std::size_t>((e * inputs + i) * outputs + o)]);
          }
        }
      }
      if (bias) {
        part.shape.pop_back();
      }
      Write(layer + name + kind, part);
    };
    if (matrix.starts_with("gate_up_proj")) {
      write("ffn_gate", 0, 2);
      write("ffn_up", 1, 2);
    } else {
      write("ffn_down", 0, 1);
    }
  }

  void Write(const std::string& name, const Numbers& numbers) {
    GgufLies::Tensor tensor{.name = name};
    tensor.dims.assign(numbers.shape.rbegin(), numbers.shape.rend());
    tensor.data.assign(reinterpret_cast<const char*>(numbers.values.data()),
                       numbers.values.size() * sizeof(float));
    file_.tensors.push_back(std::move(tensor));
  }

  const ConvertedFamily& family_;
  const Json config_;
  const Checkpoint checkpoint_;
  std::int64_t heads_ = 0;
  std::int64_t key_value_heads_ = 0;
  std::int64_t head_dim_ = 0;
  std::map<std::string, Numbers> stacks_;
  GgufLies file_;
};

}  // namespace ashlar::testing
