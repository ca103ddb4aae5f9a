// A Session is what was computed for some tokens, kept outside of an engine: whole pages of the
// state of one network, with all that they depend on. docs/formats/session.md has its bytes.
//
//   ASHLAR_TRY(const Session session, engine.SaveSession(network, tokens, scope));
//   ASHLAR_TRY(WriteSessionFile("talk.session", session));
//   ...
//   ASHLAR_TRY(const Session session, ReadSessionFile("talk.session"));
//   ASHLAR_TRY(engine.RestoreSession(network, session, scope));
//
// A request that begins with its tokens finds the pages as if they had never gone: the same bits
// as from computing them anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ashlar/base/file.h"
#include "ashlar/store/digest.h"

namespace ashlar {

// How its numbers were computed.
struct SessionForm {
  std::string kv_format;    // "f32"
  std::string kernel_form;  // "avx512.1"
};

// The first pages of one slot of state.
struct SessionSlot {
  Digest key;                       // Merkle key of the slot
  std::int64_t page_positions = 0;  // that a page stands for
  std::uint64_t page_bytes = 0;     // without padding
  std::vector<std::byte> pages;     // one after another

  std::int64_t page_count() const { return static_cast<std::int64_t>(pages.size() / page_bytes); }
};

struct Session {
  SessionForm form;
  std::vector<std::int32_t> tokens;  // of the sequence; pages may end before they do
  std::vector<SessionSlot> slots;    // as the network has them
};

std::vector<std::byte> EncodeSession(const Session& session);
// kCorrupt: bytes are missing, too many, or not those that were written, or what they say cannot
// be. kUnsupported: of another version.
Result<Session> DecodeSession(std::span<const std::byte> bytes);

// The file is whole or not there. Errors name it.
Status WriteSessionFile(const Path& path, const Session& session);
Result<Session> ReadSessionFile(const Path& path);

}  // namespace ashlar
