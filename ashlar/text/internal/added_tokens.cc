#include "ashlar/text/internal/added_tokens.h"

#include <limits>

#include "ashlar/text/internal/character_class.h"
#include "ashlar/text/internal/utf8.h"

namespace ashlar::internal {
namespace {

// Of a token as it is searched for. Every character of a text may cost as many steps.
constexpr std::size_t kMaxAddedTokenBytes = 1024;

using Patterns = std::unordered_map<std::string, std::int32_t>;

ByteTree MakeTree(const Patterns& patterns) {
  std::vector<ByteTree::Entry> entries;
  for (const auto& [pattern, id] : patterns) {
    entries.push_back({pattern, id});
  }
  return ByteTree(std::move(entries));
}

// Whether a word's character touches [begin, end) of `text`.
bool TouchesWord(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin > 0 && IsWord(LastChar(text.substr(0, begin)).code)) ||
         (end < text.size() && IsWord(FirstChar(text.substr(end)).code));
}

// Where the white space in front of `begin` begins, at `floor` at the earliest.
std::size_t SkipSpacesBefore(std::string_view text, std::size_t begin, std::size_t floor) {
  while (begin > floor) {
    const Utf8Char c = LastChar(text.substr(0, begin));
    if (!IsSpace(c.code)) {
      break;
    }
    begin -= c.size;
  }
  return begin;
}

std::size_t SkipSpacesAfter(std::string_view text, std::size_t end) {
  while (end < text.size()) {
    const Utf8Char c = FirstChar(text.substr(end));
    if (!IsSpace(c.code)) {
      break;
    }
    end += c.size;
  }
  return end;
}

}  // namespace

Result<AddedTokens> AddedTokens::Parse(const JsonCursor& json, const Vocabulary& model,
                                       const StageList<Normalizer>& normalizers) {
  AddedTokens added;
  Patterns given;
  Patterns normalized;
  Patterns special;
  ASHLAR_TRY(const std::vector<JsonCursor> elements, json.AsArray());
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(element.AllowOnly(
        {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}));
    ASHLAR_TRY(const std::int64_t file_id,
               element.Integer("id", 0, std::numeric_limits<std::int64_t>::max()));
    AddedToken token;
    ASHLAR_TRY(token.content, element.String("content"));
    ASHLAR_TRY(token.single_word, element.Bool("single_word"));
    ASHLAR_TRY(token.strip_left, element.Bool("lstrip"));
    ASHLAR_TRY(token.strip_right, element.Bool("rstrip"));
    ASHLAR_TRY(token.normalized, element.Bool("normalized"));
    ASHLAR_TRY(token.special, element.Bool("special"));

    if (Status status = added.vocabulary_.Add(token.content, file_id); !status.ok()) {
      return status.error().In(element.path());
    }
    const auto id = static_cast<std::int32_t>(file_id);
    const std::optional<std::int32_t> model_id = model.Id(token.content);
    const std::optional<std::string_view> model_content = model.Content(id);
    if (model_id.has_value() ? *model_id != id : model_content.has_value()) {
      return element.Invalid("the token {} with id {} contradicts the model's vocabulary, where {}",
                             QuoteForError(token.content), id,
                             model_id.has_value() ? fmt::format("its id is {}", *model_id)
                                                  : "that id is " + QuoteForError(*model_content));
    }

    std::string pattern = token.content;
    if (token.normalized) {
      for (const auto& normalizer : normalizers) {
        ASHLAR_TRY(normalizer->Apply(pattern, MaxStageBytes(pattern.size())));
      }
    }
    Patterns& patterns = token.normalized ? normalized : given;
    if (pattern.empty() || pattern.size() > kMaxAddedTokenBytes ||
        !patterns.emplace(std::move(pattern), id).second) {
      return element.Invalid(
          "{} is empty, longer than {} bytes or the same as another added token{}",
          QuoteForError(token.content), kMaxAddedTokenBytes,
          token.normalized ? " once it is normalized" : "");
    }
    if (token.special) {
      special.emplace(token.content, id);
    }
    added.tokens_.emplace(id, std::move(token));
  }
  added.given_ = MakeTree(given);
  added.normalized_ = MakeTree(normalized);
  added.special_ = MakeTree(special);
  return added;
}

const AddedToken* AddedTokens::Find(std::int32_t id) const {
  const auto token = tokens_.find(id);
  return token == tokens_.end() ? nullptr : &token->second;
}

std::vector<Segment> AddedTokens::Split(std::string_view text, Stage stage,
                                        bool parse_special) const {
  const ByteTree& tree = stage == Stage::kGiven ? given_ : normalized_;
  std::vector<Segment> segments;
  std::size_t done = 0;  // what is before it is in segments, or was stripped
  for (std::size_t at = 0; at < text.size() && !tree.empty();) {
    const ByteTree::Match match = tree.Longest(text.substr(at));
    if (match.size == 0) {
      ++at;
      continue;
    }
    std::size_t begin = at;
    std::size_t end = at + match.size;
    // As in the reference, tokens inside of the space that another one strips are found, and the
    // text goes on after them.
    at = end;
    const AddedToken& token = tokens_.at(match.id);
    if ((token.special && !parse_special) || (token.single_word && TouchesWord(text, begin, end))) {
      continue;
    }
    if (token.strip_left) {
      begin = SkipSpacesBefore(text, begin, done);
    }
    if (token.strip_right) {
      // Space that was just stripped is not walked again: it would cost n^2 where it is a token.
      end = done > end ? done : SkipSpacesAfter(text, end);
    }
    if (done < begin) {
      segments.push_back({.text = text.substr(done, begin - done)});
    }
    segments.push_back({.id = match.id});
    done = end;
  }
  if (done < text.size()) {
    segments.push_back({.text = text.substr(done)});
  }
  return segments;
}

void AddedTokens::CutSpecial(Pieces& pieces) const {
  std::vector<TextRange> cut;
  for (const TextRange piece : pieces.ranges) {
    std::uint32_t begin = piece.begin;
    for (std::uint32_t at = piece.begin; at < piece.end;) {
      const std::string_view rest = pieces.View({at, piece.end});
      const std::uint32_t next = at + static_cast<std::uint32_t>(FirstChar(rest).size);
      bool starts = false, is_one = false;
      special_.ForEachPrefix(rest, [&](std::size_t size, std::int32_t) {
        starts = true;
        is_one = is_one || size == next - at;
      });
      if (starts) {
        const std::uint32_t end = is_one ? at : next;
        if (begin < end) {
          cut.push_back({begin, end});
        }
        begin = next;
      }
      at = next;
    }
    if (begin < piece.end) {
      cut.push_back({begin, piece.end});
    }
  }
  pieces.ranges = std::move(cut);
}

}  // namespace ashlar::internal
