// docs/compatibility.md has a row for each thing that the code says it reads, and each holds.
// `make compatibility` writes it.
#include <fstream>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/file.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_evidence.h"
#include "ashlar/formats/gguf.h"
#include "ashlar/formats/gguf_import.h"
#include "ashlar/formats/recipe.h"
#include "ashlar/formats/testing_gguf.h"
#include "ashlar/text/gguf_pre_tokenizers.h"
#include "ashlar/text/gguf_vocabulary.h"
#include "ashlar/text/tokenizer.h"
#include "tests/support/imported.h"
#include "tests/support/model_directories.h"

namespace ashlar {
namespace {

// Names by table, with the reason why nothing is measured of those where nothing is.
using Claims = std::map<std::string, std::map<std::string, std::string>>;

// The parts of "a, b, c" without the spaces around them.
std::vector<std::string> SplitAt(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream list(text);
  for (std::string part; std::getline(list >> std::ws, part, separator);) {
    parts.push_back(part.substr(0, part.find_last_not_of(' ') + 1));
  }
  return parts;
}

// What an error lists: "...; known: a, b, c". So a claim is what a person is told.
template <class T>
std::map<std::string, std::string> KnownOf(const Result<T>& refused) {
  std::map<std::string, std::string> names;
  CHECK(!refused.ok());
  const std::string& message = refused.error().message;
  const std::size_t at = message.find("known: ");
  EXPECT_NE(at, message.npos) << message;
  for (const std::string& name : SplitAt(at == message.npos ? "" : message.substr(at + 7), ',')) {
    names.emplace(name, "");
  }
  EXPECT_FALSE(names.empty()) << message;
  return names;
}

std::map<std::string, std::string> KnownStages(const std::string& role) {
  Json json = *ParseJson(R"({"added_tokens": [], "model": {"type": "WordLevel", "vocab": {"a": 0},
                             "unk_token": "a"}})");
  json.Set(role, Json::Of({{"type", "none"}}));
  return KnownOf(Tokenizer::FromJson(WriteJson(json)));
}

std::map<std::string, std::string> KnownGgufArchitectures() {
  const TempDirectory directory;
  GgufLies file;
  file.pairs = {GgufLies::Of("general.architecture", "none")};
  std::ofstream(directory / "none.gguf", std::ios::binary) << file.Write();
  testing::Library library;
  return KnownOf(ImportGguf(directory / "none.gguf", "none", library.catalog()));
}

Claims AllClaims() {
  Claims claims;
  const Json config = Json::Of({{"model_type", "none"}});
  claims["Architectures"] = KnownOf(ReadRecipe(JsonCursor(config, "config.json")));
  const Json quantized = Json::Of(
      {{"model_type", "llama"}, {"quantization_config", Json::Of({{"quant_method", "none"}})}});
  claims["Quantized checkpoints of Hugging Face directories"] =
      KnownOf(ReadRecipe(JsonCursor(quantized, "config.json")));
  claims["Architectures of GGUF files"] = KnownGgufArchitectures();
  for (const GgufTensorType& type : AllGgufTensorTypes()) {
    claims["Tensor types of GGUF files"].emplace(type.name, "");
  }
  for (const auto& [table, role] : {std::pair{"models", "model"},
                                    {"normalizers", "normalizer"},
                                    {"pre-tokenizers", "pre_tokenizer"},
                                    {"post-processors", "post_processor"},
                                    {"decoders", "decoder"}}) {
    claims[std::string("tokenizer.json: ") + table] = KnownStages(role);
  }
  claims["Vocabularies in GGUF files"] =
      KnownOf(GgufTokenizerJson({.model = "none", .tokens = {"a"}}));
  claims["Pre-tokenizers of GGUF files"] = KnownOf(FindGgufPreTokenizer("none"));
  claims["sentencepiece's tokenizer.model"] = {
      {"unigram", ""}, {"bpe", ""}, {"word", ""}, {"char", ""}};
  claims["Chat templates"] = {{"the language itself", ""}};
  for (const auto& file :
       std::filesystem::directory_iterator(Path(ASHLAR_SOURCE_DIR) / "ashlar/text/testdata/chat")) {
    if (file.path().extension() == ".jinja") {
      claims["Chat templates"].emplace(file.path().stem(), "");
    }
  }
  // Why nothing is measured, where nothing is.
  for (auto& [name, reason] : claims["Pre-tokenizers of GGUF files"]) {
    reason = "cuts by the expressions that llama.cpp publishes; no vocabulary at hand has the name";
  }
  for (const char* of_characters : {"gemma4", "whitespace"}) {
    claims["Vocabularies in GGUF files"][of_characters] =
        "no vocabulary at hand; merges characters as BPE of tokenizer.json does, by the "
        "expressions "
        "that llama.cpp publishes";
  }
  claims["Vocabularies in GGUF files"]["t5"] =
      "no vocabulary at hand; its model and its normalizer are those of sentencepiece's unigram";
  claims["tokenizer.json: normalizers"]["Precompiled"] =
      "no reference at hand; the map is that of the normalizer SentencePiece";
  return claims;
}

// Names without a figure, and with one reason, share a row.
struct PageRow {
  std::string claims, against, measured, holds;
};

// The rows of the page by table: those of the lines "| a | b | c | d |" below a "## table".
std::map<std::string, std::vector<PageRow>> ReadPage() {
  std::map<std::string, std::vector<PageRow>> rows;
  std::ifstream page(Path(ASHLAR_SOURCE_DIR) / "docs/compatibility.md");
  std::string table;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## ")) {
      table = line.substr(3);
    } else if (line.starts_with("| ") && !line.starts_with("| what ")) {
      std::vector<std::string> cells = SplitAt(line.substr(2), '|');
      cells.resize(4);
      rows[table].push_back({cells[0], cells[1], cells[2], cells[3]});
    }
  }
  return rows;
}

TEST(Compatibility, ThePageHasARowThatHoldsForEveryThingThatTheCodeSaysItReads) {
  const auto page = ReadPage();
  const Claims claims = AllClaims();
  for (const auto& [table, names] : claims) {
    std::set<std::string> expected, found;
    for (const auto& [name, reason] : names) {
      RecordClaim(table, name, reason);
      expected.insert(name);
    }
    const auto rows = page.find(table);
    if (rows != page.end()) {
      for (const PageRow& row : rows->second) {
        for (const std::string& name : SplitAt(row.claims, ',')) {
          found.insert(name);
          const auto claim = names.find(name);
          const bool has_reason = claim != names.end() && !claim->second.empty();
          EXPECT_TRUE(row.holds == "yes" || has_reason)
              << table << ": " << name << " against " << row.against;
        }
      }
    }
    EXPECT_EQ(found, expected) << table << ": `make compatibility` writes the page anew";
  }
}

TEST(Compatibility, ThePageHasARowForEveryFixture) {
  ASHLAR_NEED_SHARED_FILES(shared);
  std::set<std::string> measured;
  for (const auto& [table, rows] : ReadPage()) {
    for (const PageRow& row : rows) {
      for (const std::string& name : SplitAt(row.claims, ',')) {  // of those without a figure
        measured.insert(row.against.empty() ? "fixtures/hf/" + name : row.against);
      }
    }
  }
  for (const auto& [folder, extension] : {std::pair{"fixtures/hf", ""},
                                          {"fixtures/gguf", ".gguf"},
                                          {"fixtures/tokenizers", ".gguf"}}) {
    for (const auto& file : std::filesystem::directory_iterator(shared / folder)) {
      if (file.path().extension() == extension) {
        EXPECT_TRUE(measured.contains(std::string(folder) + "/" + file.path().filename().string()))
            << file.path() << ": `make compatibility` writes the page anew";
      }
    }
  }
}

}  // namespace
}  // namespace ashlar
