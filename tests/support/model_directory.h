// A model directory as Hugging Face has it, in memory: for tests that change what is in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/json.h"
#include "ashlar/formats/safetensors.h"
#include "tests/support/tiny_model.h"

namespace ashlar::testing {

struct FileTensor {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
};

struct ModelDirectory {
  Json config;
  std::map<std::string, FileTensor> tensors;

  void Write(const Path& to) const {
    std::filesystem::create_directories(to);
    WriteText(to / "config.json", WriteJson(config));
    std::vector<SafetensorsTensor> views;
    for (const auto& [name, tensor] : tensors) {
      views.push_back({name, tensor.dtype, tensor.shape, tensor.bytes});
    }
    ASSERT_TRUE(WriteSafetensors(to / "model.safetensors", views).ok());
  }
};

}  // namespace ashlar::testing
