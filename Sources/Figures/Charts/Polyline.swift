extension Drawing.Point {
  /// The point at this fraction of the way to another: 0 is this point, 1 is the other.
  func moved(_ share: Double, towards other: Drawing.Point) -> Drawing.Point {
    .init(x: x + share * (other.x - x), y: y + share * (other.y - y))
  }

  func distance(to other: Drawing.Point) -> Double {
    ((x - other.x) * (x - other.x) + (y - other.y) * (y - other.y)).squareRoot()
  }

  /// The point at this distance beyond another, in the direction from this one; the other point if
  /// both are equal.
  func beyond(_ other: Drawing.Point, by length: Double) -> Drawing.Point {
    let whole = distance(to: other)
    return whole > 0 ? moved(1 + length / whole, towards: other) : other
  }

  /// The distance to the straight line between two points.
  fileprivate func distance(toLineFrom start: Drawing.Point, to end: Drawing.Point) -> Double {
    let (width, height) = (end.x - start.x, end.y - start.y)
    let square = width * width + height * height
    guard square > 0 else { return distance(to: start) }
    let share = ((x - start.x) * width + (y - start.y) * height) / square
    return distance(to: start.moved(min(max(share, 0), 1), towards: end))
  }
}

/// Simplification and sampling of lines with many points.
enum Polyline {
  /// The line with fewer points, none of which is farther from it than the tolerance (Douglas &
  /// Peucker 1973).
  static func simplified(_ points: [Drawing.Point], tolerance: Double) -> [Drawing.Point] {
    guard points.count > 2 else { return points }
    var isKept = Array(repeating: false, count: points.count)
    isKept[0] = true
    isKept[points.count - 1] = true
    var spans = [0..<points.count - 1]
    while let span = spans.popLast() {
      let (first, last) = (span.lowerBound, span.upperBound)
      let distances = (first + 1..<max(last, first + 1)).map {
        (index: $0, distance: points[$0].distance(toLineFrom: points[first], to: points[last]))
      }
      guard let farthest = distances.max(by: { $0.distance < $1.distance }),
        farthest.distance > tolerance
      else { continue }
      isKept[farthest.index] = true
      spans += [first..<farthest.index, farthest.index..<last]
    }
    return points.indices.filter { isKept[$0] }.map { points[$0] }
  }

  /// A closed outline with fewer points, simplified in the same way.
  static func simplified(outline: [Drawing.Point], tolerance: Double) -> [Drawing.Point] {
    guard let first = outline.first else { return outline }
    return Array(simplified(outline + [first], tolerance: tolerance).dropLast())
  }

  /// Points along the line, the first at `offset` and then one every `spacing`, each with the point
  /// from which the line comes.
  static func places(
    along points: [Drawing.Point], offset: Double, spacing: Double
  ) -> [(point: Drawing.Point, from: Drawing.Point)] {
    var places: [(point: Drawing.Point, from: Drawing.Point)] = []
    var left = offset
    for (start, end) in zip(points, points.dropFirst()) {
      let length = start.distance(to: end)
      while left < length {
        places.append((start.moved(left / length, towards: end), start))
        left += spacing
      }
      left -= length
    }
    return places
  }
}

/// The rectangle that a plot draws in, in pixels.
struct Frame: Equatable, Sendable {
  var left: Double
  var top: Double
  var right: Double
  var bottom: Double

  func contains(_ point: Drawing.Point) -> Bool {
    point.x >= left && point.x <= right && point.y >= top && point.y <= bottom
  }

  /// The visible parts of a path.
  struct Visible {
    /// The parts, each a line of at least two points.
    var lines: [[Drawing.Point]] = []
    /// The points where the path leaves, each with the point from which it comes.
    var exits: [(point: Drawing.Point, from: Drawing.Point)] = []
    /// The point where it is last visible: its end, or the last exit; nil for a path that is never
    /// inside.
    var end: Drawing.Point?
    /// Whether it ends outside.
    var isLost = false
  }

  /// Follows a path until it leaves the frame for good. Points that are not finite are outside.
  func visible(_ path: [Drawing.Point]) -> Visible {
    var visible = Visible()
    guard let last = path.lastIndex(where: contains) else {
      visible.isLost = !path.isEmpty
      return visible
    }
    visible.end = path[last]
    for index in path.indices.prefix(last + 1).dropFirst() {
      follow(path[index - 1], path[index], &visible)
    }
    guard last + 1 < path.count else { return visible }
    visible.isLost = true
    if path[last + 1].isFinite {
      follow(path[last], path[last + 1], &visible)
      visible.end = visible.exits.last?.point ?? path[last]
    } else {
      visible.exits.append((path[last], last > 0 ? path[last - 1] : path[last]))
    }
    return visible
  }

  private func follow(
    _ start: Drawing.Point, _ end: Drawing.Point, _ visible: inout Visible
  ) {
    guard let part = shares(start, end) else { return }
    let (first, last) = (
      start.moved(part.lowerBound, towards: end), start.moved(part.upperBound, towards: end)
    )
    if part.lowerBound == 0, let line = visible.lines.indices.last, contains(start) {
      visible.lines[line].append(last)
    } else {
      visible.lines.append([first, last])
    }
    if part.upperBound < 1 { visible.exits.append((last, first)) }
  }

  /// The part of a straight line inside the frame, as fractions of its length; nil if there is none
  /// (Liang & Barsky 1984).
  private func shares(_ start: Drawing.Point, _ end: Drawing.Point) -> ClosedRange<Double>? {
    var (first, last) = (0.0, 1.0)
    let (width, height) = (end.x - start.x, end.y - start.y)
    let sides = [
      (-width, start.x - left), (width, right - start.x), (-height, start.y - top),
      (height, bottom - start.y),
    ]
    for (speed, room) in sides {
      if speed == 0 {
        if room < 0 { return nil }
      } else if speed < 0 {
        first = max(first, room / speed)
      } else {
        last = min(last, room / speed)
      }
    }
    return first <= last ? first...last : nil
  }
}

extension Drawing.Point {
  var isFinite: Bool { x.isFinite && y.isFinite }
}
