/// The contours of a surface with the paths of walks on it; the same input gives the same bytes.
///
/// High values are shaded, low ones are not. A ring marks the start of paths and a thin cross each
/// minimum. A path has a colour, dashes and a mark at its end, so that it can be recognized in grey
/// too. An arrow points outwards where it leaves the frame; a path that does not come back ends
/// there, with its mark.
package struct ContourPlot: Sendable {
  /// The path of a walk, or any other list of points.
  package struct Path: Sendable {
    var name: String
    /// A point for the start and one for each step; a point that is not finite is outside the
    /// frame.
    var points: [Surface.Point]

    package init(name: String, points: [Surface.Point]) {
      (self.name, self.points) = (name, points)
    }
  }

  var title: String
  /// What the plot shows, for readers who cannot see it.
  var description: String
  var surface: Surface
  /// The part of the surface that is shown.
  var domain: Surface.Domain
  var paths: [Path]
  var width = 480.0
  /// Whether a mark moves along each path, all at the same number of steps per second, for ever.
  /// Where motion is not supported or not wanted, the still picture remains.
  package var isAnimated = false

  /// A plot of the surface's own domain.
  package init(_ surface: Surface, title: String? = nil, description: String = "", paths: [Path]) {
    self.surface = surface
    self.title = title ?? surface.title
    self.description = description
    self.paths = paths
    domain = surface.domain
  }

  /// The plot as an SVG document.
  package func svg() -> String { drawing().svg }

  func drawing() -> Drawing {
    let layout = ContourLayout(self)
    var drawing = Drawing(
      width: width, height: layout.height, title: title, description: description)
    addStyles(to: &drawing)
    for (index, line) in layout.titleLines.enumerated() {
      drawing.text(line, at: layout.titleBaseline(index), class: "title")
    }
    draw(contours: layout, in: &drawing)
    draw(axes: layout, in: &drawing)
    draw(minima: layout, in: &drawing)
    draw(paths: layout, in: &drawing)
    draw(legend: layout, in: &drawing)
    return drawing
  }

  private func addStyles(to drawing: inout Drawing) {
    drawing.style("title", "font-weight:600")
    drawing.style(
      "contour", "fill:currentColor;fill-opacity:.014;fill-rule:evenodd;stroke-opacity:.22")
    drawing.style(
      "halo", Self.inGround("stroke", .light) + ";stroke-width:4;stroke-opacity:.75",
      dark: Self.inGround("stroke", .dark))
    drawing.style("line", "stroke-width:1.8;stroke-linejoin:round")
    drawing.style("arrow", "fill:currentColor;stroke:none")
    drawing.style(
      "mark", "fill:currentColor;" + Self.inGround("stroke", .light),
      dark: Self.inGround("stroke", .dark))
    drawing.style(
      "start", Self.inGround("fill", .light) + ";stroke-width:2",
      dark: Self.inGround("fill", .dark))
    drawing.style("minimum", "stroke-width:1.3")
    for index in paths.indices.prefix(Palette.colours.count) {
      let colour = Palette.colours[index]
      drawing.style("path\(index)", "color:\(colour.light)", dark: "color:\(colour.dark)")
    }
    if isAnimated { drawing.styleWithoutMotion("moving", "display:none") }
  }

  private enum Scheme { case light, dark }

  private static func inGround(_ property: String, _ scheme: Scheme) -> String {
    "\(property):\(scheme == .light ? Drawing.ground.light : Drawing.ground.dark)"
  }

  private func draw(contours layout: ContourLayout, in drawing: inout Drawing) {
    // Cells are about three pixels wide; smaller ones make no visible difference.
    let grid = ContourGrid(
      x: domain.x, y: domain.y, columns: Int(layout.frame.width / 3),
      rows: Int(layout.frame.height / 3), value: surface.value)
    for level in Self.levels(of: surface, values: grid.values) {
      let outlines = grid.outlines(above: level).map { outline in
        Polyline.simplified(
          outline: outline.map { layout.place(.init(x: $0.x, y: $0.y)) }, tolerance: 0.2)
      }
      drawing.area(outlines.filter { $0.count > 2 }, class: "contour")
    }
  }

  /// The levels that contours are drawn at.
  ///
  /// On a surface with minima they are evenly spaced in the n-th root of the height above the
  /// lowest value, so that a valley between high walls has contours too. n is the lowest number for
  /// which half of the levels are below the median height; on a round bowl n = 2 nearly does that.
  /// Levels with hardly any values below them are left out. On a surface without minima they are
  /// evenly spaced, and zero is one of them.
  static func levels(of surface: Surface, values: [Double]) -> [Double] {
    let sorted = values.sorted()
    guard let least = sorted.first, let highest = sorted.last, least < highest else { return [] }
    guard let lowest = (surface.minima.map(surface.value(at:)) + [least]).min(),
      !surface.minima.isEmpty
    else {
      return Scale(.linear, over: [least, highest], tickCount: levelCount, isWidened: false)
        .ticks.map(\.value)
    }
    let median = (sorted[sorted.count / 2] - lowest) / (highest - lowest)
    var (root, half) = (1, 0.5)
    while half > median && root < 12 { (root, half) = (root + 1, half / 2) }
    let levels = (1..<levelCount).map { index in
      let share = Double(index) / Double(levelCount)
      return lowest + (highest - lowest) * (0..<root).reduce(1) { power, _ in power * share }
    }
    // An area with fewer than 1 in 200 values is smaller than the grid resolves.
    return levels.filter { $0 > sorted[sorted.count / 200] }
  }

  private static let levelCount = 16

  private func draw(axes layout: ContourLayout, in drawing: inout Drawing) {
    let frame = layout.frame
    for tick in layout.x.ticks {
      let x = layout.place(.init(x: tick.value, y: 0)).x
      drawing.path([.init(x: x, y: frame.bottom), .init(x: x, y: frame.bottom + 5)], class: "axis")
      drawing.text(tick.label, at: .init(x: x, y: frame.bottom + 20), anchor: .middle)
    }
    for tick in layout.y.ticks {
      let y = layout.place(.init(x: 0, y: tick.value)).y
      drawing.path([.init(x: frame.left - 5, y: y), .init(x: frame.left, y: y)], class: "axis")
      drawing.text(tick.label, at: .init(x: frame.left - 13, y: y + 5), anchor: .end)
    }
    drawing.text("y", at: .init(x: frame.left - 13, y: frame.top - 15), anchor: .end)
    drawing.text(
      "x", at: .init(x: (frame.left + frame.right) / 2, y: frame.bottom + 36), anchor: .middle)
    drawing.area([frame.corners], class: "axis")
  }

  private func draw(minima layout: ContourLayout, in drawing: inout Drawing) {
    for minimum in surface.minima.map(layout.place) where layout.frame.contains(minimum) {
      Mark.minimum.draw(at: minimum, in: &drawing)
    }
  }

  private func draw(paths layout: ContourLayout, in drawing: inout Drawing) {
    let places = paths.map { $0.points.map(layout.place) }
    let visible = places.map { layout.frame.visible($0) }
    let lines = visible.map { $0.lines.map { Polyline.simplified($0, tolerance: 0.2) } }
    // All halos are below all lines: where paths coincide, the lower one is visible in the gaps.
    for line in lines.joined() { drawing.path(line, class: "halo") }
    for (index, lines) in lines.enumerated() {
      for line in lines {
        drawing.path(line, class: "line \(Self.colour(index))", dashes: Palette.dashes(index))
      }
    }
    for (index, path) in visible.enumerated() { draw(arrows: path, index, in: &drawing) }
    for start in Self.unique(places.compactMap(\.first).filter(layout.frame.contains)) {
      Mark.start.draw(at: start, in: &drawing)
    }
    for (index, path) in visible.enumerated() {
      if let end = path.end { Mark.end(index).draw(at: end, in: &drawing) }
    }
    guard isAnimated else { return }
    let steps = paths.map { $0.points.count - 1 }.max() ?? 0
    for (index, path) in visible.enumerated() {
      guard let end = path.end, places[index].count > 1 else { continue }
      let motion = Self.motion(places[index], within: layout.frame, end: end, steps: steps)
      Mark.moving(index).draw(at: end, in: &drawing, motion: motion)
    }
  }

  private static func unique(_ points: [Drawing.Point]) -> [Drawing.Point] {
    points.enumerated().filter { !points[..<$0.offset].contains($0.element) }.map(\.element)
  }

  private func draw(arrows path: Frame.Visible, _ index: Int, in drawing: inout Drawing) {
    // The offsets are staggered, since otherwise paths with the same start would have their arrows
    // in the same place.
    let offset = 30 + Double(index * 23 % 60)
    var tips: [Drawing.Point] = []
    for line in path.lines {
      for place in Polyline.places(along: line, offset: offset, spacing: 90)
      // A path that oscillates would be covered by its own arrows.
      where tips.allSatisfy({ $0.distance(to: place.point) > 40 }) {
        tips.append(place.point)
        drawing.area(
          [Self.arrow(at: place.point, from: place.from, length: 9)],
          class: "arrow \(Self.colour(index))")
      }
    }
    for exit in path.exits {
      let tip = exit.from.beyond(exit.point, by: 11)
      drawing.area(
        [Self.arrow(at: tip, from: exit.point, length: 8)], class: "arrow \(Self.colour(index))")
    }
  }

  /// An arrowhead whose tip is at the point.
  private static func arrow(
    at tip: Drawing.Point, from start: Drawing.Point, length: Double
  ) -> [Drawing.Point] {
    let back = start.beyond(tip, by: -length)
    let (width, height) = ((tip.y - back.y) * 0.45, (back.x - tip.x) * 0.45)
    return [
      tip, .init(x: back.x + width, y: back.y + height),
      .init(x: back.x - width, y: back.y - height),
    ]
  }

  static func colour(_ index: Int) -> String { "path\(index % Palette.colours.count)" }

  private func draw(legend layout: ContourLayout, in drawing: inout Drawing) {
    for (index, entry) in layout.entries.enumerated() {
      let place = layout.place(ofEntry: index)
      let end = Drawing.Point(x: place.x + ContourLayout.sampleLength, y: place.y)
      if case .end(let path) = entry.mark {
        drawing.path(
          [place, end], class: "line \(Self.colour(path))", dashes: Palette.dashes(path))
      }
      entry.mark.draw(at: end, in: &drawing)
      drawing.text(entry.text, at: .init(x: end.x + 13, y: place.y + 5))
    }
  }
}

extension ContourPlot {
  /// The marks on the surface.
  enum Mark: Equatable {
    case start, minimum
    case end(Int)
    case moving(Int)

    func draw(at place: Drawing.Point, in drawing: inout Drawing, motion: Drawing.Motion? = nil) {
      switch self {
      case .start:
        drawing.area([Self.scaled(Palette.marker(0), by: 5, at: place)], class: "start")
      case .minimum:
        for (x, y) in [(9.0, 0.0), (0, 9)] {
          drawing.path(
            [.init(x: place.x - x, y: place.y - y), .init(x: place.x + x, y: place.y + y)],
            class: "minimum")
        }
      case .end(let index):
        drawing.area(
          [Self.scaled(Palette.marker(index), by: 5.5, at: place)],
          class: "mark \(ContourPlot.colour(index))")
      case .moving(let index):
        drawing.area(
          [Self.scaled(Palette.marker(index), by: 7, at: place)],
          class: "mark moving \(ContourPlot.colour(index))", motion: motion)
      }
    }

    private static func scaled(
      _ outline: [Drawing.Point], by radius: Double, at place: Drawing.Point
    ) -> [Drawing.Point] {
      outline.map { .init(x: place.x + radius * $0.x, y: place.y + radius * $0.y) }
    }
  }
}

extension ContourPlot {
  /// The duration in seconds, and the fraction of it in which all steps are shown before the end is
  /// held.
  private static let (seconds, moving) = (10.0, 0.85)

  /// Moves the element at the path's visible end along the path, by equal numbers of steps in equal
  /// times. It stays at the last visible point.
  static func motion(
    _ path: [Drawing.Point], within frame: Frame, end: Drawing.Point, steps: Int
  ) -> Drawing.Motion {
    let last = path.lastIndex(where: frame.contains) ?? 0
    var places = path[...last].enumerated().map { (step: Double($0.offset), point: $0.element) }
    if last + 1 < path.count { places.append((Double(last + 1), end)) }
    places = simplified(places)
    var keys = places.map { place in
      (
        time: moving * place.step / Double(max(steps, 1)),
        offset: Drawing.Point(x: place.point.x - end.x, y: place.point.y - end.y)
      )
    }
    keys.append((1, .init(x: 0, y: 0)))
    return Drawing.Motion(seconds: seconds, keys: keys)
  }

  /// The places without those that uniform motion in a straight line between others passes anyway.
  private static func simplified(
    _ places: [(step: Double, point: Drawing.Point)]
  ) -> [(step: Double, point: Drawing.Point)] {
    var kept: [(step: Double, point: Drawing.Point)] = []
    var skipped: [(step: Double, point: Drawing.Point)] = []
    for place in places {
      if let last = kept.last {
        let isPassed = skipped.allSatisfy { between in
          let share = (between.step - last.step) / (place.step - last.step)
          return last.point.moved(share, towards: place.point).distance(to: between.point) < 0.4
        }
        if isPassed {
          skipped.append(place)
          continue
        }
        if let before = skipped.last { kept.append(before) }
        skipped = [place]
      } else {
        kept.append(place)
      }
    }
    return kept + skipped.suffix(1)
  }
}
