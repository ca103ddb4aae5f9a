// What the tests of lies share: a model directory whose every part can be falsified, and what an
// error must be like.
#pragma once

#include <functional>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/json.h"
#include "tests/support/command.h"
#include "tests/support/tiny_model.h"

namespace ashlar::testing {

// The exit code, the words of the error, nothing on standard output; quickly, in little memory.
inline void ExpectNamedError(const CommandResult& result, int exit_code, const std::string& error) {
  constexpr double kMostSeconds = 1;
  constexpr std::uint64_t kMostBytes = 100'000'000;
  EXPECT_EQ(result.exit_code, exit_code) << ::testing::PrintToString(result);
  EXPECT_NE(result.err.find(error), std::string::npos)
      << "expected \"" << error << "\"\nfound    " << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_LT(result.err.size(), 2000u);
  if (!kSanitized) {
    EXPECT_LT(result.cpu_seconds, kMostSeconds);
    EXPECT_LT(result.peak_bytes, kMostBytes);
  }
}

// A model directory whose every part a lie can replace before it is written.
struct ModelFiles {
  Json config;
  Json header;                                            // of the weights' file
  std::string data;                                       // what follows it
  std::function<void(std::string&)> edit_file = nullptr;  // the whole of that file
  std::map<std::string, std::string> others = {};         // further files
  std::string weights = "model.safetensors";              // what that file is called

  Json& Entry(std::string_view tensor) { return *const_cast<Json*>(header.Find(tensor)); }
  Json& Rope() {
    config.Set("rope_parameters", Json::Object());
    return *const_cast<Json*>(config.Find("rope_parameters"));
  }

  void Write(const Path& directory) const {
    if (!config.is_null()) {
      WriteText(directory / "config.json", WriteJson(config));
    }
    const std::string text = WriteJson(header);
    const std::uint64_t length = text.size();
    std::string file(AsText(std::as_bytes(std::span(&length, 1))));
    file += text + data;
    if (edit_file) {
      edit_file(file);
    }
    WriteText(directory / weights, file);
    for (const auto& [name, content] : others) {
      WriteText(directory / name, content);
    }
  }
};

inline ModelFiles HonestModel() {
  const TinyModel model = MakeTinyModel({.layers = 1});
  ModelFiles files{.config = model.config, .header = Json::Object()};
  for (const auto& [name, tensor] : model.tensors) {
    const std::string_view bytes = AsText(std::as_bytes(std::span(tensor.values)));
    Json shape = Json::Array();
    for (const std::int64_t dim : tensor.shape) {
      shape.Append(dim);
    }
    const std::size_t begin = files.data.size();
    files.data += bytes;
    files.header.Set(name, Json::Of({{"dtype", "F32"},
                                     {"shape", std::move(shape)},
                                     {"data_offsets", Json::Array{begin, files.data.size()}}}));
  }
  return files;
}

inline void ReplaceText(std::string& text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  CHECK(at != std::string::npos);
  text.replace(at, from.size(), to);
}

}  // namespace ashlar::testing
