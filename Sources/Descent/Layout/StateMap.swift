/// The map from the elements of a layout to those of the states of one program. A state has
/// elements only for the tensors that follow the program, in the layout's order.
struct StateMap: Equatable {
  /// A contiguous range of the layout that is contiguous in the state, too.
  struct Extent: Equatable {
    var range: Range<Int>
    /// Where it begins in the state.
    var origin: Int
  }

  /// In ascending order.
  let extents: [Extent]
  /// How many elements the state has.
  let count: Int

  /// The whole layout: the state has the layout of the parameters.
  init(count: Int) {
    (extents, self.count) = ([Extent(range: 0..<count, origin: 0)], count)
  }

  init(extents: [Extent]) {
    self.extents = extents
    count = extents.last.map { $0.origin + $0.range.count } ?? 0
  }

  /// Extents begin at multiples of this many elements, a cache line of Floats.
  static let alignment = 16

  /// The map of each program. With a single program, states have the layout of the parameters.
  static func maps(
    _ layout: ParameterLayout, programOfGroup: [Int], count: Int
  ) -> [StateMap] {
    if count == 1 { return [StateMap(count: layout.count)] }
    var extents = [[Extent]](repeating: [], count: count)
    var last: Int?
    for stretch in layout.stretches(programs: programOfGroup) {
      let program = stretch.program
      let place = extents[program].count - 1
      if last == program {
        let range = extents[program][place].range
        extents[program][place].range = range.lowerBound..<stretch.range.upperBound
      } else {
        let end =
          place < 0 ? 0 : extents[program][place].origin + extents[program][place].range.count
        extents[program].append(
          Extent(
            range: stretch.range, origin: (end + alignment - 1) / alignment * alignment))
      }
      last = program
    }
    return extents.map { StateMap(extents: $0) }
  }

  /// The index of the extent that holds an element.
  private func extent(of element: Int) -> Int {
    extents.partitioningIndex { $0.range.upperBound > element }
  }

  /// The range in the state of a range of one tensor.
  func place(of range: Range<Int>) -> Range<Int> {
    if range.isEmpty { return 0..<0 }
    let extent = extents[extent(of: range.lowerBound)]
    let start = extent.origin + range.lowerBound - extent.range.lowerBound
    return start..<start + range.count
  }
}

extension RandomAccessCollection {
  /// The first index whose element satisfies a predicate that, once true, stays true; `endIndex` if
  /// there is none. Bisection.
  func partitioningIndex(where isBehind: (Element) throws -> Bool) rethrows -> Index {
    var (low, count) = (startIndex, count)
    while count > 0 {
      let half = count / 2
      let middle = index(low, offsetBy: half)
      if try isBehind(self[middle]) {
        count = half
      } else {
        low = index(after: middle)
        count -= half + 1
      }
    }
    return low
  }
}

/// Iterates forward over the segments of a vector whose layout a map gives.
struct StateWalk {
  private let map: StateMap
  private let pieces: Pieces
  private var extent = 0
  private var place = StepPlan.Place()

  init(_ map: StateMap, _ pieces: Pieces) { (self.map, self.pieces) = (map, pieces) }

  /// The segment that holds an element of the layout, and where in the layout the contiguous
  /// elements around it end. An element e is number e − origin of its segment.
  mutating func advance(to element: Int) -> (place: StepPlan.Place, end: Int) {
    while map.extents[extent].range.upperBound <= element { extent += 1 }
    let own = map.extents[extent]
    let shift = own.range.lowerBound - own.origin
    let end = place.advance(to: element - shift, in: pieces) + shift
    return (
      StepPlan.Place(piece: place.piece, origin: place.origin + shift),
      min(own.range.upperBound, end)
    )
  }
}
