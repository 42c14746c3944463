/// How a step is cut into runs: elements that share a group and are contiguous in every vector.
/// Parameters and gradients may each be in several pieces of memory, cut anywhere; states and other
/// vectors of an engine may be in segments. A plan depends on the pieces' lengths alone, so it
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
    /// The indices of the elements' numbers of other shapes.
    var place = NumberPlace()
  }

  typealias Place = Pieces.Place

  /// In the order of the layout.
  let runs: [Run]

  /// - Parameters:
  ///   - states: by program, the map of the states and how they are cut.
  ///   - vectors: how a whole vector is cut.
  init(
    _ stretches: [ParameterLayout.Stretch], parameters: Pieces, gradients: Pieces,
    states: [(map: StateMap, pieces: Pieces)], vectors: Pieces
  ) {
    var runs: [Run] = []
    var (x, g, v) = (Place(), Place(), Place())
    var walks = states.map { StateWalk($0.map, $0.pieces) }
    for stretch in stretches {
      let range = stretch.range
      var start = range.lowerBound
      while start < range.upperBound {
        let (s, stateEnd) = walks[stretch.program].advance(to: start)
        let end = min(
          range.upperBound, x.advance(to: start, in: parameters),
          g.advance(to: start, in: gradients), stateEnd, v.advance(to: start, in: vectors))
        var place = stretch.place
        place.column += start - range.lowerBound
        runs.append(
          Run(
            start: start, count: end - start, group: stretch.group, set: stretch.set,
            program: stretch.program, parameters: x, gradients: g, states: s, vectors: v,
            place: place))
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
