#include "tools/ashlar/roofline.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

namespace ashlar::cli {
namespace {

constexpr double kWidth = 1200, kHeight = 860;
constexpr double kLeft = 70, kRight = 1180, kTop = 70, kBottom = 800;
constexpr double kFont = 13;
constexpr const char* kColours[] = {"#0072b2", "#cc79a7", "#009e73", "#d55e00",
                                    "#7b4fb5", "#a07800", "#444444"};

struct Box {
  double left, top, right, bottom;

  bool Meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

// Of text in a sans-serif face, somewhat too wide rather than too narrow.
double WidthOf(std::string_view text) {
  return 0.62 * kFont * static_cast<double>(text.size());
}

class Plot {
 public:
  explicit Plot(const Roofline& roofline) : roofline_(roofline) {
    const auto [low_x, high_x] = Range(&Roofline::Point::intensity);
    const auto [low_y, high_y] = Range(&Roofline::Point::rate);
    highest_ = std::ranges::max(roofline.roofs, {}, &Roofline::Roof::rate).rate;
    min_x_ = low_x / 2;
    max_x_ = high_x * 4;  // room for labels
    min_y_ = std::min(low_y, min_x_ * roofline.read_rate) / 1.3;
    max_y_ = std::max(high_y, highest_) * 1.6;
    for (const Roofline::Point& point : roofline.points) {
      if (std::ranges::find(series_, point.series) == series_.end()) {
        series_.push_back(point.series);
      }
    }
  }

  std::string Draw() {
    Put("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\" font-family=\"sans-serif\" font-size=\"{2}\">\n",
        kWidth, kHeight, kFont);
    Put("<rect width=\"{}\" height=\"{}\" fill=\"#ffffff\"/>\n", kWidth, kHeight);
    DrawAxes();
    DrawRoofs();
    DrawLegend();
    DrawPoints();
    Put("</svg>\n");
    return std::move(svg_);
  }

 private:
  std::pair<double, double> Range(double Roofline::Point::*member) const {
    const auto [low, high] = std::ranges::minmax(roofline_.points, {}, member);
    return {low.*member, high.*member};
  }
  double X(double intensity) const {
    return kLeft + (kRight - kLeft) * std::log(intensity / min_x_) / std::log(max_x_ / min_x_);
  }
  double Y(double rate) const {
    return kBottom - (kBottom - kTop) * std::log(rate / min_y_) / std::log(max_y_ / min_y_);
  }
  const char* ColourOf(const std::string& series) const {
    const auto at = std::ranges::find(series_, series) - series_.begin();
    return kColours[static_cast<std::size_t>(at) % std::size(kColours)];
  }

  template <class... Args>
  void Put(fmt::format_string<Args...> format, Args&&... args) {
    svg_ += fmt::format(format, std::forward<Args>(args)...);
  }
  void Line(double x1, double y1, double x2, double y2, std::string_view look) {
    Put("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1, x2, y2,
        look);
  }
  void Text(double x, double y, std::string_view text, std::string_view look = "") {
    Put("<text x=\"{:.1f}\" y=\"{:.1f}\"{}{}>{}</text>\n", x, y, look.empty() ? "" : " ", look,
        text);
  }

  // 1, 2 and 5 of each decade.
  template <class Tick>
  static void ForTicks(double min, double max, Tick tick) {
    for (double decade = std::pow(10, std::floor(std::log10(min))); decade < max; decade *= 10) {
      for (const double value : {decade, 2 * decade, 5 * decade}) {
        if (value >= min && value <= max) {
          tick(value);
        }
      }
    }
  }

  void DrawAxes() {
    constexpr std::string_view kGrid = "stroke=\"#e4e4e4\"";
    ForTicks(min_x_, max_x_, [&](double value) {
      Line(X(value), kTop, X(value), kBottom, kGrid);
      Text(X(value), kBottom + 18, fmt::format("{:g}", value), "text-anchor=\"middle\"");
    });
    ForTicks(min_y_ * 1e-9, max_y_ * 1e-9, [&](double value) {
      Line(kLeft, Y(value * 1e9), kRight, Y(value * 1e9), kGrid);
      Text(kLeft - 8, Y(value * 1e9) + 4, fmt::format("{:g}", value), "text-anchor=\"end\"");
    });
    Put("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#888888\"/>\n",
        kLeft, kTop, kRight - kLeft, kBottom - kTop);
    Text((kLeft + kRight) / 2, kBottom + 42, "operations per byte of weights",
         "text-anchor=\"middle\"");
    Text(18, (kTop + kBottom) / 2, "GOP/s, one thread",
         fmt::format("text-anchor=\"middle\" transform=\"rotate(-90 18 {:.1f})\"",
                     (kTop + kBottom) / 2));
  }

  void DrawRoofs() {
    constexpr std::string_view kLook = "stroke=\"#333333\" stroke-width=\"1.6\"";
    const double read = roofline_.read_rate;
    const double end = std::min(max_x_, highest_ / read);
    Line(X(min_x_), Y(min_x_ * read), X(end), Y(end * read), kLook);
    for (double at = min_x_; at < end; at *= 1.02) {  // no label across it
      taken_.push_back({X(at) - 3, Y(at * read) - 3, X(at) + 3, Y(at * read) + 3});
    }
    // Its name stands on its lower end.
    const double angle = std::atan2(Y(min_x_ * read) - Y(end * read), X(end) - X(min_x_));
    const std::string name = fmt::format("memory {:.1f} GB/s", read * 1e-9);
    const double x = kLeft + 14;
    const double y = Y(min_x_ * read) - (x - kLeft) * std::tan(angle) - 8;
    Text(x, y, name,
         fmt::format("fill=\"#333333\" transform=\"rotate({:.1f} {:.1f} {:.1f})\"",
                     -angle * 180 / std::numbers::pi, x, y));
    const double length = WidthOf(name);
    for (int i = 0; i < 8; ++i) {  // a tilted box as a chain of upright ones
      const double at_x = x + length * i / 8 * std::cos(angle);
      const double at_y = y - length * i / 8 * std::sin(angle);
      taken_.push_back({at_x - 4, at_y - length / 8 - kFont, at_x + length / 8 + 4, at_y + 6});
    }
    for (const Roofline::Roof& roof : roofline_.roofs) {
      const double height = Y(roof.rate);
      Line(X(std::max(min_x_, roof.rate / read)), height, kRight, height, kLook);
      const std::string text = fmt::format("{}: {:.0f} GOP/s", roof.name, roof.rate * 1e-9);
      Text(kRight - 8, height - 6, text, "text-anchor=\"end\" fill=\"#333333\"");
      taken_.push_back({kRight - 8 - WidthOf(text), height - 6 - kFont, kRight, height});
      taken_.push_back({X(roof.rate / read), height - 1, kRight, height + 1});
    }
  }

  void DrawLegend() {
    Text(kLeft, 28, "Linear kernels under their roofs", "font-size=\"18\" font-weight=\"bold\"");
    double x = kLeft + 6;
    for (const std::string& series : series_) {
      Put("<circle cx=\"{:.1f}\" cy=\"50\" r=\"5\" fill=\"{}\"/>\n", x, ColourOf(series));
      Text(x + 10, 54.5, series, fmt::format("fill=\"{}\"", ColourOf(series)));
      x += WidthOf(series) + 34;
    }
    Put("<circle cx=\"{:.1f}\" cy=\"50\" r=\"3\" fill=\"none\" stroke=\"#555555\"/>\n", x + 10);
    Text(x + 20, 54.5, "the same sizes in slower forms", "fill=\"#555555\"");
  }

  void DrawPoints() {
    for (const Roofline::Point& point : roofline_.points) {
      const double r = point.label.empty() ? 3 : 5;
      const double x = X(point.intensity), y = Y(point.rate);
      taken_.push_back({x - r, y - r, x + r, y + r});
      if (point.label.empty()) {
        Put("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"none\" stroke=\"{}\" "
            "opacity=\"0.7\"/>\n",
            x, y, ColourOf(point.series));
      }
    }
    for (const Roofline::Point& point : roofline_.points) {
      if (!point.label.empty()) {
        DrawLabel(point);
      }
    }
    for (const Roofline::Point& point : roofline_.points) {
      if (!point.label.empty()) {
        Put("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"{}\" stroke=\"#ffffff\"/>\n",
            X(point.intensity), Y(point.rate), ColourOf(point.series));
      }
    }
  }

  // The nearest free place around the point, with a line from where it is not beside it.
  void DrawLabel(const Roofline::Point& point) {
    const double x = X(point.intensity), y = Y(point.rate);
    const double width = WidthOf(point.label);
    Box best = {};
    double least = 1e9;
    for (double dy = -240; dy <= 240; dy += 3) {
      for (double dx = -260; dx <= 260; dx += 4) {
        if (std::abs(dx) < 9 && std::abs(dy) < 14) {
          continue;
        }
        // dx is from the point to the near end of the text, which is beyond the point.
        const double left = dx >= 0 ? x + dx : x + dx - width;
        const Box box = {left, y + dy - kFont / 2, left + width, y + dy + kFont / 2};
        const double distance = std::hypot(dx, 2 * dy) + (dx < 0 ? 2 : 0);
        if (distance < least && box.left > kLeft + 2 && box.right < kRight - 2 &&
            box.top > kTop + 2 && box.bottom < kBottom - 2 &&
            std::ranges::none_of(taken_, [&](const Box& other) { return box.Meets(other); })) {
          least = distance;
          best = box;
        }
      }
    }
    if (least == 1e9) {
      return;  // a label less rather than two on each other
    }
    taken_.push_back(best);
    const double near_x = std::clamp(x, best.left, best.right);
    const double middle = (best.top + best.bottom) / 2;
    if (least > 24) {
      Line(x, y, near_x, middle,
           fmt::format("stroke=\"{}\" opacity=\"0.5\"", ColourOf(point.series)));
    }
    const bool before = best.right < x;
    Text(
        before ? best.right : best.left, middle + kFont * 0.35, point.label,
        fmt::format("fill=\"{}\"{}", ColourOf(point.series), before ? " text-anchor=\"end\"" : ""));
  }

  const Roofline& roofline_;
  std::vector<std::string> series_;
  double highest_;  // roof
  double min_x_, max_x_, min_y_, max_y_;
  std::vector<Box> taken_;
  std::string svg_;
};

}  // namespace

std::string RooflineSvg(const Roofline& roofline) {
  return Plot(roofline).Draw();
}

}  // namespace ashlar::cli
