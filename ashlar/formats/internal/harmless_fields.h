// Fields of config.json that no family's result depends on.
#pragma once

#include <string_view>

namespace ashlar::internal {

// They say how the network was trained or how a framework runs it.
inline constexpr std::string_view kHarmlessFields[] = {
    "architectures",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_pdrop",
    "auto_map",
    "aux_loss_alpha",
    "bos_token_id",
    "cache_implementation",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "custom_pipelines",
    "dtype",
    "embd_pdrop",
    "embedding_dropout",
    "eod_token_id",
    "eos_token_id",
    "ep_size",
    "finetuning_task",
    "gradient_checkpointing",
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "is_llama_config",
    "label2id",
    "max_length",
    "max_sequence_length",
    "max_window_layers",
    "model_max_length",
    "n_special",
    "name_or_path",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "output_router_logits",
    "pad_token_id",
    "predict_special_tokens",
    "pretraining_tp",
    "resid_pdrop",
    "residual_dropout",
    "return_dict",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "sep_token_id",
    "seq_aux",
    "task_specific_params",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    "use_cache",
    "use_sliding_window",
};

// Features that some configurations name in order to say that they do without: harmless when false.
inline constexpr std::string_view kOffSwitches[] = {
    "add_cross_attention",
    "apply_residual_connection_post_layernorm",
    "attention_bias",
    "flash_attn",
    "lm_head_bias",
    "mlp_bias",
    "norm_topk_prob",
    "rope_interleaved",
    "scale_attn_by_inverse_layer_idx",
    "use_bidirectional_attention",
    "use_mrope",
};

}  // namespace ashlar::internal
