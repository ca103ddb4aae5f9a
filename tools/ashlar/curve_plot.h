// A plot of several figures over one: panels above each other, with a line for each series.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ashlar::cli {

struct CurvePlot {
  struct Series {
    std::string name;
    std::vector<std::pair<double, double>> points;  // ascending x
  };
  struct Panel {
    std::string y_name;
    bool logarithmic = false;  // then every y is above 0
    std::vector<Series> series;
  };
  std::string x_name;
  std::vector<Panel> panels;
};

// The plot as an SVG document that needs nothing else. Requires: a point in each panel; finite
// numbers.
std::string CurveSvg(const CurvePlot& plot);

}  // namespace ashlar::cli
