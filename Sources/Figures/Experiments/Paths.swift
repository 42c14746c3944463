import Descent

extension Digest {
  /// Adds every point that an engine computed for the walk.
  mutating func combine(_ walk: Walk) {
    for point in walk.points + walk.lookAheads { combine([Float(point.x), Float(point.y)]) }
  }

  init(_ walks: [Walk]) {
    self.init()
    for walk in walks { combine(walk) }
  }
}

extension Walk {
  /// The first step from which on the walk stays this close to a minimum; nil if it ends farther
  /// away, or if the surface has no minimum.
  func stepsToStay(within tolerance: Double) -> Int? {
    let isAway = points.map { !((surface.distanceToMinimum(from: $0) ?? .nan) <= tolerance) }
    guard let last = isAway.lastIndex(of: true) else { return 0 }
    return last < steps ? last + 1 : nil
  }
}
