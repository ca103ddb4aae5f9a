#include "tools/ashlar/curve_plot.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace ashlar::cli {
namespace {

constexpr double kPlotWidth = 900;
constexpr double kPanelHeight = 340;
constexpr double kPlotLeft = 80, kPlotRight = 870;
constexpr double kAbove = 30, kBelow = 55;  // of a panel's frame
constexpr const char* kLineColours[] = {"#0072b2", "#d55e00", "#009e73",
                                        "#cc79a7", "#7b4fb5", "#a07800"};

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

// One axis: which numbers lie where.
class Axis {
 public:
  Axis(double low, double high, double from, double to, bool logarithmic)
      : logarithmic_(logarithmic), from_(from), to_(to) {
    low_ = Of(low);
    high_ = Of(high);
    if (high_ - low_ < 1e-9) {  // a single number: in the middle
      low_ -= 0.5;
      high_ += 0.5;
    }
    const double margin = 0.04 * (high_ - low_);
    low_ -= margin;
    high_ += margin;
  }
  double At(double value) const {
    return from_ + (to_ - from_) * (Of(value) - low_) / (high_ - low_);
  }
  // Round numbers, some five to ten of them.
  std::vector<double> Ticks() const {
    const double low = logarithmic_ ? std::exp(low_) : low_;
    const double high = logarithmic_ ? std::exp(high_) : high_;
    return logarithmic_ && high > 10 * low ? TicksOfDecades(low, high) : EvenTicks(low, high);
  }

 private:
  static std::vector<double> EvenTicks(double low, double high) {
    const double raw = (high - low) / 7;
    const double decade = std::pow(10, std::floor(std::log10(raw)));
    const double step = raw / decade < 2 ? 2 * decade : raw / decade < 5 ? 5 * decade : 10 * decade;
    std::vector<double> ticks;
    for (auto i = static_cast<long>(std::ceil(low / step)); i * step <= high; ++i) {
      ticks.push_back(i * step);
    }
    return ticks;
  }
  static std::vector<double> TicksOfDecades(double low, double high) {
    std::vector<double> ticks;
    for (double decade = std::pow(10, std::floor(std::log10(low))); decade <= high; decade *= 10) {
      for (const double tick : {decade, 2 * decade, 5 * decade}) {
        if (tick >= low && tick <= high) {
          ticks.push_back(tick);
        }
      }
    }
    return ticks;
  }

  double Of(double value) const { return logarithmic_ ? std::log(value) : value; }
  bool logarithmic_;
  double from_, to_;
  double low_, high_;
};

class CurveDrawing {
 public:
  explicit CurveDrawing(const CurvePlot& plot) : plot_(plot) {}

  std::string Draw() {
    const double height = kPanelHeight * static_cast<double>(plot_.panels.size());
    Put("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\" font-family=\"sans-serif\" font-size=\"13\">\n",
        kPlotWidth, height);
    Put("<rect width=\"{}\" height=\"{}\" fill=\"#ffffff\"/>\n", kPlotWidth, height);
    double low = INFINITY;
    double high = -INFINITY;
    for (const CurvePlot::Panel& panel : plot_.panels) {
      for (const CurvePlot::Series& series : panel.series) {
        for (const auto& [x, y] : series.points) {
          low = std::min(low, x);
          high = std::max(high, x);
        }
      }
    }
    const Axis x_axis(low, high, kPlotLeft, kPlotRight, false);
    double top = 0;
    for (const CurvePlot::Panel& panel : plot_.panels) {
      DrawPanel(panel, x_axis, top + kAbove, top + kPanelHeight - kBelow);
      top += kPanelHeight;
    }
    Put("</svg>\n");
    return std::move(svg_);
  }

 private:
  template <class... Args>
  void Put(fmt::format_string<Args...> format, Args&&... args) {
    svg_ += fmt::format(format, std::forward<Args>(args)...);
  }

  void DrawPanel(const CurvePlot::Panel& panel, const Axis& x_axis, double top, double bottom) {
    double low = INFINITY;
    double high = -INFINITY;
    for (const CurvePlot::Series& series : panel.series) {
      for (const auto& [x, y] : series.points) {
        low = std::min(low, y);
        high = std::max(high, y);
      }
    }
    const Axis y_axis(low, high, bottom, top, panel.logarithmic);
    for (const double tick : x_axis.Ticks()) {
      Put("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" "
          "stroke=\"#e4e4e4\"/>\n<text x=\"{0:.1f}\" y=\"{3:.1f}\" "
          "text-anchor=\"middle\">{4:.6g}</text>\n",
          x_axis.At(tick), top, bottom, bottom + 18, tick);
    }
    for (const double tick : y_axis.Ticks()) {
      Put("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{2:.1f}\" y2=\"{1:.1f}\" "
          "stroke=\"#e4e4e4\"/>\n<text x=\"{3:.1f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.6g}"
          "</text>\n",
          kPlotLeft, y_axis.At(tick), kPlotRight, kPlotLeft - 8, y_axis.At(tick) + 4, tick);
    }
    Put("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#888888\"/>\n",
        kPlotLeft, top, kPlotRight - kPlotLeft, bottom - top);
    Put("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
        (kPlotLeft + kPlotRight) / 2, bottom + 38, Escaped(plot_.x_name));
    Put("<text x=\"18\" y=\"{0:.1f}\" text-anchor=\"middle\" transform=\"rotate(-90 18 {0:.1f})\">"
        "{1}</text>\n",
        (top + bottom) / 2, Escaped(panel.y_name));
    double legend = top + 20;
    for (std::size_t i = 0; i < panel.series.size(); ++i) {
      const CurvePlot::Series& series = panel.series[i];
      const char* const colour = kLineColours[i % std::size(kLineColours)];
      Put("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"2\" points=\"", colour);
      for (const auto& [x, y] : series.points) {
        Put("{:.1f},{:.1f} ", x_axis.At(x), y_axis.At(y));
      }
      Put("\"/>\n<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\" fill=\"{}\">{}</text>\n",
          kPlotRight - 12, legend, colour, Escaped(series.name));
      legend += 18;
    }
  }

  const CurvePlot& plot_;
  std::string svg_;
};

}  // namespace

std::string CurveSvg(const CurvePlot& plot) {
  return CurveDrawing(plot).Draw();
}

}  // namespace ashlar::cli
