#include "ashlar/tensor/arena.h"

#include <array>

#include <gtest/gtest.h>

namespace ashlar {
namespace {

// Some work that takes its room from an arena, and gives part of it back.
struct Room {
  float* a;
  std::int8_t* b;
  double* c;
};
Room TakeRoom(Arena& arena) {
  Room room = {};
  room.a = arena.Take<float>(3);
  const std::size_t mark = arena.used();
  room.b = arena.Take<std::int8_t>(65);
  arena.Rewind(mark);
  room.c = arena.Take<double>(1);
  return room;
}

TEST(Arena, WhenCountingHandsOutNothingAndMeasuresThePeak) {
  Arena arena;
  const Room room = TakeRoom(arena);
  EXPECT_EQ(room.a, nullptr);
  EXPECT_EQ(room.b, nullptr);
  EXPECT_EQ(arena.used(), 64u + 64u);
  EXPECT_EQ(arena.peak(), 64u + 128u);
}

TEST(Arena, OfTheMeasuredSizeIsEnoughForTheSameCalls) {
  alignas(Arena::kAlignment) std::array<std::byte, 192> buffer;
  Arena arena(buffer);
  const Room room = TakeRoom(arena);
  EXPECT_EQ(reinterpret_cast<std::byte*>(room.a), buffer.data());
  EXPECT_EQ(reinterpret_cast<std::byte*>(room.b), buffer.data() + 64);
  EXPECT_EQ(reinterpret_cast<std::byte*>(room.c), buffer.data() + 64) << "taken again after Rewind";
  EXPECT_EQ(arena.peak(), buffer.size());
}

TEST(ArenaDeathTest, RunningOutIsABugOfTheCaller) {
  alignas(Arena::kAlignment) std::array<std::byte, 128> buffer;
  EXPECT_DEATH(
      {
        Arena arena(buffer);
        TakeRoom(arena);
      },
      "capacity_");
}

}  // namespace
}  // namespace ashlar
