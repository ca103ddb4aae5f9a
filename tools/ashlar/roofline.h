// A roofline plot: how fast work can be done, given how many operations it does for each byte that
// it reads. Below the slope memory is the limit, below a level line arithmetic.
#pragma once

#include <string>
#include <vector>

namespace ashlar::cli {

struct Roofline {
  struct Roof {
    std::string name;
    double rate;  // operations per second
  };
  struct Point {
    std::string series;  // has a colour
    std::string label;   // empty: a small hollow point
    double intensity;    // operations per byte
    double rate;         // operations per second
  };
  double read_rate = 0;  // bytes per second
  std::vector<Roof> roofs;
  std::vector<Point> points;
};

// The plot as an SVG document that needs nothing else. Names are of letters that XML leaves as they
// are. Requires: a roof and a point; rates above 0.
std::string RooflineSvg(const Roofline& roofline);

}  // namespace ashlar::cli
