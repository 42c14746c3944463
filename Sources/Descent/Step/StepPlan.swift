/// How a step is cut into runs: stretches of elements that share a group and lie together in every
/// vector. Parameters and gradients may each come in pieces of memory, cut anywhere; states and
/// what else an engine keeps may be segments. A plan depends on the pieces' lengths alone, so it
/// serves all steps of a configuration.
struct StepPlan {
  struct Run: Equatable {
    /// The first element's place in the layout.
    var start: Int
    var count: Int
    /// The place of the group in the layout's list.
    var group: Int
    /// Which of the step's clipping coefficients it has.
    var set: Int
    /// Which of the step's programs updates it.
    var program: Int
    var parameters: Place
    var gradients: Place
    /// In the states of its program.
    var states: Place
    /// In the sum of gradients and the average.
    var vectors: Place
  }

  /// Which piece of a vector a run lies in, and where in the layout that piece begins.
  struct Place: Equatable {
    var piece = 0
    var origin = 0

    /// Moves on to the piece that holds the element, and says where that ends; empty pieces hold
    /// none.
    mutating func advance(to element: Int, in starts: [Int]) -> Int {
      while starts[piece + 1] <= element { piece += 1 }
      origin = starts[piece]
      return starts[piece + 1]
    }
  }

  /// Where the pieces of each vector begin in the layout; one more at the end.
  let parameters: [Int]
  let gradients: [Int]
  /// In the order of the layout.
  let runs: [Run]

  /// - Parameters:
  ///   - states: by program, where its states lie and where their segments begin.
  ///   - vectors: where the segments of a whole vector begin.
  init(
    _ stretches: [ParameterLayout.Stretch], parameters: [Int], gradients: [Int],
    states: [(map: StateMap, starts: [Int])], vectors: [Int]
  ) {
    (self.parameters, self.gradients) = (parameters, gradients)
    var runs: [Run] = []
    var (x, g, v) = (Place(), Place(), Place())
    var walks = states.map { StateWalk($0.map, starts: $0.starts) }
    for stretch in stretches {
      let range = stretch.range
      var start = range.lowerBound
      while start < range.upperBound {
        let (s, stateEnd) = walks[stretch.program].advance(to: start)
        let end = min(
          range.upperBound, x.advance(to: start, in: parameters),
          g.advance(to: start, in: gradients), stateEnd, v.advance(to: start, in: vectors))
        runs.append(
          Run(
            start: start, count: end - start, group: stretch.group, set: stretch.set,
            program: stretch.program, parameters: x, gradients: g, states: s, vectors: v))
        start = end
      }
    }
    self.runs = runs
  }

  /// Calls `body` with every run that the range touches, and which of its elements.
  static func forEachPart(
    of range: Range<Int>, in runs: UnsafeMutableBufferPointer<Run>,
    _ body: (Run, Range<Int>) -> Void
  ) {
    var index = firstRun(behind: range.lowerBound, in: runs)
    while index < runs.count, runs[index].start < range.upperBound {
      let run = runs[index]
      index += 1
      body(run, max(run.start, range.lowerBound)..<min(run.start + run.count, range.upperBound))
    }
  }

  /// The index of the first run that ends behind `element`.
  static func firstRun(behind element: Int, in runs: UnsafeMutableBufferPointer<Run>) -> Int {
    runs.partitioningIndex { $0.start + $0.count > element }
  }
}

/// Where pieces begin that have these lengths; one more at the end.
func starts(ofPieces counts: some Sequence<Int>) -> [Int] {
  counts.reduce(into: [0]) { starts, count in starts.append(starts[starts.count - 1] + count) }
}

extension HostPieces {
  /// Calls `body` with every part of these stretches, in the layout's order, that lies in one
  /// piece: its elements' places in the layout, and the first in memory.
  func forEachPart(
    of stretches: [ParameterLayout.Stretch],
    _ body: (Range<Int>, UnsafeMutablePointer<Float>) throws -> Void
  ) rethrows {
    let starts = Descent.starts(ofPieces: map(\.count))
    var place = StepPlan.Place()
    for stretch in stretches {
      var start = stretch.range.lowerBound
      while start < stretch.range.upperBound {
        let end = Swift.min(stretch.range.upperBound, place.advance(to: start, in: starts))
        if let piece = self[place.piece].baseAddress {
          try body(start..<end, piece + (start - place.origin))
        }
        start = end
      }
    }
  }
}
